"""`ServeOptions`: the options of `smtpfix serve` as a value, read from the command line.

Knows neither click nor servers. Errors name the option, what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smtpfix.errors import InvalidValueError, UnknownProvider
from smtpfix.policy.good_chain import check_key_type
from smtpfix.policy.limits import Limits
from smtpfix.policy.mode import Mode
from smtpfix.policy.protocol import load_language
from smtpfix.policy.rules_file import RulesFile
from smtpfix.policy.scenario import Scenario
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.rules.rule import Rule
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.language import LANGUAGE
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.presets import OLD_DEVICES
from smtpfix.smtp.providers import Provider, load_provider
from smtpfix.suggesting import one_of

from .emit import Emission
from .event_loop import LOOPS, check_loop
from .listening import READERS, at_ports, conventional, listener, unprivileged
from .option_names import named
from .shown import (
    asked_scenarios,
    certificate_fields,
    is_scenario_file,
    showing,
    sorted_scenarios,
    version_fields,
)
from .users import check_mechanisms, read_users
from .web_options import NAMES as WEB

if TYPE_CHECKING:
    from smtpfix.store.mailboxes import MailboxBy
    from smtpfix.web.settings import WebSettings

KEPT: Final = 1000
"""Messages and sessions kept in memory: what has been shown and saved need not stay."""
DEFAULT_MEMORY: Final = 256
"""``--max-memory``: MiB of these, and of events that wait to be shown."""
SHOWN: Final = ("text",)
WAYS_TO_SAVE: Final = ("files", "maildir")
"""``--save-as``; the first is the default."""
_MEBIBYTE: Final = 1_048_576
_POLICIES: Final = ("Policy", "ImapPolicy", "Pop3Policy")
POLICY_OPTIONS: Final = {
    f"{policy}.{field}": option
    for policy in _POLICIES
    for field, option in (
        ("mechanisms", "--mechanism"),
        ("other_names", "--hostname"),
        ("limits", "--limit"),
        ("users", "--user"),
    )
}
"""Options that have another name than the field of a policy."""
_COMMON: Final = frozenset(
    {
        *("users", "hostname", "other_names", "mechanisms", "client_certificate", "proxy_protocol"),
        *("host", "max_messages", "max_sessions"),
    }
)
"""The fields that options set of servers of every protocol."""
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
"""Seconds of each."""
_LONGEST_NUMBER: Final = 6


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Everything `smtpfix serve` needs to know. Raises `InvalidValueError`."""

    policies: tuple[ServerPolicy, ...]
    """One a server, in the order of their listing."""
    scenarios: tuple[Scenario, ...] = ()
    """What the servers show, where it was asked for: a certificate's scenario, another one, or one of each."""
    left_out: tuple[Mode, ...] = ()
    """Modes that were asked for, and that cannot show `scenarios`."""
    authority: Path | None = None
    """Directory that keeps the certificate authority between runs; None makes one for this run."""
    hostname: str | None = None
    """The name that clients are told to connect to; None: where the servers listen."""
    key_type: str | None = None
    """What keys the authority has, ``ecdsa`` or ``rsa``; None: what the directory has, or ``ecdsa``."""
    save: Path | None = None
    """Directory for messages and transcripts; None writes no files."""
    save_as: str = "files"
    """How messages are saved, one of `WAYS_TO_SAVE`."""
    as_json: bool = False
    """Print for programs, not for people."""
    verbose: bool = False
    """Print the conversation too, as it goes."""
    show: str | None = None
    """What to print of a message beside its links, one of `SHOWN`; None: nothing."""
    exit_after: int | None = None
    """Accepted messages after which it ends; None does not count."""
    rules: tuple[Rule, ...] = ()
    """What the servers do otherwise, beside the scenario's rules; the first is asked first."""
    emit: Emission | None = None
    """What settings to print for an application; None prints none."""
    reader_rules: tuple[tuple[str, Rule], ...] = ()
    """The same of the servers that mail is read from, each with its protocol."""
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
    mailbox_by: MailboxBy | None = None
    """What names the mailbox of a message that the store keeps; None: all are in one."""
    timeout: float | None = None
    """Seconds after which it ends; None goes on."""
    max_memory: int = DEFAULT_MEMORY * _MEBIBYTE
    """Octets of messages and sessions that are kept, and of events that wait to be shown."""

    workers: int = 1
    """Processes that serve, which share each port."""
    loop: str = LOOPS[0]
    """The event loop that the servers run on, one of `event_loop.LOOPS`."""

    def __post_init__(self) -> None:
        check_loop(self.loop)
        if self.workers != 1:
            from .sharing import check_workers  # noqa: PLC0415 - few runs have any

            check_workers(self)
        if self.key_type is not None:
            check_key_type(self.key_type, "--key-type")
        if self.save_as not in WAYS_TO_SAVE:
            raise InvalidValueError("--save-as", self.save_as, one_of(self.save_as, WAYS_TO_SAVE))
        if self.save_as != WAYS_TO_SAVE[0] and self.save is None:
            sentence = f"{self.save_as!r} says how to save, and --save DIR says where; add it"
            raise InvalidValueError.saying("--save-as", self.save_as, sentence)
        if self.show is not None and self.show not in SHOWN:
            raise InvalidValueError("--show", self.show, one_of(self.show, SHOWN))
        if self.show is not None and self.as_json:
            sentence = "--json prints no message's content; leave one of them out"
            raise InvalidValueError.saying("--show", self.show, sentence)
        if self.exit_after is not None and self.exit_after < 1:
            raise InvalidValueError("--exit-after", self.exit_after, "a number of messages, 1 or more")
        if self.keep is not None and self.keep < 1:
            raise InvalidValueError("--keep", self.keep, "a number of messages, 1 or more")
        for option, value in (
            ("--keep", self.keep),
            ("--keep-for", self.keep_for),
            ("--mailbox-by", self.mailbox_by),
        ):
            if value is not None and self.store is None and self.web is None:
                raise InvalidValueError.saying(option, str(value), "it is about a store; add --store FILE, or --web")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidValueError("--timeout", self.timeout, "seconds, more than 0")


