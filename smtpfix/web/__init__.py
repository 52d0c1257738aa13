"""The web server beside the mail servers: what a store keeps, by the APIs that programs for Mailpit and MailHog know.

Knows the store and HTTP; knows neither connections of mail clients nor the command line.
"""
