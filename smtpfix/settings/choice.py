"""`Choice`: a setting that depends on how TLS begins, with one value per way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from smtpfix.policy.mode import Mode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """A value for each way into TLS; an application knows no other difference between the modes."""

    clear: T
    """For ``plain``."""
    starttls: T
    """For ``starttls`` and ``tls-required``."""
    implicit: T
    """For ``implicit-tls``."""

    def of(self, mode: Mode) -> T:
        """Return the one for a mode."""
        if mode.has_starttls:
            return self.starttls
        return self.implicit if mode is Mode.IMPLICIT_TLS else self.clear
