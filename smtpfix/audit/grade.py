"""From findings to a grade: the two lines, the flags and the reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from smtpfix.policy.catalogue_files import load_scenario

from .plan import GOOD, stalls
from .result import AuditResult, Declaration, DeclaredMode, Finding, Flag, Grade, Outcome, Trust, Verdict

BEST: Final = {
    DeclaredMode.IMPLICIT: Grade.SECURE,
    DeclaredMode.STARTTLS_REQUIRED: Grade.SECURE,
    DeclaredMode.OPPORTUNISTIC: Grade.OPPORTUNISTIC,
    DeclaredMode.NONE: Grade.PLAINTEXT,
}
"""The best that each declared mode can reach; `best_grade` knows of trust too."""

WORTH: Final = {
    Grade.SECURE: "Secure: the message goes to the right server, encrypted, or not at all.",
    Grade.SECURE_LAX: "Secure, lax: the message goes to the right server, encrypted, or not at all; some checks are "
    "less strict than they could be.",
    Grade.OPPORTUNISTIC: "Opportunistic, authenticated: it looks at whom it talks to where TLS is offered, and whoever "
    "can change what the server says switches TLS off.",
    Grade.UNAUTHENTICATED: "Encrypted, unauthenticated: who only reads along learns nothing, who plays the server "
    "gets everything (RFC 8314 section 5).",
    Grade.PLAINTEXT: "Plaintext: everybody on the way reads, and can change, everything.",
    Grade.UNKNOWN: "Unknown: too little could be run to say what it is worth.",
}

ORDER: Final = tuple(WORTH)
"""The grades, the best first."""

_LISTED: Final = 6
_TRUST_GROUPS: Final = ("certificates", "tls", "stripping", "injection")
_SENT: Final = (Outcome.DELIVERED, Outcome.UNAUTHENTICATED_SEND, Outcome.REFUSED_LATE)
_CLEAR: Final = (Outcome.DOWNGRADED, Outcome.LEAKED_MESSAGE, Outcome.LEAKED_CREDENTIALS)
_ISSUER: Final = ("untrusted-root", "untrusted-root-same-name", "self-signed", "self-signed-ca-leaf")
_NAME: Final = ("wrong-host", "cn-match-san-mismatch", "ip-mismatch")
_PIN: Final = ("pin-other-key", "key-rotated")


@dataclass(frozen=True, slots=True)
class Grading:
    """What the findings add up to."""

    keeps_its_promise: bool
    promise: str
    grade: Grade
    worth: str
    flags: tuple[Flag, ...]
    reasons: tuple[str, ...]


def best_grade(declaration: Declaration) -> Grade:
    """Return the best grade that a client with this declaration can reach."""
    best = BEST[declaration.mode]
    if declaration.trust is Trust.NONE and best in (Grade.SECURE, Grade.OPPORTUNISTIC):
        return Grade.UNAUTHENTICATED
    return best


def reaches(grade: Grade, wanted: Grade) -> bool:
    """Return whether a grade is as good as the one wanted; what is not known reaches nothing."""
    return grade is not Grade.UNKNOWN and ORDER.index(grade) <= ORDER.index(wanted)


def grade(declaration: Declaration, findings: Collection[Finding]) -> Grading:
    """Return what findings add up to."""
    flags = tuple(dict.fromkeys(_flags(findings)))
    bounds = list(_bounds(declaration, findings))
    reached = max((bound for bound, _ in bounds), key=ORDER.index, default=best_grade(declaration))
    reasons = [reason for _, reason in bounds]
    missing = list(_missing(declaration, findings))
    if missing and (not _delivers(findings) or ORDER.index(reached) < ORDER.index(Grade.UNAUTHENTICATED)):
        reached = Grade.UNKNOWN
        reasons += missing
    failed = [one for one in findings if one.verdict is Verdict.FAILED]
    good = next((one for one in findings if one.scenario == GOOD), None)
    is_known = good is not None and good.outcome is not Outcome.NOT_RUN
    keeps = is_known and not failed and reached is not Grade.UNKNOWN
    return Grading(
        keeps_its_promise=keeps,
        promise=_promise(declaration, findings, failed, is_known=is_known, keeps=keeps),
        grade=reached,
        worth=WORTH[reached],
        flags=flags,
        reasons=tuple(reasons),
    )


def _flags(findings: Iterable[Finding]) -> Iterable[Flag]:
    found = set()
    for one in findings:
        seen = {one.outcome, *one.also}
        if one.outcome is Outcome.LEAKED_CREDENTIALS:
            is_innocent = one.expected == "accept" or one.group in ("auth", "replies", "timing", "delivery")
            found.add(Flag.LEAKS_CREDENTIALS_PASSIVE if is_innocent else Flag.LEAKS_CREDENTIALS_ACTIVE)
        if Outcome.ACTED_ON_INJECTION in seen:
            found.add(Flag.INJECTABLE)
        if one.scenario == GOOD and one.outcome is not Outcome.NOT_RUN and one.run and not one.run.delivered:
            found.add(Flag.BROKEN)
        if Outcome.MISREPORTED in seen:
            found.add(Flag.MISREPORTS)
        if Outcome.HUNG in seen and one.verdict is Verdict.FAILED and not _waits(one):
            found.add(Flag.HANGS)
    return (flag for flag in Flag if flag in found)


def _waits(finding: Finding) -> bool:
    """Return whether it was the server that said nothing more."""
    return finding.scenario != GOOD and stalls(load_scenario(finding.scenario))


def _bounds(declaration: Declaration, findings: Collection[Finding]) -> Iterable[tuple[Grade, str]]:
    """Return how good the grade can be at best, and why."""
    if declaration.mode is DeclaredMode.NONE:
        yield Grade.PLAINTEXT, "The declared mode has no TLS."
        return
    good = [one for one in findings if one.scenario == GOOD]
    if any(Outcome.DELIVERED in (one.outcome, *one.also) and one.outcome in _CLEAR for one in good):
        yield Grade.PLAINTEXT, "It sends in clear to a server that offers TLS: good."
    if declaration.trust is Trust.NONE:
        yield Grade.UNAUTHENTICATED, "The declared trust is none: it does not look at whom it talks to."
    if accepted := [
        one
        for one in findings
        if one.verdict is Verdict.FAILED and one.expected == "refuse" and one.outcome in _SENT and _of_trust(one)
    ]:
        is_known = not {one.scenario for one in accepted} & {*_ISSUER, *_NAME, *_PIN}
        looks = "It looks at whom it talks to, and still takes" if is_known else "It takes"
        yield Grade.UNAUTHENTICATED, f"{looks} servers that it had to refuse: {_named(accepted)}."
    if declaration.mode is DeclaredMode.OPPORTUNISTIC:
        yield Grade.OPPORTUNISTIC, "The declared mode goes on in clear where TLS is not offered."
    if clear := [one for one in findings if one.outcome in _CLEAR and _of_trust(one) and one not in good]:
        yield Grade.OPPORTUNISTIC, f"It goes on in clear when an attacker wants it to: {_named(clear)}."
    if injected := [one for one in findings if Outcome.ACTED_ON_INJECTION in (one.outcome, *one.also)]:
        yield Grade.OPPORTUNISTIC, f"It acts on replies injected before TLS: {_named(injected)}."
    if lax := [one for one in findings if one.verdict is Verdict.LAX and _of_trust(one) and one.outcome in _SENT]:
        yield Grade.SECURE_LAX, f"It accepts what a strict client refuses: {_named(lax)}."
    if refused := [one for one in findings if one.outcome is Outcome.FALSE_REFUSAL and one not in good]:
        yield Grade.SECURE_LAX, f"It refuses what is in order: {_named(refused)}."


def _of_trust(finding: Finding) -> bool:
    return finding.group in _TRUST_GROUPS


def _named(findings: Collection[Finding]) -> str:
    names = [one.scenario for one in findings]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _delivers(findings: Collection[Finding]) -> bool:
    """Return whether it is known to deliver to a server that does nothing wrong."""
    return any(one.scenario == GOOD and one.run is not None and one.run.delivered for one in findings)


def _missing(declaration: Declaration, findings: Collection[Finding]) -> Iterable[str]:
    """Return what was not run without which nothing good can be said."""
    known = {one.scenario for one in findings if one.verdict is not Verdict.NOT_RUN}
    if not _delivers(findings):
        yield "It is not known to deliver to a server that does nothing wrong: good."
    if declaration.mode is DeclaredMode.NONE or declaration.trust is Trust.NONE:
        return
    kinds = {"issuer": _ISSUER, "name": _NAME} if declaration.trust is Trust.PKI else {"pin": _PIN}
    for what, ids in kinds.items():
        if known.isdisjoint(ids):
            yield f"Whether it looks at the certificate's {what} is not known: {', '.join(ids)}."
    if declaration.mode is DeclaredMode.STARTTLS_REQUIRED and not any(
        one.group == "stripping" and one.verdict is not Verdict.NOT_RUN for one in findings
    ):
        yield "What it does without STARTTLS is not known: the group stripping."


def _promise(
    declaration: Declaration,
    findings: Collection[Finding],
    failed: Collection[Finding],
    *,
    is_known: bool,
    keeps: bool,
) -> str:
    mode = f"{declaration.mode}, trust {declaration.trust}"
    run = [one for one in findings if one.verdict is not Verdict.NOT_RUN]
    if not is_known:
        return f"It is not known whether it does what its mode promises ({mode}): {_why(findings)}"
    if keeps:
        return f"It does what its mode promises ({mode}), in {_counted(run)}."
    if not failed:
        return f"It is not known whether it does what its mode promises ({mode}): too little was run."
    return f"It does not do what its mode promises ({mode}): {len(failed)} of {_counted(run)} failed."


def _counted(findings: Collection[Finding]) -> str:
    return f"{len(findings)} scenario{'' if len(findings) == 1 else 's'}"


def _why(findings: Collection[Finding]) -> str:
    good = next((one for one in findings if one.scenario == GOOD), None)
    if good is None or not good.reason:
        return "the good scenario was not run."
    return good.reason if good.reason.endswith(".") else f"{good.reason}."


def is_good_enough(result: AuditResult, wanted: Grade | None) -> bool:
    """Return whether a result has the grade that is wanted, and no flag.

    None wants the best that the declaration can reach, and that the client does what its mode promises.
    """
    if result.flags:
        return False
    if wanted is None:
        return result.keeps_its_promise and reaches(result.grade, best_grade(result.declaration))
    return reaches(result.grade, wanted)
