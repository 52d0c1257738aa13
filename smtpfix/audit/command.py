"""`Command`: a client under test that is a command, with placeholders in arguments, environment and template."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.paths import is_file

from . import hosts
from .fixes import check_language
from .process import Ended, run_program
from .result import Ending
from .target import PLACEHOLDERS, TEMPLATE, Target, check_template

_CONFIGURES: Final = ("CURL_", "FETCHMAIL", "SWAKS_", "XDG_CONFIG_")
"""How environment variables begin by which users configure mail clients, beside proxies (``ALL_PROXY``)."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments: ``Command(("curl", "--url", "smtp://{host}:{port}"))``. It needs no shell.

    Raises `InvalidValueError` for an unknown placeholder; the error lists the known ones.
    """

    arguments: tuple[str, ...]
    """The program and its arguments, with placeholders. An argument that names an existing file is passed with its full
    path."""
    environment: tuple[tuple[str, str], ...] = ()
    """Names and values with placeholders, in addition to the inherited environment."""
    template: str | None = None
    """A text with placeholders, such as a configuration file. Each run writes it into its working directory, where only
    its owner can read it; ``{template}`` is its path."""
    stdin: str | None = None
    """A file for standard input, with placeholders; None: empty input."""
    name: str = ""
    """Its name in the result; if empty, the arguments."""
    finds_names: bool = False
    """Whether it gets the address, so that nobody has to look up the server's name."""
    is_isolated: bool = False
    """Whether its home directory is the working directory, and variables that configure mail clients are left out, so
    that it finds no configuration of the user."""
    runs_here: bool = False
    """Whether it runs in the directory where the audit was started, and not in that of the run."""
    language: str = ""
    """The language that it is written in, or its own name, for fixes in its terms: one of `fixes.LANGUAGES`; empty if
    unknown."""
    for_each: tuple[str, ...] = ()
    """More arguments, repeated for each recipient, which is ``{recipient}`` in them."""

    def __post_init__(self) -> None:
        check_language(self.language, "language")
        if not self.arguments or not self.arguments[0]:
            raise InvalidValueError("command", self.arguments, "a program and its arguments")
        known = (*PLACEHOLDERS, *((TEMPLATE,) if self.template is not None else ()))
        for argument in (*self.arguments, *self.for_each):
            check_template("command", argument, known)
        for name, value in self.environment:
            check_template(f"environment, {name}", value, known)
        if self.template is not None:
            check_template("template", self.template)
        if self.stdin is not None:
            check_template("stdin", self.stdin, known)

    def __str__(self) -> str:
        return self.name or " ".join(self.arguments)

    def start(self, slots: int) -> None:
        """Do nothing: a command needs no preparation."""

    def close(self) -> None:
        """Do nothing: a command leaves nothing behind."""

    def cannot_reach(self, target: Target) -> str | None:
        """Return why the server's name would not lead this client to it; None if it does."""
        if self.finds_names or not hosts.is_needed(target.host):
            return None
        return hosts.why_not(target.host, target.address)

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Run it once. It never raises an exception for what the program does."""
        folder = Path(target.workdir)
        values = dict(target.placeholders)
        if self.template is not None:
            file = folder / TEMPLATE
            try:
                write_private(file, self.template.format_map(values))
            except OSError as error:
                return Ended(Ending.NOT_STARTED, said=str(error))
            values[TEMPLATE] = str(file)
        program, *given = [one.format_map(values) if has_placeholders(one) else one for one in self.arguments]
        named = zip(self.arguments[1:], given, strict=True)
        arguments = [_full_path(program) if os.sep in program else program]
        arguments += [given if has_placeholders(written) else _full_path(given) for written, given in named]
        for recipient in target.recipients:
            arguments += [one.format_map({**values, "recipient": recipient}) for one in self.for_each]
        environment = _without_configuration(folder) if self.is_isolated else {**os.environ}
        environment |= {name: value.format_map(values) for name, value in self.environment}
        if not self.finds_names and hosts.is_needed(target.host):
            arguments = hosts.wrapped(arguments, target.host, target.address, folder)
        stdin = Path(self.stdin.format_map(values)) if self.stdin is not None else None
        return run_program(
            arguments,
            folder=Path.cwd() if self.runs_here else folder,
            environment=environment,
            stdin=stdin,
            timeout=timeout,
            stop=stop,
        )


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        opened.write(text)


def _without_configuration(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_CONFIGURES)}
    return {name: value for name, value in kept.items() if not name.upper().endswith("_PROXY")} | {"HOME": str(home)}


def has_placeholders(text: str) -> bool:
    """Return whether a text differs from run to run, or has braces of its own, which are written twice."""
    return "{" in text or "}" in text


def _full_path(argument: str) -> str:
    """Return the full path of a file that is here, since the program does not run here; anything else as it is."""
    return str(Path(argument).absolute()) if is_file(argument) else argument
