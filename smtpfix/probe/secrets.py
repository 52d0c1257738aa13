"""What it is safe to show of a server's replies: printable text, without the probe's credentials."""

from __future__ import annotations

from smtpfix.erasing import Eraser
from smtpfix.safe_text import printable, shorten


class Secrets:
    """What a probe keeps to itself: its password or token, and the answers that have it inside them."""

    def __init__(self, secret: str | None) -> None:
        self._eraser = Eraser(secret) if secret else None
        self._answers: list[str] = []

    def learn(self, answer: str) -> None:
        """Keep an answer too, as it is sent: a server may say again what it does not understand."""
        self._answers.append(answer)

    def octets(self, octets: bytes) -> bytes:
        """Return octets without secrets."""
        return self._without(octets.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def text(self, said: bytes | str) -> str:
        """Return what can be shown of octets or text."""
        return printable(self.octets(said) if isinstance(said, bytes) else self._without(said))

    def _without(self, text: str) -> str:
        for answer in self._answers:
            text = text.replace(answer, shorten(answer))
        return text if self._eraser is None else self._eraser.erase(text)
