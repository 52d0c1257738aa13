"""`Policy`: what an SMTP or LMTP server demands and offers, in addition to what servers of all protocols do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Unpack, cast

from smtpfix.later import compiled_later
from smtpfix.login.names import ANY_USER
from smtpfix.policy.checks import MEANT, is_collection
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.suggesting import one_of, suggests_fields

from .keywords import (
    EXTENSIONS,
    MAIL_PARAMETERS,
    OPTIONAL_EXTENSIONS,
    OPTIONAL_MAIL_PARAMETERS,
    RECIPIENT_PARAMETERS,
    REFUSABLE,
)

if TYPE_CHECKING:
    from smtpfix.policy.limits import Limits
    from smtpfix.policy.protocol import Protocol
    from smtpfix.rules.reply import Reply

    from .policy_fields import PolicyFields

_TAKE_TOKENS: Final = ("XOAUTH2", "OAUTHBEARER")
"""Mechanisms that take tokens, and no passwords."""

SYNTAXES: Final = ("strict", "usual", "lenient")
"""The values of `Policy.syntax`."""

DEFAULT_GREETING: Final = "{hostname} ESMTP smtpfix"
"""The default of `Policy.greeting`."""

_EHLO_LINE: Final = compiled_later(lambda: re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*[ =]?[!-~]*(?: [!-~]+)*\Z"))


def _what_protocol(given: object) -> str:
    """Return what to say of what is no protocol of this policy."""
    for name, policy in (("imap", "ImapPolicy"), ("pop3", "Pop3Policy")):
        if isinstance(given, str) and given.lower().startswith(name):
            return f"{given!r} has a policy of its own: {policy}(...), and a marker of its own: @pytest.mark.{name}"
    return f"expected {one_of(given, ('smtp', 'lmtp'))}, got {given!r}"


@suggests_fields(MEANT)
@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Policy(ServerPolicy):
    """The settings of an SMTP or LMTP server. They do not change while the server runs.

    ``Policy("tls-required", users={"ann": "s3cret"}, require_auth=True)``. `ServerPolicy` defines the fields that
    servers of all protocols share.

    Raises `InvalidValueError`, which names the field, its value and what is allowed, and `UnknownScenario` for a
    scenario that is not in the catalogue.
    """

    spoken: ClassVar[str] = "smtp"

    require_auth: bool = False
    """Whether MAIL, RCPT, DATA, VRFY and EXPN need authentication: without it, they are answered ``530 5.7.0`` (RFC
    4954 section 6). In mode ``plain`` with `auth_in_clear` False, nobody can log in, as on a server that was set up so
    by mistake."""

    protocol: Literal["smtp", "lmtp"] = "smtp"
    """``lmtp`` serves LMTP (RFC 2033), in any mode: LHLO, and one reply per recipient at the final dot. RFC 2033
    section 5 forbids port 25, and requires PIPELINING and ENHANCEDSTATUSCODES: `hide` them only to make a server that
    is wrong."""
    xclient: bool = False
    """Whether the server offers XCLIENT, and accepts it from every client. Otherwise, XCLIENT is answered 550."""
    hide: Collection[str] = frozenset()
    """ESMTP keywords out of `EXTENSIONS` that this server does not have."""
    offer: Collection[str] = frozenset()
    """ESMTP keywords out of `OPTIONAL_EXTENSIONS` that this server has. BINARYMIME needs CHUNKING (RFC 3030 section 3).
    REQUIRETLS is offered inside TLS only (RFC 8689)."""
    syntax: Literal["strict", "usual", "lenient"] = "usual"
    """How the server treats commands that break the grammar. ``strict`` refuses them all (RFC 5321 section 4.1).
    ``lenient`` accepts everything that it can understand. ``usual`` accepts stray spaces, paths without angle brackets,
    bare LF and any client name, as most servers do. `Session.violations` lists them in any case."""
    hello_required: bool = True
    """Whether a client must say EHLO before AUTH and before parameters of MAIL and RCPT, and at least HELO before MAIL
    (RFC 5321 section 4.1.4). False accepts them without, also inside TLS after STARTTLS, as Postfix does by default
    (``smtpd_helo_required = no``). So does the syntax ``lenient``."""

    capabilities: Sequence[str] | None = None
    """The lines of the EHLO reply after the first one, in this order. None: every keyword of `EXTENSIONS` that this
    server has, in that order. A keyword on its own, of `EXTENSIONS` or `OPTIONAL_EXTENSIONS`, stands for the line that
    this server sends for it; if the server sends none, the line is left out. Every other line is sent as it is. The
    server does not have a keyword of `EXTENSIONS` that you leave out; a keyword of `offer` that you leave out is added
    at the end."""
    ehlo_greet: str = ""
    """The text after the name in the first line of the EHLO reply (``ehlo-greet``, RFC 5321 section 4.1.1.1). It may
    contain `smtpfix.smtp.replies.PLACEHOLDERS`, as in ``at your service, [{client}]``."""
    greeting: str = DEFAULT_GREETING
    """The text of the 220 reply that greets a client. It may contain the same placeholders."""
    replies: Mapping[str, Reply | str] | None = field(default=None, repr=False)
    """Replies that replace this server's own ones, by name, such as ``bad_credentials``. The names are those of
    `smtpfix.smtp.replies.standard_replies`. Give a `Reply`, or a text, which keeps the codes. Texts may contain the
    same placeholders."""

    refuse: Collection[str] = frozenset()
    """Faults for which the server refuses a message at the end of its content: ``bare-lf``, ``bare-cr``, ``nul``,
    ``8bit`` (octets outside ASCII without BODY=8BITMIME or SMTPUTF8) and ``long-line`` (more than 998 octets).
    BINARYMIME content is not checked. With ``pipelining``, the server answers 554 to a client that sends more after a
    command than RFC 2920 allows, and closes the connection. `replies` changes the texts."""
    limits: Limits | None = None
    """How much one client, or all clients together, may do before the server refuses. None refuses nobody."""
    greylist: float | None = None
    """Seconds after which the server accepts a message that it refused with ``450 4.7.1`` when it first arrived. It
    counts them for each combination of client address, sender and recipient (RFC 6647). Authenticated clients are
    exempt. None: no greylisting."""
    size_limit: int | None = 33_554_432
    """Largest message in octets, offered as SIZE (RFC 1870). The server reads a larger one to its end and answers 552.
    None: no limit."""
    line_limit: int | None = None
    """Longest line of content in octets, without its CRLF. None accepts any length. RFC 5321 section 4.5.3.1.6 allows
    998."""
    max_recipients: int = 10_000
    """Recipients of one message. Any more are answered 452. RFC 5321 section 4.5.3.1.8 requires at least 100."""
    max_recipient_domains: int | None = None
    """Different domains among the recipients of a session. Any more are answered 452. None: no limit. LIMITS offers it
    (RFC 9422)."""
    max_hold: int = 2_592_000
    """Seconds for which HOLDFOR and HOLDUNTIL may hold back a message if the server offers FUTURERELEASE (RFC 4865)."""

    def _check(self) -> None:
        super(Policy, self)._check()
        self._check_required_auth()
        self._check_extensions()
        self._check_words()
        self._check_limits()
        self._set("_has_auth", self.has("AUTH"))

    def _check_required_auth(self) -> None:
        self._check_type("require_auth", bool, "True or False")
        everywhere = (*self.mechanisms, *(self.mechanisms_in_clear or ()))
        if self.require_auth and (self.users is None or (self.users == {} and "ANONYMOUS" not in everywhere)):
            raise self._say(
                "require_auth",
                "True, but Policy.users names nobody, so no client could ever send; name users, or use ANY_USER",
            )
        if self.require_auth and not self._has_mechanisms:
            raise self._say(
                "require_auth", "True, but Policy.mechanisms is empty, so no client could ever log in; name one"
            )

    def _check_extensions(self) -> None:
        if self.protocol not in ("smtp", "lmtp"):
            raise self._say("protocol", _what_protocol(self.protocol))
        if self.unix_socket is not None and self.protocol != "lmtp":
            raise self._say("unix_socket", "SMTP is served on a port; UNIX sockets are for LMTP: add protocol='lmtp'")
        for name in ("xclient", "hello_required"):
            self._check_type(name, bool, "True or False")
        self._set("hide", frozenset(self._names("hide", EXTENSIONS)))
        self._set("refuse", frozenset(name.lower() for name in self._names("refuse", REFUSABLE)))
        self._set("offer", frozenset(self._names("offer", OPTIONAL_EXTENSIONS)))
        if "BINARYMIME" in self.offer and "CHUNKING" not in self.offer:
            raise self._say(
                "offer", "BINARYMIME needs CHUNKING: it comes by BDAT only (RFC 3030 section 3); offer both"
            )
        if self.syntax not in SYNTAXES:
            raise self._fail("syntax", one_of(self.syntax, SYNTAXES))
        if self.require_auth and "AUTH" in self.hide:
            raise self._say(
                "hide", "AUTH is hidden, but require_auth asks for it, so no client could ever send; drop one of them"
            )

    def _check_words(self) -> None:
        if self.capabilities is not None:
            if not is_collection(self.capabilities) or not all(
                isinstance(line, str) and _EHLO_LINE.match(line) for line in self.capabilities
            ):
                raise self._fail(
                    "capabilities", "lines of a keyword and parameters (RFC 5321 section 4.1.1.1), or None"
                )
            self._set("capabilities", tuple(self.capabilities))
            if self.require_auth and "AUTH" not in self.capabilities:
                raise self._say(
                    "capabilities", "AUTH is missing, but require_auth asks for it; add it, or drop require_auth"
                )
        if self.greeting == DEFAULT_GREETING and self.ehlo_greet == "" and self.replies is None:
            return
        from smtpfix.rules.reply import Reply  # noqa: PLC0415 - few servers have other words

        from .replies import check_placeholders, check_replies  # noqa: PLC0415 - as above

        for name in ("greeting", "ehlo_greet"):
            self._check_type(name, str, "text")
            check_placeholders(f"Policy.{name}", getattr(self, name))
            if "\n" in getattr(self, name):
                raise self._fail(name, "text of one line")
            Reply(220, None, getattr(self, name))
        if self.replies is not None:
            self._set("replies", MappingProxyType(check_replies("Policy.replies", self.replies)))

    def _check_limits(self) -> None:
        if self.limits is not None:
            from smtpfix.policy.limits import Limits  # noqa: PLC0415 - few servers have any

            self._check_type("limits", Limits, "Limits, or None")
        if self.greylist is not None:
            self._check_seconds("greylist")
        for name in ("size_limit", "line_limit", "max_recipient_domains"):
            if getattr(self, name) is not None:
                self._check_range(name, 1)
        for name in ("max_recipients", "max_hold"):
            self._check_range(name, 1)

    def has(self, extension: str) -> bool:
        """Return whether this server has an extension at all. The conversation decides when to offer it."""
        if extension in OPTIONAL_EXTENSIONS:
            return extension in self.offer
        if extension in self.hide or (self.capabilities is not None and extension not in self.capabilities):
            return False
        if extension == "STARTTLS":
            return Mode(self.mode).has_starttls
        if extension == "AUTH":
            return self.users is not None and self._has_mechanisms
        return extension in EXTENSIONS

    @property
    def has_starttls(self) -> bool:
        """Whether this server has the STARTTLS command."""
        return self.has("STARTTLS")

    @property
    def own_replies(self) -> Mapping[str, Reply]:
        """The value of `replies`; every entry is a complete reply once the policy is built."""
        return cast("Mapping[str, Reply]", self.replies or {})

    @property
    def mail_parameters(self) -> tuple[str, ...]:
        """The parameters that MAIL may have: those of this server's extensions, with ``BODY=BINARYMIME`` in full."""
        found = tuple(parameter for extension, parameter in MAIL_PARAMETERS if self.has(extension))
        if not self.offer:
            return found
        more = (parameter for extension, parameter in OPTIONAL_MAIL_PARAMETERS if extension in self.offer)
        return (*found, *more)

    @property
    def recipient_parameters(self) -> tuple[str, ...]:
        """The parameters that RCPT may have: those of this server's extensions."""
        return tuple(parameter for extension, parameter in RECIPIENT_PARAMETERS if extension in self.offer)

    def without_effect(self) -> Iterator[str]:
        """Yield a sentence for each setting that cannot be meant, such as passwords that no mechanism takes."""
        yield from super(Policy, self).without_effect()
        users, names = self.users, {*self.mechanisms, *(self.mechanisms_in_clear or ())}
        if self.scenario is None and isinstance(users, Mapping) and users and names and names.issubset(_TAKE_TOKENS):
            from smtpfix.login.mechanisms import Token  # noqa: PLC0415 - few policies take tokens only

            known = [one for given in users.values() for one in (given if isinstance(given, tuple) else (given,))]
            if not any(isinstance(one, Token) for one in known):
                yield (
                    f"nobody can log in: the users have passwords, and {' and '.join(sorted(names))} of "
                    "Policy.mechanisms takes tokens; give each user a Token, or offer PLAIN too"
                )

    def speaks(self) -> Protocol:
        """Return SMTP, with which LMTP comes."""
        from .protocol import PROTOCOL  # noqa: PLC0415 - a policy is a value, and serving it is much more

        return PROTOCOL

    @classmethod
    def like(cls, provider: str, *modes: str, **changes: Unpack[PolicyFields]) -> Policy:
        """Return a policy like a provider's, as publicly documented: ``Policy.like("gmail", users={"ann": "s3cret"})``.

        `changes` are other fields. The default mode is that of the provider's submission service, and by default
        everybody may log in. ``Policy.like("old-devices")`` is like no provider: it accepts what old devices do. Raises
        `UnknownProvider`, and what `Policy` raises.
        """
        from .presets import PRESETS  # noqa: PLC0415 - few servers are like somebody's
        from .providers import load_provider  # noqa: PLC0415 - as above

        if provider in PRESETS:
            return cls().replace(*modes, **{"users": ANY_USER, **PRESETS[provider], **changes})
        found = load_provider(provider, *PRESETS)
        given: dict[str, Any] = {
            "mode": found.mode,
            "users": ANY_USER,
            **found.fields_for(OPTIONAL_EXTENSIONS),
            **changes,
        }
        return cls().replace(*modes, **given)
