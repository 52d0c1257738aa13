"""The audit itself: it runs, judges and grades every case of a plan. `Audit`, and `audit_client` as one call."""

from __future__ import annotations

import concurrent.futures
import os
import platform
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from smtpfix.clock import monotonic
from smtpfix.errors import InvalidValueError, SMTPFixError
from smtpfix.pki.authority import Authority
from smtpfix.safe_text import shorten
from smtpfix.suggesting import one_of
from smtpfix.wire.loop import LOOP_THREAD

from .adapters import adapter
from .call import Call, Deliver
from .case import Case
from .causes import flaw_shown
from .command import Command
from .deployment import HERE, Deployment
from .device import AgainError, Device
from .grade import grade
from .login import check_login
from .modes import declared_mode
from .notes import Seen, notes
from .plan import Plan, plan
from .process import Ended
from .protocols import READER, check_protocol
from .result import AuditResult, Declaration, DeclaredMode, Ending, Finding, Outcome, Run, Trust
from .runner import Client, Runner
from .sentences import sentences
from .stapled import StaplingAuthority
from .verdict import Observed, judge, unreadable

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that one run of the client may take."""
_WAITING: Final = 24
"""Runs beside the others whose server says nothing: they cost time, and nothing else; the largest set has 24."""
_WAITING_PROGRAMS: Final = 12
"""The same for programs, each of which has to start, and may be large."""

_NOT_STARTED: Final = Ended(Ending.NOT_STARTED)

Progress = Callable[[int, int, str], None]
"""A function that is told how many runs are over, out of how many, and which scenario was the last."""
Conclude = Callable[[Finding], None]
"""A function that is told the finding of a run."""


class Audit:
    """One audit of one client. Raises `InvalidValueError` for arguments that make no sense, before anything runs."""

    def __init__(
        self,
        client: Client,
        declaration: Declaration,
        *,
        groups: Collection[str] = (),
        ids: Collection[str | Path] = (),
        jobs: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        deployment: Deployment = HERE,
    ) -> None:
        _check(declaration, jobs, timeout)
        self.client = client
        self.declaration = declaration
        self.plan: Plan = plan(declaration, groups=groups, ids=ids)
        """What is run."""
        self._jobs = jobs
        self._timeout = timeout
        self._deployment = deployment
        self._observed: dict[object, Observed] = {}

    def run(self, progress: Progress | None = None, conclude: Conclude | None = None) -> AuditResult:
        """Run the audit. A `KeyboardInterrupt` ends it: the result has what is known by then, and is incomplete.

        `conclude` gets the finding of each run, as far as it is known then: a later run may decide it.
        """
        if not hasattr(os, "waitid"):  # pragma: no cover - Windows
            raise SMTPFixError("an audit needs processes that can be forked and grouped, as on Linux and macOS")
        started, began = datetime.now(UTC), monotonic()
        jobs, waiting = self._slots
        self._observed.clear()
        is_complete = True
        self.client.start(jobs + waiting)
        try:
            authorities = StaplingAuthority if self.declaration.expects_staple else Authority
            with authorities(self._deployment.authority, key_type=self._deployment.key_type) as authority:
                runner = Runner(
                    self.client,
                    self.declaration,
                    timeout=self._timeout,
                    authority=authority,
                    deployment=self._deployment,
                )
                LOOP_THREAD.hold()
                try:
                    self._run_all(runner, jobs, waiting, progress or _quiet, conclude)
                except KeyboardInterrupt:
                    is_complete = False
                finally:
                    LOOP_THREAD.release()
        finally:
            self.client.close()
        return self._result(started, monotonic() - began, is_complete=is_complete)

    @property
    def _slots(self) -> tuple[int, int]:
        """How many runs go on at a time, and how many more whose server only lets them wait."""
        cases = self._beside_good
        if self._deployment.is_fixed or isinstance(self.client, Device):  # one after the other
            return 1, 0
        if self._jobs is not None:
            return max(1, min(self._jobs, len(cases))), 0
        waiting = sum(case.only_waits for case in cases)
        most = _WAITING_PROGRAMS if isinstance(self.client, Command) else _WAITING
        return max(1, min(os.cpu_count() or 1, len(cases) - waiting)), min(most, waiting)

    @property
    def _beside_good(self) -> list[Case]:
        return [case for case in (*self.plan.controls, *self.plan.cases) if case is not self.plan.good]

    def _run_all(self, runner: Runner, jobs: int, waiting: int, progress: Progress, conclude: Conclude | None) -> None:
        good = self.plan.good
        others = self._beside_good
        total = len(others) + 1
        pools = [concurrent.futures.ThreadPoolExecutor(jobs)]
        if waiting:
            pools.append(concurrent.futures.ThreadPoolExecutor(waiting))
        try:
            if isinstance(self.client, Device):
                pools[0].submit(runner.set_up, self.client, good, total).result()
            for case in self._completed(runner, pools, others, one_by_one=jobs + waiting == 1):
                progress(len(self._observed), total, case.scenario.id)
                self._tell(case, conclude)
                if case is good and not self._observed[good.key].evidence.connections:
                    return
        finally:
            runner.stop.set()
            for pool in pools:
                pool.shutdown(wait=True, cancel_futures=True)

    def _completed(
        self, runner: Runner, pools: Sequence[concurrent.futures.Executor], cases: list[Case], *, one_by_one: bool
    ) -> Iterator[Case]:
        """Run the good case and the others, and yield each when it is over.

        One by one, the next begins when the last has been dealt with.
        """
        if one_by_one:
            yield from self._one_by_one(runner, pools[0], [self.plan.good, *cases])
            return
        yield from self._one_by_one(runner, pools[0], [self.plan.good])
        longest_first = sorted(cases, key=lambda case: case.is_slow or case.is_endless, reverse=True)
        futures = {pools[-1 if case.only_waits else 0].submit(runner.run, case): case for case in longest_first}
        for future in concurrent.futures.as_completed(futures):
            case = futures[future]
            self._observed[case.key] = future.result()
            yield case

    def _one_by_one(self, runner: Runner, pool: concurrent.futures.Executor, cases: list[Case]) -> Iterator[Case]:
        at = 0
        while at < len(cases):
            try:
                self._observed[cases[at].key] = pool.submit(runner.run, cases[at]).result()
            except AgainError:
                at = max(0, at - 1)
                continue
            yield cases[at]
            at += 1

    def _tell(self, case: Case, conclude: Conclude | None) -> None:
        """Let whoever is led through the audit know what came of a run; its control run was before it."""
        if isinstance(self.client, Device):
            self.client.guide.conclude(self._finding(case))
        if conclude is not None:
            conclude(self._finding(case))

    # What came of it

    def _result(self, started: datetime, seconds: float, *, is_complete: bool) -> AuditResult:
        findings = tuple(map(self._finding, self.plan.cases))
        own = {case.scenario.id: case.scenario for case in self.plan.cases if case.file is not None}
        grading = grade(self.declaration, findings, self.client.language, own)
        return AuditResult(
            client=str(self.client),
            declaration=self.declaration,
            findings=findings,
            keeps_its_promise=grading.keeps_its_promise and is_complete,
            promise=grading.promise,
            grade=grading.grade,
            worth=grading.worth,
            flags=grading.flags,
            reasons=grading.reasons,
            causes=grading.causes,
            notes=tuple(notes(self._seen(findings))),
            started=started,
            seconds=seconds,
            is_complete=is_complete,
            versions=_versions(),
            left_out=self.plan.left_out,
        )

    def _seen(self, findings: Sequence[Finding]) -> list[Seen]:
        """Return each case that was run with what was seen of it and what came of it."""
        cases = zip(self.plan.cases, findings, strict=True)
        observed = ((case, self._observed.get(case.key), finding) for case, finding in cases)
        return [(case, seen.evidence, finding) for case, seen, finding in observed if seen is not None]

    def _finding(self, case: Case) -> Finding:
        good = self._observed.get(self.plan.good.key)
        delivers = good is not None and bool(good.evidence.delivered)
        observed = self._observed.get(case.key) or Observed(_NOT_STARTED, reason=_why_not_begun(good))
        control = self._control(case)
        try:
            return self._judged(case, observed, control, delivers=delivers)
        except Exception as error:  # noqa: BLE001 - whatever a client sent, it does not end its own audit
            return self._judged(case, unreadable(observed.ended, error), None, delivers=delivers)

    def _judged(self, case: Case, observed: Observed, control: Observed | None, *, delivers: bool) -> Finding:
        judgement = judge(case, self.declaration, observed, control, delivers=delivers)
        consequence, fix = sentences(case, self.declaration, observed, judgement, self.client.language)
        was_run = judgement.outcome is not Outcome.NOT_RUN
        scenario = case.scenario
        return Finding(
            scenario=scenario.id,
            group=scenario.group,
            mode=str(case.mode),
            summary=scenario.summary,
            expected=case.expected,
            standard=scenario.standard,
            outcome=judgement.outcome,
            verdict=judgement.verdict,
            also=judgement.also,
            evidence=tuple(map(_sentence, (*observed.evidence.facts, *judgement.remarks))) if was_run else (),
            consequence=consequence,
            fix=fix,
            flaw=flaw_shown(case, judgement),
            reason=self._without_password(judgement.reason),
            extra=observed.extra,
            run=self._run(observed) if not observed.reason else None,
            control=self._run(control) if control is not None and was_run else None,
        )

    def _run(self, observed: Observed) -> Run:
        ended, evidence = observed.ended, observed.evidence
        return Run(
            ending=ended.ending,
            status=ended.status,
            seconds=ended.seconds,
            said=self._without_password(ended.said),
            connections=evidence.connections,
            delivered=0 if self.declaration.reads_mail else evidence.delivered,
            retrieved=evidence.read if self.declaration.reads_mail else None,
            transcripts=evidence.transcripts,
        )

    def _without_password(self, text: str) -> str:
        """Return what a client said without the password that it may have repeated."""
        password = self.declaration.password
        return text.replace(password, shorten(password)) if password is not None else text

    def _control(self, case: Case) -> Observed | None:
        if case.control is None:
            return None
        return next((seen for key, seen in self._observed.items() if key == (case.control, case.mode)), None)


def audit_client(
    deliver: Deliver | Client | str,
    *,
    mode: DeclaredMode | str = DeclaredMode.STARTTLS_REQUIRED,
    trust: Trust | str = Trust.PKI,
    credentials: tuple[str, str] | str | None = None,
    mechanisms: Sequence[str] | str = (),
    expect_staple: bool = False,
    protocol: str = "smtp",
    groups: Collection[str] = (),
    ids: Collection[str | Path] = (),
    jobs: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> AuditResult:
    """Audit a client and return the result.

    `deliver` is a function or coroutine function that delivers one message to the `Target` it gets, and raises an
    exception if it cannot; each run is a process of its own. It can also be the name of a built-in client, or a
    `Command`.

    `mode` and `trust` declare what the client is meant to do. `credentials` are what it logs in with: a user and a
    password, or ``"user:password"``. `mechanisms` are the SASL mechanisms it logs in by: ``["XOAUTH2"]`` for a token
    instead of a password. `expect_staple` says that it demands a stapled OCSP response.

    `protocol` is ``smtp``, or ``imap`` or ``pop3`` for a client that reads mail. Such a `deliver` reads all messages,
    and may delete what it has read; without `credentials`, it logs in with the user and password of its `Target`.

    `groups` and `ids` choose scenarios: ``groups=["everything"]`` is all of them, and a `Path` among `ids` is a
    scenario file of your own. `jobs` is the number of runs at the same time, by default that of the processors.
    `timeout` is how many seconds each run may take.

    Raises `InvalidValueError`, `UnknownScenario`, and `KeyboardInterrupt` if you interrupt it.
    """
    declaration = declare(mode, trust, credentials, mechanisms, expect_staple=expect_staple, protocol=protocol)
    if isinstance(deliver, str):
        client: Client = adapter(deliver, declaration)
    elif isinstance(deliver, Client):
        client = deliver
    elif callable(deliver):
        client = Call(deliver)
    else:
        raise InvalidValueError("deliver", deliver, "a callable, the name of a built-in client, or a Command")
    result = Audit(client, declaration, groups=groups, ids=ids, jobs=jobs, timeout=timeout).run()
    if not result.is_complete:
        raise KeyboardInterrupt
    return result


def declare(
    mode: DeclaredMode | str,
    trust: Trust | str,
    credentials: tuple[str, str] | str | None = None,
    mechanisms: Sequence[str] | str = (),
    *,
    expect_staple: bool = False,
    protocol: str = "smtp",
) -> Declaration:
    """Return a declaration from what users write. Raises `InvalidValueError`."""
    declared = declared_mode(mode)
    try:
        trusting = Trust(trust)
    except ValueError:
        raise InvalidValueError("trust", trust, one_of(trust, Trust)) from None
    check_protocol(protocol)
    user, password = (None, None) if protocol == "smtp" else READER
    if credentials is not None:
        pair = tuple(credentials.partition(":")[::2]) if isinstance(credentials, str) else tuple(credentials)
        if len(pair) != 2 or not all(isinstance(one, str) and one for one in pair):  # noqa: PLR2004
            raise InvalidValueError("credentials", "something else", "a user and a password: user:password")
        user, password = pair
    names = mechanisms.split(",") if isinstance(mechanisms, str) else mechanisms
    declaration = Declaration(
        declared, trusting, user, password, tuple(name.strip().upper() for name in names), expect_staple, protocol
    )
    _check(declaration, None, DEFAULT_TIMEOUT)
    return declaration


def _check(declaration: Declaration, jobs: int | None, timeout: float) -> None:
    check_login(declaration)
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise InvalidValueError("jobs", jobs, "a whole number, 1 or more")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidValueError("timeout", timeout, "seconds, more than 0")


def _why_not_begun(good: Observed | None) -> str:
    if good is None or good.evidence.connections:
        return "the audit was broken off before"
    return good.reason or "the client never connected to a server that does nothing wrong"


def _sentence(fact: str) -> str:
    return f"{fact[:1].upper()}{fact[1:]}."


def _quiet(_done: int, _total: int, _scenario: str) -> None:
    """Tell nobody."""


def _versions() -> tuple[tuple[str, str], ...]:
    return (
        ("smtpfix", metadata.version("smtpfix")),
        ("Python", platform.python_version()),
        ("OpenSSL", ssl.OPENSSL_VERSION),
    )
