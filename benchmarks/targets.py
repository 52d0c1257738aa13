"""The targets, once: what each figure has to be, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import dovecot, pages, web
from .peers import MODES, SUBJECT
from .results import Results
from .start import THREAD
from .startup import BRINGS, HEAVY


@dataclass(frozen=True)
class Target:
    """One bound on a value, smtpfix's as a rule, or on its ratio to a peer's in the same round."""

    figure: str
    bound: float
    against: str | None = None
    """The peer whose value is 1; None for an absolute bound in the figure's unit."""
    at_least: bool = False
    who: str = SUBJECT
    """Whose value it is."""
    cpu: bool = False
    """Whether it is on the CPU, in µs where it is absolute, instead of the value."""

    @property
    def text(self) -> str:
        """The bound in words."""
        sign = "≥" if self.at_least else "≤"
        unit = " µs of CPU" if self.cpu else ""
        return f"{sign} {self.bound:.4g}" + (f" x {self.against}{unit and ' in CPU'}" if self.against else unit)


@dataclass(frozen=True)
class Verdict:
    """What became of a target."""

    target: Target
    value: float | None
    why_not: str | None
    """Why there is no value."""

    @property
    def met(self) -> bool | None:
        """Whether it is met; None if that was not measured."""
        if self.value is None:
            return None
        return self.value >= self.target.bound if self.target.at_least else self.value <= self.target.bound


def _throughput(load: str, stock: float, sink: float) -> tuple[Target, Target]:
    return (
        Target(f"sink/{load}", stock, "aiosmtpd", at_least=True),
        Target(f"sink/{load}", sink, "smtp-sink", at_least=True),
    )


_INTAKE: Final = "intake/2,000 octets, 10 connections kept"

TARGETS: Final = (
    *_throughput("1 KiB, 10 sessions kept", 3.5, 0.40),
    *_throughput("1 KiB, 10 sessions, a connection each", 1.8, 0.30),
    *_throughput("100 KiB, 10 sessions kept", 8, 1.2),
    *_throughput("10 MiB, 1 session", 12, 1.8),
    Target("tls/starttls", 1.2, "aiosmtpd", at_least=True),
    Target("tls/implicit-tls", 1.2, "aiosmtpd", at_least=True),
    Target("fixture/plain, fixture", 1 / 5, "smtpdfix"),
    Target("fixture/plain, fixture", 1 / 5, "pytest-localserver"),
    Target("fixture/starttls, fixture", 1 / 8, "smtpdfix"),
    Target("fixture/implicit-tls, fixture", 1 / 40, "smtpdfix"),
    Target("fixture/plain, with a send", 0.45, "smtpdfix"),
    Target("fixture/starttls, with a send", 0.45, "smtpdfix"),
    Target("fixture/implicit-tls, with a send", 0.13, "smtpdfix"),
    *(Target(f"start/{mode}", 0.3) for mode in MODES),
    *(Target(f"start/{mode}", 1, THREAD) for mode in MODES),
    Target("send/open, plain", 0.7, "aiosmtpd"),
    Target("import/pytest start with the plugin over without, by the wall", 3),
    Target("import/pytest start with the plugin over without, by the wall", 3, who=SUBJECT + BRINGS),
    Target("import/heavy modules imported by the unused plugin", 0),
    Target("memory/10,000 x 1 KiB, 10 sessions kept, kept", 1.9),
    Target("memory/20 x 10 MiB, peak beyond the content", 3),
    Target("reading/1,000 x 1 KiB: all in one FETCH", 1, dovecot.NAME),
    Target("reading/1,000 x 1 KiB: a FETCH each", 1, dovecot.NAME),
    Target("reading/1,000 x 1 KiB: ENVELOPE and BODYSTRUCTURE of all, the first time", 4, dovecot.NAME),
    Target(_INTAKE, 2, pages.MAILDEV, at_least=True, who=web.SQLITE),
    Target(_INTAKE, 1500, at_least=True, who=web.SQLITE),
    Target(_INTAKE, 550, who=web.SQLITE, cpu=True),
    Target(_INTAKE, 500, at_least=True, who=web.POSTGRES),
    Target("web/two replicas on PostgreSQL together", 500, at_least=True),
    Target("web/a page of 50 of 100,000", 5),
    Target("web/a search in 100,000 without a match", 300),
    Target("web/memory of smtpfix web with 100,000", 100),
    Target("web/start, CPU more than without a page", 100),
    Target("audit/the default set", 6),
    Target("audit/everything", 20),
)
"""In the order of docs/performance.md."""


def judge(results: Results) -> list[Verdict]:
    """Return what became of each target whose figure was asked for."""
    asked = {key.partition("/")[0] for key in (*results.figures, *results.grids)}
    return [_judge(target, results) for target in TARGETS if target.figure.partition("/")[0] in asked]


def _judge(target: Target, results: Results) -> Verdict:
    if target.figure.startswith("import/heavy"):
        return _judge_modules(target, results)
    figure = results.figures.get(target.figure)
    if figure is None:
        return Verdict(target, None, "not measured")
    if target.against is not None:
        value = (figure.cpu_ratio if target.cpu else figure.ratio)(target.who, target.against)
    elif target.cpu:
        cpu = figure.cpu(target.who)
        value = None if cpu is None else cpu * 1e6
    else:
        value = figure.median(target.who)
    if value is not None:
        return Verdict(target, value, None)
    missing = target.who if target.who not in figure.samples else target.against or target.who
    return Verdict(target, None, f"{missing}: {figure.missing.get(missing, 'takes no part')}")


def _judge_modules(target: Target, results: Results) -> Verdict:
    grid = results.grids.get("import/modules")
    found = [row for row in grid.rows if row[0] == SUBJECT] if grid else []
    if not found:
        return Verdict(target, None, "not measured")
    return Verdict(target, float(sum(name in HEAVY for name in found[0][2].split(", "))), None)
