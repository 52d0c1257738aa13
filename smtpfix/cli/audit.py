"""`smtpfix audit`: it builds the declaration and the plan from the options, and sets the exit status."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TextIO, TypedDict

from smtpfix.audit.adapters import ADAPTERS, adapter
from smtpfix.audit.adapters_reading import READING_ADAPTERS
from smtpfix.audit.auditing import DEFAULT_TIMEOUT, Audit, declare
from smtpfix.audit.baseline import Changes, compare
from smtpfix.audit.command import Command, has_placeholders
from smtpfix.audit.deployment import CONVENTIONAL, FREE, Deployment
from smtpfix.audit.device import DEFAULT_PATIENCE, Device
from smtpfix.audit.family import Variant, family_names, load_family, read_family
from smtpfix.audit.family import compare as compare_family
from smtpfix.audit.fixes import check_language, language_of
from smtpfix.audit.grade import is_good_enough, named
from smtpfix.audit.plan import EVERYTHING, is_file
from smtpfix.audit.result import AuditResult, Declaration, DeclaredMode, Grade, Outcome, Verdict
from smtpfix.audit.runner import Client
from smtpfix.errors import InvalidValueError
from smtpfix.paths import is_directory
from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import check_scenario_id
from smtpfix.policy.good_chain import check_key_type
from smtpfix.suggesting import did_you_mean

from . import option_names
from .audit_guide import TerminalGuide
from .audit_reports import ReportFiles, read_baseline

REACHED: Final = 0
NOT_REACHED: Final = 1
COULD_NOT_RUN: Final = 2
BROKEN_OFF: Final = 130
"""Exit statuses; the last one is what shells have for Ctrl-C."""

_EVERY_ADDRESS: Final = ("0.0.0.0", "::")
"""Where to listen for everybody, which is no address to connect to."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What the command line says."""

    client: Sequence[str]
    is_command: bool
    """Whether ``--`` stood before the client."""
    protocol: str | None = None
    mode: str | None = None
    trust: str | None = None
    credentials: str | None = None
    mechanisms: str | None = None
    expect_staple: bool = False
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
    ports: str | None = None
    wait: bool = False
    host: str | None = None
    hostname: str | None = None
    authority: Path | None = None
    key_type: str | None = None
    json_file: Path | None = None
    junit_file: Path | None = None
    html_file: Path | None = None
    sarif_file: Path | None = None
    artifact: str | None = None
    language: str | None = None

    @property
    def files(self) -> ReportFiles:
        """Where reports go."""
        return ReportFiles(self.json_file, self.junit_file, self.html_file, self.sarif_file, self.artifact)


_OPTIONS: Final = {
    "ids": "--scenario",
    "groups": "--group",
    "expect_staple": "--expect-staple",
    "adapter": "CLIENT",
    "Policy.hostname": "--hostname",
    **{
        name: f"--{name}"
        for name in ("jobs", "timeout", "protocol", "mode", "trust", "credentials", "mechanisms", "ports")
    },
}
"""How the command line calls what an audit in Python is told."""


@option_names.named(_OPTIONS)
def run_audit(options: AuditOptions, stream: TextIO, answers: TextIO) -> int:
    """Run it, show what is found, and return the exit status. Raises `InvalidValueError` before anything is run.

    Also what is known when it is broken off is shown, and written; and first shown, since writing may fail.
    """
    from .audit_terminal import AuditTerminal  # noqa: PLC0415 - errors need no rich

    wanted = _grade(options)
    for one in (one for one in options.scenario if not is_file(one)):
        check_scenario_id(one, "--scenario")
    check_language(options.language or "", "--language")
    variant = _variant(options.family)
    declaration = _declaration(options, variant)
    deployment = _deployment(options)
    options.files.check()
    baseline = read_baseline(options.baseline, declaration) if options.baseline is not None else None
    groups = [*options.group, *([EVERYTHING] if options.everything else [])]
    choice: _Choice = {"groups": groups, "ids": options.scenario, "jobs": options.jobs, "deployment": deployment}
    terminal = AuditTerminal(stream)
    if options.wait:
        result = _watch(options, declaration, choice, stream, answers)
    else:
        client = _command(options) if options.is_command else _adapter(options, declaration)
        audit = Audit(client, declaration, timeout=_timeout(options, DEFAULT_TIMEOUT), **choice)
        with terminal.progress(str(client), declaration) as progress:
            result = audit.run(progress)
    if variant is not None:
        result = replace(result, family=options.family or "", differences=compare_family(result, variant))
    changed = compare(baseline, result) if baseline is not None else None
    if changed is None:
        terminal.show(result)
    else:
        terminal.show_changes(changed, result)
    options.files.write(result)
    return exit_status(result, wanted, changed, is_choice=bool(options.group or options.scenario))


