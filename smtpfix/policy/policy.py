"""What a server demands and offers: `Mode` and `Policy`, checked when they are built, never at connect time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from smtpfix.errors import InvalidValueError
from smtpfix.login.mechanisms import ANY_USER, DEFAULT_MECHANISMS, MECHANISM_NAMES, SCRAM, SCRAM_PLUS, Token, Users

if TYPE_CHECKING:
    from smtpfix.rules.reply import Reply
    from smtpfix.rules.rule import Rule

    from .limits import Limits
    from .scenario import Scenario
    from .tls_profile import TLSProfile


class Mode(StrEnum):
    """When TLS begins."""

    PLAIN = "plain"
    """Never: STARTTLS is not offered, and answered 502."""
    STARTTLS = "starttls"
    """On STARTTLS, if the client wants; everything but AUTH works in clear too."""
    TLS_REQUIRED = "tls-required"
    """On STARTTLS, before anything but EHLO, NOOP and QUIT: 530 (RFC 3207 section 4)."""
    IMPLICIT_TLS = "implicit-tls"
    """On connect (RFC 8314 section 3.3)."""

    @property
    def has_starttls(self) -> bool:
        """True where the STARTTLS command exists."""
        return self in (Mode.STARTTLS, Mode.TLS_REQUIRED)


ModeName: TypeAlias = Literal["plain", "starttls", "tls-required", "implicit-tls"]
"""The modes as users write them."""

TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Version names as `ssl.SSLSocket.version` gives them, oldest first."""

EXTENSIONS: Final = (
    "PIPELINING",  # RFC 2920
    "SIZE",  # RFC 1870
    "8BITMIME",  # RFC 6152
    "SMTPUTF8",  # RFC 6531
    "ENHANCEDSTATUSCODES",  # RFC 2034
    "STARTTLS",  # RFC 3207
    "AUTH",  # RFC 4954
    "HELP",  # RFC 5321 section 4.1.1.8
)
"""The EHLO keywords this server knows, in the order it offers them."""

OPTIONAL_EXTENSIONS: Final = (
    "CHUNKING",  # RFC 3030 section 2
    "BINARYMIME",  # RFC 3030 section 3
    "DSN",  # RFC 3461
    "REQUIRETLS",  # RFC 8689
    "LIMITS",  # RFC 9422
    "MT-PRIORITY",  # RFC 6710
    "FUTURERELEASE",  # RFC 4865
    "DELIVERBY",  # RFC 2852
)
"""The EHLO keywords of `Policy.offer`, in the order it offers them, behind the others."""

SYNTAXES: Final = ("strict", "usual", "lenient")
"""How `Policy.syntax` may be."""

_MAIL_PARAMETERS: Final = (
    ("SIZE", "SIZE"),  # RFC 1870 section 3
    ("8BITMIME", "BODY"),  # RFC 6152 section 2
    ("SMTPUTF8", "SMTPUTF8"),  # RFC 6531 section 3.4
    ("AUTH", "AUTH"),  # RFC 4954 section 5
)
_OPTIONAL_MAIL_PARAMETERS: Final = (
    ("BINARYMIME", "BODY=BINARYMIME"),  # RFC 3030 section 3
    ("DSN", "RET"),  # RFC 3461 section 4.3
    ("DSN", "ENVID"),  # RFC 3461 section 4.4
    ("REQUIRETLS", "REQUIRETLS"),  # RFC 8689 section 2
    ("MT-PRIORITY", "MT-PRIORITY"),  # RFC 6710 section 7
    ("FUTURERELEASE", "HOLDFOR"),  # RFC 4865 section 3
    ("FUTURERELEASE", "HOLDUNTIL"),  # RFC 4865 section 3
    ("DELIVERBY", "BY"),  # RFC 2852 section 4
)
_RECIPIENT_PARAMETERS: Final = (
    ("DSN", "NOTIFY"),  # RFC 3461 section 4.1
    ("DSN", "ORCPT"),  # RFC 3461 section 4.2
)

