"""`smtpfix audit`: which client, by which declaration, against which scenarios; and the exit status."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from smtpfix.audit.adapters import adapter
from smtpfix.audit.auditing import DEFAULT_TIMEOUT, Audit, declare
from smtpfix.audit.command import Command
from smtpfix.audit.grade import is_good_enough
from smtpfix.audit.plan import EVERYTHING
from smtpfix.audit.result import AuditResult, Declaration, Grade, Outcome
from smtpfix.audit.runner import Client
from smtpfix.errors import InvalidValueError

REACHED: Final = 0
NOT_REACHED: Final = 1
COULD_NOT_RUN: Final = 2
BROKEN_OFF: Final = 130
"""Exit statuses; the last one is what shells have for Ctrl-C."""

GRADES: Final = {grade.name.lower().replace("_", "-"): grade for grade in Grade if grade is not Grade.UNKNOWN}
"""The grades as they are asked for."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What the command line says."""

    client: Sequence[str]
    is_command: bool
    """Whether ``--`` stood before the client."""
    mode: str = "starttls-required"
    trust: str = "pki"
    credentials: str | None = None
    group: Collection[str] = ()
    scenario: Collection[str] = ()
    everything: bool = False
    env: Collection[str] = ()
    template: Path | None = None
    stdin: str | None = None
    here: bool = False
    jobs: int | None = None
    timeout: float = DEFAULT_TIMEOUT
    grade: str | None = None


def run_audit(options: AuditOptions, stream: TextIO) -> int:
    """Run it, show what is found, and return the exit status. Raises `InvalidValueError` before anything is run."""
    from .audit_terminal import AuditTerminal  # noqa: PLC0415 - errors need no rich

    wanted = _grade(options.grade)
    declaration = declare(options.mode, options.trust, options.credentials)
    client = _command(options) if options.is_command else _adapter(options, declaration)
    groups = [*options.group, *([EVERYTHING] if options.everything else [])]
    audit = Audit(client, declaration, groups=groups, ids=options.scenario, jobs=options.jobs, timeout=options.timeout)
    terminal = AuditTerminal(stream)
    with terminal.progress(str(client), declaration) as progress:
        result = audit.run(progress)
    terminal.show(result)
    return exit_status(result, wanted)


def exit_status(result: AuditResult, wanted: Grade | None) -> int:
    """Return 0 where the grade is reached, 1 where it is not, 2 where nothing is known, 130 where it was broken off."""
    if not result.is_complete:
        return BROKEN_OFF
    if all(finding.outcome is Outcome.NOT_RUN for finding in result.findings):
        return COULD_NOT_RUN
    return REACHED if is_good_enough(result, wanted) else NOT_REACHED


def _grade(text: str | None) -> Grade | None:
    if text is None:
        return None
    if text.lower() not in GRADES:
        raise InvalidValueError("--grade", text, f"one of {', '.join(GRADES)}")
    return GRADES[text.lower()]


def _adapter(options: AuditOptions, declaration: Declaration) -> Client:
    if not options.client:
        raise InvalidValueError(
            "audit", "nothing", "a built-in client, or -- and a command; see 'smtpfix audit --help'"
        )
    name, *more = options.client
    for given, option in ((options.env, "--env"), (options.template, "--template"), (options.stdin, "--stdin")):
        if given:
            raise InvalidValueError(option, given, "nothing beside a built-in client: it is for commands")
    if more:
        raise InvalidValueError("audit", " ".join(options.client), "one built-in client, or -- and a command")
    return adapter(name, declaration)


def _command(options: AuditOptions) -> Command:
    pairs = []
    for pair in options.env:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidValueError("--env", pair, "NAME=VALUE, in which placeholders can stand")
        pairs.append((name, value))
    template = None
    if options.template is not None:
        try:
            template = options.template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidValueError("--template", str(options.template), f"a readable text file ({error})") from error
    return Command(
        tuple(options.client),
        environment=tuple(pairs),
        template=template,
        stdin=options.stdin,
        runs_here=options.here,
    )
