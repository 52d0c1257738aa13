"""The web server: it serves the messages of a store through the APIs of Mailpit and MailHog, and its own.

Knows the store and HTTP; knows neither connections of mail clients nor the command line.
"""
