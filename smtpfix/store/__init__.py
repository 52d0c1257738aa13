"""What survives a restart: messages and their search terms, sessions, settings, and a journal of all changes.

It knows captured messages and databases, but no servers, and not who shows its content.
"""
