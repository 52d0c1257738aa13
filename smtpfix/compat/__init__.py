"""Fixtures and classes under the names of other packages, to move a test suite to smtpfix.

They are imported on request only: ``pytest_plugins = ["smtpfix.compat.smtpdfix"]``.
"""
