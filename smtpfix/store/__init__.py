"""What is kept over restarts: messages with what they are found by, sessions, settings, and a journal of all changes.

Knows captured messages and databases; knows neither servers nor who shows what is kept.
"""
