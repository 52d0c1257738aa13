"""Octets: the channel of one connection, listening sockets, and the thread that serves them.

It knows sockets, back-pressure and the place of TLS between them, but no protocol, no policy and no record.
"""
