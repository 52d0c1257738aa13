"""The record of each connection: the session, its transcript, and waiting for its end.

It knows facts and how to show them, but not how they came about; about a protocol, it knows only what it is given.
"""
