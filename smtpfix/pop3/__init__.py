"""POP3 (RFC 1939): its policy, commands, maildrop, replies and violations.

Knows an account's INBOX and what one session may do to it; knows neither IMAP nor SMTP.
"""
