"""What an application is told about a server from outside: URLs, environment variables, frameworks' settings.

Knows how each project spells it; knows no server, only where one is and who may log in.
"""
