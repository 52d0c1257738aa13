"""What survives a restart: messages and their search terms, sessions, settings, and a journal of all changes.

Knows captured messages and databases; knows neither servers nor who shows what is kept.
"""
