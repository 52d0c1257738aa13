"""SMTP and LMTP: commands, the transaction, content, extensions, replies and violations.

Knows no other protocol; everything that another would need too is in a wing below.
"""
