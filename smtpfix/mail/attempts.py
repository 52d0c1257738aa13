"""`Attempts`: all deliveries of one message that a client attempted, with the result of each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, overload

from smtpfix.errors import NoMessage, UnexpectedMessage
from smtpfix.safe_text import printable

from .header_values import normal
from .matching import Matcher
from .message import CapturedMessage

_SHOWN: Final = 5
"""Messages that an error names."""


class EarlyAttempt(Protocol):
    """An attempt that was refused before its content. It may grow while its transaction lasts."""

    weight: int
    """About how many octets of memory it takes."""

    def message(self) -> CapturedMessage:
        """Return the attempt as it is now."""


@dataclass(frozen=True, slots=True, repr=False)
class Attempts(Sequence[CapturedMessage]):
    """The attempts to deliver one message, accepted or not, oldest first."""

    messages: tuple[CapturedMessage, ...]
    """Each attempt as it arrived; `CapturedMessage.reply` has the result."""

    @overload
    def __getitem__(self, index: int) -> CapturedMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CapturedMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> CapturedMessage | tuple[CapturedMessage, ...]:
        return self.messages[index]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def accepted(self) -> tuple[CapturedMessage, ...]:
        """The attempts that the server accepted. More than one means that the client sent the message twice."""
        return tuple(message for message in self.messages if message.accepted)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Seconds from the end of each attempt to the end of the next; one value fewer than there are attempts.

        An attempt ends with its final dot, or with a refusal before that.
        """
        return tuple(
            (later.received - earlier.received).total_seconds() for earlier, later in itertools.pairwise(self.messages)
        )

    @property
    def session_numbers(self) -> tuple[int, ...]:
        """The `Session.number` of each attempt. The same number twice means that the client reused a connection."""
        return tuple(message.session_number for message in self.messages)

    def __str__(self) -> str:
        """Return one line for each attempt."""
        times = itertools.accumulate((0.0, *self.spacing))
        return "\n".join(
            f"{number}: session {message.session_number}, +{at:.3f} s, {_outcome(message)}"
            for number, (at, message) in enumerate(zip(times, self.messages, strict=False), 1)  # none have no time
        )

    def __repr__(self) -> str:
        return f"<Attempts {'; '.join(str(self).splitlines())}>"


def select(
    seen: Sequence[CapturedMessage],
    early: Sequence[tuple[CapturedMessage, int]],
    message_id: str | None,
    matcher: Matcher,
    told: Callable[[], Iterable[str]],
) -> Attempts:
    """Return the attempts at the one message that is meant, of those with content, by number, and those without.

    The latter come with the number of the message before them. `told` says what may explain that there are none.
    Raises what `Inbox.attempts` does.
    """
    __tracebackhide__ = True
    wanted = None if message_id is None else message_id.strip().strip("<>")
    found = [message for message in seen if wanted in (None, message.message_id.strip("<>"))]
    found = [message for message in found if matcher.matches(message)]
    identities = dict.fromkeys(message.message_id for message in found)
    if len(identities) > 1:
        listed = "\n".join(f"  {message.message_id or 'no Message-ID'}: {message}" for message in found[:_SHOWN])
        raise UnexpectedMessage(
            f"expected attempts at one message ({matcher}), but there are {len(identities)} Message-IDs; "
            f"a retry keeps its Message-ID (RFC 5322 section 3.6.4):\n{listed}"
        )
    if found:
        theirs = [message for message in seen if message.message_id in identities]
        others = [message for message in seen if message.message_id not in identities]
        mine = [(message, place) for message, place in early if _fits(message, theirs) and not _fits(message, others)]
        placed = [((message.number, 0), message) for message in theirs]
        placed += [((place, 1), message) for message, place in mine]
        return Attempts(tuple(message for _, message in sorted(placed, key=lambda item: item[0])))
    alone = [] if wanted is not None else [message for message, _ in early if matcher.matches(message)]
    if any(not _fits(message, alone[:1]) for message in alone[1:]):
        listed = "\n".join(f"  {message}" for message in alone[:_SHOWN])
        raise UnexpectedMessage(
            f"expected attempts at one message ({matcher}), but these were refused before their content, and differ in "
            f"their envelopes:\n{listed}"
        )
    if not alone:
        asked = "" if message_id is None else f"Message-ID {message_id}, "
        count = f"{len(seen)} message{'' if len(seen) == 1 else 's'} that came"
        if early:
            count += f" and {len(early)} refused before the content"
        lines = [f"expected an attempt ({asked}{matcher}), got none of {count}"]
        lines += [f"  {message.message_id or 'no Message-ID'}: {message}" for message in seen[-_SHOWN:]]
        lines += [f"  {message}" for message, _ in early[-_SHOWN:]]
        raise NoMessage("\n".join([*lines, *told()]))
    return Attempts(tuple(alone))


def _fits(early: CapturedMessage, messages: Sequence[CapturedMessage]) -> bool:
    """Return whether an attempt without content has the sender of one of these, and a recipient if it has any."""
    sender, recipients = normal(early.reverse_path), {normal(address) for address in early.to}
    return any(
        normal(message.reverse_path) == sender and (not recipients or not recipients.isdisjoint(_named(message)))
        for message in messages
    )


def _named(message: CapturedMessage) -> set[str]:
    """Return everybody whom the client has named as a recipient."""
    refused = (recipient.address for recipient in message.refused_recipients)
    return {normal(address) for address in (*message.to, *refused)}


def _outcome(message: CapturedMessage) -> str:
    return "not answered" if message.reply is None else f"answered {printable(str(message.reply))!r}"
