"""Clients that many people use, audited: what the table in docs/audited-clients.md was made with."""
