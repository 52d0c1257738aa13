"""The output of `smtpfix serve --emit`: an application's settings for a shell, a file or a framework."""

from __future__ import annotations

import io
import ipaddress
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TextIO

from smtpfix.errors import InvalidValueError, SMTPFixError
from smtpfix.server import Server
from smtpfix.settings.styles import STYLES, Form, find_style
from smtpfix.suggesting import did_you_mean

_ENV_FILE: Final = "docker"
"""In front of a style, or alone: NAME=value as it is, which ``docker run --env-file`` and its like take."""


@dataclass(frozen=True, slots=True)
class Emission:
    """What is to be printed. Raises `InvalidValueError`."""

    name: str
    """The style's name."""
    is_env_file: bool = False
    """Whether values stand as they are, for programs that know no quotes."""

    @classmethod
    def parse(cls, text: str) -> Emission:
        """Read the option: STYLE, ``docker`` or ``docker:STYLE``."""
        head, _, name = text.partition(":")
        is_env_file = head == _ENV_FILE
        try:
            wanted = (name or "env") if is_env_file else text
            style = find_style(wanted)
        except InvalidValueError:
            names = [*STYLES, *(alias for style in STYLES.values() for alias in style.aliases)]
            hint = did_you_mean(name if is_env_file else text, [*names, _ENV_FILE])
            expected = f"one of {', '.join(STYLES)}, {_ENV_FILE}, {_ENV_FILE}:STYLE{hint}"
            raise InvalidValueError("--emit", text, expected) from None
        if is_env_file and style.form is not Form.ENVIRONMENT:
            known = ", ".join(one for one, other in STYLES.items() if other.form is Form.ENVIRONMENT)
            sentence = f"{wanted!r} is no style of environment variables, which {_ENV_FILE} takes; those are {known}"
            raise InvalidValueError.saying("--emit", text, sentence)
        return cls(wanted, is_env_file)

    def text(self, server: Server, pid: int | None = None) -> str:
        """Return a server's settings; the process that a signal ends it by has this number; None: this one.

        Raises `InvalidValueError` for what cannot be written in this form.
        """
        form = find_style(self.name).form
        write = _env_file if self.is_env_file else _WRITERS[form]
        lines = list(write(server.environ(self.name, host=_outside(server))))
        if form is Form.ENVIRONMENT and not self.is_env_file:
            lines.append(f"export SMTPFIX_PID={os.getpid() if pid is None else pid}")
        if form is Form.PYTHON and (trusted := server.environ("trust")):
            lines.append(f"# In the environment: SSL_CERT_FILE={trusted['SSL_CERT_FILE']}")
        return "\n".join(lines) + "\n"


def emit(text: str, stream: TextIO) -> None:
    """Write settings whole, and let go of the stream: what waits for its end, as `$(...)` does, goes on.

    Raises `SMTPFixError` where they cannot be written.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="surrogateescape")  # as the command line's passwords came
    try:
        if text:  # a full disk refuses even nothing
            stream.write(text)
            stream.flush()
    except OSError as error:
        raise SMTPFixError(f"cannot write the settings to standard output: {error.strerror}") from error
    with suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def _outside(server: Server) -> str | None:
    """Return the name that a server which listens everywhere was given, for other machines; None: it has one."""
    policy = server.policy
    with suppress(ValueError):
        if ipaddress.ip_address(policy.host).is_unspecified and policy.hostname != type(policy)().hostname:
            return policy.hostname
    return None


def _shell(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        yield f"export {name}={shlex.quote(value)}"


def _env_file(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if "\n" in value or "\r" in value:
            raise InvalidValueError("--emit", name, f"values of one line for {_ENV_FILE}")
        yield f"{name}={value}"


def _python(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        yield f"{name} = {value!r}"


def _json(settings: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps(settings, indent=2)


def _ruby(settings: Mapping[str, Any]) -> Iterator[str]:
    yield "Rails.application.config.action_mailer.delivery_method = :smtp"
    yield "Rails.application.config.action_mailer.smtp_settings = {"
    for name, value in settings.items():
        yield f"  {name}: {_ruby_value(value)},"
    yield "}"


def _ruby_value(value: Any) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _properties(settings: Mapping[str, Any]) -> Iterator[str]:
    """Java reads backslashes as escapes, and drops blanks in front of a value."""
    for name, value in settings.items():
        escaped = "".join(_ESCAPES.get(one, one) if one.isascii() else _unicode_escape(one) for one in value)
        yield f"{name}={chr(92) if escaped.startswith(' ') else ''}{escaped}"


def _unicode_escape(character: str) -> str:
    octets = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{octets[at : at + 2].hex()}" for at in range(0, len(octets), 2))


_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}

_WRITERS: Final[Mapping[Form, Callable[[Mapping[str, Any]], Iterator[str]]]] = {
    Form.ENVIRONMENT: _shell,
    Form.PYTHON: _python,
    Form.JSON: _json,
    Form.RUBY: _ruby,
    Form.PROPERTIES: _properties,
}
"""How settings of each form are written."""
