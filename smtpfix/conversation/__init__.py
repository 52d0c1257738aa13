"""What the conversations of all protocols share: the start of TLS, rules, logins, and limits on clients.

Knows when; what is said, and what a command means, is the protocol's.
"""
