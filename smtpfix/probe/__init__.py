"""A client that measures any mail server: its response times, its extensions and its certificate.

Knows nothing of the servers of this package.
"""
