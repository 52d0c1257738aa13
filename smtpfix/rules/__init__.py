"""Rules, their actions and replies, as values and as text: how a server departs from its usual behaviour.

Knows when a rule answers and what its actions mean; knows no connection, and of a protocol what it is handed.
"""
