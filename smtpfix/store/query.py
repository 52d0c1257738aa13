"""A search as a tree of values: `AllOf` of `Contains`, `Tagged`, `Is`, dates, sizes, and `Not` of these.

Knows neither the grammar that people write (`search`) nor databases (`statements`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from smtpfix.errors import InvalidValueError


class Place(StrEnum):
    """Where a text is looked for."""

    ANYWHERE = "text"
    """In senders, recipients, subject, body and names of attachments."""
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    REPLY_TO = "reply-to"
    ADDRESSED = "addressed"
    """In any of the five."""
    SENDER = "sender"
    """In From or the reverse-path."""
    RECIPIENT = "recipient"
    """In To, Cc, Bcc or the envelope's recipients."""
    SUBJECT = "subject"
    MESSAGE_ID = "message-id"


class State(StrEnum):
    """What a message is or has."""

    READ = "read"
    UNREAD = "unread"
    TAGGED = "tagged"
    ACCEPTED = "accepted"
    IN_CLEAR = "in-clear"
    """It came outside TLS."""
    HAS_ATTACHMENTS = "attachments"
    HAS_INLINES = "inlines"


@dataclass(frozen=True, slots=True)
class Contains:
    """A place has this text in it, whatever its case."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """It has this tag, whatever its case."""

    name: str


@dataclass(frozen=True, slots=True)
class Is:
    """It is in this state."""

    state: State


@dataclass(frozen=True, slots=True)
class OnServer:
    """It came to the server of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class InSession:
    """It came in the session of this id."""

    id: str


@dataclass(frozen=True, slots=True)
class Since:
    """It came at this moment or later."""

    moment: datetime

    def __post_init__(self) -> None:
        _check_zone("Since.moment", self.moment)


@dataclass(frozen=True, slots=True)
class UpTo:
    """It came at this moment or before."""

    moment: datetime

    def __post_init__(self) -> None:
        _check_zone("UpTo.moment", self.moment)


@dataclass(frozen=True, slots=True)
class Larger:
    """It has more octets."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """It has fewer octets."""

    octets: int


@dataclass(frozen=True, slots=True)
class Not:
    """It is not so."""

    term: Term


@dataclass(frozen=True, slots=True)
class AllOf:
    """Everything is so; without terms, anything is."""

    terms: tuple[Query, ...] = ()


Term: TypeAlias = Contains | Tagged | Is | OnServer | InSession | Since | UpTo | Larger | Smaller
Query: TypeAlias = Term | Not | AllOf

EVERYTHING: Final = AllOf()


def _check_zone(field: str, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise InvalidValueError(field, moment, "a moment with its time zone")
