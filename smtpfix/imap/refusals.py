"""`Refused`: a correct command that fails, and is answered NO (RFC 9051 section 7.1.2)."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - an answer
    """The command fails."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code
        """The response code that says why, such as ``NONEXISTENT`` (section 7.1)."""
