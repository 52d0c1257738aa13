"""SMTP and LMTP: commands, the transaction, content, extensions, replies and violations.

It knows no other protocol. What another protocol would also need is in a wing below.
"""
