"""A client that measures any server: how long it takes, what it offers, what its certificate is.

Knows nothing of the servers of this package.
"""
