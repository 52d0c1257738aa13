"""`Scenario`: what the server does to a client, as a value, from the text of a TOML file.

Knows what a scenario says, and not where it is kept: `catalogue_files` does; `authority` issues its certificates,
`contexts` and `conversation` play its TLS.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.login.names import ANY_USER
from smtpfix.rules.rule import Rule
from smtpfix.rules.stages import CONNECT, HANDSHAKE
from smtpfix.suggesting import one_of

from .certificate_profile import CertificateProfile, is_template
from .flaw import BY_VERIFY_CODE, FLAWS
from .good_chain import MOST_INTERMEDIATES
from .tables import check_table, read_toml
from .tls_profile import TLSProfile

OUTCOMES: Final = {
    "accept": "a careful client delivers",
    "refuse": "a careful client refuses",
    "lax": "refusing is right, accepting is common",
    "either": "both are right",
}
"""What a client is expected to do."""

GROUPS: Final = ("certificates", "tls", "stripping", "injection", "auth", "replies", "timing", "delivery")
"""The parts of the catalogue, in order."""

CLIENT_MODES: Final = ("implicit", "starttls-required", "opportunistic", "none")
"""When a client means to use TLS: from the first octet, by STARTTLS or not at all, by STARTTLS where offered, never."""

_TLS_MODES: Final = ("starttls", "tls-required", "implicit-tls")
_MODES: Final = ("plain", *_TLS_MODES)
_IN_EVERY_MODE: Final = ("auth", "replies", "timing", "delivery")
"""Groups that do not turn on TLS."""
_OF_SMTP: Final = ("injection", "replies", "timing", "delivery")
"""Groups whose scenarios are of SMTP unless they say otherwise."""
_POLICY_FIELDS: Final = (
    *("users", "require_auth", "auth_in_clear", "mechanisms", "mechanisms_in_clear", "hide", "size_limit"),
    *("line_limit", "max_recipients", "limits", "greylist", "timeout"),
    *("offer", "syntax", "max_recipient_domains", "refuse"),
)
"""The fields of a policy that a scenario may decide."""
_FIELDS_OF: Final = {
    "imap": (
        *("users", "auth_in_clear", "mechanisms", "mechanisms_in_clear", "timeout"),
        *("hide", "folders", "append_limit", "quota", "read_only", "greeting"),
    ),
    "pop3": (
        *("users", "auth_in_clear", "mechanisms", "mechanisms_in_clear", "timeout"),
        *("hide", "apop", "login_delay", "expire", "locks", "greeting"),
    ),
}
"""Those of protocols whose policy has others."""
_IGNORED: Final = frozenset({"syntax", "require_auth"})
"""Fields of SMTP without which a scenario is the same in other protocols."""
_COMMON: Final = frozenset({"users", "auth_in_clear", "mechanisms", "mechanisms_in_clear", "timeout"})
PROTOCOLS: Final = ("smtp", "imap", "pop3")
"""The protocols whose scenarios there are."""
_TRUSTED: Final = ("root", "authority", "leaf", "other-key")
_SENT: Final = ("leaf", "intermediates", "intermediates-reversed", "root", "stranger")
_VERIFIED: Final = 0
"""X509_V_OK."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What OpenSSL, asked as `ssl.create_default_context` asks it, makes of a scenario."""

    verify_code: int | None = None
    """Its verify code, 0 where it accepts; None where the handshake does not get that far."""
    strict_verify_code: int | None = None
    """The same with ``X509_V_FLAG_X509_STRICT``, which Python 3.13 sets by default; None: the same."""
    error: str | None = None
    """`ssl.SSLError.reason`, or the name of an exception, where it is not the certificate that fails."""

    @property
    def accepts(self) -> bool:
        """Whether the handshake completes."""
        return self.verify_code == _VERIFIED and self.error is None

    def code(self, *, strict: bool) -> int | None:
        """Return the verify code with or without the strict flag."""
        return self.strict_verify_code if strict and self.strict_verify_code is not None else self.verify_code


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client is to be asked to deliver, where the scenario turns on it; None leaves it to whoever asks."""

    client_name: str | None = None
    """What it is to call itself in EHLO."""
    sender: str | None = None
    """The reverse-path."""
    recipient: str | None = None
    message: str | None = None
    """The whole message, line ends as they stand here; outside ASCII as UTF-8."""
    recipients: int = 1
    """How many there are; whose addresses those after the first have does not matter."""

    @property
    def is_writing(self) -> bool:
        """Whether something certain has to be written, and not only more than once."""
        return replace(self, recipients=1) != Asked()


_NOTHING: Final = Asked()
_MOST_RECIPIENTS: Final = 9
_LEAF: Final = CertificateProfile("leaf", ca=False)
_TLS: Final = TLSProfile()
_ACCEPTED: Final = Evidence(_VERIFIED)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Scenario(Compared):
    """One entry of the catalogue. Raises `InvalidValueError`, which names the file, the key and what is allowed."""

    id: str
    """The name of its file without ``.toml``: the value of `Policy.certificate` and `Policy.scenario`."""
    summary: str
    """What the server does, in one sentence."""
    expected: str
    """What a careful client does: one of `OUTCOMES`."""
    standard: str
    """The section of the standard that says so."""
    protocol: str = ""
    """The only protocol that can show it, one of `PROTOCOLS`; if empty, see `is_for`."""
    group: str = "certificates"
    """The group, one of `GROUPS`."""
    connect: str = "{host}"
    """The host name that a client must connect to, so that the scenario has a meaning."""
    modes: tuple[str, ...] = _TLS_MODES
    """The server modes that can show it."""
    trust: str = "root"
    """What a careful client trusts: the ``root`` of the chain, the test ``authority`` whatever the chain is, the
    ``leaf`` itself, or a certificate for the same name with an ``other-key``."""
    send: tuple[str, ...] = ("leaf", "intermediates")
    """The certificates that the server sends, in this order."""
    root: CertificateProfile | None = None
    """The root, if the scenario has one of its own; None: that of the authority."""
    intermediates: tuple[CertificateProfile, ...] | int = 1
    """The intermediates, from the root down, or the number of plain ones."""
    leaf: CertificateProfile = _LEAF
    """The server's certificate."""
    tls: TLSProfile = _TLS
    """What the server does in TLS."""
    rules: tuple[Rule, ...] = ()
    """The rules by which the server differs from a good one. The server consults the first one first."""
    expected_by_mode: tuple[tuple[str, str], ...] = ()
    """What a careful client does if it is not `expected`: pairs of one of `CLIENT_MODES` and one of `OUTCOMES`."""
    control: str = ""
    """The id of a scenario that lacks only the attack: what a client also does there is not due to the attack."""
    asked: Asked = _NOTHING
    """What the client is asked to deliver."""
    forbids: tuple[str, ...] = ()
    """Ids of `Violation`. A client with one of them has failed the scenario, whatever the outcome."""
    injected_mechanisms: tuple[str, ...] = ()
    """SASL mechanisms that only an injected reply offers. A client that uses one has believed that reply."""
    policy: tuple[tuple[str, object], ...] = field(default=(), hash=False)
    """Fields of the policy that the scenario sets if you do not: names and values."""
    openssl: Evidence = _ACCEPTED
    """OpenSSL's verdict."""
    flaw: str = ""
    """What a client fails to check if it delivers although it must refuse: one of `FLAWS`. If empty, OpenSSL's verify
    code decides; see `its_flaw`."""
    notes: str = ""
    """More text for people: reasons, and how clients differ."""

    def expected_for(self, mode: str) -> str:
        """Return what a careful client does if it uses TLS as one of `CLIENT_MODES` says; one of `OUTCOMES`.

        `expected` is for clients that must use TLS. A client that never uses TLS sees no certificate and no handshake,
        and delivers. Raises `InvalidValueError` for an unknown mode.
        """
        if mode not in CLIENT_MODES:
            raise InvalidValueError("mode", mode, one_of(mode, CLIENT_MODES))
        never_met = mode == "none" and self.group in ("certificates", "tls")
        return dict(self.expected_by_mode).get(mode, "accept" if never_met else self.expected)

    @property
    def its_flaw(self) -> str:
        """What a client fails to check if it delivers although it must refuse: one of `FLAWS`; empty for nothing.

        Only scenarios about the server's identity have one: with the others, an attacker gains nothing.
        """
        if self.flaw or not self.is_about_trust or self.expected not in ("refuse", "lax"):
            return self.flaw
        if self.group in ("stripping", "injection"):
            return "issuer" if self.trust == "authority" else ""
        code = self.openssl.verify_code or (20 if self.trust == "authority" else None)
        return BY_VERIFY_CODE.get(code, "") if code is not None else ""

    def is_for(self, protocol: str) -> bool:
        """Return whether servers of a protocol can show it. All can, unless it has stages or fields of one protocol."""
        if self.protocol or protocol == PROTOCOLS[0]:
            return protocol == (self.protocol or PROTOCOLS[0])
        return (
            self.group not in _OF_SMTP
            and all(rule.stage in (CONNECT, HANDSHAKE) for rule in self.rules)
            and {name for name, _ in self.policy} <= _COMMON | _IGNORED
            and not (self.forbids or self.injected_mechanisms)
        )

    @property
    def is_plain(self) -> bool:
        """Whether its certificates are those of every good server, and clients trust the root of the authority."""
        return (
            self.root is None
            and isinstance(self.intermediates, int)
            and self.leaf == CertificateProfile(self.leaf.where, ca=False)
            and self.trust == "root"
        )

    @property
    def policy_field(self) -> str:
        """The field of a policy that takes its id: ``certificate`` or ``scenario``."""
        return "certificate" if self.group == "certificates" else "scenario"

    @property
    def is_about_trust(self) -> bool:
        """Whether a client must refuse before it reveals anything, because the server may be an impostor."""
        return self.group not in _IN_EVERY_MODE

    @property
    def profiles(self) -> tuple[CertificateProfile, ...]:
        """The certificates with profiles of their own, from the root down."""
        own = self.intermediates if isinstance(self.intermediates, tuple) else ()
        return (*((self.root,) if self.root else ()), *own, self.leaf)

    def __post_init__(self) -> None:
        for name in ("summary", "standard"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise self._fail(name, "a sentence")
        self._check(
            "expected", isinstance(self.expected, str) and self.expected in OUTCOMES, one_of(self.expected, OUTCOMES)
        )
        self._check("protocol", self.protocol in ("", *PROTOCOLS), one_of(self.protocol, PROTOCOLS))
        self._check("group", self.group in GROUPS, one_of(self.group, GROUPS))
        self._check("trust", self.trust in _TRUSTED, one_of(self.trust, _TRUSTED))
        self._check(
            "connect",
            bool(self.connect) and is_template(self.connect) and "{name" not in self.connect,
            "a host name with placeholders such as {hostname}, but {name} and {names}, which follow from it",
        )
        for name, allowed in (("modes", _MODES if self.group in _IN_EVERY_MODE else _TLS_MODES), ("send", _SENT)):
            value = getattr(self, name)
            good = isinstance(value, tuple) and bool(value) and all(one in allowed for one in value)
            self._check(name, good, f"a list out of {', '.join(allowed)}")
        self._check("send", self.send[0] == "leaf", "a list that begins with leaf, since that is whose key signs")
        count = self.intermediates
        self._check(
            "intermediates",
            isinstance(count, tuple) or (type(count) is int and 0 <= count <= MOST_INTERMEDIATES),
            f"a number from 0 to {MOST_INTERMEDIATES}, or [[intermediate]] tables",
        )
        self._check("notes", isinstance(self.notes, str), "text")
        self._check("flaw", self.flaw in ("", *FLAWS), f"one of {', '.join(FLAWS)}")
        mechanisms = self.injected_mechanisms
        good = isinstance(mechanisms, tuple) and all(isinstance(one, str) and one.isupper() for one in mechanisms)
        self._check("injected_mechanisms", good, "a list of SASL mechanisms in upper case")
        self._check("control", isinstance(self.control, str), "the id of another scenario")
        good = isinstance(self.forbids, tuple) and all(isinstance(one, str) and one for one in self.forbids)
        self._check("forbids", good, "a list of violations' ids, such as bare-line-feed")

    def _check(self, name: str, good: bool, allowed: str) -> None:  # noqa: FBT001 - private, and reads well
        if not good:
            raise self._fail(name, allowed)

    def _fail(self, name: str, allowed: str) -> InvalidValueError:
        return InvalidValueError(f"{self.id}.toml: {name}", getattr(self, name), allowed)

    @classmethod
    def parse(cls, scenario_id: str, text: str) -> Scenario:
        """Build a scenario from the text of its file. Raises `InvalidValueError`, which names the file and the key."""
        where = f"{scenario_id}.toml"
        values = read_toml(where, text)
        check_table(where, values, _TOP_KEYS)
        for key in ("summary", "expected", "standard"):
            if key not in values:
                raise InvalidValueError(f"{where}: {key}", None, "a value")
        if values.get("group") in _IN_EVERY_MODE:
            values.setdefault("modes", _MODES)
        for key in ("modes", "send", "injected_mechanisms", "forbids"):
            if isinstance(values.get(key), list):
                values[key] = tuple(values[key])
        if "root" in values:
            values["root"] = CertificateProfile.parse(f"{where}, [root]", values["root"], ca=True)
        if "leaf" in values:
            values["leaf"] = CertificateProfile.parse(f"{where}, [leaf]", values["leaf"], ca=False)
        if "intermediate" in values:
            values["intermediates"] = _parse_intermediates(where, values)
        if "tls" in values:
            values["tls"] = TLSProfile.parse(f"{where}, [tls]", values["tls"])
        if "rules" in values:
            values["rules"] = _parse_rules(where, values["rules"], values.get("protocol"))
        if "expected_by_mode" in values:
            values["expected_by_mode"] = _parse_modes(f"{where}, [expected_by_mode]", values["expected_by_mode"])
        if "asked" in values:
            values["asked"] = _parse_asked(f"{where}, [asked]", values["asked"])
        if "policy" in values:
            values["policy"] = _parse_policy(f"{where}, [policy]", values["policy"], values.get("protocol"))
        if "openssl" in values:
            values["openssl"] = _parse_evidence(f"{where}, [openssl]", values["openssl"])
        return cls(id=scenario_id, **values)


_TOP_KEYS: Final = (
    *("summary", "expected", "standard", "protocol", "group", "connect", "modes", "trust", "send", "intermediates"),
    *("root", "intermediate", "leaf", "tls", "rules", "injected_mechanisms", "policy", "openssl", "notes"),
    *("expected_by_mode", "control", "forbids", "asked", "flaw"),
)


def _parse_intermediates(where: str, values: dict[str, Any]) -> tuple[CertificateProfile, ...]:
    tables = values.pop("intermediate")
    if "intermediates" in values:
        raise InvalidValueError(f"{where}: intermediates", values["intermediates"], "no number with [[intermediate]]")
    if not isinstance(tables, list):
        raise InvalidValueError(f"{where}: intermediate", tables, "[[intermediate]] tables")
    return tuple(
        CertificateProfile.parse(f"{where}, [[intermediate]] {number}", table, ca=True)
        for number, table in enumerate(tables, 1)
    )


def _parse_rules(where: str, lines: Any, protocol: Any) -> tuple[Rule, ...]:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise InvalidValueError(f"{where}: rules", lines, "a list of rules, each a line of text")
    from smtpfix.rules.text import parse_rule  # noqa: PLC0415 - few scenarios have rules

    from .protocol import DEFAULT_PROTOCOL, load_language  # noqa: PLC0415 - as above

    language = load_language(protocol if protocol in PROTOCOLS else DEFAULT_PROTOCOL)
    try:
        return tuple(parse_rule(line, language) for line in lines)
    except InvalidValueError as error:
        raise error.within(f"{where}: rules") from error


def _parse_modes(where: str, table: Any) -> tuple[tuple[str, str], ...]:
    check_table(where, table, CLIENT_MODES)
    for key, value in table.items():
        if not isinstance(value, str) or value not in OUTCOMES:
            raise InvalidValueError(f"{where}: {key}", value, one_of(value, OUTCOMES))
    return tuple(table.items())


def _parse_asked(where: str, table: Any) -> Asked:
    check_table(where, table, (item.name for item in fields(Asked)))
    for key, value in table.items():
        if key == "recipients":
            if type(value) is not int or not 1 <= value <= _MOST_RECIPIENTS:
                raise InvalidValueError(f"{where}: {key}", value, f"a number from 1 to {_MOST_RECIPIENTS}")
        elif not isinstance(value, str):
            raise InvalidValueError(f"{where}: {key}", value, "text")
    return Asked(**table)


def _parse_policy(where: str, table: Any, protocol: Any) -> tuple[tuple[str, object], ...]:
    check_table(where, table, _FIELDS_OF.get(str(protocol), _POLICY_FIELDS))
    if "limits" in table:
        from .limits import Limits  # noqa: PLC0415 - few scenarios have limits

        table = {**table, "limits": Limits.parse(f"{where}: limits", table["limits"])}
    return tuple(
        (key, ANY_USER if (key, value) == ("users", "any") else tuple(value) if isinstance(value, list) else value)
        for key, value in table.items()
    )


def _parse_evidence(where: str, table: Any) -> Evidence:
    kinds = {"verify_code": int, "strict_verify_code": int, "error": str}
    check_table(where, table, kinds)
    for key, value in table.items():
        if type(value) is not kinds[key]:
            raise InvalidValueError(f"{where}: {key}", value, "text" if kinds[key] is str else "a whole number")
    return Evidence(**table)
