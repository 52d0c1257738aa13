"""The web server: it serves the messages of a store through the APIs of Mailpit and MailHog, and its own.

It knows the store and HTTP, but neither the connections of mail clients nor the command line.
"""
