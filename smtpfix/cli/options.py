"""What `smtpfix serve` was asked for, as a value: `ServeOptions`, read from the texts of the command line.

Knows neither click nor servers. Errors name the option, what was expected and what came.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smtpfix.errors import InvalidValueError, UnknownProvider
from smtpfix.login.mechanisms import ANY_USER, DEFAULT_MECHANISMS, Credential, Token, Users
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario, read_scenario
from smtpfix.policy.certificate_profile import check_key_type
from smtpfix.policy.limits import Limits
from smtpfix.policy.mode import Mode
from smtpfix.policy.rules_file import RulesFile
from smtpfix.policy.scenario import Scenario
from smtpfix.policy.server_policy import TLS_VERSIONS
from smtpfix.rules.rule import Rule
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.language import LANGUAGE
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.providers import Provider, load_provider

from .emit import Emission
from .listening import at_ports, conventional, listener, unprivileged

if TYPE_CHECKING:
    from smtpfix.web.settings import WebSettings

KEPT: Final = 1000
"""Messages and sessions kept in memory: what has been shown and saved need not stay."""
DEFAULT_MEMORY: Final = 256
"""``--max-memory``: MiB of these, and of events that wait to be shown."""
_MEBIBYTE: Final = 1_048_576
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
"""Seconds of each."""
_LONGEST_NUMBER: Final = 6


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Everything `smtpfix serve` needs to know. Raises `InvalidValueError`."""

    policies: tuple[Policy, ...]
    """One a server, in the order of their listing."""
    scenarios: tuple[Scenario, ...] = ()
    """What the servers show, where it was asked for: a certificate's scenario, another one, or one of each."""
    left_out: tuple[Mode, ...] = ()
    """Modes that were asked for, and that cannot show `scenarios`."""
    authority: Path | None = None
    """Directory that keeps the certificate authority between runs; None makes one for this run."""
    key_type: str | None = None
    """What keys the authority has, ``ecdsa`` or ``rsa``; None: what the directory has, or ``ecdsa``."""
    save: Path | None = None
    """Directory for messages and transcripts; None writes no files."""
    as_json: bool = False
    """Print for programs, not for people."""
    exit_after: int | None = None
    """Accepted messages after which it ends; None does not count."""
    rules: tuple[Rule, ...] = ()
    """What the servers do otherwise, beside the scenario's rules; the first is asked first."""
    emit: Emission | None = None
    """What settings to print for an application; None prints none."""
    rules_file: RulesFile | None = None
    """More rules, asked before these, from a file that can be read again; None: no file."""
    store: str | None = field(default=None, repr=False)
    """File or PostgreSQL database that messages are kept in; None keeps none. A URL may have a password in it."""
    web: WebSettings | None = None
    """Where mail is shown, and how; None: nowhere."""
    keep: int | None = None
    """How many messages the store keeps, the newest ones; None: all."""
    keep_for: timedelta | None = None
    """How long the store keeps a message; None: for ever."""
    timeout: float | None = None
    """Seconds after which it ends; None goes on."""
    max_memory: int = DEFAULT_MEMORY * _MEBIBYTE
    """Octets of messages and sessions that are kept, and of events that wait to be shown."""

    def __post_init__(self) -> None:
        if self.key_type is not None:
            check_key_type(self.key_type, "--key-type")
        if self.exit_after is not None and self.exit_after < 1:
            raise InvalidValueError("--exit-after", self.exit_after, "a number of messages, 1 or more")
        if self.keep is not None and self.keep < 1:
            raise InvalidValueError("--keep", self.keep, "a number of messages, 1 or more")
        for option, value in (("--keep", self.keep), ("--keep-for", self.keep_for)):
            if value is not None and self.store is None and self.web is None:
                raise InvalidValueError(option, str(value), "a store beside it (--store)")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidValueError("--timeout", self.timeout, "seconds, more than 0")


