"""`ServerPolicy`: the settings that servers of all protocols share, checked when the policy is built.

Each protocol has a policy class of its own that adds fields. The class of a policy decides which protocol a server
speaks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.later import compiled_later
from smtpfix.login.names import ANY_USER, ASKING, DEFAULT_MECHANISMS, MECHANISM_NAMES, SCRAM, SCRAM_PLUS
from smtpfix.suggesting import check_names, either, one_of

from .checks import MEANT, Checked, is_collection
from .mode import Mode, ModeName, what_mode

if TYPE_CHECKING:
    import ssl

    from smtpfix.login.mechanisms import Users
    from smtpfix.rules.rule import Rule

    from .protocol import Protocol
    from .scenario import Scenario
    from .tls_profile import TLSProfile

TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""TLS versions by the names that `ssl.SSLSocket.version` returns, oldest first."""

SHORT_VERSIONS: Final = dict(zip(("1.0", "1.1", "1.2", "1.3"), TLS_VERSIONS, strict=True))
"""The same versions, as people write them."""

DEFAULT_HOSTNAME: Final = "mx.smtpfix.test"
"""`Policy.hostname`."""
DEFAULT_MAX_EVENTS: Final = 100_000
"""`Policy.max_events`: 12,000 messages on one connection, 3 MiB of memory."""
DEFAULT_MAX_TRANSCRIPT_OCTETS: Final = 16_777_216
"""`Policy.max_transcript_octets`: an event's share of it is 168, and most have 30."""
DEFAULT_MAX_OCTETS: Final = 4_294_967_296
"""`Policy.max_octets`: more than a test means to keep."""

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = compiled_later(lambda: re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z|\[[A-Za-z0-9.:]+\]\Z"))


@dataclass(frozen=True, slots=True, repr=False, eq=False, init=False)  # each protocol's own policy is built
class ServerPolicy(Checked, Compared):
    """The settings of a server of any protocol. They do not change while the server runs.

    Raises `InvalidValueError`, which names the field, its value and what is allowed, and `UnknownScenario` for a
    scenario that is not in the catalogue.
    """

    clear_modes: ClassVar[frozenset[Mode]] = frozenset({Mode.PLAIN})
    """The modes in which clients may log in outside TLS if `auth_in_clear` is None."""

    spoken: ClassVar[str] = ""
    """The name of the protocol, as in scenarios."""
    reads_mail: ClassVar[bool] = False
    """Whether clients read the captured messages, from the accounts of the inbox."""

    mode: Mode | ModeName = Mode.PLAIN
    """When TLS begins: ``plain``, ``starttls``, ``tls-required`` or ``implicit-tls``."""
    _: KW_ONLY

    users: Users = field(default=None, repr=False)
    """Who may log in: a mapping of names to a password, a `Token`, or several of them; or `ANY_USER`. None offers no
    AUTH.

    It can also be a function that gets the name and the password, or the token, and returns True or False:
    ``users=lambda user, password: password == today()``. The function runs in a thread of its own while its client
    waits. It needs a mechanism that reveals the password or the token: PLAIN, LOGIN, XOAUTH2 or OAUTHBEARER. The name
    is ``""`` if the client names nobody. ANONYMOUS does not call the function."""
    auth_in_clear: bool | None = None
    """Whether the server offers and accepts AUTH outside TLS. None: in mode ``plain`` only."""
    mechanisms: Sequence[str] = DEFAULT_MECHANISMS
    """The SASL mechanisms that the server offers and accepts, in this order. You can also name CRAM-MD5, XOAUTH2,
    OAUTHBEARER, EXTERNAL and ANONYMOUS; with ANONYMOUS, everybody may log in. With the extra ``smtpfix[scram]`` you can
    name SCRAM-SHA-1 and SCRAM-SHA-256 and, inside TLS, SCRAM-SHA-1-PLUS and SCRAM-SHA-256-PLUS, for users with
    passwords."""
    mechanisms_in_clear: Sequence[str] | None = None
    """The mechanisms outside TLS, if AUTH is possible there (`auth_in_clear`); None: those of `mechanisms`. In mode
    ``tls-required``, the server also offers these mechanisms before TLS, as some servers do, and answers them 530 (RFC
    3207 section 4) unless `auth_in_clear` is True. If `auth_in_clear` is False, it offers none."""

    certificate: str | Path | tuple[str | Path, str | Path] | tuple[bytes, bytes] | bytes | ssl.SSLContext = "good"
    """The certificate: the id of a certificate scenario in the catalogue, or a `Path` to a scenario file of your own.
    Or your own certificate: the PEM files of a chain and its key, ``("chain.pem", "key.pem")``, or the octets of both
    in one bytes. Or an `ssl.SSLContext` for servers, which then decides everything about TLS: versions, cipher suites,
    client certificates and ALPN."""
    scenario: str | Path | None = None
    """A scenario of any other kind: an id of the catalogue, or a `Path` to a file of your own. None is a server without
    faults. The scenario sets the fields that you leave at their defaults, and its rules are active from the start. You
    may put the id of either kind into either field: the policy moves it to the right one."""
    tls_min: str = "TLSv1.2"
    """Lowest TLS version, one of `TLS_VERSIONS`. You can write ``"1.2"`` for ``"TLSv1.2"``."""
    tls_max: str = "TLSv1.3"
    """Highest TLS version, one of `TLS_VERSIONS`. You can write ``"1.3"`` for ``"TLSv1.3"``."""
    old_ciphers: bool = False
    """Whether TLS below 1.3 also has the cipher suites of old clients: without forward secrecy (TLS_RSA), with
    Diffie-Hellman over a group of 1,024 bits (DHE), and with SHA-1. They need RSA keys: the server's own authority then
    has them, and an authority that you pass must have them (`Authority.key_type`)."""
    client_certificate: Literal["none", "optional", "required"] = "none"
    """Whether the server requests a client certificate (``optional``), and refuses clients without one (``required``).
    The certificate must be one that the server's own authority has issued."""
    alpn: Sequence[str] = ()
    """The ALPN protocols that the server knows (RFC 7301), the preferred one first. If empty, the server ignores what
    the client offers."""

    host: str = "localhost"
    """The name or IP address to listen on. ``localhost`` is every loopback address, 127.0.0.1 and ::1, on one port."""
    port: int = 0
    """The TCP port, 0 to 65535. 0 takes a free port; read it from `Server.port`."""
    unix_socket: str | Path | None = None
    """The path of a UNIX socket to listen on instead of `host` and `port`, in mode ``plain``. Only its owner can
    connect. The server replaces a socket that nobody listens on, and removes its own when it closes."""
    hostname: str = DEFAULT_HOSTNAME
    """The server's own name, in its greeting, in its EHLO reply and in its certificate."""
    other_names: Sequence[str] = ()
    """More names and IP addresses that clients connect to. The certificate contains them beside `host` and
    `hostname`."""
    proxy_protocol: bool = False
    """Whether every connection must begin with a PROXY protocol header, version 1 or 2. The server closes a connection
    without one."""

    command_limit: int = 4096
    """Longest command line in octets, including its CRLF. RFC 5321 section 4.5.3.1.4 requires at least 512."""
    timeout: float = 300.0
    """Seconds that a client may be silent. RFC 5321 section 4.5.3.2.7 asks for at least 5 minutes."""
    handshake_timeout: float = 5.0
    """Seconds that a TLS handshake may take. Most clients and tests wait longer, so the server can say why it
    failed."""

    max_messages: int = 100_000
    """Messages that the inbox keeps. Beyond that, it drops the oldest ones and counts them."""
    max_sessions: int = 100_000
    """Sessions that the server keeps. Beyond that, it drops the oldest ones and counts them. A message always keeps its
    own session."""
    max_events: int = DEFAULT_MAX_EVENTS
    """Events that a session's transcript keeps, at least 8. Beyond that, it drops events from its middle and counts
    them."""
    max_transcript_octets: int = DEFAULT_MAX_TRANSCRIPT_OCTETS
    """Octets that a session's transcript keeps, at least 65,536. Beyond that, it drops events from its middle;
    `Session.truncated` says so."""
    max_octets: int = DEFAULT_MAX_OCTETS
    """Octets that the inbox keeps, of messages with their envelopes, and octets of ended sessions that the server
    keeps. Beyond that, the oldest ones are dropped and counted. The newest one stays, whatever its size."""

    _in_clear: Sequence[str] = field(default=(), init=False, repr=False, compare=False)
    """The mechanisms outside TLS, wherever they are named."""
    _has_mechanisms: bool = field(default=False, init=False, repr=False, compare=False)
    _has_auth: bool = field(default=False, init=False, repr=False, compare=False)
    _issued: Scenario | None = field(default=None, init=False, repr=False, compare=False)
    _played: Scenario | None = field(default=None, init=False, repr=False, compare=False)

    if TYPE_CHECKING:  # the class of a protocol's policy is built of all fields, and nobody builds this one

        def __init__(self, mode: Mode | ModeName = Mode.PLAIN, **fields: Any) -> None: ...

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        """Check every field, and put it into its normal form; protocols add theirs."""
        self._check_mode()
        if self.scenario is not None or (isinstance(self.certificate, str) and self.certificate != "good"):
            self._sort_scenarios()
        self._check_scenario()
        self._check_auth()
        self._check_tls()
        self._check_names()
        self._check_numbers()
        self._set("_has_auth", self.users is not None and self._has_mechanisms)

    def _check_mode(self) -> None:
        try:
            self._set("mode", Mode(self.mode))
        except ValueError:
            raise self._say("mode", what_mode(self.mode)) from None

    def _check_auth(self) -> None:
        if isinstance(self.users, Mapping):
            users = {name: tuple(known) if isinstance(known, list) else known for name, known in self.users.items()}
            if not all(isinstance(name, str) and _is_credential(known) for name, known in users.items()):
                raise InvalidValueError(
                    f"{type(self).__name__}.users",
                    "a mapping with other things in it",
                    "names and passwords as text, or Tokens",
                )
            self._set("users", MappingProxyType(users))
        elif callable(self.users):
            from smtpfix.rules.decisions import is_function  # noqa: PLC0415 - few servers ask one

            if not is_function(self.users):
                raise InvalidValueError(
                    f"{type(self).__name__}.users",
                    type(self.users).__name__,
                    "a function that is no coroutine function",
                )
        elif self.users is not None and self.users is not ANY_USER:
            raise InvalidValueError(
                f"{type(self).__name__}.users",
                type(self.users).__name__,
                "a mapping of names to passwords, a function, ANY_USER or None",
            )
        if self.auth_in_clear is not None:
            self._check_type("auth_in_clear", bool, "True, False or None")
        self._set("mechanisms", self._names("mechanisms", MECHANISM_NAMES))
        if self.mechanisms_in_clear is not None:
            self._set("mechanisms_in_clear", self._names("mechanisms_in_clear", MECHANISM_NAMES))
        self._set("_in_clear", self.mechanisms if self.mechanisms_in_clear is None else self.mechanisms_in_clear)
        self._set("_has_mechanisms", bool(self._in_clear or (self.uses_tls and self.mechanisms)))
        self._check_scram()

    def _check_scram(self) -> None:
        for name in ("mechanisms", "mechanisms_in_clear") if self.users is ANY_USER else ():
            if any(one in SCRAM for one in getattr(self, name) or ()):
                raise self._say(
                    name,
                    "SCRAM verifies a password, and users=ANY_USER has none; "
                    "name users with passwords, or leave SCRAM out",
                )
        for name in ("mechanisms", "mechanisms_in_clear") if callable(self.users) else ():
            silent = [one for one in getattr(self, name) or () if one not in (*ASKING, "ANONYMOUS")]
            if silent:
                raise self._say(
                    name,
                    f"{silent[0]} shows the server neither a password nor a token, so there is nothing to ask the "
                    f"function in Policy.users; choose from {', '.join(ASKING)} and ANONYMOUS",
                )

    def _check_tls(self) -> None:
        self._check_certificate()
        for name in ("tls_min", "tls_max"):
            if getattr(self, name) not in TLS_VERSIONS:
                self._set(name, self._tls_version(name))
        if TLS_VERSIONS.index(self.tls_min) > TLS_VERSIONS.index(self.tls_max):
            raise self._say(
                "tls_min", f"{self.tls_min!r} is above tls_max, which is {self.tls_max!r}; raise that or lower this"
            )
        self._check_type("old_ciphers", bool, "True or False")
        if self.client_certificate not in ("none", "optional", "required"):
            raise self._fail("client_certificate", one_of(self.client_certificate, ("none", "optional", "required")))
        if not is_collection(self.alpn) or not all(
            isinstance(name, str) and name.isascii() and 0 < len(name) < 256  # noqa: PLR2004
            for name in self.alpn
        ):
            raise self._fail("alpn", "a collection of ASCII protocol names of 1 to 255 octets (RFC 7301 section 3.1)")
        self._set("alpn", tuple(self.alpn))

    def _tls_version(self, name: str) -> str:
        """Return a version of TLS by its full name, where it is written in short, as on the command line."""
        value = getattr(self, name)
        version = SHORT_VERSIONS.get(value) if isinstance(value, str) else None
        if version is None:
            raise self._fail(name, one_of(value, (*TLS_VERSIONS, *SHORT_VERSIONS)))
        return version

    def _check_certificate(self) -> None:
        certificate = self.certificate
        if certificate == "good":  # which is there, and costs nothing until somebody wants TLS
            return
        from .own_certificate import EXPECTED, normalized, shown  # noqa: PLC0415 - good servers need none

        try:
            own = normalized(certificate)
        except ValueError as error:
            raise InvalidValueError(f"{type(self).__name__}.certificate", shown(certificate), str(error)) from None
        if own is not None:
            self._set("certificate", own)
            if not isinstance(own, bytes | tuple):
                self._check_context()
        elif not isinstance(certificate, str | Path):
            raise self._fail("certificate", EXPECTED)
        elif isinstance(certificate, str) and certificate.endswith(".toml"):
            raise self._say(
                "certificate", f"for a file of your own, write Path({certificate!r}); a text is a scenario's id"
            )
        else:
            scenario = self._find_scenario("certificate")
            if isinstance(certificate, str) and scenario.group != "certificates":
                raise self._say(
                    "certificate", f"{certificate!r} is no certificate's scenario: give it as scenario={certificate!r}"
                )
            self._set("_issued", scenario)

    def _check_context(self) -> None:
        """Check that nothing else says what a context of the user's own has already decided."""
        from .tls_profile import TLSProfile  # noqa: PLC0415 - as above

        for item in fields(self):
            if item.name in ("tls_min", "tls_max", "client_certificate", "alpn"):
                value = getattr(self, item.name)
                if value != item.default:
                    raise self._say(
                        item.name,
                        f"{value!r} has no effect where Policy.certificate is an SSLContext: set it on the context",
                    )
        played = self._played
        if played is not None and replace(played.tls, where="tls", fault=None) != TLSProfile():
            raise self._say(
                "scenario",
                f"{self.scenario!r} changes TLS, which an SSLContext in Policy.certificate decides alone; "
                "leave one of them out",
            )

    def _find_scenario(self, name: str) -> Scenario:
        """Return the scenario that a field names, by its id or by its file."""
        from smtpfix.paths import is_file  # noqa: PLC0415 - good servers need none

        from .catalogue_files import check_scenario_id, load_scenario, read_scenario  # noqa: PLC0415 - as above

        value = getattr(self, name)
        if isinstance(value, Path):
            if not is_file(value):
                raise self._say(name, f"there is no file {str(value)!r}")
            return read_scenario(value)
        check_scenario_id(value, f"{type(self).__name__}.{name}")
        return load_scenario(value)

    def _sort_scenarios(self) -> None:
        """Put a certificate's scenario into `certificate` and another one into `scenario`, wherever an id stands."""
        from .catalogue_files import has_scenario, load_scenario  # noqa: PLC0415 - good servers need none

        found: dict[str, object] = {}
        for name, default in (("certificate", "good"), ("scenario", None)):
            value, place = getattr(self, name), name
            if value == default:
                continue
            if isinstance(value, str) and has_scenario(value):  # what else is wrong with it, its own check says
                place = "certificate" if load_scenario(value).group == "certificates" else "scenario"
            if place in found:
                kind = "a certificate's scenario" if place == "certificate" else "no certificate's scenario"
                raise self._say(name, f"{value!r} is {kind}, and so is {found[place]!r}; a server shows one of each")
            found[place] = value
        self._set("certificate", found.get("certificate", "good"))
        self._set("scenario", found.get("scenario"))

    def _check_scenario(self) -> None:
        if self.scenario is None:
            return
        if not isinstance(self.scenario, str | Path):
            raise self._fail("scenario", "a scenario's id, a Path to a scenario's file, or None")
        scenario = self._find_scenario("scenario")
        self._set("_played", scenario)
        if scenario.group == "certificates":
            raise self._say(
                "scenario", f"{self.scenario!r} is a certificate's scenario: give it as certificate={self.scenario!r}"
            )
        if not scenario.is_for(self.spoken):
            other = (scenario.protocol or "smtp").upper()
            raise self._say(
                "scenario",
                f"{self.scenario!r} is a scenario of {other}; a server of {self.spoken.upper()} cannot show it",
            )
        if self.mode not in scenario.modes:
            raise self._say(
                "scenario", f"{self.scenario!r} cannot be shown in mode {self.mode}; use mode {either(scenario.modes)}"
            )
        for item in fields(self):
            if item.name in dict(scenario.policy) and getattr(self, item.name) == item.default:
                self._set(item.name, dict(scenario.policy)[item.name])

    def _check_names(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise self._fail("host", "a host name or IP address")
        if not isinstance(self.hostname, str) or not _is_domain(self.hostname):
            raise self._fail("hostname", "a domain or address literal (RFC 5321 section 4.1.2)")
        if not is_collection(self.other_names) or not all(map(_is_name, self.other_names)):
            raise self._fail("other_names", "a collection of domains and IP addresses")
        self._set("other_names", tuple(self.other_names))
        self._check_type("proxy_protocol", bool, "True or False")
        if self.unix_socket is not None:
            self._check_unix_socket()

    def _check_unix_socket(self) -> None:
        path = self.unix_socket
        if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
            raise self._fail("unix_socket", "the path of a socket, or None")
        if self.uses_tls:
            raise self._say(
                "unix_socket", f"a UNIX socket has no TLS, and the mode is {self.mode}; use mode plain, or a TCP port"
            )
        if self.port:
            raise self._say("unix_socket", f"a server listens on a UNIX socket or on port {self.port}, not on both")
        self._set("unix_socket", Path(path).absolute())

    def _check_numbers(self) -> None:
        self._check_range("port", 0, 65535)
        self._check_range("command_limit", 512)
        for name in ("max_messages", "max_sessions", "max_octets"):
            self._check_range(name, 1)
        self._check_range("max_transcript_octets", 65_536)
        self._check_range("max_events", 8)
        for name in ("timeout", "handshake_timeout"):
            self._check_seconds(name)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the scenario. The server consults the first one first."""
        return self._played.rules if self._played is not None else ()

    @property
    def is_good(self) -> bool:
        """Whether the policy names no scenario. The catalogue, which is costly, is not read then."""
        return self.certificate == "good" and self.scenario is None

    @property
    def has_own_certificate(self) -> bool:
        """Whether `certificate` is the user's own, and not issued by an authority of this package."""
        return not isinstance(self.certificate, str | Path)

    @property
    def certificate_files(self) -> tuple[Path, Path] | None:
        """The files of the user's own chain and its key; None without such files."""
        match self.certificate:
            case (Path() as chain, Path() as key):
                return chain, key
        return None

    @property
    def chain_scenario(self) -> Scenario:
        """The scenario of the server's certificates: that of `certificate`, or else that of `scenario`."""
        if self._issued is not None:
            return self._issued
        if self._played is not None and self.certificate == "good":
            return self._played
        from .catalogue_files import load_scenario  # noqa: PLC0415 - a plain server needs no catalogue

        return load_scenario("good")

    @property
    def tls_profile(self) -> TLSProfile:
        """What the scenario makes the server do in TLS: that of `scenario`, or else that of `certificate`."""
        if self.is_good:
            from .tls_profile import TLSProfile  # noqa: PLC0415 - plain servers have none

            return TLSProfile()
        if self._played is not None:
            return self._played.tls
        return self.chain_scenario.tls

    @property
    def uses_tls(self) -> bool:
        """Whether the server has TLS: True unless the mode is ``plain``."""
        return self.mode is not Mode.PLAIN

    @property
    def has_starttls(self) -> bool:
        """Whether this server has a command that begins TLS."""
        return Mode(self.mode).has_starttls

    @property
    def has_auth(self) -> bool:
        """Whether clients can log in to this server at all."""
        return self._has_auth

    def allows_auth(self, *, in_tls: bool) -> bool:
        """Return whether the server offers and accepts AUTH on a connection in this state."""
        if not self._has_auth:
            return False
        if in_tls:
            return bool(self.mechanisms)
        if not self._in_clear:
            return False
        return self.mode in self.clear_modes if self.auth_in_clear is None else self.auth_in_clear

    def offers_auth(self, *, in_tls: bool) -> bool:
        """Return whether the server offers AUTH in this state: it accepts AUTH, or refuses it until TLS."""
        if self.allows_auth(in_tls=in_tls):
            return True
        refused_until_tls = self.mode is Mode.TLS_REQUIRED and self.auth_in_clear is None
        return not in_tls and refused_until_tls and bool(self.mechanisms_in_clear) and self.has_auth

    def mechanisms_for(self, *, in_tls: bool, has_certificate: bool) -> tuple[str, ...]:
        """Return the mechanisms for a client in this state.

        EXTERNAL is for a client that has presented a certificate (RFC 4422 appendix A), and outside TLS there is no
        channel to bind to (RFC 5802 section 6). Whether there is AUTH at all is decided by `offers_auth` and
        `allows_auth`.
        """
        return tuple(
            name
            for name in (self.mechanisms if in_tls else self._in_clear)
            if (has_certificate or name != "EXTERNAL") and (in_tls or name not in SCRAM_PLUS)
        )

    @property
    def account_folders(self) -> Sequence[str]:
        """The folders that each account has in addition to INBOX."""
        return ()

    def without_effect(self) -> Iterator[str]:
        """Yield a sentence for each setting that has no effect or cannot be meant; a server warns of each."""
        if self.mode is Mode.PLAIN and self.certificate != "good":
            yield "no client ever sees Policy.certificate in mode plain: choose a mode with TLS, such as starttls"

    def speaks(self) -> Protocol:
        """Return the protocol that a server with this policy speaks. The class of the policy decides it."""
        raise NotImplementedError

    def replace(self, *mode: str, **changes: Any) -> Self:
        """Return this policy with other values. Raises `TypeError` for an unknown field, and `InvalidValueError`."""
        if len(mode) > 1:
            raise TypeError(f"a policy has one mode, got {len(mode)}: {mode!r}")
        if changes:
            check_names(type(self).__name__, changes, [item.name for item in fields(self) if item.init], MEANT)
        if mode and mode[0] != changes.get("mode", self.mode):
            changes["mode"] = mode[0]
        return replace(self, **changes) if changes else self

    def showing(self, scenario: str | Path) -> Self:
        """Return this policy with a scenario of any kind instead of its own ones; ``good`` removes them.

        Your own certificate stays, unless the scenario is about certificates. Raises `InvalidValueError` if this mode
        or this protocol cannot show the scenario, and `UnknownScenario`.
        """
        from smtpfix.paths import is_file  # noqa: PLC0415 - good servers need none

        from .catalogue_files import check_scenario_id, load_scenario, read_scenario  # noqa: PLC0415 - as above

        if isinstance(scenario, Path):
            if not is_file(scenario):
                raise InvalidValueError("scenario", scenario, "a file that is there")
            shown = read_scenario(scenario)
        else:
            check_scenario_id(scenario)
            shown = load_scenario(scenario)
        played = () if self._played is None else self._played.policy
        plain: dict[str, Any] = {
            item.name: item.default for item in fields(self) if (item.name, getattr(self, item.name)) in played
        }
        plain |= {"scenario": None} if self.has_own_certificate else {"scenario": None, "certificate": "good"}
        if scenario == "good":
            return self.replace(**plain)
        if shown.policy_field == "certificate" and self.mode not in shown.modes:
            needed = ", ".join(shown.modes)
            raise InvalidValueError(
                "scenario", scenario, f"one that mode {self.mode} can show; this one needs {needed}"
            )
        return self.replace(**{**plain, shown.policy_field: scenario})


def _is_domain(text: str) -> bool:
    """Return whether a text is a domain or an address literal; the name that most servers have needs no reading."""
    return text == DEFAULT_HOSTNAME or _DOMAIN.match(text) is not None


def _is_name(value: object) -> bool:
    """Return whether a certificate can name this as a server's own name or address."""
    if not isinstance(value, str):
        return False
    if ":" not in value:  # an IPv4 address has the form of a domain
        return bool(_DOMAIN.match(value)) and not value.startswith("[")
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return True


def _is_credential(value: object) -> bool:
    """Return whether a value is what a user is known by, or several of these."""
    from smtpfix.login.mechanisms import Credential  # noqa: PLC0415 - few servers have users

    return isinstance(value, Credential) or (
        isinstance(value, tuple) and all(isinstance(one, Credential) for one in value)
    )
