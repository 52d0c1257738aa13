"""The parts of a message as mail programs list them: texts, HTML, attachments, parts shown inside the text.

Knows parts and which is what; decodes nothing until asked, and no more than asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from smtpfix.mail.bodies import content_id_of, filename_of, text_of
from smtpfix.mail.mime import Part


class Role(Enum):
    """What a part is to the reader."""

    TEXT = "text"
    HTML = "html"
    ATTACHMENT = "attachment"
    """To be saved."""
    INLINE = "inline"
    """Shown inside of the text, or beside it; it has a name or a Content-ID."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A part that is something to the reader."""

    part_id: str
    """Its place in the tree, such as ``1.2``; ``0`` for a message that is no multipart."""
    part: Part
    role: Role

    @property
    def name(self) -> str:
        """The name to save it by, or else its Content-ID; ``""`` without either."""
        return filename_of(self.part) or content_id_of(self.part) or ""

    def text(self, limit: int | None = None) -> str:
        """Return what it says; with a limit, the beginning of it, up to so many characters."""
        if limit is None:
            return text_of(self.part)
        end = min(self.part.end, self.part.body + 6 * limit)  # of a character, at most so many octets are looked at
        return text_of(replace(self.part, end=end))[:limit]


def listed(message: Part) -> Iterator[Listed]:
    """Yield a message's parts that are something to the reader, in order; a message in it is in one piece."""
    for part_id, part in _leaves(message, ""):
        if (role := _role(part)) is not None:
            yield Listed(part_id or "0", part, role)


def _leaves(part: Part, part_id: str) -> Iterator[tuple[str, Part]]:
    if part.media_type.startswith("multipart/") and part.parts:
        for number, inner in enumerate(part.parts, 1):
            yield from _leaves(inner, f"{part_id}.{number}" if part_id else str(number))
    else:
        yield part_id, part


def _role(part: Part) -> Role | None:
    disposition = part.value("disposition").main
    if disposition == "attachment":
        return Role.ATTACHMENT
    is_text = part.media_type.startswith("text/")
    if (disposition == "inline" or not is_text) and (filename_of(part) or content_id_of(part)):
        return Role.INLINE
    return {"text/plain": Role.TEXT, "text/html": Role.HTML}.get(part.media_type)