def read_options(
    *,
    listen: Collection[str] = (),
    conventional_ports: bool = False,
    host: str = "localhost",
    hostname: str | None = None,
    user: Collection[str] = (),
    token: Collection[str] = (),
    any_user: bool = False,
    mechanism: Collection[str] = (),
    require_auth: bool = False,
    size_limit: int | None = None,
    like: str | None = None,
    limit: Collection[str] = (),
    greylist: float | None = None,
    offer: Collection[str] = (),
    syntax: str | None = None,
    certificate: str | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    scenario: str | None = None,
    proxy_protocol: bool = False,
    xclient: bool = False,
    rule: Collection[str] = (),
    rules: Path | None = None,
    tls_min: str | None = None,
    tls_max: str | None = None,
    key_type: str | None = None,
    emit: str | None = None,
    max_memory: int = DEFAULT_MEMORY,
    keep_for: str | None = None,
    web: str | None = None,
    web_host: Collection[str] = (),
    **others: Any,
) -> ServeOptions:
    """Return the options of a command line; `others` are fields of `ServeOptions`.

    Raises `InvalidValueError`, `UnknownScenario` and `UnknownProvider`.
    """
    provider = None if like is None else _provider(like)
    users = _users(user, token, any_user=any_user)
    if max_memory < 1:
        raise InvalidValueError("--max-memory", max_memory, "MiB, 1 or more")
    for option, wanted in (("--require-auth", require_auth), ("--mechanism", bool(mechanism) and scenario is None)):
        if wanted and users is None and provider is None:
            raise InvalidValueError(option, "nobody", "somebody who can log in (--user, --token or --any-user)")
    keywords = tuple(keyword for text in offer for keyword in text.replace(",", " ").split())
    given = {
        "users": users,
        "require_auth": require_auth or None,
        "hostname": hostname,
        "size_limit": size_limit,
        "mechanisms": tuple(mechanism) or (_mechanisms(user, token) if provider is None else None),
        "offer": keywords or None,
        "syntax": syntax,
        "limits": _limits(limit),
        "greylist": greylist,
        "proxy_protocol": proxy_protocol,
        "xclient": xclient,
        "host": host,
        "max_messages": KEPT,
        "max_sessions": KEPT,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        base = Policy().replace(**changes) if provider is None else Policy.like(provider.name, **changes)
    except InvalidValueError as error:
        option = error.field.removeprefix("Policy.").replace("mechanisms", "mechanism").replace("_", "-")
        raise InvalidValueError(f"--{option}", error.value, error.expected) from error
    policies = at_ports(base, conventional(provider)) if conventional_ports else []
    policies += [listener(base, text) for text in listen]
    scenarios = _scenarios(certificate, scenario)
    shown_fields = {**_certificate_fields(certificate, certificate_file, key_file), **_version_fields(tls_min, tls_max)}
    policies, left_out = _showing(policies or at_ports(base, unprivileged(provider)), scenarios)
    if (shown_fields or key_type is not None) and not any(policy.uses_tls for policy in policies):
        raise InvalidValueError("--listen", ", ".join(listen), "a mode with TLS where other options are about TLS")
    shown_fields |= {} if scenario is None else {"scenario": scenario}
    octets = max_memory * _MEBIBYTE
    shown_fields |= {"max_octets": octets // 4 // len(policies)}
    shown = tuple(policy.replace(**shown_fields) for policy in policies)
    others |= {"emit": None if emit is None else Emission.parse(emit)}
    if emit is not None and shown[0].unix_socket is not None:
        raise InvalidValueError("--emit", f"lmtp+unix:{shown[0].unix_socket}", "a first server with a port")
    others |= {"rules": _rules(rule), "rules_file": _rules_file(rules), "key_type": key_type, "max_memory": octets}
    others |= {"keep_for": None if keep_for is None else _time(keep_for)}
    if web is not None:
        from smtpfix.web.settings import WebSettings  # noqa: PLC0415 - few servers show mail

        others |= {"web": WebSettings.read(web, os.environ, hosts=tuple(web_host))}
    elif web_host:
        raise InvalidValueError("--web-host", ", ".join(web_host), "--web beside it")
    return ServeOptions(shown, scenarios, left_out, **others)


def _time(text: str) -> timedelta:
    """Read a time such as ``3d``. Raises `InvalidValueError`, which names the option."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or len(number) > _LONGEST_NUMBER or int(number) == 0:
        raise InvalidValueError("--keep-for", text, "a number and a unit, such as 3d, 12h or 30m")
    return timedelta(seconds=int(number) * unit)


def _rules(texts: Collection[str]) -> tuple[Rule, ...]:
    """Read rules. Raises `InvalidValueError`, which names the option."""
    try:
        return tuple(parse_rule(text, LANGUAGE) for text in texts)
    except InvalidValueError as error:
        raise error.within("--rule") from error


def _rules_file(path: Path | None) -> RulesFile | None:
    """Read a file of rules. Raises `InvalidValueError`, which names the option."""
    try:
        return None if path is None else RulesFile.read(path)
    except InvalidValueError as error:
        raise error.within("--rules") from error


def find_scenario(option: str, text: str) -> Scenario:
    """Return the catalogue's scenario of this id, or that of a user's file, which has to end in ``.toml``.

    Raises `InvalidValueError` and `UnknownScenario`, which name the option.
    """
    if not is_scenario_file(text):
        check_scenario_id(text, option)
        return load_scenario(text)
    try:
        return read_scenario(Path(text))
    except OSError as error:
        expected = f"a scenario's id, or a TOML file that can be read ({error.strerror})"
        raise InvalidValueError(option, text, expected) from error


def is_scenario_file(text: str) -> bool:
    """Return whether a text is the name of a file, and not a scenario's id."""
    return text.endswith(".toml") or "/" in text or "\\" in text


# Providers


def _provider(name: str) -> Provider:
    """Return a provider. Raises `UnknownProvider`, which names the option."""
    try:
        return load_provider(name)
    except UnknownProvider as error:
        raise UnknownProvider(f"--like: {error}") from error


def _limits(texts: Collection[str]) -> Limits | None:
    """Read limits, each as NAME=NUMBER or NAME=RATE. Raises `InvalidValueError`, which names the option."""
    table: dict[str, int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise InvalidValueError("--limit", text, "NAME=NUMBER or NAME=RATE, such as message_rate=30/minute")
        table[name] = int(value) if value.isdecimal() else value
    return Limits.parse("--limit", table) if table else None


# TLS


def _scenarios(certificate: str | None, other: str | None) -> tuple[Scenario, ...]:
    """Return the scenarios that were asked for, each of its own group."""
    found = []
    if certificate is not None:
        found.append(find_scenario("--certificate", certificate))
        if found[-1].group != "certificates" and not is_scenario_file(certificate):
            expected = "a certificate's scenario; this one is for --scenario"
            raise InvalidValueError("--certificate", certificate, expected)
    if other is not None:
        check_scenario_id(other, "--scenario")
        found.append(load_scenario(other))
        if found[-1].group == "certificates":
            raise InvalidValueError("--scenario", other, "a scenario of another kind; this one is for --certificate")
    return tuple(found)


def _certificate_fields(certificate: str | None, chain: Path | None, key: Path | None) -> dict[str, Any]:
    if certificate is not None:
        if chain is not None or key is not None:
            raise InvalidValueError("--certificate", certificate, "nothing beside --certificate-file and --key-file")
        return {"certificate": Path(certificate) if is_scenario_file(certificate) else certificate}
    if chain is None and key is None:
        return {}
    files = []
    for option, file, holds in (
        ("--certificate-file", chain, "the chain of --key-file's key"),
        ("--key-file", key, "the key of --certificate-file's first certificate"),
    ):
        if file is None or not file.is_file():
            given = None if file is None else str(file)
            raise InvalidValueError(option, given, f"a PEM file with {holds}")
        files.append(file)
    return {"certificate": tuple(files)}


_SHORT_VERSIONS: Final = dict(zip(("1.0", "1.1", "1.2", "1.3"), TLS_VERSIONS, strict=True))


def _version_fields(lowest: str | None, highest: str | None) -> dict[str, Any]:
    found = {}
    for option, text in (("--tls-min", lowest), ("--tls-max", highest)):
        if text is not None:
            version = _SHORT_VERSIONS.get(text, text)
            if version not in TLS_VERSIONS:
                allowed = ", ".join([*TLS_VERSIONS, *_SHORT_VERSIONS])
                raise InvalidValueError(option, text, f"one of {allowed}")
            found[option.removeprefix("--").replace("-", "_")] = version
    default = Policy()
    least, most = found.get("tls_min", default.tls_min), found.get("tls_max", default.tls_max)
    if TLS_VERSIONS.index(least) > TLS_VERSIONS.index(most):
        if lowest is not None:
            raise InvalidValueError("--tls-min", lowest, f"at most --tls-max, which is {highest or most!r}")
        found["tls_min"] = most  # only an old version was asked for
    return found


def _showing(policies: Sequence[Policy], scenarios: Sequence[Scenario]) -> tuple[list[Policy], tuple[Mode, ...]]:
    """Return the policies that can show the scenarios, and the modes of those that cannot."""
    if not scenarios:
        return list(policies), ()
    able = [policy for policy in policies if all(policy.mode in scenario.modes for scenario in scenarios)]
    if not able:
        shown = " with ".join(scenario.id for scenario in scenarios)
        modes = [str(mode) for mode in Mode if all(mode in scenario.modes for scenario in scenarios)]
        given = ", ".join(dict.fromkeys(policy.mode for policy in policies))
        needed = ", ".join(modes) or "there is none"
        raise InvalidValueError("--listen", given, f"a mode that can show {shown}: {needed}")
    left_out = dict.fromkeys(Mode(policy.mode) for policy in policies if policy not in able)
    return able, tuple(left_out)


def _users(texts: Collection[str], tokens: Collection[str], *, any_user: bool) -> Users:
    named = [text for text in texts if text != "*"]
    if any_user or len(named) < len(texts):
        for option, given, form in (("--user", named, "NAME:PASSWORD"), ("--token", tokens, "NAME:TOKEN")):
            if given:
                raise InvalidValueError(option, "both of them", f"either {form} or everybody ('*', --any-user)")
        return ANY_USER
    users: dict[str, tuple[Credential, ...]] = {}
    for text in named:
        name, password = _split("--user", text, "NAME:PASSWORD or '*'")
        users[name] = (password,)
    for text in tokens:
        name, value = _split("--token", text, "NAME:TOKEN")
        try:
            users[name] = (*users.get(name, ()), Token(value))
        except InvalidValueError as error:
            raise error.within("--token") from error
    return {name: known[0] if len(known) == 1 else known for name, known in users.items()} or None


def _split(option: str, text: str, expected: str) -> tuple[str, str]:
    name, colon, secret = text.partition(":")
    if not name or not colon:  # the text is not shown, it may be a secret
        raise InvalidValueError(option, "a text without a name and a colon", expected)
    return name, secret


def _mechanisms(users: Collection[str], tokens: Collection[str]) -> tuple[str, ...] | None:
    """Return the mechanisms for tokens, beside those for passwords if there are any; None: a policy's own."""
    if not tokens:
        return None
    return (*(DEFAULT_MECHANISMS if users else ()), "XOAUTH2", "OAUTHBEARER")
