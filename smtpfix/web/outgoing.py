"""What a web server may send out, as values: released messages, a webhook, link checks. All are off by default.

Knows where to; the sending itself is `release`'s, `webhook`'s and `links`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from smtpfix.errors import InvalidValueError

_ON: Final = frozenset(("1", "true", "yes", "on"))
_RELAY: Final = "MP_SMTP_RELAY_"
_LONGEST_ADDRESS: Final = 320
"""A local part and a domain with the at sign between (RFC 5321 section 4.5.3.1)."""
_WHERE: Final = "HOST:PORT, or smtp://, smtp+starttls:// or smtps:// with [USER:PASSWORD@]HOST:PORT"


class Begin(StrEnum):
    """When TLS with a relay begins."""

    NEVER = "smtp"
    STARTTLS = "smtp+starttls"
    IMPLICIT = "smtps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The one server that messages are released to. Raises `InvalidValueError`."""

    host: str
    port: int
    tls: Begin = Begin.NEVER
    verify: bool = True
    """Whether the relay's certificate has to be valid."""
    user: str = ""
    password: str = field(default="", repr=False)
    return_path: str = ""
    """The reverse-path to use; empty: the message's sender."""
    override_from: str = ""
    """What takes the place of the address in From; empty: nothing."""
    allowed: str = ""
    """A regular expression for recipients; empty: all are allowed."""
    blocked: str = ""
    """A regular expression for recipients that are not."""
    keep_message_id: bool = False
    """Whether the Message-ID stays; else each release has a new one."""

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65_536:  # noqa: PLR2004 - ports have 16 bits
            raise InvalidValueError("Relay", f"{self.host}:{self.port}", "a host and a port from 1 to 65535")
        for expression in (self.allowed, self.blocked):
            try:
                re.compile(expression)
            except re.error as error:
                raise InvalidValueError("Relay", expression, f"a regular expression ({error})") from error
        for name, address in (("return path", self.return_path), ("From", self.override_from)):
            if address and not is_address(address):
                raise InvalidValueError("Relay", address, f"an address for the {name}")

    @property
    def where(self) -> str:
        """Its host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def refusal(self, recipient: str) -> str:
        """Return why a recipient gets nothing, in the words that clients know; empty where it may get something."""
        if not is_address(recipient):
            return f"Invalid email address: {recipient[:100]!r}"
        if self.allowed and not re.search(self.allowed, recipient):
            return f"Failed: Address do not match the allowlist: {recipient}"
        if self.blocked and re.search(self.blocked, recipient):
            return f"Failed: Address found on blocklist: {recipient}"
        return ""

    @classmethod
    def read(cls, where: str, allowed: Sequence[str] = ()) -> Self:
        """Read a place, and patterns of recipients such as ``*@example.org``. Raises `InvalidValueError`."""
        try:
            parts = urlsplit(where if "://" in where else f"smtp://{where}")
            tls, host, port = Begin(parts.scheme.lower()), parts.hostname or "", parts.port
            is_place = not parts.path.strip("/") and not parts.query
            return cls(
                host=host,
                port=(port or 0) if is_place else 0,
                tls=tls,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                allowed="|".join(rf"(?i:\A{translate(pattern)})" for pattern in allowed),
            )
        except ValueError as error:  # what was given may have a password in it
            shown = where if "@" not in where else "a URL"
            raise InvalidValueError("--release-to", shown, _WHERE) from error

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Read Mailpit's names; None where there are none."""

        def said(name: str) -> str:
            return environment.get(_RELAY + name, "").strip()

        if not said("HOST"):
            return None
        port, mechanism = said("PORT") or "25", said("AUTH").lower() or "none"
        if not port.isascii() or not port.isdecimal():
            raise InvalidValueError(f"{_RELAY}PORT", port, "a port from 1 to 65535")
        if mechanism not in ("none", "plain", "login", "cram-md5"):
            raise InvalidValueError(f"{_RELAY}AUTH", mechanism, "none, plain, login or cram-md5")
        try:
            return cls(
                host=said("HOST"),
                port=int(port[:6]),
                tls=Begin.IMPLICIT
                if _is_on(said("TLS"))
                else Begin.STARTTLS
                if _is_on(said("STARTTLS"))
                else Begin.NEVER,
                verify=not _is_on(said("ALLOW_INSECURE")),
                user="" if mechanism == "none" else said("USERNAME"),
                password=said("PASSWORD") or said("SECRET"),
                return_path=said("RETURN_PATH"),
                override_from=said("OVERRIDE_FROM"),
                allowed=said("ALLOWED_RECIPIENTS"),
                blocked=said("BLOCKED_RECIPIENTS"),
                keep_message_id=_is_on(said("PRESERVE_MESSAGE_IDS")),
            )
        except InvalidValueError as error:
            raise InvalidValueError(f"{_RELAY}*", error.value, error.expected) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What may go out. Raises `InvalidValueError`."""

    relay: Relay | None = None
    """Where messages are released to; None: nowhere."""
    webhook: str = field(default="", repr=False)
    """Where each new message is told; empty: nowhere."""
    check_links: bool = False
    """Whether links of a message are asked for, when somebody wants them checked."""
    check_internal: bool = False
    """Whether links into networks that are not public are asked for too."""

    def __post_init__(self) -> None:
        if self.webhook:
            try:
                parts = urlsplit(self.webhook)
                is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                is_url = False
            if not is_url or not self.webhook.isascii() or not self.webhook.isprintable() or " " in self.webhook:
                raise InvalidValueError("--webhook", "another text", "a URL that begins with http:// or https://")

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        release_to: str | None = None,
        release_allow: Sequence[str] = (),
        webhook: str | None = None,
        link_check: bool = False,
    ) -> Self:
        """Read options, and what the environment says where they say nothing. Raises `InvalidValueError`."""
        if release_allow and not release_to:
            raise InvalidValueError("--release-allow", ", ".join(release_allow), "--release-to with it")
        return cls(
            relay=Relay.read(release_to, release_allow) if release_to else Relay.of_environment(environment),
            webhook=webhook or environment.get("MP_WEBHOOK_URL", ""),
            check_links=link_check,
            check_internal=_is_on(environment.get("MP_ALLOW_INTERNAL_HTTP_REQUESTS", "")),
        )


def is_address(text: str) -> bool:
    """Return whether a text is one address that can stand in a command, and no more (RFC 5321 section 4.1.2)."""
    local, at, domain = text.rpartition("@")
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' <>()[]:;,"\\')
    return bool(at and local and domain) and "@" not in local and is_plain and len(text) <= _LONGEST_ADDRESS


def _is_on(text: str) -> bool:
    return text.strip().lower() in _ON