class _Choice(TypedDict):
    groups: Collection[str]
    ids: Collection[str]
    jobs: int | None
    deployment: Deployment


def _watch(
    options: AuditOptions, declaration: Declaration, choice: _Choice, stream: TextIO, answers: TextIO
) -> AuditResult:
    """Audit a device, which somebody starts for each run."""
    if options.client:
        raise InvalidValueError.saying(
            "--wait", " ".join(options.client), f"the client starts elsewhere; leave {options.client[0]!r} out"
        )
    _check_no_command(options, "--wait")
    guide = TerminalGuide(stream, answers, declaration, ca_is_kept=options.authority is not None)
    device = Device(guide, name=options.family or "device", language=options.language or "")
    return Audit(device, declaration, timeout=_timeout(options, DEFAULT_PATIENCE), **choice).run()


def _timeout(options: AuditOptions, default: float) -> float:
    return default if options.timeout is None else options.timeout


def _variant(text: str | None) -> Variant | None:
    """Return the family's variant of this name. Raises `InvalidValueError` listing all there are."""
    if text is None:
        return None
    name, _, variant = text.rpartition("/")
    if not name:
        if text in family_names():
            known = " or ".join(f"{text}/{one}" for one in load_family(text).variants)
            raise InvalidValueError.saying("--family", text, f"say which variant of {text}: {known}")
        names = [f"{one}/{next(iter(load_family(one).variants))}" for one in family_names()]
        raise InvalidValueError(
            "--family", text, f"FAMILY/VARIANT, such as {', '.join(names)}{did_you_mean(text, family_names())}"
        )
    try:
        family = read_family(Path(name)) if name.endswith(".toml") else load_family(name)
        return family.variant(variant)
    except OSError as error:
        raise InvalidValueError("--family", name, f"a file that can be read ({error.strerror})") from error
    except InvalidValueError as error:
        raise error.within("--family") from error


def _declaration(options: AuditOptions, variant: Variant | None) -> Declaration:
    """Return what is declared: by the options, or else by the family's manual, which they must not contradict."""
    documented = variant.declaration() if variant is not None else Declaration(DeclaredMode.STARTTLS_REQUIRED)
    mode, trust = options.mode or documented.mode, options.trust or documented.trust
    protocol = options.protocol or documented.protocol
    declaration = declare(
        mode,
        trust,
        options.credentials,
        options.mechanisms or (),
        expect_staple=options.expect_staple,
        protocol=protocol,
    )
    if variant is not None:
        if declaration.protocol != variant.protocol:
            does = (
                f"reads mail by {variant.protocol}" if documented.reads_mail else "sends mail, so its protocol is smtp"
            )
            raise InvalidValueError.saying(
                "--protocol", declaration.protocol, f"{options.family} {does}; leave --protocol out"
            )
        for option, declared, meant in (
            ("--mode", declaration.mode, variant.mode),
            ("--trust", declaration.trust, variant.trust),
        ):
            if meant not in (None, declared):
                raise InvalidValueError.saying(
                    option,
                    str(declared),
                    f"{options.family} means {meant}, and not {declared}; leave {option} out",
                )
    return declaration


