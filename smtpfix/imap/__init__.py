"""IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051): policy, commands, views of folders, answers, violations.

Knows accounts by `mail.accounts` and connections by `conversation`; neither SMTP nor any other protocol.
"""
