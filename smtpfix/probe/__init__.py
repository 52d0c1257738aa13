"""A client that measures any mail server: its response times, its extensions and its certificate.

It knows nothing about the servers of this package.
"""
