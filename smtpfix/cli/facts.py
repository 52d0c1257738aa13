"""What the terminal shows of rules that were read, of a message and of a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session import AuthAttempt
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.violation import Violation
from smtpfix.safe_text import printable
from smtpfix.tls.client_hello import ClientHello

from .events import MessageCaptured, RulesEvent, RulesRead, SessionEnded
from .styles import ASIDE, BAD, CAREFUL, GOOD, MOST_LISTED, PLAIN, STRONG, Fact, Line, bracketed, listed

_SUBJECT_SHOWN: Final = 78
_LINKS: Final = 10
_LINES: Final = 200
_LONGEST: Final = 2_000
"""Links of a message, lines of its text, and characters of each, that are shown."""


# The file of rules


def rules_facts(event: RulesEvent) -> Iterator[Fact]:
    """Yield what became of a file of rules."""
    rules = f"{event.rules} rule{'' if event.rules == 1 else 's'}"
    if isinstance(event, RulesRead):
        yield f"{rules} read from {printable(str(event.file))}", GOOD
    else:
        yield f"NOT READ: {printable(event.error)}", BAD
        yield f"the {rules} read before stay in force", PLAIN


# A message


def message_facts(event: MessageCaptured) -> Iterator[Fact]:
    """Yield what a message is: its envelope, subject and size, and whether it was accepted."""
    message = event.message
    to = listed([f"<{printable(recipient)}>" for recipient in message.to])
    yield f"message {message.number} from <{printable(message.reverse_path)}> to {to}", STRONG
    yield f"subject {_subject(message)}", PLAIN
    yield f"{message.size} octets", PLAIN
    yield ("in TLS", GOOD) if message.in_tls else ("in clear", CAREFUL)
    if message.user is not None:
        yield f"logged in as {printable(message.user)!r}", PLAIN
    if not message.accepted:
        reply = f"answered {printable(str(message.reply))!r}" if message.reply is not None else "not answered"
        yield f"NOT ACCEPTED: {reply}", BAD
    elif message.refused_recipients:
        refused = listed([f"<{printable(recipient)}>" for recipient, _ in message.refused_recipients])
        yield f"NOT ACCEPTED for {refused}", BAD
    yield from _violation_facts(message.violations)
    if event.path is not None:
        yield f"saved as {event.path.name}", ASIDE


def link_lines(message: CapturedMessage) -> Iterator[Line]:
    """Yield the links of a message, a line each."""
    links = message.links
    for link in links[:_LINKS]:
        yield ("  link ", ASIDE), _clipped(link)
    if len(links) > _LINKS:
        yield ((f"  and {len(links) - _LINKS} more links", ASIDE),)


def text_lines(message: CapturedMessage) -> Iterator[Line]:
    """Yield the plain text; where there is none, say what there is instead."""
    lines = message.text.rstrip("\n").split("\n") if message.text else []
    if not lines:
        yield ((f"  no plain text{', but HTML' if message.html else ''}", ASIDE),)
    for line in lines[:_LINES]:
        yield ("  | ", ASIDE), _clipped(line)
    if len(lines) > _LINES:
        yield ((f"  and {len(lines) - _LINES} more lines", ASIDE),)


def _clipped(text: str) -> str:
    return f"{printable(text[:_LONGEST])}{'…' if len(text) > _LONGEST else ''}"


def _subject(message: CapturedMessage) -> str:
    text = message.subject
    return f'"{printable(text[:_SUBJECT_SHOWN])}{"…" if len(text) > _SUBJECT_SHOWN else ""}"'


# A session


def session_facts(event: SessionEnded) -> Iterator[Fact]:
    """Yield how a session went: TLS, logins, what it did, violations, and its end."""
    session = event.session
    name = f", calls itself {printable(session.client_name)}" if session.client_name is not None else ""
    yield f"ended{name}", ASIDE
    if session.client != session.peer:
        client = f"{bracketed(session.client[0])}:{session.client[1]}"
        yield f"client {client}, forwarded by {bracketed(session.peer[0])}", PLAIN
    if session.tls_failure is not None:
        yield printable(session.tls_failure.reason), BAD
    elif session.tls is not None:
        yield f"{session.tls.version} by {session.tls.started_by}", GOOD
        if session.tls.client_name is not None:
            yield f"client certificate {printable(session.tls.client_name)}", GOOD
    else:
        yield "in clear", CAREFUL
    if session.client_hello is not None:
        yield _offer(session.client_hello), ASIDE
    if session.injected:
        yield f"{len(session.injected)} octets injected after STARTTLS, thrown away", BAD
    yield from map(_auth_fact, session.auth[:MOST_LISTED])
    if len(session.auth) > MOST_LISTED:
        yield f"and {len(session.auth) - MOST_LISTED} more AUTH commands", CAREFUL
    yield session.work, STRONG
    if (refused := session.refusal) is not None:
        yield f"refused with {refused!r}", BAD
    yield from _violation_facts(session.violations)
    if session.end is not None and not (session.tls_failure and session.end is SessionEnd.HANDSHAKE_FAILED):
        yield session.end, PLAIN if session.end is SessionEnd.QUIT else CAREFUL
    if event.path is not None:
        yield f"transcript {event.path.name}", ASIDE


def _offer(hello: ClientHello) -> str:
    """Return what a client offered in its TLS handshake."""
    name = "no server name" if hello.server_name is None else f"server name {printable(hello.server_name)}"
    count = f"{len(hello.ciphers)} cipher suite{'' if len(hello.ciphers) == 1 else 's'}"
    offered = [", ".join(hello.versions) or "no TLS version", name, count]
    offered += [f"ALPN {printable(', '.join(hello.alpn[:MOST_LISTED]))}"] if hello.alpn else []
    return f"offered {', '.join(offered)}"


def _violation_facts(violations: Sequence[Violation]) -> Iterator[Fact]:
    if violations:
        ids = dict.fromkeys(violation.id for violation in violations)
        yield f"against the standards: {listed(list(ids))}", CAREFUL


def _auth_fact(attempt: AuthAttempt) -> Fact:
    if attempt.in_clear and attempt.secret is not None:
        return f"{'PASSWORD' if attempt.token is None else 'TOKEN'} IN CLEAR: AUTH {attempt}", BAD
    return f"AUTH {attempt}", GOOD if attempt.accepted and not attempt.in_clear else CAREFUL
