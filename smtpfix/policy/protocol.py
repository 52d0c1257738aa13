"""What a policy knows of the protocol that its server speaks: `Protocol`."""

from __future__ import annotations

from typing import ClassVar


class Protocol:
    """One protocol. Its wing has one value of it; what serving it takes, `conversation.protocol` adds."""

    name: ClassVar[str]
    """What texts and files call it; the name of its wing."""
