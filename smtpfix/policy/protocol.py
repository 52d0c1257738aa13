"""`Protocol`: what a policy, its scenarios and its rules know about the protocol of their server."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar, Final

from smtpfix.rules.language import Language

DEFAULT_PROTOCOL: Final = "smtp"
"""What files and texts mean that name none."""


class Protocol:
    """One protocol. Its wing has one value of it; what serving it takes, `conversation.protocol` adds."""

    name: ClassVar[str]
    """What texts and files call it; the name of its wing."""
    language: ClassVar[Language]
    """What rules know of it."""


def load_language(name: str = DEFAULT_PROTOCOL) -> Language:
    """Return what rules know of a protocol, by its name."""
    language: Language = import_module(f"smtpfix.{name}.language").LANGUAGE
    return language
