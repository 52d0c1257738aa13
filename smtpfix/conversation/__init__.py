"""What every protocol's conversation shares: the way into TLS, rules being played, a login, counting clients.

Knows when; what is said, and what a command means, is the protocol's.
"""
