"""Rules, their actions and replies, as values and as text: how a server departs from its usual behaviour.

It knows when a rule answers and what its actions mean, but no connections; about a protocol, only what it is given.
"""
