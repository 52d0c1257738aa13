"""One mail transaction at a time: aiosmtpd's `SMTP`, driven synchronously: one command in, one complete reply out.

It keeps the transaction's state and parses addresses. It has no transport, no reader and no task: aiosmtpd's ``smtp_*``
coroutines are called one by one and run to their end on the spot, since `push` only collects. After STARTTLS a fresh
engine forgets everything the client said before (RFC 3207 section 4.2).
"""

from __future__ import annotations

import asyncio
import collections
import functools
import logging
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SMTPEnvelope
from aiosmtpd.smtp import Session as SMTPSession

from smtpfix.mail.envelope import Envelope
from smtpfix.rules.reply import Reply

from .arguments import refuse_parameters, split_path
from .policy import Policy
from .replies import (
    ASCII_RECIPIENT,
    ASCII_SENDER,
    CANNOT_VERIFY,
    EHLO_SYNTAX,
    HELLO,
    HELO_FIRST,
    HELO_SYNTAX,
    MAIL_FIRST,
    MAIL_SYNTAX,
    MALFORMED_ADDRESS,
    MALFORMED_SENDER,
    NESTED_MAIL,
    NO_ARGUMENT_ALLOWED,
    NO_PARAMETERS,
    NOT_IMPLEMENTED,
    OK,
    PATH_TOO_LONG,
    RCPT_SYNTAX,
    RECIPIENT_ACCEPTED,
    SENDER_ACCEPTED,
    TOO_MANY_DOMAINS,
    TOO_MANY_RECIPIENTS,
    VRFY_SYNTAX,
    detailed,
)

_NULL_PATH: Final = "<>"
_LONGEST_PATH: Final = 256
"""Octets of a path with its punctuation (RFC 5321 section 4.5.3.1.3); what is longer costs the full parser too much."""
_MOST_RECIPIENT_OCTETS: Final = 16_777_216
"""Octets of one transaction's recipients with their parameters: 10,000 of 1,600 octets."""


class _NoHooks:
    """A handler without hooks, quick to look through."""

    def __dir__(self) -> list[str]:
        return []


_NO_HOOKS: Final = _NoHooks()


class _Here(threading.local):
    """Whether an engine is at work in this thread."""

    working = False


_here: Final = _Here()


def _is_somebody_elses(_record: logging.LogRecord) -> bool:
    return not _here.working


# aiosmtpd logs every command, which would land in the caplog of tests that have nothing to do with it. Only what an
# engine logs is left out: an aiosmtpd of the user's own logs as ever.
logging.getLogger("mail.log").addFilter(_is_somebody_elses)


