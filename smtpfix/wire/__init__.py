"""Octets: the channel of one connection, listening sockets, and the thread that serves them.

Knows sockets, back-pressure and where TLS stands between; knows no protocol, no policy's words and no record.
"""
