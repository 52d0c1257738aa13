"""What you tell a server before it starts: policies, scenarios, profiles, limits, providers, rules files.

Knows values, each checked when it is built; knows no connection, no certificate and no protocol but by its name.
"""
