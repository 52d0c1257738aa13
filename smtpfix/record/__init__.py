"""The record of each connection: the session, its transcript, and waiting for its end.

Knows facts and how to show them; knows nothing of how they came about, and of a protocol what it is handed.
"""
