"""IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051): policy, commands, views of folders, answers, violations.

It knows accounts through `mail.accounts` and connections through `conversation`, and no other protocol.
"""
