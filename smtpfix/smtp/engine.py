"""One mail transaction at a time, synchronously: each command gives one complete reply.

It keeps the transaction's state, and knows of sockets, rules and the record nothing. An address that is not plain is
judged by aiosmtpd's full parser. After STARTTLS a fresh engine forgets everything the client said before (RFC 3207
section 4.2).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

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


class Transaction:
    """What MAIL and RCPT have said; another object for each transaction."""

    __slots__ = ("mail_parameters", "recipient_parameters", "recipients", "sender")

    def __init__(self) -> None:
        self.sender: str | None = None
        """The reverse-path, empty for the null one; None before MAIL."""
        self.mail_parameters: tuple[str, ...] = ()
        self.recipients: list[str] = []
        self.recipient_parameters: list[tuple[str, ...]] = []


class Engine:
    """The state between a client's EHLO and its final dot."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._is_lenient = policy.syntax == "lenient"
        self._needs_hello = policy.hello_required and not self._is_lenient
        self.greeted = not self._needs_hello
        """Whether the client has said EHLO or HELO, or need not."""
        self.is_extended = not self._needs_hello
        """Whether it was EHLO, or need not have been."""
        self._domains: frozenset[str] = frozenset()
        self._recipient_octets = 0
        """Octets of the transaction's recipients, but for the first."""
        self.in_tls = False
        """Whether the client speaks inside TLS."""
        self.transaction = Transaction()

    # State

    @property
    def has_sender(self) -> bool:
        """Whether a transaction has begun."""
        return self.transaction.sender is not None

    @property
    def reverse_path(self) -> str:
        """The transaction's reverse-path; empty for the null one, and before MAIL."""
        return self.transaction.sender or ""

    @property
    def has_recipients(self) -> bool:
        """Whether a recipient was accepted."""
        return bool(self.transaction.recipients)

    @property
    def mail_parameters(self) -> tuple[str, ...]:
        """The parameters that MAIL had."""
        return self.transaction.mail_parameters

    @property
    def recipient_count(self) -> int:
        """How many recipients were accepted."""
        return len(self.transaction.recipients)

    @property
    def last_recipient(self) -> tuple[str, tuple[str, ...]]:
        """The recipient that was accepted last, with the parameters that RCPT had."""
        return self.transaction.recipients[-1], self.transaction.recipient_parameters[-1]

    def drop_last_recipient(self) -> None:
        """Forget the recipient that was accepted last: somebody above refuses it."""
        del self.transaction.recipients[-1], self.transaction.recipient_parameters[-1]

    @property
    def is_binary(self) -> bool:
        """Whether the transaction is for binary content (RFC 3030 section 3)."""
        return any(option.upper() == "BODY=BINARYMIME" for option in self.transaction.mail_parameters)

    def assume_greeting(self, name: str, *, extended: bool) -> None:
        """Take the client for one that has said EHLO, or HELO, as a proxy says of it."""
        self.greeted = not self._needs_hello or bool(name)
        self.is_extended = not self._needs_hello or extended

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
            self.transaction = Transaction()
        return OK  # to NOOP too, whatever follows it

    def take_envelope(self) -> Envelope:
        """Return the transaction's envelope and begin anew."""
        transaction, self.transaction = self.transaction, Transaction()
        parameters = transaction.recipient_parameters
        return Envelope(
            reverse_path=transaction.sender or "",
            recipients=tuple(transaction.recipients),
            mail_parameters=transaction.mail_parameters,
            recipient_parameters=tuple(parameters) if any(parameters) else _no_parameters(len(parameters)),
        )

    def _hello(self, verb: str, argument: str | None) -> Reply:
        """Begin a session anew (RFC 5321 section 4.1.1.1); what EHLO is answered is the service's to say."""
        name = argument or ("unknown" if self._is_lenient else "")
        if not name:
            return EHLO_SYNTAX if verb == "EHLO" else HELO_SYNTAX
        self.transaction = Transaction()
        self.assume_greeting(name, extended=verb == "EHLO")
        return _greets(self._policy.hostname)

    def _mail(self, argument: str | None) -> Reply:
        """Begin a transaction (RFC 5321 section 4.1.1.2)."""
        if not self.greeted:
            return HELO_FIRST
        found = split_path("FROM:", argument)
        if found is None:
            return MAIL_SYNTAX
        transaction = self.transaction
        if transaction.sender is not None:
            return NESTED_MAIL
        if found.parameters and (refusal := self._refuse(found.parameters, self._policy.mail_parameters)):
            return refusal
        sender = found.plain
        if sender is None:
            if _is_too_long(found.path):
                return PATH_TOO_LONG
            if self._refuses_utf8(found.path, found.parameters):
                return ASCII_SENDER
            if found.path != _NULL_PATH and _judge("MAIL", f"FROM:{found.path}") != SENDER_ACCEPTED.code:
                return MALFORMED_SENDER
            sender = found.address
        transaction.sender, transaction.mail_parameters = sender, found.parameters
        return SENDER_ACCEPTED

    def _rcpt(self, argument: str | None) -> Reply:
        """Add a recipient (RFC 5321 section 4.1.1.3)."""
        if not self.greeted:
            return HELO_FIRST
        transaction = self.transaction
        if transaction.sender is None:
            return MAIL_FIRST
        found = split_path("TO:", argument)
        if found is None:
            return RCPT_SYNTAX
        if found.parameters and (refusal := self._refuse(found.parameters, self._policy.recipient_parameters)):
            return refusal
        recipients = transaction.recipients
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
            if self._refuses_utf8(found.path, transaction.mail_parameters):
                return ASCII_RECIPIENT
            if (code := _judge("RCPT", f"TO:{found.path}")) != RECIPIENT_ACCEPTED.code:
                return RCPT_SYNTAX if code == RCPT_SYNTAX.code else MALFORMED_ADDRESS
        self._domains = domains
        self._recipient_octets = octets
        recipients.append(found.plain or found.address)
        transaction.recipient_parameters.append(found.parameters)
        return RECIPIENT_ACCEPTED

    def _vrfy(self, argument: str | None) -> Reply:
        """Neither confirm nor deny that an address exists (RFC 5321 section 3.5.3)."""
        if argument is not None and _is_too_long(argument):
            return PATH_TOO_LONG
        if not argument:
            return VRFY_SYNTAX
        return CANNOT_VERIFY if _judge("VRFY", argument) == CANNOT_VERIFY.code else MALFORMED_ADDRESS

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


VERBS: Final = frozenset({"HELO", "EHLO", "RSET", "NOOP", "EXPN", "MAIL", "RCPT", "VRFY"})
"""The commands an engine performs; the others belong to the conversation."""


def _is_too_long(path: str) -> bool:
    return len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH


@functools.lru_cache(maxsize=128)
def _greets(hostname: str) -> Reply:
    return detailed(HELLO, hostname)


@functools.lru_cache(maxsize=128)
def _no_parameters(count: int) -> tuple[tuple[str, ...], ...]:
    """Return what most envelopes have, once for all of them."""
    return ((),) * count


def _judge(verb: str, argument: str) -> int:
    from .full_parser import judge  # noqa: PLC0415 - its imports cost more than SMTP, and most addresses are plain

    return judge(verb, argument)
