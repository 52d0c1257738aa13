"""From findings to a grade, with the two lines of the statement, the flags and the reasons.

A grade says what an attacker needs, so it follows from the severity of the flaws that were shown, and from nothing the
client says of itself. Each grade has a floor: what has to be known before it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.flaw import FLAWS, Severity
from smtpfix.policy.scenario import Scenario

from .case import GOOD, stalls
from .causes import causes
from .result import AuditResult, Cause, Declaration, DeclaredMode, Finding, Flag, Grade, Outcome, Trust, Verdict

BEST: Final = {
    DeclaredMode.IMPLICIT: Grade.AUTHENTICATED,
    DeclaredMode.STARTTLS_REQUIRED: Grade.AUTHENTICATED,
    DeclaredMode.OPPORTUNISTIC: Grade.OPPORTUNISTIC,
    DeclaredMode.NONE: Grade.PLAINTEXT,
}
"""The best that each declared mode can reach; `best_grade` knows of trust too."""

WORTH: Final = {
    Grade.AUTHENTICATED: "only the right server gets the message, and nobody on the way can read it or change it.",
    Grade.GAPS: "only the right server gets the message, except through the gaps listed under Change this.",
    Grade.UNAUTHENTICATED: "anyone who only listens learns nothing, but anyone who gets between client and server can "
    "be the server, with a certificate that anyone can get (RFC 8314 section 5).",
    Grade.OPPORTUNISTIC: "encrypted only as long as nobody interferes; anyone who gets between client and server can "
    "make it send in clear.",
    Grade.PLAINTEXT: "anyone who listens on the way can read the message, the password, or both.",
    Grade.UNKNOWN: "too little could be run to say what it is worth.",
}
"""What is true for every client with the grade."""

WORTH_OF_READERS: Final = {
    **WORTH,
    Grade.AUTHENTICATED: "it reads only from the right server, and nobody on the way can read the mail or change it.",
    Grade.GAPS: "it reads only from the right server, except through the gaps listed under Change this.",
    Grade.OPPORTUNISTIC: "encrypted only as long as nobody interferes; anyone who gets between client and server can "
    "make it read in clear.",
    Grade.PLAINTEXT: "anyone who listens on the way can read the mail, the password, or both.",
}
"""The same for clients that read mail."""

ORDER: Final = tuple(WORTH)
"""The grades, the best first."""

_BOUNDS: Final = {
    Severity.LISTENING: Grade.PLAINTEXT,
    Severity.POSITION: Grade.UNAUTHENTICATED,
    Severity.CERTIFICATE: Grade.UNAUTHENTICATED,
    Severity.WEAKNESS: Grade.GAPS,
    Severity.AUTHORITY: Grade.GAPS,
    Severity.HYGIENE: Grade.AUTHENTICATED,
}
"""How good the grade can be at best where a flaw of this severity was shown."""
_BOUNDS_OF: Final = {"downgrade": Grade.OPPORTUNISTIC, "injection": Grade.GAPS, "lost-mail": Grade.GAPS}
"""The same for flaws that give an attacker something other than the server's place."""

_OF_TLS: Final = ("null-cipher", "anonymous", "old-version", "weak-cipher")
_OF_CERTIFICATES: Final = {
    Trust.PKI: (
        *(
            "issuer",
            "name",
            "part-of-name",
            "leaf-as-issuer",
            "common-name",
            "same-domain",
            "name-form",
            "validity",
            "purpose",
        ),
        *("critical-extension", "weak-key", "weak-signature", "weak-authority", "authority-limits"),
    ),
    Trust.PINNED: ("pin",),
    Trust.NONE: (),
}
"""The flaws that a client has to be known not to have before it is graded as authenticated, with or without gaps."""
_BY_GROUP: Final = {"stripping": "downgrade", "injection": "injection"}
_LISTED: Final = 6
_NONE: Final[Mapping[str, Scenario]] = {}


@dataclass(frozen=True, slots=True)
class Grading:
    """What the findings add up to."""

    keeps_its_promise: bool
    promise: str
    grade: Grade
    worth: str
    flags: tuple[Flag, ...]
    reasons: tuple[str, ...]
    causes: tuple[Cause, ...]


def best_grade(declaration: Declaration) -> Grade:
    """Return the best grade that a client with this declaration can reach."""
    best = BEST[declaration.mode]
    return Grade.UNAUTHENTICATED if declaration.trust is Trust.NONE and best is Grade.AUTHENTICATED else best


def reaches(grade: Grade, wanted: Grade) -> bool:
    """Return whether a grade is as good as the one wanted; what is not known reaches nothing."""
    return grade is not Grade.UNKNOWN and ORDER.index(grade) <= ORDER.index(wanted)


