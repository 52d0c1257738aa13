"""`Pop3Policy`: what a POP3 server demands and offers, in addition to what servers of all protocols do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from smtpfix.login.mechanisms import Users
from smtpfix.login.names import ANY_USER
from smtpfix.policy.checks import MEANT
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.suggesting import suggests_fields

if TYPE_CHECKING:
    from smtpfix.policy.protocol import Protocol

CAPABILITIES: Final = (
    *("TOP", "UIDL", "USER", "SASL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE", "LANG", "UTF8", "STLS"),
)
"""What CAPA may list (RFC 2449 section 6, RFC 2595 section 4, RFC 3206 section 5, RFC 6856), in this order."""


@suggests_fields(MEANT)
@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Pop3Policy(ServerPolicy):
    """The settings of a POP3 server: ``Pop3Policy("tls-required", users={"ann": "s3cret"})``.

    `ServerPolicy` defines the fields that servers of all protocols share. If `auth_in_clear` is None, clients may log
    in outside TLS in the modes ``plain`` and ``starttls``: nothing in POP3 works without a login, so otherwise
    ``starttls`` would be the same as ``tls-required``.

    Raises `InvalidValueError`, which names the field, its value and what is allowed, and `UnknownScenario` for a
    scenario that is not in the catalogue.
    """

    clear_modes: ClassVar[frozenset[Mode]] = frozenset({Mode.PLAIN, Mode.STARTTLS})
    spoken: ClassVar[str] = "pop3"
    reads_mail: ClassVar[bool] = True

    users: Users = field(default=ANY_USER, repr=False)
    """Who may log in: a mapping of names to a password, a `Token`, or several of them. By default everybody; None:
    nobody."""
    timeout: float = 600.0
    """Seconds that a client may be silent. RFC 1939 section 3 requires at least 10 minutes."""
    hide: Collection[str] = frozenset()
    """Names out of `CAPABILITIES` that this server does not have. A command with such a name is then unknown."""
    apop: bool = False
    """Whether the server accepts APOP, and its greeting has the timestamp for it (RFC 1939 section 7)."""
    login_delay: float | None = None
    """Seconds that must pass between two logins of a user (RFC 2449 section 6.5). `Server.advance` lets them pass.
    None: no delay."""
    expire: int | Literal["NEVER"] = "NEVER"
    """Days for which the server says that it keeps messages at least (RFC 2449 section 6.7). In fact, it keeps them
    all."""
    locks: bool = True
    """Whether the server refuses a second session of a user while the first one lasts (RFC 1939 section 4), with
    ``[IN-USE]`` (RFC 2449 section 8.1.2)."""
    greeting: str = "{hostname} POP3 smtpfix"
    """The text of the greeting after ``+OK``. It may contain ``{hostname}``."""

    def _check(self) -> None:
        super(Pop3Policy, self)._check()
        self._set("_has_auth", self.users is not None)
        self._set("hide", frozenset(self._names("hide", CAPABILITIES)))
        for name in ("apop", "locks"):
            self._check_type(name, bool, "True or False")
        if self.apop and callable(self.users):
            raise self._fail("apop", "False where Pop3Policy.users is a function: APOP shows the server no password")
        if self.login_delay is not None:
            self._check_seconds("login_delay")
        if self.expire != "NEVER":
            self._check_range("expire", 0)
        if not isinstance(self.greeting, str) or not self.greeting.isascii() or not self.greeting.isprintable():
            raise self._fail("greeting", "ASCII text of one line")

    def has(self, capability: str) -> bool:
        """Return whether this server has a capability at all. The conversation decides when to offer it."""
        if capability == "STLS" and not Mode(self.mode).has_starttls:
            return False
        return capability in CAPABILITIES and capability not in self.hide

    @property
    def has_starttls(self) -> bool:
        """Whether this server has the STLS command."""
        return self.has("STLS")

    def allows_auth(self, *, in_tls: bool) -> bool:
        """Return whether clients may log in on a connection in this state."""
        if self.users is None or in_tls:
            return self.users is not None
        return self.mode in self.clear_modes if self.auth_in_clear is None else self.auth_in_clear

    def speaks(self) -> Protocol:
        """Return POP3."""
        from .protocol import PROTOCOL  # noqa: PLC0415 - a policy is a value, and serving it is much more

        return PROTOCOL
