"""`smtpfix probe`: a server measured, as lines for people or as one JSON object for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from smtpfix.erasing import Eraser
from smtpfix.errors import InvalidValueError
from smtpfix.probe.measurement import Connection, Probe, ProbeResult
from smtpfix.probe.probe import probe
from smtpfix.safe_text import printable

from .terminal import Terminal

_WHERE: Final = re.compile(r"(?:\[(?P<ipv6>[^][]+)]|(?P<host>[^][:]+))(?::(?P<port>[0-9]{1,5}))?")

_LINES_SHOWN: Final = 3
_SHOWN: Final = 300
"""Characters of a line of the last reply; `--json` has all of it."""


def run(stream: TextIO, *, as_json: bool, **options: Any) -> int:
    """Probe a server, print what was found, return the exit status. Raises `InvalidValueError`."""
    try:
        result = probe(read_probe(**options))
    except InvalidValueError as error:
        name = error.field.removeprefix("Probe.")
        if name == error.field:
            raise
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        raise InvalidValueError(option, error.value, error.expected) from error
    password = result.probe.password
    erase = Eraser(password).erase if password else str  # a server may say again what it does not understand
    if as_json:
        stream.write(json.dumps(_erased(as_object(result), erase)) + "\n")
    else:
        head = f"{printable(result.probe.host)}, port {result.probe.port}, {result.probe.connection}"
        Terminal(stream).lines(
            [head, *(f"    {label + ':' if label else '':17} {erase(text)}" for label, text in _facts(result))]
        )
    return 0 if result.succeeded else 1


def read_probe(
    where: str,
    *,
    connection: str,
    password: str | None,
    password_file: Path | None,
    no_verify: bool,
    ca_file: Path | None,
    **others: Any,
) -> Probe:
    """Return what the options ask for. Raises `InvalidValueError`."""
    match = _WHERE.fullmatch(where)
    if match is None:
        raise InvalidValueError("HOST[:PORT]", where, "such as mail.example.org:25 or [::1]:25")
    if connection not in tuple(Connection):
        raise InvalidValueError("--connection", connection, f"one of {', '.join(Connection)}")
    kind = Connection(connection)
    given = {name: value for name, value in others.items() if value is not None}
    return Probe(
        match["ipv6"] or match["host"],
        int(match["port"] or kind.default_port),
        kind,
        password=_password(password, password_file),
        verify=not no_verify,
        ca_file=ca_file,
        **given,
    )


_OPTIONS: Final = {"host": "HOST[:PORT]", "port": "HOST[:PORT]", "sender": "--from"}
"""How the command line calls a probe's fields, where it is not the same."""


def _password(text: str | None, file: Path | None) -> str | None:
    if file is None:
        return text
    if text is not None:
        raise InvalidValueError("--password-file", str(file), "nothing beside --password")
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError("--password-file", str(file), "a text file that can be read") from error


def as_object(result: ProbeResult) -> dict[str, object]:
    """Return what `--json` prints; never the password."""
    asked, certificate = result.probe, result.certificate
    return {
        "host": asked.host,
        "port": asked.port,
        "connection": str(asked.connection),
        "started": result.started.isoformat(),
        "reply_code": result.reply_code,
        "stage": result.stage or None,
        "error": result.error or None,
        "connection_ms": result.connection_ms,
        "tls_ms": result.tls_ms,
        "login_ms": result.login_ms,
        "transfer_ms": result.transfer_ms,
        "greeting": result.greeting,
        "software": result.software,
        "extensions": list(result.extensions),
        "extensions_in_clear": list(result.extensions_in_clear),
        "tls_version": result.tls_version,
        "cipher": result.cipher,
        "certificate": None
        if certificate is None
        else {
            "verify_code": certificate.verify_code,
            "verify_error": certificate.verify_error or None,
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "expires": None if certificate.expires is None else certificate.expires.isoformat(),
        },
        "last_reply": [_shown(line) for line in result.last_reply],
        "logged_in": result.logged_in,
        "sent": result.sent,
    }


def _erased(value: Any, erase: Callable[[str], str]) -> Any:
    """Return a JSON value with every text of it passed through `erase`."""
    if isinstance(value, str):
        return erase(value)
    if isinstance(value, dict):
        return {key: _erased(one, erase) for key, one in value.items()}
    return [_erased(one, erase) for one in value] if isinstance(value, list | tuple) else value


def _facts(result: ProbeResult) -> Iterator[tuple[str, str]]:
    for label, milliseconds in (
        ("Connection", result.connection_ms),
        ("TLS", result.tls_ms),
        ("Login", result.login_ms),
        ("Transfer", result.transfer_ms),
    ):
        if milliseconds is not None:
            yield label, f"{milliseconds:.1f} ms"
    if result.greeting:
        yield "Greeting", result.greeting
        yield "Software", result.software or "not named"
    if result.extensions_in_clear:
        yield "Offered in clear", ", ".join(result.extensions_in_clear)
    if result.extensions:
        yield "Offered", ", ".join(result.extensions)
    if result.tls_version:
        yield "TLS version", f"{result.tls_version}, {result.cipher}"
    if certificate := result.certificate:
        yield "Certificate", f"verify code {certificate.verify_code} ({certificate.verify_error or 'ok'})"
    if certificate and certificate.subject:
        yield "Names", certificate.names or certificate.subject
        yield "Issuer", certificate.issuer
        yield "Expires", "not known" if certificate.expires is None else f"{certificate.expires:%Y-%m-%d %H:%M:%S} UTC"
    if result.succeeded:
        done = [name for name, so in (("logged in", result.logged_in), ("sent", result.sent)) if so]
        yield "Reply code", f"0, {' and '.join(done) or 'nothing sent'}"
    else:
        yield "Reply code", f"{result.reply_code}, at {result.stage}"
        yield "Error", result.error
        for number, line in enumerate(result.last_reply[:_LINES_SHOWN]):
            yield "" if number else "Last reply", _shown(line)[:_SHOWN]
        if (more := len(result.last_reply) - _LINES_SHOWN) > 0:
            yield "", f"and {more} more lines"


def _shown(line: bytes) -> str:
    return printable(line.removesuffix(b"\r\n"))
