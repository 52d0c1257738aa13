"""What you tell a server before it starts: policies, scenarios, profiles, limits, providers, rules files.

It knows values, which are checked when they are built, but no connections and no certificates; protocols only by name.
"""
