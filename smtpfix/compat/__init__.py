"""Fixtures and classes under the names of other packages, to move a test suite to smtpfix.

Nothing imports it but whoever asks: ``pytest_plugins = ["smtpfix.compat.smtpdfix"]``.
"""
