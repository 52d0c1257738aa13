"""`Command`: a client under test that is a command, with placeholders in arguments, environment and template."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from smtpfix.errors import InvalidValueError

from . import hosts
from .fixes import check_language
from .process import Ended, run_program
from .result import Ending
from .target import PLACEHOLDERS, TEMPLATE, Target, check_template


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments: ``Command(("curl", "--url", "smtp://{host}:{port}"))``. No shell is involved.

    Raises `InvalidValueError` for an unknown placeholder, listing those there are.
    """

    arguments: tuple[str, ...]
    """The program, and its arguments, with placeholders; one that names a file here is passed with its full path."""
    environment: tuple[tuple[str, str], ...] = ()
    """Names and values, with placeholders, beside what the program inherits."""
    template: str | None = None
    """A text with placeholders, such as a configuration file, that is written into the working directory for each run;
    ``{template}`` is the file's path. Only its owner can read it."""
    stdin: str | None = None
    """A file to read from, with placeholders; None: nothing."""
    name: str = ""
    """What it goes by in the result; empty: the arguments."""
    finds_names: bool = False
    """Whether it is told the address, and needs nobody to look up the server's name."""
    is_isolated: bool = False
    """Whether its home is the working directory, so that no configuration of the user's is found."""
    runs_here: bool = False
    """Whether it runs where the audit was started, and not in the run's own directory."""
    language: str = ""
    """What it is written in, or is, for fixes in its own words: one of `fixes.LANGUAGES`; empty where not known."""
    for_each: tuple[str, ...] = ()
    """More arguments, once for each recipient, which ``{recipient}`` is in them: for programs that take several."""

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
        """Nothing has to be there before the first run, however many go on at a time."""

    def close(self) -> None:
        """Nothing is left."""

    def cannot_reach(self, target: Target) -> str | None:
        """Return why the server's name would not lead this client to it; None if it does."""
        if self.finds_names or not hosts.is_needed(target.host):
            return None
        return hosts.why_not(target.host, target.address)

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Run it once. Never raises for what the program does."""
        folder = Path(target.workdir)
        values = dict(target.placeholders)
        if self.template is not None:
            file = folder / TEMPLATE
            try:
                write_private(file, self.template.format_map(values))
            except OSError as error:
                return Ended(Ending.NOT_STARTED, said=str(error))
            values[TEMPLATE] = str(file)
        program, *given = [one.format_map(values) if _has_braces(one) else one for one in self.arguments]
        named = zip(self.arguments[1:], given, strict=True)
        arguments = [_full_path(program) if os.sep in program else program]
        arguments += [given if _has_braces(written) else _full_path(given) for written, given in named]
        for recipient in target.recipients:
            arguments += [one.format_map({**values, "recipient": recipient}) for one in self.for_each]
        environment = {**os.environ, **({"HOME": str(folder)} if self.is_isolated else {})}
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


def _has_braces(text: str) -> bool:
    return "{" in text or "}" in text


def _full_path(argument: str) -> str:
    """Return the full path of a file that is here, since the program does not run here; anything else as it is."""
    try:
        return str(Path(argument).absolute()) if Path(argument).is_file() else argument
    except (OSError, ValueError):  # too long for a path, or a NUL in it
        return argument
