"""The server's side of TLS: `ssl.MemoryBIO` and other stacks, contexts, the ClientHello, alerts.

It knows octets in and octets out, but no sockets, not what is said inside TLS, and not who issues certificates.
"""
