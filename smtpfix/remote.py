"""`connect`: the mail of a `smtpfix serve --web` in another process or on another host, as an `Inbox`.

It fetches the messages into a local inbox, so criteria, errors and explanations are the same as for a server of your
own. It speaks HTTP with the standard library alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Unpack, overload

from .clock import monotonic
from .errors import InvalidValueError, NoMessage, RemoteError, UnexpectedMessage
from .event_loops import on_trio, running_library
from .mail.envelope import Envelope
from .mail.inbox import Inbox
from .mail.matching import Criteria, Matcher
from .mail.message import NO_SESSION, CapturedMessage
from .remote_place import Place
from .rules.reply import Reply
from .smtp.language import parse_reply

if TYPE_CHECKING:
    from .mail.attempts import Attempts

_PAGE: Final = 200
"""Messages of one list."""
_LONG_POLL: Final = 30.0
"""Seconds that the server is asked to wait at once."""
_MOST_SESSIONS: Final = 100


def connect(url: str) -> RemoteInbox:
    """Return the mail at a URL, such as ``http://localhost:8025``: the messages that `smtpfix serve --web` shows there.

    Put credentials into the URL (``http://ann:s3cret@mail.example``), and the mailbox of a suite that shares the server
    with others (``http://localhost:8025/m/suite-1``). No connection stays open. Raises `InvalidValueError` for anything
    that is no such URL, and `RemoteError` if nothing answers there, or something that is not smtpfix.
    """
    inbox = RemoteInbox(Place(url))
    inbox.refresh()
    return inbox


class RemoteInbox(Inbox):
    """The mail of a server elsewhere, oldest first. Each access asks that server for new messages.

    It is an `Inbox`. `clear` deletes the messages on the server. Messages have no `session` here; the page has the
    sessions.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._fetching = threading.RLock()
        self._known: dict[str, CapturedMessage] = {}
        """What is here, in its order, by its ids there."""
        self._tag = ""
        self._seq = 0
        self.attach(self._sessions)

    @property
    def url(self) -> str:
        """The URL of the mail, without credentials."""
        return self._place.shown

    # Reading

    @overload
    def __getitem__(self, index: int) -> CapturedMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CapturedMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> CapturedMessage | tuple[CapturedMessage, ...]:
        __tracebackhide__ = True
        self.refresh()
        return super().__getitem__(index)

    def __len__(self) -> int:
        self.refresh()
        return super().__len__()

    @property
    def messages(self) -> tuple[CapturedMessage, ...]:
        """The accepted messages that the server has now. Raises `RemoteError`."""
        self.refresh()
        return super().messages

    @property
    def refused(self) -> tuple[CapturedMessage, ...]:
        """The messages that arrived complete and were not accepted. Raises `RemoteError`."""
        self.refresh()
        return super().refused

    @property
    def newest(self) -> int:
        """The number of the newest message, accepted or refused; 0 if there is none. Raises `RemoteError`."""
        self.refresh()
        return super().newest

    def attempts(self, message_id: str | None = None, **criteria: Unpack[Criteria]) -> Attempts:
        """Return the attempts to deliver the one message that matches, except those refused before their content.

        The arguments and errors are those of `Inbox.attempts`. Raises `RemoteError`.
        """
        __tracebackhide__ = True
        self.refresh()
        return super().attempts(message_id, **criteria)

    # Asserting

    def wait(
        self, count: int = 1, *, timeout: float = 5.0, **criteria: Unpack[Criteria]
    ) -> tuple[CapturedMessage, ...]:
        """Return the first `count` messages that match. Wait up to `timeout` seconds for them.

        Raises `NoMessage` and `RemoteError`.
        """
        __tracebackhide__ = True
        if count < 0:
            raise ValueError(f"expected a count of messages, 0 or more, got {count}")
        found = self._look(count, timeout, criteria)
        if len(found) >= count:
            return found[:count]
        raise NoMessage(self._explain(count, len(found), Matcher(criteria), f" within {timeout:g} s"))

    async def received(
        self,
        count: int = 1,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - same face as wait()
        **criteria: Unpack[Criteria],
    ) -> tuple[CapturedMessage, ...]:
        """Wait as `wait` does, without blocking the event loop. Raises `NoMessage` and `RemoteError`."""
        __tracebackhide__ = True
        if running_library() == "trio":
            return await on_trio(lambda: self.wait(count, timeout=timeout, **criteria))
        return await asyncio.to_thread(self.wait, count, timeout=timeout, **criteria)

    def expect_none(self, *, within: float = 0.0, **criteria: Unpack[Criteria]) -> None:
        """Raise `UnexpectedMessage` if a message matches, now or within `within` seconds. Raises `RemoteError`."""
        __tracebackhide__ = True
        if found := self._look(1, within, criteria):
            raise UnexpectedMessage(f"expected no message ({Matcher(criteria)}), but there is one:\n  {found[0]}")

    async def received_none(self, *, within: float = 0.0, **criteria: Unpack[Criteria]) -> None:
        """Check as `expect_none` does, without blocking the event loop."""
        __tracebackhide__ = True
        if running_library() == "trio":
            return await on_trio(lambda: self.expect_none(within=within, **criteria))
        return await asyncio.to_thread(self.expect_none, within=within, **criteria)

    def clear(self) -> None:
        """Delete every message on the server, or in the mailbox that the URL names. Message numbers continue."""
        self._place.ask("DELETE", "/messages")
        self.refresh()

    def refresh(self) -> None:
        """Fetch new messages and forget deleted ones. Everything else here does so itself. Raises `RemoteError`."""
        with self._fetching, self._place.understood():
            listed = self._listed()
            if listed is None:
                return
            self._tag = ""  # until all of it is here: an answer that fails is asked for again
            summaries, tag, self._seq = listed
            known = self._known
            if [one["ID"] for one in summaries[: len(known)]] != list(known):
                super().clear()
                self._known = {}
            for one in summaries[len(self._known) :]:
                message = known.get(one["ID"]) or self._fetched(one)
                if message is not None:
                    self.add(message)
                    self._known[one["ID"]] = message
            self._tag = tag

    def _look(self, count: int, timeout: float, criteria: Criteria) -> tuple[CapturedMessage, ...]:
        """Return the messages that match, once there are so many or the time is over."""
        deadline = monotonic() + timeout
        while True:
            found = self.find(**criteria)
            left = deadline - monotonic()
            if len(found) >= count or left <= 0:
                return found
            self._place.wait(self._seq, min(left, _LONG_POLL))

    # Fetching

    def _listed(self) -> tuple[list[dict[str, Any]], str, int] | None:
        """Return the summaries of all messages, oldest first, and what they stand for; None: nothing is different."""
        summaries: list[dict[str, Any]] = []
        tag, seq = self._tag, self._seq
        while True:
            start = len(summaries)
            headers = {"If-None-Match": self._tag} if self._tag and not start else {}
            status, answer, got = self._place.ask("GET", "/messages", {"start": start, "limit": _PAGE}, headers)
            if status == http.HTTPStatus.NOT_MODIFIED and headers:
                return None
            if not start:
                tag, seq = got.get("ETag", ""), answer["seq"]
            summaries += answer["messages"]
            if len(answer["messages"]) < _PAGE:
                break
        unique = {one["ID"]: one for one in summaries}  # a message that came meanwhile has moved the pages
        return list(unique.values())[::-1], tag, seq

    def _fetched(self, summary: Mapping[str, Any]) -> CapturedMessage | None:
        """Return a message; None where it is gone meanwhile."""
        smtp = summary["smtp"]
        content = self._place.raw(summary["ID"])
        if content is None:
            return None
        return CapturedMessage(
            number=self.next_number(),
            envelope=Envelope(smtp["reverse_path"], tuple(smtp["recipients"])),
            content=content,
            received=datetime.fromisoformat(smtp["received"]),
            reply=_reply(smtp["reply"], is_accepted=smtp["accepted"]),
            in_tls=smtp["in_tls"],
            user=smtp["user"],
            _source=NO_SESSION,
        )

    def _sessions(self) -> list[str]:
        """Return what the clients did, for an explanation."""
        with contextlib.suppress(RemoteError), self._place.understood():
            _, answer, _ = self._place.ask("GET", "/sessions", {"limit": _MOST_SESSIONS})
            return [_told(one) for one in reversed(answer["sessions"])]
        return []


def _told(session: Mapping[str, Any]) -> str:
    """Return a session in one line, much as `Session` says it of itself."""
    facts = session["facts"]
    failure, tls = facts.get("tls_failure"), facts.get("tls")
    said = [failure["reason"] if failure else tls["version"] if tls else "in clear"]
    said += [f"{facts.get('messages', 0)} messages", *([facts["refusal"]] if facts.get("refusal") else [])]
    return (
        f"{session['server']} session {session['id'].rpartition('-')[2]}: {'; '.join([*said, str(facts.get('end'))])}"
    )


def _reply(text: str | None, *, is_accepted: bool) -> Reply | None:
    try:
        reply = None if text is None else parse_reply(text)
    except InvalidValueError:
        reply = None
    return Reply(250) if is_accepted and (reply is None or not reply.is_positive) else reply
