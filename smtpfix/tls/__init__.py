"""The server's side of TLS: `ssl.MemoryBIO` and other stacks, contexts, the ClientHello, alerts.

Knows octets in and octets out; knows neither sockets, nor what is said inside, nor who issues certificates.
"""
