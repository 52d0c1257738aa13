"""Octets: what one connection carries, how it listens, and the thread that serves it.

Knows sockets, back-pressure and where TLS stands between; knows no protocol, no policy's words and no record.
"""
