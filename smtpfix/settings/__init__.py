"""The settings that lead an application to a server: URLs, environment variables, frameworks' settings.

Knows how each project spells it; knows no server, only where one is and who may log in.
"""
