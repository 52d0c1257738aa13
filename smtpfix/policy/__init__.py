"""What a server is told before it starts: policies, scenarios, profiles, limits, providers, files of rules.

Knows values, each checked when it is built; knows no connection, no certificate and no protocol but by its name.
"""