def grade(
    declaration: Declaration, findings: Collection[Finding], language: str = "", own: Mapping[str, Scenario] = _NONE
) -> Grading:
    """Return what findings add up to, with fixes in the client's language where it is known.

    `own` has the scenarios that are not in the catalogue, by their ids.
    """
    behind = causes(findings, language, reads_mail=declaration.reads_mail)
    bounds = list(_bounds(declaration, behind))
    reached = max((bound for bound, _ in bounds), key=ORDER.index, default=Grade.AUTHENTICATED)
    reasons = [reason for bound, reason in bounds if bound is not Grade.AUTHENTICATED]
    if missing := list(_missing(declaration, findings, reached, own)):
        reached = Grade.UNKNOWN
        reasons += missing
    failed = [one for one in findings if one.verdict is Verdict.FAILED]
    keeps = not failed and reached is not Grade.UNKNOWN
    return Grading(
        keeps_its_promise=keeps,
        promise=_promise(declaration, findings, failed, reached, keeps=keeps),
        grade=reached,
        worth=f"{reached.heading}: {(WORTH_OF_READERS if declaration.reads_mail else WORTH)[reached]}",
        flags=_raised({*_flags(findings, own)}),
        reasons=tuple(reasons),
        causes=behind,
    )


def _raised(flags: Collection[Flag]) -> tuple[Flag, ...]:
    """Return flags in order; what is given to whoever listens need not be taken by whoever gets in between."""
    is_passive = Flag.LEAKS_CREDENTIALS_PASSIVE in flags
    return tuple(one for one in Flag if one in flags and not (is_passive and one is Flag.LEAKS_CREDENTIALS_ACTIVE))


def _flags(findings: Iterable[Finding], own: Mapping[str, Scenario]) -> Iterable[Flag]:
    for one in findings:
        seen = {one.outcome, *one.also}
        if one.outcome is Outcome.LEAKED_CREDENTIALS:
            yield Flag.LEAKS_CREDENTIALS_ACTIVE if one.flaw == "downgrade" else Flag.LEAKS_CREDENTIALS_PASSIVE
        if Outcome.ACTED_ON_INJECTION in seen:
            yield Flag.INJECTABLE
        if Outcome.LOST_MAIL in seen:
            yield Flag.LOSES_MAIL
        if one.scenario == GOOD and one.outcome is not Outcome.NOT_RUN and one.run and not one.got_through:
            yield Flag.BROKEN
        if Outcome.MISREPORTED in seen:
            yield Flag.MISREPORTS
        if Outcome.HUNG in seen and one.verdict is Verdict.FAILED and not _waits(one, own):
            yield Flag.HANGS


def _waits(finding: Finding, own: Mapping[str, Scenario]) -> bool:
    """Return whether it was the server that said nothing more."""
    return finding.scenario != GOOD and stalls(_scenario(finding, own))


def _scenario(finding: Finding, own: Mapping[str, Scenario]) -> Scenario:
    return own.get(finding.scenario) or load_scenario(finding.scenario)


def _bounds(declaration: Declaration, behind: Collection[Cause]) -> Iterable[tuple[Grade, str]]:
    """Return how good the grade can be at best, and why."""
    if declaration.mode is DeclaredMode.NONE:
        yield Grade.PLAINTEXT, "The declared mode has no TLS."
        return
    if declaration.mode is DeclaredMode.OPPORTUNISTIC:
        yield Grade.OPPORTUNISTIC, "The declared mode goes on in clear where TLS is not offered."
    if declaration.trust is Trust.NONE:
        yield Grade.UNAUTHENTICATED, "The declared trust is none: it does not check who it talks to."
    for cause in behind:
        yield bound(cause), f"{cause.what.rstrip('.')}: {listed(cause.keys)}."


def bound(cause: Cause) -> Grade:
    """Return the best grade that a client can have while it has this cause."""
    return _BOUNDS_OF.get(cause.flaw, _BOUNDS[cause.severity])


