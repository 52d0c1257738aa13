"""What the conversations of all protocols share: the start of TLS, rules, logins, and limits on clients.

It knows when something is said; the protocol knows what is said, and what a command means.
"""
