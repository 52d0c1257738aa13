"""The settings that lead an application to a server: URLs, environment variables, frameworks' settings.

It knows how each project names its settings. About a server, it knows only the address and who may log in.
"""