def listed(keys: Collection[str]) -> str:
    """Return the first of some findings' scenarios, in words."""
    names = list(dict.fromkeys(key.partition("/")[0] for key in keys))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _missing(
    declaration: Declaration, findings: Collection[Finding], reached: Grade, own: Mapping[str, Scenario]
) -> Iterable[str]:
    """Return what is not known, and has to be for this grade."""
    if not any(one.scenario == GOOD and one.got_through for one in findings):
        does = "read its mail from" if declaration.reads_mail else "deliver to"
        yield f"It is not known to {does} a server that does nothing wrong: {_why_not(declaration, findings)}"
        return
    if best_grade(declaration) in (Grade.OPPORTUNISTIC, Grade.PLAINTEXT):
        return
    tried: dict[str, list[Finding]] = {}
    for one in findings:
        if flaw := _BY_GROUP.get(one.group) or _tests_for(one, own):
            tried.setdefault(flaw, []).append(one)
    needed = [(Grade.GAPS, flaw) for flaw in (*_OF_CERTIFICATES[declaration.trust], *_OF_TLS)]
    if declaration.mode is DeclaredMode.STARTTLS_REQUIRED:
        needed += [(Grade.UNAUTHENTICATED, "downgrade"), (Grade.GAPS, "injection")]
    not_chosen = []
    for flaw in (flaw for floor, flaw in needed if reaches(reached, floor)):
        if flaw not in tried:
            not_chosen.append(flaw)
        elif all(one.verdict is Verdict.NOT_RUN for one in tried[flaw]):
            yield _unknown(flaw, tried[flaw])
    if not_chosen:
        yield f"Not known, since no scenario about it was chosen: {', '.join(not_chosen)}."


def _tests_for(finding: Finding, own: Mapping[str, Scenario]) -> str:
    """Return the flaw that a finding could have shown."""
    if finding.flaw:
        return finding.flaw
    return _scenario(finding, own).its_flaw if finding.expected in ("refuse", "lax") else ""


def _unknown(flaw: str, rows: Collection[Finding]) -> str:
    what = FLAWS[flaw].cause
    whether = f"Not known whether {what[0].lower()}{what[1:].rstrip('.')}"
    return f"{whether}: {listed([one.key for one in rows])} could not be run ({next(iter(rows)).reason.rstrip('.')})."


def _promise(
    declaration: Declaration, findings: Collection[Finding], failed: Collection[Finding], reached: Grade, *, keeps: bool
) -> str:
    """Return whether it does what its mode promises, as it goes on after what the grade is worth."""
    mode = f"{declaration.mode}, trust {declaration.trust}"
    run = [one for one in findings if one.verdict is not Verdict.NOT_RUN]
    good = next((one for one in findings if one.scenario == GOOD), None)
    if good is None or good.outcome is Outcome.NOT_RUN:
        return f"It is not known whether it does what its mode promises ({mode})."
    if keeps:
        does = f"It does what its mode promises ({mode}), in {_counted(run)}"
        if reached is not best_grade(declaration):
            return f"{does}, but is less strict than it could be."
        return f"{does}." if reached is ORDER[0] else f"{does}; no client with this mode and trust is graded better."
    if not failed:
        passed = f"It failed in none of {_counted(run)}"
        return f"{passed}, which are too few to say whether it does what its mode promises ({mode})."
    if good not in failed and all(not one.flaw or FLAWS[one.flaw].severity is Severity.HYGIENE for one in failed):
        return f"It fails in {len(failed)} of {_counted(run)} ({mode}), where nobody gets at the mail or the password."
    return f"It does not do what its mode promises ({mode}): {len(failed)} of {_counted(run)} failed."


def _counted(findings: Collection[Finding]) -> str:
    return f"{len(findings)} scenario{'' if len(findings) == 1 else 's'}"


def _why_not(declaration: Declaration, findings: Collection[Finding]) -> str:
    good = next((one for one in findings if one.scenario == GOOD), None)
    if good is None:
        return "the good scenario was not run."
    missing = "not all messages were read" if declaration.reads_mail else "the message did not arrive"
    return f"{(good.reason or missing).rstrip('.')}."


def named(text: str, name: str) -> Grade:
    """Return the grade of this letter, word or title: ``a``, ``gaps``, ``Encrypted, unauthenticated``.

    Raises `InvalidValueError`, for what is not known too.
    """
    for one in ORDER:
        if one is not Grade.UNKNOWN and text.lower() in (one.letter.lower(), one.name.lower(), one.value.lower()):
            return one
    known = ", ".join(f"{one.letter} ({one.name.lower()})" for one in ORDER if one is not Grade.UNKNOWN)
    raise InvalidValueError(name, text, f"one of {known}")


def is_good_enough(result: AuditResult, wanted: Grade | None, *, is_choice: bool = False) -> bool:
    """Return whether a result has the grade that is wanted, and no flag.

    None wants the best that the declaration can reach, and that the client does what its mode promises; or, where
    somebody chose scenarios, that the client passed every one of them.
    """
    if result.flags:
        return False
    if wanted is None and is_choice:
        return all(finding.verdict in (Verdict.PASSED, Verdict.CAPPED) for finding in result.findings)
    if wanted is None:
        return result.keeps_its_promise and reaches(result.grade, best_grade(result.declaration))
    return reaches(result.grade, wanted)
