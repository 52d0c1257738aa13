"""`smtpfix probe`: the measurements of a server, for people or for monitoring programs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import what_mode
from smtpfix.probe.measurement import Connection, Probe, Protocol
from smtpfix.probe.probe import probe
from smtpfix.probe.thresholds import read_ranges
from smtpfix.safe_text import printable
from smtpfix.suggesting import did_you_mean

from .option_names import named
from .pipe import complain
from .probe_nagios import State, line, report
from .probe_prometheus import exposition
from .probe_reports import IMPLICIT_TLS, as_object, facts
from .terminal import Terminal

_WHERE: Final = re.compile(
    r"(?:(?P<scheme>[^]/:[]+)://)?(?:\[(?P<ipv6>[^][]+)]|(?P<host>[^][:/]+))(?::(?P<port>[0-9]{1,5}))?/?"
)
_SCHEMES: Final = {
    f"{protocol}{end}": (protocol, kind)
    for protocol in Protocol
    for end, kind in (("", None), ("s", Connection.IMPLICIT_TLS))
}
"""The protocol that a URL's scheme is for, and when TLS begins where it says so."""

_CALLED: Final = {
    **dict.fromkeys(("tls-required", "starttls-required"), Connection.STARTTLS),  # without which it does not go on
    "implicit": Connection.IMPLICIT_TLS,
    "none": Connection.PLAIN,
}
"""The modes of servers and of audited clients that mean the same."""
_OPTIONS: Final = {
    "Probe.host": "HOST[:PORT]",
    "Probe.port": "HOST[:PORT]",
    "Probe.sender": "--from",
    "Probe.recipient": "--to",
    "Probe.ehlo_name": "--ehlo",
}
"""How the command line calls a probe's fields, where it is not the same."""


def run(
    stream: TextIO,
    *,
    as_json: bool = False,
    nagios: bool = False,
    prometheus: bool = False,
    warn: Sequence[str] = (),
    critical: Sequence[str] = (),
    **options: Any,
) -> int:
    """Probe a server, print what was found, return the exit status. Raises `InvalidValueError`."""
    try:
        with named(_OPTIONS, "Probe"):
            _check_output(as_json + nagios + prometheus, None if nagios else [*warn, *critical])
            if nagios:
                return _as_plugin(stream, warn, critical, options)
            result = probe(read_probe(**options), when_silent=_hint)
    except InvalidValueError as error:
        if not nagios:
            raise
        stream.write(line(State.UNKNOWN, str(error), service(options["where"])) + "\n")
        return State.UNKNOWN
    if as_json:
        stream.write(json.dumps(as_object(result)) + "\n")
    elif prometheus:
        stream.write(exposition(result))
    else:
        asked = result.probe
        spoken = "" if asked.protocol == Protocol.SMTP else f"{asked.protocol.upper()}, "
        head = f"{printable(asked.host)}, port {asked.port}, {spoken}{asked.connection}"
        Terminal(stream).lines(
            [head, *(f"    {label + ':' if label else '':17} {text}" for label, text in facts(result))]
        )
    return 0 if result.succeeded else 1


def _hint() -> None:
    complain(f"the server says nothing; if that goes on, try {IMPLICIT_TLS}")


def _check_output(forms: int, ranges: list[str] | None) -> None:
    if forms > 1:
        raise InvalidValueError.saying("--json", forms, "choose one of --json, --nagios and --prometheus")
    if ranges:
        raise InvalidValueError.saying("--warn", ranges[0], "--warn and --critical are for --nagios; add it")


def _as_plugin(stream: TextIO, warn: Sequence[str], critical: Sequence[str], options: dict[str, Any]) -> int:
    settings = read_probe(**options)
    warnings, criticals = read_ranges(warn, "--warn", settings), read_ranges(critical, "--critical", settings)
    state, text = report(probe(settings), warnings, criticals)
    stream.write(text + "\n")
    return state


def service(*words: str) -> str:
    """Return the protocol that a plugin's line begins with, the first URL's, also where nothing else makes sense."""
    schemes = (word.partition("://")[0].lower() for word in words if "://" in word)
    protocol, _ = next((_SCHEMES[scheme] for scheme in schemes if scheme in _SCHEMES), (Protocol.SMTP, None))
    return protocol.upper()


def read_probe(
    where: str,
    *,
    connection: str | None,
    password: str | None,
    password_file: Path | None,
    no_verify: bool,
    ca_file: Path | None,
    token: str | None = None,
    token_file: Path | None = None,
    **others: Any,
) -> Probe:
    """Return what the options ask for. Raises `InvalidValueError`."""
    match = _WHERE.fullmatch(where)
    if match is None:
        expected = "such as mail.example.org:25, [::1]:25 or imap://mail.example.org"
        raise InvalidValueError("HOST[:PORT]", where, expected)
    scheme = (match["scheme"] or Protocol.SMTP).lower()
    if scheme not in _SCHEMES:
        sentence = f"there is no scheme {scheme!r}{did_you_mean(scheme, _SCHEMES)}; there are {', '.join(_SCHEMES)}"
        raise InvalidValueError.saying("HOST[:PORT]", where, sentence)
    protocol, by_scheme = _SCHEMES[scheme]
    connection = _connection(connection)
    if connection is not None and by_scheme not in (None, connection):
        raise InvalidValueError.saying(
            "--connection",
            connection,
            f"{scheme}:// means {by_scheme}, and not {connection}; leave one of them out",
        )
    if ca_file is not None and not os.access(ca_file, os.R_OK):  # which a probe without TLS would never see
        raise InvalidValueError("--ca-file", str(ca_file), "a file with certificates, PEM")
    kind = Connection(connection or by_scheme or Connection.PLAIN)
    given = {name: value for name, value in others.items() if value is not None}
    return Probe(
        match["ipv6"] or match["host"],
        int(match["port"] or protocol.default_port(kind)),
        kind,
        protocol=protocol,
        password=_secret(password, password_file, "--password"),
        token=_secret(token, token_file, "--token"),
        verify=not no_verify,
        ca_file=ca_file,
        **given,
    )


def _connection(given: str | None) -> str | None:
    """Return when TLS begins; what other commands call it will do. Raises `InvalidValueError`."""
    if given is None or given in tuple(Connection):
        return given
    name = _CALLED.get(given.strip().lower().replace("_", "-"))
    if name is None:
        raise InvalidValueError.saying("--connection", given, what_mode(given))
    return name


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown" if isinstance(error, OSError) else "it is not UTF-8"


def _secret(text: str | None, file: Path | None, option: str) -> str | None:
    """Return what an option says, or the first line of the file that its twin names."""
    if file is None:
        return text
    if text is not None:
        raise InvalidValueError.saying(f"{option}-file", str(file), f"{option} says it already; leave one of them out")
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError(f"{option}-file", str(file), f"a text file that can be read ({_why(error)})") from error