DEFAULT_GREETING: Final = "{hostname} ESMTP smtpfix"
"""`Policy.greeting`."""

DEFAULT_MAX_EVENTS: Final = 100_000
"""`Policy.max_events`: 12,000 messages on one connection, 3 MiB of memory."""

_EHLO_LINE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*[ =]?[!-~]*(?: [!-~]+)*\Z")
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z|\[[A-Za-z0-9.:]+\]\Z")


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that is decided before a server starts; it does not change while the server runs.

    ``Policy("tls-required", users={"ann": "s3cret"}, require_auth=True)``

    Raises `InvalidValueError` naming the field, the value and what is allowed, and `UnknownScenario` for a certificate
    that is not in the catalogue.
    """

    mode: Mode | ModeName = Mode.PLAIN
    """When TLS begins: ``plain``, ``starttls``, ``tls-required`` or ``implicit-tls``."""

    _: KW_ONLY

    users: Users = field(default=None, repr=False)
    """Who may log in: name to password, to `Token`, or to several of them; or `ANY_USER`; None offers no AUTH."""
    require_auth: bool = False
    """Answer ``530 5.7.0`` to MAIL, RCPT, DATA, VRFY and EXPN before authentication (RFC 4954 section 6)."""
    auth_in_clear: bool | None = None
    """Whether AUTH is offered and accepted outside TLS; None: in mode ``plain`` only."""
    mechanisms: Sequence[str] = DEFAULT_MECHANISMS
    """SASL mechanisms offered and accepted, in this order. There are CRAM-MD5, XOAUTH2, OAUTHBEARER, EXTERNAL and
    ANONYMOUS too; with the last, everybody may log in. With the extra ``smtpfix[scram]`` there are SCRAM-SHA-1,
    SCRAM-SHA-256 and, inside TLS, SCRAM-SHA-1-PLUS and SCRAM-SHA-256-PLUS, for users with passwords."""
    mechanisms_in_clear: Sequence[str] | None = None
    """The same outside TLS, where AUTH is possible there (`auth_in_clear`); None: `mechanisms`. Mode ``tls-required``
    offers those that are named here before TLS as well, as some servers do, and answers them 530 (RFC 3207 section 4)
    unless `auth_in_clear` is True; False offers none."""

    certificate: str | Path | tuple[str | Path, str | Path] = "good"
    """Certificate scenario: an id of the catalogue, or a `Path` to a scenario's file of your own; or the files of a
    chain and its key, PEM: ``("chain.pem", "key.pem")``."""
    scenario: str | Path | None = None
    """Scenario of any other kind: an id of the catalogue, or a `Path` to a file of your own; None is a server as it
    should be. Fields that are left as they are take what the scenario says; its rules are in force from the start."""
    tls_min: str = "TLSv1.2"
    """Lowest TLS version, one of `TLS_VERSIONS`."""
    tls_max: str = "TLSv1.3"
    """Highest TLS version, one of `TLS_VERSIONS`."""
    client_certificate: Literal["none", "optional", "required"] = "none"
    """Whether the server asks for a client certificate, from its own authority, and insists on it."""
    alpn: Sequence[str] = ()
    """ALPN protocols the server knows (RFC 7301), most wanted first; empty ignores what the client offers."""

    host: str = "localhost"
    """Where to listen: ``localhost`` is every loopback address there is, 127.0.0.1 and ::1, on one port."""
    port: int = 0
    """TCP port, 0 to 65535; 0 takes a free one, to be read back from the server."""
    hostname: str = "mx.smtpfix.test"
    """The server's own name, in its greeting and EHLO reply, and in its certificate."""
    protocol: Literal["smtp", "lmtp"] = "smtp"
    """``lmtp`` serves LMTP (RFC 2033), in any mode: LHLO, and a reply for each recipient at the final dot. Section 5
    forbids port 25, and wants PIPELINING and ENHANCEDSTATUSCODES: hide them for a wrong server only."""
    proxy_protocol: bool = False
    """Whether every connection has to begin with a PROXY protocol header, version 1 or 2; one without it is closed."""
    xclient: bool = False
    """Whether XCLIENT is offered and taken, from everybody; otherwise it is answered 550."""
    hide: Collection[str] = frozenset()
    """ESMTP keywords of `EXTENSIONS` that this server does not have."""
    offer: Collection[str] = frozenset()
    """ESMTP keywords of `OPTIONAL_EXTENSIONS` that this server has. BINARYMIME needs CHUNKING (RFC 3030 section 3);
    REQUIRETLS is offered inside TLS only (RFC 8689)."""
    syntax: Literal["strict", "usual", "lenient"] = "usual"
    """What the server makes of commands that are against the grammar: ``strict`` refuses them all (RFC 5321 section
    4.1), ``lenient`` takes what can be understood, and ``usual`` takes stray spaces, paths without angle brackets, bare
    LF and any client name, as most servers do. `Session.violations` has them in any case."""

    capabilities: Sequence[str] | None = None
    """The lines of the reply to EHLO behind the first, in this order; None: every keyword of `EXTENSIONS` that this
    server has, in that order. A keyword, also one of `OPTIONAL_EXTENSIONS`, stands for what this server says of it, and
    where it says nothing, so does the line; every other line is sent as it stands. A keyword of `EXTENSIONS` that is
    not in it is one this server does not have; one of `offer` that is not in it stands behind the last line."""
    ehlo_greet: str = ""
    """What stands behind the name in the first line of the reply to EHLO (``ehlo-greet``, RFC 5321 section 4.1.1.1);
    may hold `smtpfix.rules.reply.PLACEHOLDERS`, such as ``at your service, [{client}]``."""
    greeting: str = DEFAULT_GREETING
    """The text of the reply 220 that greets a client; may hold the same."""
    replies: Mapping[str, Reply | str] | None = field(default=None, repr=False)
    """What is said in the place of this server's own replies: by name, such as ``bad_credentials``, the names of
    `smtpfix.rules.reply.standard_replies`; a Reply, or a text that keeps the codes. Texts may hold the same."""

    limits: Limits | None = None
    """What one client, or all of them, may have before they are refused; None refuses nobody."""
    greylist: float | None = None
    """Seconds after which a message is taken, having been refused with ``450 4.7.1`` when it first came: for each
    client's address, sender and recipient (RFC 6647). Clients that have logged in are exempt. None: no greylisting."""
    size_limit: int | None = 33_554_432
    """Largest message in octets, offered as SIZE (RFC 1870); a larger one is read to its end and answered 552."""
    line_limit: int | None = None
    """Longest line of content in octets without its CRLF; None accepts any. RFC 5321 section 4.5.3.1.6 says 998."""
    command_limit: int = 4096
    """Longest command line in octets with its CRLF; RFC 5321 section 4.5.3.1.4 asks for 512 at least."""
    max_recipients: int = 10_000
    """Recipients of one message, more get 452; RFC 5321 section 4.5.3.1.8 asks for 100 at least."""
    max_recipient_domains: int | None = None
    """Different domains among a session's recipients, more get 452; None is no limit. LIMITS offers it (RFC 9422)."""
    max_hold: int = 2_592_000
    """Seconds a message may be held back by HOLDFOR and HOLDUNTIL where FUTURERELEASE is offered (RFC 4865)."""
    timeout: float = 300.0
    """Seconds a connected client may be silent; RFC 5321 section 4.5.3.2.7 asks for 5 minutes."""
    handshake_timeout: float = 10.0
    """Seconds a TLS handshake may take."""

    max_messages: int = 100_000
    """Messages kept; the oldest go first, and are counted."""
    max_sessions: int = 100_000
    """Sessions kept; the oldest go first, and are counted. A message keeps its own session all the same."""
    max_events: int = DEFAULT_MAX_EVENTS
    """Events a session's transcript keeps, 8 or more; beyond that they go from its middle, and are counted."""

    _in_clear: Sequence[str] = field(default=(), init=False, repr=False, compare=False)
    """The mechanisms outside TLS, wherever they are named."""
    _has_mechanisms: bool = field(default=False, init=False, repr=False, compare=False)
    _issued: Scenario | None = field(default=None, init=False, repr=False, compare=False)
    _played: Scenario | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_mode()
        self._check_scenario()
        self._check_auth()
        self._check_tls()
        self._check_names()
        self._check_words()
        self._check_numbers()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _fail(self, name: str, expected: str) -> InvalidValueError:
        return InvalidValueError(f"Policy.{name}", getattr(self, name), expected)

    def _check_mode(self) -> None:
        try:
            self._set("mode", Mode(self.mode))
        except ValueError:
            raise self._fail("mode", "one of " + ", ".join(repr(str(mode)) for mode in Mode)) from None

    def _check_auth(self) -> None:
        if isinstance(self.users, Mapping):
            users = {name: tuple(known) if isinstance(known, list) else known for name, known in self.users.items()}
            if not all(isinstance(name, str) and _is_credential(known) for name, known in users.items()):
                raise InvalidValueError(
                    "Policy.users", "a mapping with other things in it", "names and passwords as text, or Tokens"
                )
            self._set("users", MappingProxyType(users))
        elif self.users is not None and self.users is not ANY_USER:
            raise InvalidValueError(
                "Policy.users", type(self.users).__name__, "a mapping of names to passwords, ANY_USER or None"
            )
        self._check_type("require_auth", bool, "True or False")
        if self.auth_in_clear is not None:
            self._check_type("auth_in_clear", bool, "True, False or None")
        self._set("mechanisms", self._names("mechanisms", MECHANISM_NAMES))
        if self.mechanisms_in_clear is not None:
            self._set("mechanisms_in_clear", self._names("mechanisms_in_clear", MECHANISM_NAMES))
        self._set("_in_clear", self.mechanisms if self.mechanisms_in_clear is None else self.mechanisms_in_clear)
        self._set("_has_mechanisms", bool(self._in_clear or (self.uses_tls and self.mechanisms)))
        self._check_scram()
        everywhere = (*self.mechanisms, *(self.mechanisms_in_clear or ()))
        if self.require_auth and (self.users is None or (self.users == {} and "ANONYMOUS" not in everywhere)):
            raise self._fail("require_auth", "False where Policy.users names nobody, or users to log in as")
        if self.require_auth and not self._has_mechanisms:
            raise self._fail("require_auth", "False where Policy.mechanisms is empty, or a mechanism")
        if self.require_auth and self.mode is Mode.PLAIN and self.auth_in_clear is False:
            raise self._fail(
                "require_auth", "False where mode is plain and auth_in_clear is False: nobody could log in"
            )

    def _check_scram(self) -> None:
        for name in ("mechanisms", "mechanisms_in_clear") if self.users is ANY_USER else ():
            if any(one in SCRAM for one in getattr(self, name) or ()):
                raise self._fail(name, "no SCRAM where Policy.users is ANY_USER: it takes a password to verify against")

    def _check_tls(self) -> None:
        self._check_certificate()
        for name in ("tls_min", "tls_max"):
            if getattr(self, name) not in TLS_VERSIONS:
                raise self._fail(name, "one of " + ", ".join(TLS_VERSIONS))
        if TLS_VERSIONS.index(self.tls_min) > TLS_VERSIONS.index(self.tls_max):
            raise self._fail("tls_min", f"at most Policy.tls_max, which is {self.tls_max!r}")
        if self.client_certificate not in ("none", "optional", "required"):
            raise self._fail("client_certificate", "'none', 'optional' or 'required'")
        if not _is_collection(self.alpn) or not all(
            isinstance(name, str) and name.isascii() and 0 < len(name) < 256  # noqa: PLR2004
            for name in self.alpn
        ):
            raise self._fail("alpn", "a collection of ASCII protocol names of 1 to 255 octets (RFC 7301 section 3.1)")
        self._set("alpn", tuple(self.alpn))

    def _check_certificate(self) -> None:
        certificate = self.certificate
        if isinstance(certificate, tuple | list):
            if len(certificate) != 2 or not all(isinstance(file, str | Path) for file in certificate):  # noqa: PLR2004
                raise self._fail("certificate", 'the files of a chain and of its key: ("chain.pem", "key.pem")')
            self._set("certificate", tuple(map(Path, certificate)))
        elif not isinstance(certificate, str | Path):
            raise self._fail(
                "certificate", "a scenario's id, a Path to a scenario's file, or a chain's and key's files"
            )
        elif isinstance(certificate, str) and certificate.endswith(".toml"):
            raise self._fail("certificate", "an id of the catalogue; for a file of your own, write Path(...)")
        elif certificate != "good":  # which is there, and costs nothing until somebody wants TLS
            scenario = self._find_scenario("certificate")
            if isinstance(certificate, str) and scenario.group != "certificates":
                raise self._fail("certificate", "a certificate's scenario; this one is for Policy.scenario")
            self._set("_issued", scenario)

    def _find_scenario(self, name: str) -> Scenario:
        """Return the scenario that a field names, by its id or by its file."""
        from .scenario import check_scenario_id, load_scenario, read_scenario  # noqa: PLC0415 - good servers need none

        value = getattr(self, name)
        if isinstance(value, Path):
            if not value.is_file():
                raise self._fail(name, "a file that is there")
            return read_scenario(value)
        check_scenario_id(value, f"Policy.{name}")
        return load_scenario(value)

    def _check_scenario(self) -> None:
        if self.scenario is None:
            return
        if not isinstance(self.scenario, str | Path):
            raise self._fail("scenario", "a scenario's id, a Path to a scenario's file, or None")
        scenario = self._find_scenario("scenario")
        self._set("_played", scenario)
        if scenario.group == "certificates":
            raise self._fail("scenario", "a scenario of another kind; this one is for Policy.certificate")
        if self.mode not in scenario.modes:
            raise self._fail(
                "scenario", f"one that mode {self.mode} can show; this one needs {', '.join(scenario.modes)}"
            )
        for item in fields(self):
            if item.name in dict(scenario.policy) and getattr(self, item.name) == item.default:
                self._set(item.name, dict(scenario.policy)[item.name])

    def _check_names(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise self._fail("host", "a host name or IP address")
        if not isinstance(self.hostname, str) or not _DOMAIN.match(self.hostname):
            raise self._fail("hostname", "a domain or address literal (RFC 5321 section 4.1.2)")
        if self.protocol not in ("smtp", "lmtp"):
            raise self._fail("protocol", "'smtp' or 'lmtp'")
        for name in ("proxy_protocol", "xclient"):
            self._check_type(name, bool, "True or False")
        self._set("hide", frozenset(self._names("hide", EXTENSIONS)))
        self._set("offer", frozenset(self._names("offer", OPTIONAL_EXTENSIONS)))
        if "BINARYMIME" in self.offer and "CHUNKING" not in self.offer:
            raise self._fail("offer", "CHUNKING beside BINARYMIME, which is for BDAT only (RFC 3030 section 3)")
        if self.syntax not in SYNTAXES:
            raise self._fail("syntax", "one of " + ", ".join(SYNTAXES))
        if self.require_auth and "AUTH" in self.hide:
            raise self._fail("hide", "AUTH left in where Policy.require_auth is True")

    def _check_words(self) -> None:
        if self.capabilities is not None:
            if not _is_collection(self.capabilities) or not all(
                isinstance(line, str) and _EHLO_LINE.match(line) for line in self.capabilities
            ):
                raise self._fail(
                    "capabilities", "lines of a keyword and parameters (RFC 5321 section 4.1.1.1), or None"
                )
            self._set("capabilities", tuple(self.capabilities))
            if self.require_auth and "AUTH" not in self.capabilities:
                raise self._fail("capabilities", "AUTH among them where Policy.require_auth is True")
        if self.greeting == DEFAULT_GREETING and self.ehlo_greet == "" and self.replies is None:
            return
        from smtpfix.rules.reply import Reply, check_placeholders, check_replies  # noqa: PLC0415 - few servers have other words

        for name in ("greeting", "ehlo_greet"):
            self._check_type(name, str, "text")
            check_placeholders(f"Policy.{name}", getattr(self, name))
            if "\n" in getattr(self, name):
                raise self._fail(name, "text of one line")
            Reply(220, None, getattr(self, name))
        if self.replies is not None:
            self._set("replies", MappingProxyType(check_replies("Policy.replies", self.replies)))

    def _check_numbers(self) -> None:
        if self.limits is not None:
            from .limits import Limits  # noqa: PLC0415 - few servers have any

            self._check_type("limits", Limits, "Limits, or None")
        if self.greylist is not None:
            self._check_seconds("greylist")
        self._check_range("port", 0, 65535)
        for name in ("size_limit", "line_limit", "max_recipient_domains"):
            if getattr(self, name) is not None:
                self._check_range(name, 1)
        self._check_range("command_limit", 512)
        for name in ("max_recipients", "max_messages", "max_sessions", "max_hold"):
            self._check_range(name, 1)
        self._check_range("max_events", 8)
        for name in ("timeout", "handshake_timeout"):
            self._check_seconds(name)

    def _check_seconds(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self._fail(name, "seconds, more than 0")

    def _check_range(self, name: str, least: int, most: int | None = None) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < least or (most is not None and value > most):
            raise self._fail(
                name, f"a whole number from {least} to {most}" if most else f"a whole number from {least} up"
            )

    def _check_type(self, name: str, kind: type, expected: str) -> None:
        if not isinstance(getattr(self, name), kind):
            raise self._fail(name, expected)

    def _names(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return the field's names in upper case; each has to be one of `known`."""
        value = getattr(self, name)
        if not _is_collection(value) or not all(isinstance(item, str) and item.upper() in known for item in value):
            raise self._fail(name, "a collection of names out of " + ", ".join(known))
        return tuple(item.upper() for item in value)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The scenario's rules, the first to be asked first."""
        return self._played.rules if self._played is not None else ()

    @property
    def is_good(self) -> bool:
        """Whether no scenario was asked for: the catalogue, which costs more than a good server, need not be read."""
        return self.certificate == "good" and self.scenario is None

    @property
    def chain_scenario(self) -> Scenario:
        """The scenario that the certificates are issued after: the certificate's, or the TLS scenario's own."""
        if self._issued is not None:
            return self._issued
        if self._played is not None and self.certificate == "good":
            return self._played
        from .scenario import load_scenario  # noqa: PLC0415 - a plain server needs no catalogue

        return load_scenario("good")

    @property
    def tls_profile(self) -> TLSProfile:
        """What the TLS scenario, or else the certificate's, asks of the server."""
        if self._played is not None:
            return self._played.tls
        return self.chain_scenario.tls

    @property
    def uses_tls(self) -> bool:
        """True unless the mode is ``plain``."""
        return self.mode is not Mode.PLAIN

    def has(self, extension: str) -> bool:
        """Return whether this server has the extension at all; what is offered when is the conversation's decision."""
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
    def own_replies(self) -> Mapping[str, Reply]:
        """What `replies` says; each is a whole reply once the policy is built."""
        return cast("Mapping[str, Reply]", self.replies or {})

    @property
    def mail_parameters(self) -> tuple[str, ...]:
        """The parameters MAIL may have: those of the extensions this server has; ``BODY=BINARYMIME`` with its value."""
        found = tuple(parameter for extension, parameter in _MAIL_PARAMETERS if self.has(extension))
        if not self.offer:
            return found
        more = (parameter for extension, parameter in _OPTIONAL_MAIL_PARAMETERS if extension in self.offer)
        return (*found, *more)

    @property
    def recipient_parameters(self) -> tuple[str, ...]:
        """The parameters RCPT may have: those of the extensions this server has."""
        return tuple(parameter for extension, parameter in _RECIPIENT_PARAMETERS if extension in self.offer)

    def allows_auth(self, *, in_tls: bool) -> bool:
        """Return whether AUTH is offered and accepted on a connection in this state."""
        if not self.has("AUTH"):
            return False
        if in_tls:
            return bool(self.mechanisms)
        if not self._in_clear:
            return False
        return self.mode is Mode.PLAIN if self.auth_in_clear is None else self.auth_in_clear

    def offers_auth(self, *, in_tls: bool) -> bool:
        """Return whether AUTH is offered on a connection in this state: where it is accepted, or refused until TLS."""
        if self.allows_auth(in_tls=in_tls):
            return True
        refused_until_tls = self.mode is Mode.TLS_REQUIRED and self.auth_in_clear is None
        return not in_tls and refused_until_tls and bool(self.mechanisms_in_clear) and self.has("AUTH")

    def mechanisms_for(self, *, in_tls: bool, has_certificate: bool) -> tuple[str, ...]:
        """Return the mechanisms for a client in this state.

        EXTERNAL is for one that has shown a certificate (RFC 4422 appendix A), and there is nothing to bind to outside
        TLS (RFC 5802 section 6). Whether there is AUTH at all, `offers_auth` and `allows_auth` decide.
        """
        return tuple(
            name
            for name in (self.mechanisms if in_tls else self._in_clear)
            if (has_certificate or name != "EXTERNAL") and (in_tls or name not in SCRAM_PLUS)
        )

    @classmethod
    def like(cls, provider: str, *mode: str, **changes: Any) -> Policy:
        """Return a policy like a provider's, as publicly documented: ``Policy.like("gmail", users={"ann": "s3cret"})``.

        `changes` are other fields. The mode is the one the provider's submission has, unless given; everybody may log
        in, unless `users` are given. Raises `UnknownProvider`, and what `Policy` itself raises.
        """
        from .providers import load_provider  # noqa: PLC0415 - few servers are like somebody's

        found = load_provider(provider)
        given = {"mode": found.mode, "users": ANY_USER, **found.fields_for(OPTIONAL_EXTENSIONS), **changes}
        return cls().replace(*mode, **given)

    def replace(self, *mode: str, **changes: Any) -> Policy:
        """Return this policy with another mode or other fields; raise `TypeError` naming an unknown field."""
        if len(mode) > 1:
            raise TypeError(f"a policy has one mode, got {mode!r}")
        if mode:
            changes["mode"] = mode[0]
        names = [item.name for item in fields(self) if not item.name.startswith("_")]
        for name in changes:
            if name not in names:
                raise TypeError(f"Policy has no field {name!r}; there are {', '.join(names)}")
        return replace(self, **changes)


def _is_credential(value: object) -> bool:
    """Return whether a value is what a user is known by, or several of these."""
    return isinstance(value, str | Token) or (
        isinstance(value, tuple) and all(isinstance(one, str | Token) for one in value)
    )


def _is_collection(value: object) -> bool:
    """Return whether a value is a list, a set or the like: not a text, and not an iterator, which reads only once."""
    return isinstance(value, Collection) and not isinstance(value, str)
