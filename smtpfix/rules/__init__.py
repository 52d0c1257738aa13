"""What a server does otherwise than by itself, as values and as text: rules, their actions, replies.

Knows when a rule answers and what its actions mean; knows no connection, and of a protocol what it is handed.
"""
