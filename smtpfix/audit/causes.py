"""From findings to causes: one `Cause` for all findings that the same change in the client fixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from smtpfix.policy.flaw import FLAWS, NEEDS

from .case import GOOD, Case
from .fixes import fix
from .result import Cause, Finding, Outcome, Verdict
from .verdict import Judgement

_CLEAR: Final = frozenset({Outcome.DOWNGRADED, Outcome.LEAKED_MESSAGE, Outcome.LEAKED_CREDENTIALS})
_SENT: Final = frozenset({Outcome.DELIVERED, Outcome.RETRIEVED, Outcome.UNAUTHENTICATED_SEND, Outcome.REFUSED_LATE})
_INNOCENT: Final = ("auth", "replies", "timing", "delivery")
"""Groups whose server takes no TLS away."""

_OF_NAMES: Final = ("part-of-name", "common-name", "same-domain", "name-form")
_OF_CHAINS: Final = ("leaf-as-issuer", "authority-limits", "weak-authority", "weak-signature", "hygiene", "pin")
_COVERS: Final = {
    "clear": ("downgrade",),
    "anything": ("issuer", "name", *_OF_NAMES, *_OF_CHAINS, "validity", "purpose", "critical-extension", "weak-key"),
    "issuer": _OF_CHAINS,
    "name": _OF_NAMES,
}
"""What a cause explains beside its own rows: who looks at no issuer looks at no path length either."""


def flaw_shown(case: Case, judgement: Judgement) -> str:
    """Return which flaw a run has shown, by what went over the wire and not by what the client says; empty: none."""
    if judgement.verdict in (Verdict.PASSED, Verdict.NOT_RUN):
        return ""
    seen = {judgement.outcome, *judgement.also}
    if seen & _CLEAR:
        is_innocent = case.expected == "accept" or case.scenario.group in _INNOCENT
        # Where few servers do what an attacker can, and where TLS was not offered, nobody learns it by listening alone.
        takes_tls_away = case.scenario.flaw == "downgrade" or case.ends_before_tls
        return "clear" if is_innocent and not takes_tls_away else "downgrade"
    if Outcome.ACTED_ON_INJECTION in seen:
        return "injection"
    if Outcome.LOST_MAIL in seen:
        return "lost-mail"
    if seen & _SENT and case.expected in ("refuse", "lax"):
        return case.scenario.its_flaw
    return ""


def causes(findings: Iterable[Finding], language: str = "", *, reads_mail: bool = False) -> tuple[Cause, ...]:
    """Return what is behind the findings that show a flaw, the most severe first; each finding belongs to one."""
    rows: dict[str, list[str]] = {}
    for finding in findings:
        if finding.flaw:
            rows.setdefault(finding.flaw, []).append(finding.key)
    behind = dict(_behind(rows))
    merged: dict[str, list[str]] = {}
    for flaw, keys in rows.items():
        merged.setdefault(behind.get(flaw, flaw), []).extend(keys)
    order = list(FLAWS)
    return tuple(
        Cause(
            flaw,
            FLAWS[flaw].severity,
            FLAWS[flaw].cause,
            NEEDS[FLAWS[flaw].severity],
            fix(flaw, language, reads_mail=reads_mail),
            tuple(keys),
        )
        for flaw, keys in sorted(merged.items(), key=lambda item: order.index(item[0]))
    )


def _behind(shown: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, str]]:
    """Return which flaw is explained by which; `shown` has the findings of each."""
    wide = ["anything"] if {"issuer", "name"} <= shown.keys() else [one for one in ("issuer", "name") if one in shown]
    if any(key.startswith(f"{GOOD}/") for key in shown.get("clear", ())):
        wide.append("clear")  # nobody has to take TLS away from who does so anyway
    for cause in wide:
        yield from ((flaw, cause) for flaw in _COVERS[cause])
