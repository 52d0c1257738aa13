"""The report of a failed test on the servers that ran: transcripts, messages, and hints.

Imported only if a server was used. Of a server that many tests share, it shows only what concerns the failed test.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from smtpfix.running import RUNNING

from . import SERVERS
from .before import BEFORE, Before

if TYPE_CHECKING:
    from smtpfix.mail.message import CapturedMessage
    from smtpfix.record.session import Session
    from smtpfix.server import Server

_LAST: Final = datetime.max.replace(tzinfo=UTC)
"""When what there is nothing to tell of comes."""
_LOOKED_AT: Final = 100
"""Sessions in which hints and passwords are looked for."""
_SESSIONS_SHOWN: Final = 10
_MESSAGES_SHOWN: Final = 5
_HINTS_SHOWN: Final = 5
_SHOWN_LINES: Final = 200
"""Lines of a transcript that a report has, from its beginning and from its end."""
_SHORTEST_SECRET: Final = 4
"""Characters of a password that is struck out of messages: a shorter one stands in any text, and would show by it."""
_MOST_SECRETS: Final = 100
"""Passwords that are looked for in every form; of more, in messages, those that stand there as they are."""


def tell(item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    """Add to a report what the clients did since the test began, unless the failure's own text has it."""
    before = {id(one.server): one for one in item.config.stash.get(BEFORE, ())}
    own = item.stash.get(SERVERS, [])
    servers: list[Server] = list(dict.fromkeys((*RUNNING.servers, *own)))
    if not servers or _tells_all(error):
        return
    wanted = {id(server) for server in (*own, *getattr(item, "funcargs", {}).values())}
    told = [_Told(server, before.get(id(server)), is_wanted=id(server) in wanted) for server in servers]
    told = [one for one in told if one.sessions or one.is_wanted]
    sections = [section for one in told for section in one.conversations(has_others=len(told) > 1)]
    report.sections += [(name, text) for _, name, text in sorted(sections, key=operator.itemgetter(0))]
    report.sections += _messages(told)
    known, somebody_came = report.longreprtext, any(one.sessions for one in told)
    hints = (hint for one in told if one.sessions or not somebody_came for hint in one.server.hints(one.sessions))
    if new := [hint for hint in dict.fromkeys(hints) if hint not in known][:_HINTS_SHOWN]:
        report.sections.append(("smtp hints", "\n".join(new)))


class _Told:
    """What there is to tell of one server."""

    def __init__(self, server: Server, before: Before | None, *, is_wanted: bool) -> None:
        self.server = server
        self.is_wanted = is_wanted or before is None
        """Whether the test uses it, as far as can be told: it is told that nobody connected."""
        self.sessions = (
            server.sessions[-_LOOKED_AT:] if before is None else server.sessions.since(before.sessions, _LOOKED_AT)
        )
        self._newest = 0 if before is None else before.newest

    def conversations(self, *, has_others: bool) -> Iterator[tuple[datetime, str, str]]:
        """Yield a section for each session, after when it began, or one that says that there was none."""
        where = f"{self.server.host}:{self.server.port}"
        for session in self.sessions[-_SESSIONS_SHOWN:]:
            at = f" at {where}" if has_others else ""
            yield session.started, f"{session.protocol} {session}{at}", _shortened(str(session.transcript))
        if not self.sessions:
            yield _LAST, f"{self.server.policy.spoken} server {where} ({self.server.mode})", "no client connected"

    @property
    def messages(self) -> Iterator[CapturedMessage]:
        """The messages that have come since the test began, accepted or not."""
        inbox = self.server.inbox
        return (message for message in (*inbox.messages, *inbox.refused) if message.number > self._newest)


def _messages(told: Iterable[_Told]) -> Iterator[tuple[str, str]]:
    """Yield a section for each of the newest messages of each inbox."""
    from smtpfix.mail.outline import outline  # noqa: PLC0415 - only where something has failed

    inboxes: dict[int, list[_Told]] = {}
    for one in told:
        inboxes.setdefault(id(one.server.inbox), []).append(one)
    for servers in inboxes.values():
        messages = sorted(servers[0].messages, key=lambda message: message.number)[-_MESSAGES_SHOWN:]
        if messages:
            strike_out = _eraser(servers)
            for message in messages:
                yield f"smtp {strike_out(str(message))}", outline(message, strike_out)


def _eraser(told: Iterable[_Told]) -> Callable[[str], str]:
    """Return what strikes out the passwords and tokens that these servers know, or that clients have shown them."""
    from smtpfix.erasing import Eraser  # noqa: PLC0415 - only where something has failed

    secrets: dict[str, None] = {}
    for one in told:
        secrets.update(dict.fromkeys(_shown_to(one.sessions)))
        secrets.update(dict.fromkeys(_known_to(one.server.policy.users)))
    known = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    erasers = {secret: Eraser(secret) for secret in known[:_MOST_SECRETS]}

    def strike_out(text: str) -> str:
        for secret in known:
            if secret in text and secret not in erasers:
                erasers[secret] = Eraser(secret)
            if secret in erasers:
                text = erasers[secret].erase(text)
        return text

    return strike_out


def _shown_to(sessions: Iterable[Session]) -> Iterator[str]:
    for session in sessions:
        for attempt in session.auth:
            if attempt.secret is not None:
                yield attempt.secret


def _known_to(users: Any) -> Iterator[str]:
    for known in users.values() if hasattr(users, "values") else ():
        for credential in known if isinstance(known, tuple) else (known,):
            yield credential if isinstance(credential, str) else credential.value


def _shortened(transcript: str) -> str:
    """Return a transcript as a report has it: of a long one how it began and how it ended."""
    lines = transcript.split("\n")
    left_out = len(lines) - 2 * _SHOWN_LINES
    if left_out <= 0:
        return transcript
    note = f"… {left_out} lines left out; print(server.sessions[…].transcript) shows them all"
    return "\n".join([*lines[:_SHOWN_LINES], note, *lines[-_SHOWN_LINES:]])


def _tells_all(error: BaseException) -> bool:
    """Return whether a failure's own text has the transcripts already."""
    from smtpfix.errors import ScenarioFailed  # noqa: PLC0415 - only where a server was in a failure

    return isinstance(error, ScenarioFailed)
