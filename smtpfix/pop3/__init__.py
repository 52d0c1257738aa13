"""POP3 (RFC 1939): its policy, commands, maildrop, replies and violations.

It knows the INBOX of an account and what one session may do to it, but neither IMAP nor SMTP.
"""