def _deployment(options: AuditOptions) -> Deployment:
    """Return where servers stand. A device has to find all of them in one place, by a name that leads there."""
    host = options.host or "localhost"
    if not options.wait:
        if options.host is not None:
            raise InvalidValueError.saying(
                "--host",
                options.host,
                "it is for clients on other machines; add --wait, or leave it out",
            )
    elif options.ports == FREE:
        raise InvalidValueError.saying(
            "--ports", FREE, "a device is set up once, so with --wait the port is conventional or a number"
        )
    elif host in _EVERY_ADDRESS and options.hostname is None:
        raise InvalidValueError.saying(
            "--hostname", None, f"with --host {host} a device has to know this machine's name or IP address; add it"
        )
    ports = options.ports if options.ports is not None else CONVENTIONAL if options.wait else FREE
    if options.key_type is not None:
        check_key_type(options.key_type, "--key-type")
    if options.authority is not None:
        _check_authority(options.authority, options.key_type)
    return Deployment(ports, host, options.hostname, options.authority, options.key_type)


def _check_authority(directory: Path, key_type: str | None) -> None:
    """Make the authority, or read it. Raises `InvalidValueError`, and `AuthorityError` for what cannot be read."""
    try:
        Authority(directory, key_type=key_type).close()
    except OSError as error:
        expected = f"a directory that can be written ({error.strerror})"
        raise InvalidValueError("--authority", str(directory), expected) from error


def exit_status(
    result: AuditResult, wanted: Grade | None, changed: Changes | None = None, *, is_choice: bool = False
) -> int:
    """Return 0 where the grade is reached, 1 where it is not, 2 where it is not known, 130 where it was broken off.

    Beside a baseline what changed counts, and not the grade: 0 where nothing is worse, 1 where it is. Where scenarios
    were chosen and no grade is wanted, they count: 0 where every one passed.
    """
    if not result.is_complete:
        return BROKEN_OFF
    if all(finding.outcome is Outcome.NOT_RUN for finding in result.findings):
        return COULD_NOT_RUN
    if changed is not None:
        return NOT_REACHED if changed.is_worse else REACHED
    if is_good_enough(result, wanted, is_choice=is_choice):
        return REACHED
    is_bad = result.flags or any(finding.verdict in (Verdict.FAILED, Verdict.LAX) for finding in result.findings)
    return COULD_NOT_RUN if result.grade is Grade.UNKNOWN and not is_bad else NOT_REACHED


def _grade(options: AuditOptions) -> Grade | None:
    text = options.grade
    if text is None:
        return None
    if options.baseline is not None:
        raise InvalidValueError.saying("--grade", text, "--baseline decides the exit status; leave one of them out")
    return named(text, "--grade")


def _adapter(options: AuditOptions, declaration: Declaration) -> Client:
    if not options.client:
        known = ", ".join(READING_ADAPTERS.get(declaration.protocol, ADAPTERS))
        sentence = f"there is no client; name a built-in one ({known}), or write -- and a command"
        raise InvalidValueError.saying("CLIENT", None, sentence)
    name, *more = options.client
    if more:
        written = " ".join(options.client)
        raise InvalidValueError.saying(
            "CLIENT",
            written,
            f"write a command after --: smtpfix audit -- {written}; write a built-in client without --",
        )
    client = adapter(name, declaration)
    _check_no_command(options, f"the built-in client {name!r}")
    if options.language is not None:
        raise InvalidValueError.saying(
            "--language", options.language, f"that of the built-in client {name!r} is known; leave --language out"
        )
    return client


def _check_no_command(options: AuditOptions, beside: str) -> None:
    """Raise `InvalidValueError` for what only a command can be given."""
    for given, option in (
        (tuple(options.env), "--env"),
        (options.template, "--template"),
        (options.stdin, "--stdin"),
        (options.here, "--here"),
    ):
        if given:
            raise InvalidValueError.saying(option, given, f"it is for a command, and there is {beside}; leave one out")


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
    stdin = options.stdin
    is_known = stdin is not None and not has_placeholders(stdin)
    if stdin is not None and is_known and (is_directory(stdin) or not os.access(stdin, os.R_OK)):  # pipes open once
        raise InvalidValueError("--stdin", stdin, "a file that can be read")
    return Command(
        tuple(options.client),
        environment=tuple(pairs),
        template=template,
        stdin=stdin,
        runs_here=options.here,
        language=options.language or (language_of(options.client[0]) if options.client else ""),
    )