@named(POLICY_OPTIONS, *_POLICIES)
def read_options(
    *,
    listen: Collection[str] = (),
    imap: bool = False,
    pop3: bool = False,
    conventional_ports: bool = False,
    host: str = "localhost",
    hostname: Collection[str] = (),
    user: Collection[str] = (),
    users: Path | None = None,
    token: Collection[str] = (),
    any_user: bool = False,
    mechanism: Collection[str] = (),
    require_auth: bool = False,
    auth_in_clear: bool | None = None,
    client_certificate: str | None = None,
    size_limit: int | None = None,
    like: str | None = None,
    old_devices: bool = False,
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
    mailbox_by: str | None = None,
    **others: Any,
) -> ServeOptions:
    """Return the options of a command line; `others` are fields of `ServeOptions`, and what `web_options` has.

    Raises `InvalidValueError`, `UnknownScenario` and `UnknownProvider`.
    """
    if like == OLD_DEVICES:
        like, old_devices = None, True
    if old_devices and like is not None:
        raise InvalidValueError.saying(
            "--old-devices", like, f"it is a profile, and so is --like {like}; take one of them"
        )
    provider = None if like is None else _provider(like)
    known, mechanisms = read_users(user, users, token, any_user=any_user)
    check_mechanisms(known, mechanism)
    if max_memory < 1:
        raise InvalidValueError("--max-memory", max_memory, "MiB, 1 or more")
    for option, wanted in (("--require-auth", require_auth), ("--mechanism", bool(mechanism) and scenario is None)):
        if wanted and known is None and provider is None and not old_devices:
            sentence = "nobody can log in to this server; add --user, --users, --token or --any-user"
            raise InvalidValueError.saying(option, None, sentence)
    keywords = tuple(keyword for text in offer for keyword in text.replace(",", " ").split())
    given = {
        "users": known,
        "require_auth": require_auth or None,
        "auth_in_clear": auth_in_clear,
        "client_certificate": client_certificate,
        "hostname": next(iter(hostname), None),
        "other_names": tuple(hostname)[1:],
        "size_limit": size_limit,
        "mechanisms": tuple(mechanism) or (mechanisms if provider is None else None),
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
    profile = OLD_DEVICES if old_devices else None if provider is None else provider.name
    base = Policy().replace(**changes) if profile is None else Policy.like(profile, **changes)
    policies = _served(base, _readers(changes), provider, listen, conventional_ports, imap=imap, pop3=pop3)
    certificate, scenario = sorted_scenarios(certificate, scenario)
    scenarios = asked_scenarios(certificate, scenario)
    shown_fields = {**certificate_fields(certificate, certificate_file, key_file), **version_fields(tls_min, tls_max)}
    policies, left_out = showing(policies, scenarios)
    if (shown_fields or key_type is not None) and not any(policy.uses_tls for policy in policies):
        about = next((f"--{name.replace('_', '-')}" for name in shown_fields), "--key-type")
        sentence = f"{', '.join(listen)} has no TLS, which {about} is about; add a mode with TLS, such as starttls:0"
        raise InvalidValueError.saying("--listen", ", ".join(listen), sentence)
    if scenario is not None:
        shown_fields["scenario"] = Path(scenario) if is_scenario_file(scenario) else scenario
    octets = max_memory * _MEBIBYTE
    shown_fields |= {"max_octets": octets // 4 // len(policies)}
    shown = tuple(policy.replace(**shown_fields) for policy in policies)
    others |= {"emit": None if emit is None else Emission.parse(emit)}
    if emit is not None and isinstance(shown[0], Policy) and shown[0].unix_socket is not None:
        sentence = "the first server listens on a UNIX socket, which no settings can name; put one with a port first"
        raise InvalidValueError.saying("--emit", emit, sentence)
    if old_devices and key_type is None and any(policy.uses_tls for policy in shown):
        key_type = "rsa"
    rules_of_smtp, reader_rules = _rules(rule)
    others |= {"rules": rules_of_smtp, "reader_rules": reader_rules}
    others |= {"rules_file": _rules_file(rules), "key_type": key_type, "max_memory": octets}
    others |= {"hostname": next(iter(hostname), None)}
    others |= {"keep_for": None if keep_for is None else _time(keep_for)}
    named = _mailbox_by(mailbox_by)
    asked: dict[str, Any] = {name: others.pop(name) for name in WEB if name in others}
    others |= {"web": _web(web, asked, mailbox_by=named), "mailbox_by": named}
    return ServeOptions(shown, scenarios, left_out, **others)


def _served(
    base: Policy,
    readers: Mapping[str, ServerPolicy],
    provider: Provider | None,
    listen: Collection[str],
    conventional_ports: bool,  # noqa: FBT001 - a command line's
    **asked: bool,
) -> list[ServerPolicy]:
    """Return a policy for each server, those that mail is read from after those that it is sent to."""
    policies: list[ServerPolicy] = [*at_ports(base, conventional(provider))] if conventional_ports else []
    policies += [listener(base, readers, text) for text in listen]
    policies = policies or [*at_ports(base, unprivileged(provider))]
    for protocol in (one for one, is_asked in asked.items() if is_asked):
        ports = READERS[protocol].conventional if conventional_ports else READERS[protocol].unprivileged
        policies += at_ports(readers[protocol], ports.items())
    return policies


def _web(where: str | None, options: Mapping[str, Any], *, mailbox_by: MailboxBy | None) -> WebSettings | None:
    """Return where and how mail is shown. Raises `InvalidValueError`, which names the option."""
    if where is not None:
        from .web_settings import read_web  # noqa: PLC0415 - few servers show mail

        return replace(read_web(where, options), mailbox_by=mailbox_by)
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise InvalidValueError.saying(option, value, "it is about what --web starts; add --web")
    return None


def _mailbox_by(text: str | None) -> MailboxBy | None:
    """Return what names mailboxes. Raises `InvalidValueError`."""
    if text is None:
        return None
    from smtpfix.store.mailboxes import MailboxBy  # noqa: PLC0415 - few servers part their mail

    try:
        return MailboxBy(text)
    except ValueError:
        raise InvalidValueError("--mailbox-by", text, f"one of {', '.join(MailboxBy)}") from None


def _readers(changes: Mapping[str, Any]) -> dict[str, ServerPolicy]:
    """Return the policies of servers that mail is read from, by their protocols, as far as options are theirs too."""
    from smtpfix.imap.policy import ImapPolicy  # noqa: PLC0415 - few runs have any
    from smtpfix.pop3.policy import Pop3Policy  # noqa: PLC0415 - as above

    given = {name: value for name, value in changes.items() if name in _COMMON}
    if given.get("users") is None:
        given.pop("mechanisms", None)
    return {"imap": ImapPolicy().replace(**given), "pop3": Pop3Policy().replace(**given)}


def _time(text: str) -> timedelta:
    """Read a time such as ``3d``. Raises `InvalidValueError`, which names the option."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or len(number) > _LONGEST_NUMBER or int(number) == 0:
        raise InvalidValueError("--keep-for", text, "a number and a unit, such as 3d, 12h or 30m")
    return timedelta(seconds=int(number) * unit)


def _rules(texts: Collection[str]) -> tuple[tuple[Rule, ...], tuple[tuple[str, Rule], ...]]:
    """Read rules, those of SMTP and those of other protocols, whose name stands in front.

    Raises `InvalidValueError`, which names the option.
    """
    smtp, readers = [], []
    try:
        for text in texts:
            protocol, colon, rest = text.partition(":")
            if colon and (name := protocol.strip().lower()) in READERS:
                readers.append((name, parse_rule(rest.strip(), load_language(name))))
            else:
                smtp.append(parse_rule(text, LANGUAGE))
    except InvalidValueError as error:
        raise error.within("--rule") from error
    return tuple(smtp), tuple(readers)


def _rules_file(path: Path | None) -> RulesFile | None:
    """Read a file of rules. Raises `InvalidValueError`, which names the option."""
    try:
        return None if path is None else RulesFile.read(path)
    except InvalidValueError as error:
        raise error.within("--rules") from error


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
