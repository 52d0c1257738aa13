"""Fixtures and classes by the names that other packages have for them, served by smtpfix: a way to move a suite over.

Nothing imports it but whoever asks: ``pytest_plugins = ["smtpfix.compat.smtpdfix"]``.
"""