class Engine(SMTP):
    """The state between a client's EHLO and its final dot."""

    def __init__(self, policy: Policy, loop: asyncio.AbstractEventLoop) -> None:
        _here.working = True
        try:
            # The class's own is shared between, and emptied by, all instances.
            self.command_size_limits = collections.defaultdict(int)
            super().__init__(
                _NO_HOOKS,
                data_size_limit=policy.size_limit,
                enable_SMTPUTF8=True,
                hostname=policy.hostname,
                auth_require_tls=False,  # AUTH is the conversation's
                loop=loop,
            )
        finally:
            _here.working = False
        self._policy = policy
        self._is_lenient = policy.syntax == "lenient"
        self._needs_hello = policy.hello_required and not self._is_lenient
        self._domains: frozenset[str] = frozenset()
        self._recipient_octets = 0
        """Octets of the transaction's recipients, but for the first."""
        self.in_tls = False
        """Whether the client speaks inside TLS."""
        self._pushed: list[str | bytes] = []
        self.session = SMTPSession(loop)
        self.envelope = SMTPEnvelope()

    def fresh(self) -> Engine:
        """Return an engine that nobody has spoken to, for the same policy; a fiftieth of the cost of building one."""
        engine = Engine.__new__(Engine)
        engine.__dict__.update(self.__dict__)
        engine._pushed = []  # noqa: SLF001 - its own
        engine.session = SMTPSession(self.loop)
        engine.envelope = SMTPEnvelope()
        return engine

    def __dir__(self) -> list[str]:
        """List the commands only: aiosmtpd's constructor walks through everything that is listed."""
        return _command_methods()

    async def push(self, status: Any) -> None:
        """Collect a reply instead of sending it."""
        self._pushed.append(status)

    # State

    @property
    def greeted(self) -> bool:
        """Whether the client has said EHLO or HELO, or need not."""
        return not self._needs_hello or bool(self._smtp_session.host_name)

    @property
    def is_extended(self) -> bool:
        """Whether it was EHLO, or need not have been."""
        return not self._needs_hello or bool(self._smtp_session.extended_smtp)

    @property
    def has_sender(self) -> bool:
        """Whether a transaction has begun."""
        return self._smtp_envelope.mail_from is not None

    @property
    def reverse_path(self) -> str:
        """The transaction's reverse-path; empty for the null one, and before MAIL."""
        sender = self._smtp_envelope.mail_from or ""
        return "" if sender == _NULL_PATH else sender

    @property
    def has_recipients(self) -> bool:
        """Whether a recipient was accepted."""
        return bool(self._smtp_envelope.rcpt_tos)

    @property
    def mail_parameters(self) -> tuple[str, ...]:
        """The parameters that MAIL had."""
        return tuple(self._smtp_envelope.mail_options)

    @property
    def recipient_count(self) -> int:
        """How many recipients were accepted."""
        return len(self._smtp_envelope.rcpt_tos)

    @property
    def last_recipient(self) -> tuple[str, tuple[str, ...]]:
        """The recipient that was accepted last, with the parameters that RCPT had."""
        envelope = self._smtp_envelope
        return envelope.rcpt_tos[-1], tuple(envelope.rcpt_options[-1].split())

    def drop_last_recipient(self) -> None:
        """Forget the recipient that was accepted last: somebody above refuses it."""
        envelope = self._smtp_envelope
        del envelope.rcpt_tos[-1], envelope.rcpt_options[-1]

    @property
    def is_binary(self) -> bool:
        """Whether the transaction is for binary content (RFC 3030 section 3)."""
        return any(option.upper() == "BODY=BINARYMIME" for option in self._smtp_envelope.mail_options)

    @property
    def _smtp_session(self) -> SMTPSession:
        assert self.session is not None  # noqa: S101 - set when built, never unset
        return self.session

    @property
    def _smtp_envelope(self) -> SMTPEnvelope:
        assert self.envelope is not None  # noqa: S101 - set when built, never unset
        return self.envelope

    def assume_greeting(self, name: str, *, extended: bool) -> None:
        """Take the client for one that has said EHLO, or HELO, as a proxy says of it."""
        self._smtp_session.host_name = name
        self._smtp_session.extended_smtp = extended

    # Commands

    def execute(self, verb: str, argument: str | None) -> Reply:
        """Perform a command of `VERBS` and return its complete reply."""
        if verb == "MAIL":
            return self._mail(argument)
        if verb == "RCPT":
            return self._rcpt(argument)
        if verb == "VRFY":
            return self._vrfy(argument)
        if verb in ("EHLO", "HELO"):
            return self._hello(verb, argument)
        if verb == "EXPN":
            return NOT_IMPLEMENTED
        if verb == "RSET":
            if argument:
                return NO_ARGUMENT_ALLOWED
            self._run(self.smtp_RSET(""))
        return OK  # to NOOP too, whatever stands behind it

    def _run(self, command: Coroutine[Any, Any, None]) -> int:
        """Run one of aiosmtpd's commands to its end, and return its reply's code: the words are ours."""
        self._pushed = []
        _here.working = True
        try:
            command.send(None)
        except StopIteration:
            status = self._pushed[-1]
            return int(status[:3])
        finally:
            _here.working = False
        command.close()  # pragma: no cover - none of them waits for anything
        raise RuntimeError("a command did not run to its end")  # pragma: no cover

    def take_envelope(self) -> Envelope:
        """Return the transaction's envelope and begin anew."""
        envelope = self._smtp_envelope
        self.envelope = SMTPEnvelope()
        sender = envelope.mail_from or ""
        return Envelope(
            reverse_path="" if sender == _NULL_PATH else sender,
            recipients=tuple(envelope.rcpt_tos),
            mail_parameters=tuple(envelope.mail_options),
            recipient_parameters=(
                tuple(tuple(options.split()) for options in envelope.rcpt_options)
                if any(envelope.rcpt_options)
                else _no_parameters(len(envelope.rcpt_tos))
            ),
        )

    def _hello(self, verb: str, argument: str | None) -> Reply:
        """Begin a session anew (RFC 5321 section 4.1.1.1); what EHLO is answered is the service's to say."""
        name = argument or ("unknown" if self._is_lenient else "")
        if not name:
            return EHLO_SYNTAX if verb == "EHLO" else HELO_SYNTAX
        self._run(self.smtp_EHLO(name) if verb == "EHLO" else self.smtp_HELO(name))
        return detailed(HELLO, self._policy.hostname)

    def _mail(self, argument: str | None) -> Reply:
        """Begin a transaction (RFC 5321 section 4.1.1.2)."""
        if not self.greeted:
            return HELO_FIRST
        found = split_path("FROM:", argument)
        if found is None:
            return MAIL_SYNTAX
        envelope = self._smtp_envelope
        if envelope.mail_from is not None:
            return NESTED_MAIL
        if found.parameters and (refusal := self._refuse(found.parameters, self._policy.mail_parameters)):
            return refusal
        if found.path == _NULL_PATH:
            envelope.mail_from = _NULL_PATH  # aiosmtpd takes an empty one for none
        else:
            if found.plain is None:
                if _is_too_long(found.path):
                    return PATH_TOO_LONG
                if self._refuses_utf8(found.path, found.parameters):
                    return ASCII_SENDER
                self._judge(super().smtp_MAIL(f"FROM:{found.path}"))
                if envelope.mail_from is None:
                    return MALFORMED_SENDER
            envelope.mail_from = found.plain or found.address
        envelope.mail_options = list(found.parameters)
        return SENDER_ACCEPTED

    def _rcpt(self, argument: str | None) -> Reply:
        """Add a recipient (RFC 5321 section 4.1.1.3)."""
        if not self.greeted:
            return HELO_FIRST
        if not self.has_sender:
            return MAIL_FIRST
        found = split_path("TO:", argument)
        if found is None:
            return RCPT_SYNTAX
        if found.parameters and (refusal := self._refuse(found.parameters, self._policy.recipient_parameters)):
            return refusal
        envelope = self._smtp_envelope
        recipients = envelope.rcpt_tos
        count = len(recipients)
        octets = self._recipient_octets + len(argument or "") if recipients else 0
        if count >= self._policy.max_recipients or octets > _MOST_RECIPIENT_OCTETS:
            return TOO_MANY_RECIPIENTS
        if found.path == _NULL_PATH:
            return MALFORMED_ADDRESS
        domains = self._domains
        if self._policy.max_recipient_domains is not None:
            domains |= {found.address.rpartition("@")[2].lower()}
            if len(domains) > self._policy.max_recipient_domains:
                return TOO_MANY_DOMAINS
        if found.plain is None:
            if _is_too_long(found.path):
                return PATH_TOO_LONG
            if self._refuses_utf8(found.path, envelope.mail_options):
                return ASCII_RECIPIENT
            code = self._judge(super().smtp_RCPT(f"TO:{found.path}"))
            if len(recipients) == count:
                return RCPT_SYNTAX if code == RCPT_SYNTAX.code else MALFORMED_ADDRESS
            del recipients[count:]
        self._domains = domains
        self._recipient_octets = octets
        recipients.append(found.plain or found.address)
        envelope.rcpt_options.append(" ".join(found.parameters))
        return RECIPIENT_ACCEPTED

    def _vrfy(self, argument: str | None) -> Reply:
        """Neither confirm nor deny that an address exists (RFC 5321 section 3.5.3)."""
        if argument is not None and _is_too_long(argument):
            return PATH_TOO_LONG
        if not argument:
            return VRFY_SYNTAX
        return CANNOT_VERIFY if self._judge(super().smtp_VRFY(argument)) == CANNOT_VERIFY.code else MALFORMED_ADDRESS

    def _refuse(self, parameters: tuple[str, ...], known: tuple[str, ...]) -> Reply | None:
        if not self.is_extended:
            return NO_PARAMETERS
        policy = self._policy
        refusal = refuse_parameters(parameters, known, policy.size_limit)
        if refusal is None and policy.offer:
            from .extensions import refuse_mail  # noqa: PLC0415 - few servers offer them

            refusal = refuse_mail(parameters, policy, in_tls=self.in_tls)
        return refusal

    def _refuses_utf8(self, path: str, mail_parameters: Iterable[str]) -> bool:
        """Return whether an address outside ASCII came without SMTPUTF8 (RFC 6531 section 3.5)."""
        declared = any(parameter.upper() == "SMTPUTF8" for parameter in mail_parameters)
        return not path.isascii() and not declared and not self._is_lenient

    def _judge(self, command: Coroutine[Any, Any, None]) -> int:
        """Return the code of aiosmtpd's full parser for an address; it is the standard library's, and can fail anyhow.

        Its result is not used: it decodes RFC 2047 words, in which a CRLF may hide, and drops quotes and comments.
        """
        try:
            return self._run(command)
        except Exception:  # noqa: BLE001 - whatever it is, the address is malformed
            return MALFORMED_ADDRESS.code


VERBS: Final = frozenset({"HELO", "EHLO", "RSET", "NOOP", "EXPN", "MAIL", "RCPT", "VRFY"})
"""The commands an engine performs; the others belong to the conversation."""


def _is_too_long(path: str) -> bool:
    return len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH


@functools.lru_cache(maxsize=128)
def _no_parameters(count: int) -> tuple[tuple[str, ...], ...]:
    """Return what most envelopes have, once for all of them."""
    return ((),) * count


@functools.cache
def _command_methods() -> list[str]:
    return [name for name in dir(SMTP) if name.startswith("smtp_")]
