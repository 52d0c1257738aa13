"""`smtpfix audit`: which client, by which declaration, against which scenarios; and the exit status."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TextIO, TypedDict

from smtpfix.audit.adapters import adapter
from smtpfix.audit.auditing import DEFAULT_TIMEOUT, Audit, declare
from smtpfix.audit.command import Command
from smtpfix.audit.device import DEFAULT_PATIENCE, Device
from smtpfix.audit.family import Variant, compare, family_names, load_family, read_family
from smtpfix.audit.grade import is_good_enough
from smtpfix.audit.plan import EVERYTHING, plan
from smtpfix.audit.result import AuditResult, Declaration, DeclaredMode, Grade, Outcome
from smtpfix.audit.runner import Client
from smtpfix.audit.venue import FREE, Venue
from smtpfix.errors import InvalidValueError

from .audit_guide import TerminalGuide
from .audit_reports import ReportFiles, changes, read_baseline

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
    mode: str | None = None
    trust: str | None = None
    credentials: str | None = None
    group: Collection[str] = ()
    scenario: Collection[str] = ()
    everything: bool = False
    env: Collection[str] = ()
    template: Path | None = None
    stdin: str | None = None
    here: bool = False
    jobs: int | None = None
    timeout: float | None = None
    grade: str | None = None
    baseline: Path | None = None
    family: str | None = None
    ports: str = FREE
    wait: bool = False
    host: str | None = None
    hostname: str | None = None
    authority: Path | None = None
    json_file: Path | None = None
    junit_file: Path | None = None
    html_file: Path | None = None
    sarif_file: Path | None = None
    artifact: str | None = None

    @property
    def files(self) -> ReportFiles:
        """Where reports go."""
        return ReportFiles(self.json_file, self.junit_file, self.html_file, self.sarif_file, self.artifact)


def run_audit(options: AuditOptions, stream: TextIO, answers: TextIO) -> int:
    """Run it, show what is found, and return the exit status. Raises `InvalidValueError` before anything is run."""
    from .audit_terminal import AuditTerminal  # noqa: PLC0415 - errors need no rich

    wanted = _grade(options.grade)
    variant = _variant(options.family)
    declaration = _declaration(options, variant)
    venue = _venue(options)
    options.files.check()
    baseline = read_baseline(options.baseline) if options.baseline is not None else None
    groups = [*options.group, *([EVERYTHING] if options.everything else [])]
    choice: _Choice = {"groups": groups, "ids": options.scenario, "jobs": options.jobs, "venue": venue}
    terminal = AuditTerminal(stream)
    if options.wait:
        result = _watch(options, declaration, choice, stream, answers)
    else:
        client = _command(options) if options.is_command else _adapter(options, declaration)
        audit = Audit(client, declaration, timeout=options.timeout or DEFAULT_TIMEOUT, **choice)
        with terminal.progress(str(client), declaration) as progress:
            result = audit.run(progress)
    if variant is not None:
        result = replace(result, family=options.family or "", differences=compare(result, variant))
    options.files.write(result)
    if baseline is None:
        terminal.show(result)
        return exit_status(result, wanted)
    changed = changes(baseline, result)
    terminal.show_changes(changed)
    if not result.is_complete:
        return BROKEN_OFF
    return NOT_REACHED if changed.is_worse else REACHED


class _Choice(TypedDict):
    groups: Collection[str]
    ids: Collection[str]
    jobs: int | None
    venue: Venue


def _watch(
    options: AuditOptions, declaration: Declaration, choice: _Choice, stream: TextIO, answers: TextIO
) -> AuditResult:
    """Audit a device, which somebody starts for each run."""
    if options.client:
        raise InvalidValueError("--wait", " ".join(options.client), "no client: it is for those that start elsewhere")
    planned = plan(declaration, groups=choice["groups"], ids=choice["ids"])
    total = len({case.key for case in (*planned.controls, *planned.cases)})
    device = Device(TerminalGuide(stream, answers, declaration, total), name=options.family or "device")
    return Audit(device, declaration, timeout=options.timeout or DEFAULT_PATIENCE, **choice).run()


def _variant(text: str | None) -> Variant | None:
    """Return the family's variant of this name. Raises `InvalidValueError` listing all there are."""
    if text is None:
        return None
    name, _, variant = text.rpartition("/")
    if not name:
        names = ", ".join(f"{one}/..." for one in family_names())
        raise InvalidValueError("--family", text, f"FAMILY/VARIANT, such as {names}")
    family = read_family(Path(name)) if name.endswith(".toml") else load_family(name)
    return family.variant(variant)


def _declaration(options: AuditOptions, variant: Variant | None) -> Declaration:
    """Return what is declared: by the options, or else by the family's manual."""
    documented = variant.declaration() if variant is not None else Declaration(DeclaredMode.STARTTLS_REQUIRED)
    return declare(options.mode or documented.mode, options.trust or documented.trust, options.credentials)


def _venue(options: AuditOptions) -> Venue:
    if not options.wait:
        for given, option in ((options.host, "--host"), (options.hostname, "--hostname")):
            if given is not None:
                raise InvalidValueError(option, given, "nothing without --wait: clients of this machine need none")
    return Venue(options.ports, options.host or "localhost", options.hostname, options.authority)


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
