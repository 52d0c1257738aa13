"""From the evidence and the expectation of one run to an `Outcome` and a `Verdict`.

The client's own account, its exit status or exception, is only compared with the evidence.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

from smtpfix.audit.disclosure import may_be_late
from smtpfix.safe_text import printable

from .case import GOOD, Case
from .evidence import Evidence
from .process import Ended
from .result import Declaration, DeclaredMode, Ending, Outcome, Verdict

NOTHING_SEEN: Final = Evidence()

_FAULTS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)
_REASON_SHOWN: Final = 500
_DONE: Final = (Outcome.DELIVERED, Outcome.RETRIEVED)
_LEFT: Final = (Outcome.REFUSED_CLEAN, Outcome.REFUSED_LATE)
_WENT_ON: Final = ("AUTH", "MAIL", "RCPT", "DATA", "BDAT")


@dataclass(frozen=True, slots=True)
class Observed:
    """One case as it was run."""

    ended: Ended
    evidence: Evidence = NOTHING_SEEN
    reason: str = ""
    """Why it could not be run; empty where it was."""
    extra: str = ""
    """The extra of smtpfix that it could not be run without; mostly empty."""


def unreadable(ended: Ended, error: Exception) -> Observed:
    """Return a run whose evidence could not be read or judged, which is a fault of ours: not known, and no verdict."""
    reason = f"what it did could not be judged, which is a fault of smtpfix: {type(error).__name__}: {error}"
    return Observed(ended, reason=printable(reason)[:_REASON_SHOWN])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of it."""

    outcome: Outcome
    verdict: Verdict
    also: tuple[Outcome, ...] = ()
    remarks: tuple[str, ...] = ()
    """What else there is to say, each one sentence, beside the evidence's facts."""
    reason: str = ""
    """Why it is not known."""


def judge(
    case: Case, declaration: Declaration, observed: Observed, control: Observed | None, *, delivers: bool
) -> Judgement:
    """Return what a run means; `delivers` says whether the client delivers to a server that does nothing wrong."""
    if observed.reason:
        return Judgement(Outcome.NOT_RUN, Verdict.NOT_RUN, reason=observed.reason)
    ended, evidence = observed.ended, observed.evidence
    if ended.ending is Ending.NOT_STARTED:
        return Judgement(Outcome.NOT_RUN, Verdict.NOT_RUN, reason=ended.said or "the client was not started")
    if not evidence.connections and ended.ending is Ending.ELSEWHERE:
        return Judgement(Outcome.NOT_RUN, Verdict.NOT_RUN, reason="nobody connected")
    if not evidence.connections and delivers and _may_refuse_unseen(case) and ended.ending is Ending.FAILED:
        remark = f"it refused before it connected: it {_left(ended)}, and delivers what is in order"
        return Judgement(Outcome.REFUSED_CLEAN, Verdict.PASSED, remarks=(remark,))
    if not evidence.connections and ended.ending is not Ending.TIMED_OUT:
        last = ended.said.splitlines()[-1:]
        said = f"; it said: {last[0]}" if last else ""
        return Judgement(
            Outcome.NOT_RUN, Verdict.NOT_RUN, reason=f"the client never connected and {_left(ended)}{said}"
        )
    if case.control is not None and control is None and _may_have_acted(case, evidence):
        reason = f"its control run, {case.control}, is missing"
        return Judgement(Outcome.NOT_RUN, Verdict.NOT_RUN, reason=reason)
    if (not_met := _not_met(declaration, evidence)) is not None:
        return Judgement(Outcome.NOT_RUN, Verdict.NOT_RUN, reason=not_met)
    outcome = _outcome(case, declaration, observed, control)
    also = tuple(one for one in _also(case, declaration, observed, control, outcome) if one is not outcome)
    verdict = _verdict(case, declaration, outcome, evidence)
    if outcome in _DONE and not evidence.lost and _delivers_anyway(case, control):
        verdict = Verdict.PASSED
    if Outcome.HUNG in also:
        verdict = _worse(verdict, Verdict.LAX if case.stalls else Verdict.FAILED)
    if evidence.forbidden:
        verdict = _worse(verdict, Verdict.LAX if _was_fed(case) else Verdict.FAILED)
    if evidence.smuggled:
        verdict = _worse(verdict, Verdict.LAX)
    if evidence.lost:
        verdict = Verdict.FAILED
    if Outcome.MISREPORTED in also or crashed(ended):
        verdict = Verdict.FAILED
    remarks = tuple(_remarks(case, declaration, observed, control, also))
    is_worse = case.scenario.id == GOOD or evidence.forbidden or crashed(ended)
    is_no_better = outcome is Outcome.FALSE_REFUSAL and not is_worse
    if not delivers and (is_no_better or (outcome in _LEFT and verdict is not Verdict.FAILED)):
        does = "read its mail from" if declaration.reads_mail else "deliver to"
        reason = f"it does not {does} a server that does nothing wrong either, so its refusal says nothing"
        return Judgement(outcome, Verdict.NOT_RUN, also, remarks, reason)
    if outcome is Outcome.FALSE_REFUSAL and case.scenario.id != GOOD and _waits_on_its_own(observed):
        reason = "its time was over while it waited on its own, to try again perhaps; a longer --timeout would tell"
        return Judgement(outcome, Verdict.NOT_RUN, also, remarks, reason)
    if outcome is Outcome.REFUSED_CLEAN and verdict is Verdict.PASSED and _never_saw(case, evidence):
        reason = "client and server have no cipher suite in common, so it never reached what it could refuse"
        return Judgement(outcome, Verdict.NOT_RUN, also, remarks, reason)
    return Judgement(outcome, verdict, also, remarks)


def _may_refuse_unseen(case: Case) -> bool:
    """Return whether what is to be refused is what the client is asked to write, which it can see by itself."""
    return case.scenario.asked.is_writing and case.expected != "accept"


def _not_met(declaration: Declaration, evidence: Evidence) -> str | None:
    """Return why a run says nothing of the scenario, though a message came; None where it does, or is bad enough."""
    has_tls = declaration.mode is not DeclaredMode.NONE
    if (
        evidence.leaks
        or evidence.forbidden
        or evidence.lost
        or evidence.went_on
        or evidence.smuggled
        or (has_tls and _in_clear(declaration, evidence) is not None)
    ):
        return None
    if evidence.beside_asked or evidence.guessed_wrong:
        return evidence.beside_asked or evidence.guessed_wrong
    if evidence.delivered and evidence.never_met:
        return f"the client never reached the point where the server acts: {', '.join(evidence.never_met)}"
    return None


def _never_saw(case: Case, evidence: Evidence) -> bool:
    """Return whether TLS failed for another reason than the one that a scenario is about."""
    is_wrong_tls = case.scenario.group in ("certificates", "tls") and case.scenario.tls.fault is None
    if case.expected not in ("refuse", "lax") or not is_wrong_tls or case.is_about_suites:
        return False
    if case.is_about_signatures and evidence.no_common_signature:
        return False
    version = case.old_version  # which it refuses by not offering it
    return evidence.no_common_suite and (version is None or evidence.offers(version))


def _was_fed(case: Case) -> bool:
    """Return whether the message was given to the client as it is, so that what is wrong with it is not its promise."""
    return case.scenario.asked.message is not None


def crashed(ended: Ended) -> bool:
    """Return whether the client was ended by a signal that says that something is wrong inside it."""
    return ended.ending is Ending.CRASHED and -(ended.status or 0) in _FAULTS


def hangs(observed: Observed) -> bool:
    """Return whether a client that had not ended was at a server, or had nothing left to do.

    One that has delivered nothing, and is connected to nothing, waits on its own: to try again, perhaps.
    """
    return observed.ended.ending is Ending.TIMED_OUT and not _waits_on_its_own(observed)


def _waits_on_its_own(observed: Observed) -> bool:
    evidence = observed.evidence
    is_gone = bool(evidence.connections) and not evidence.is_connected
    return observed.ended.ending is Ending.TIMED_OUT and is_gone and not evidence.delivered


def _outcome(case: Case, declaration: Declaration, observed: Observed, control: Observed | None) -> Outcome:
    """Return what it did; what is worst counts."""
    evidence = observed.evidence
    if evidence.leaks:
        return Outcome.LEAKED_CREDENTIALS
    if acted_on_injection(case, evidence, control):
        return Outcome.ACTED_ON_INJECTION
    if evidence.lost:
        return Outcome.LOST_MAIL
    if declaration.mode is not DeclaredMode.NONE and (clear := _in_clear(declaration, evidence)) is not None:
        return clear
    if evidence.delivered:
        if declaration.reads_mail:
            return Outcome.RETRIEVED
        unauthenticated = declaration.user is not None and not evidence.logged_in
        return Outcome.UNAUTHENTICATED_SEND if unauthenticated else Outcome.DELIVERED
    if hangs(observed):
        return Outcome.HUNG
    if case.expected == "accept":
        return Outcome.FALSE_REFUSAL
    return Outcome.REFUSED_LATE if _too_late(case, evidence) else Outcome.REFUSED_CLEAN


def _in_clear(declaration: Declaration, evidence: Evidence) -> Outcome | None:
    """Return what it is to have gone on in clear where the declared mode has TLS; None if it has not."""
    gave_mail = evidence.envelope_in_clear or evidence.content_in_clear or evidence.delivered_in_clear
    if not gave_mail and not evidence.login_in_clear:
        return None
    if declaration.mode is DeclaredMode.OPPORTUNISTIC or not gave_mail:
        return Outcome.DOWNGRADED
    return Outcome.LEAKED_MESSAGE


def _too_late(case: Case, evidence: Evidence) -> bool:
    return (
        case.expected in ("refuse", "lax")
        and evidence.gave_away
        and case.scenario.group != "injection"
        and not may_be_late(case.scenario)
    )


def _may_have_acted(case: Case, evidence: Evidence) -> bool:
    scenario = case.scenario
    if scenario.protocol not in ("", "smtp"):
        return evidence.went_on
    if scenario.injected_mechanisms:
        return not evidence.mechanisms.isdisjoint(scenario.injected_mechanisms)
    if case.control == GOOD:  # an extra reply: whoever is one behind goes on, and does not arrive
        return bool(evidence.spoke_in_tls) and not evidence.delivered
    return any(verb in _WENT_ON for verb in evidence.spoke_in_tls)


def acted_on_injection(case: Case, evidence: Evidence, control: Observed | None) -> bool:
    """Return whether a client took what was injected for the server's word, and does not do so without it.

    What it said counts, and not that it went on: without the injection it may have tried HELO before.
    """
    if case.control is None or control is None or not _may_have_acted(case, evidence):
        return False
    without = control.evidence
    if case.control == GOOD:
        return bool(without.delivered)
    says_otherwise = not case.scenario.injected_mechanisms and not {*evidence.ways_on} <= {*without.ways_on}
    return says_otherwise or not _may_have_acted(case, without)


def _delivers_anyway(case: Case, control: Observed | None) -> bool:
    """Return whether a client delivers without the injection too, to a server that is otherwise the same."""
    return case.control not in (None, GOOD) and control is not None and bool(control.evidence.delivered)


def _also(
    case: Case, declaration: Declaration, observed: Observed, control: Observed | None, outcome: Outcome
) -> tuple[Outcome, ...]:
    evidence, ending = observed.evidence, observed.ended.ending
    also: list[Outcome] = []
    if outcome is not Outcome.ACTED_ON_INJECTION and acted_on_injection(case, evidence, control):
        also.append(Outcome.ACTED_ON_INJECTION)
    if outcome is not Outcome.LOST_MAIL and evidence.lost:
        also.append(Outcome.LOST_MAIL)
    if outcome in (Outcome.LEAKED_CREDENTIALS, Outcome.LOST_MAIL) and declaration.mode is not DeclaredMode.NONE:
        clear = _in_clear(declaration, evidence)
        if clear is not None and (evidence.envelope_in_clear or evidence.content_in_clear):
            also.append(clear)
    if evidence.delivered and outcome not in (*_DONE, Outcome.UNAUTHENTICATED_SEND):
        also.append(Outcome.RETRIEVED if declaration.reads_mail else Outcome.DELIVERED)
    if outcome is Outcome.HUNG and _too_late(case, evidence):
        also.append(Outcome.REFUSED_LATE)
    if not evidence.delivered and case.expected == "accept" and outcome not in (Outcome.FALSE_REFUSAL, Outcome.HUNG):
        also.append(Outcome.FALSE_REFUSAL)
    if hangs(observed):
        also.append(Outcome.HUNG)
    if _misreports(case, declaration, evidence, ending):
        also.append(Outcome.MISREPORTED)
    return tuple(also)


def _misreports(case: Case, declaration: Declaration, evidence: Evidence, ending: Ending) -> bool:
    """Return whether a client says otherwise than it was.

    Where it could not know, and where one of several recipients was refused, saying that it failed is right. So it is
    for one that has read all mail, and could not do what else it does with it.
    """
    if ending is Ending.SUCCEEDED:
        return not evidence.delivered
    if declaration.reads_mail and case.scenario.id != GOOD:
        return False
    if ending in (Ending.FAILED, Ending.CRASHED):
        return bool(evidence.delivered) and not case.loses_the_reply and case.scenario.asked.recipients == 1
    return False


def _verdict(case: Case, declaration: Declaration, outcome: Outcome, evidence: Evidence) -> Verdict:
    """Return what an outcome is worth."""
    is_opportunistic = declaration.mode is DeclaredMode.OPPORTUNISTIC
    match outcome:
        case Outcome.LEAKED_CREDENTIALS:
            as_declared = declaration.mode is DeclaredMode.NONE and not evidence.leaks_beside_auth
            return Verdict.CAPPED if as_declared else Verdict.FAILED
        case Outcome.DOWNGRADED:
            is_stripped = case.scenario.group in ("stripping", "injection", "tls") and case.expected != "accept"
            is_stripped = is_stripped or case.ends_before_tls
            after_distrust = case.scenario.trust == "authority"
            return Verdict.CAPPED if is_opportunistic and is_stripped and not after_distrust else Verdict.FAILED
        case Outcome.DELIVERED | Outcome.RETRIEVED | Outcome.UNAUTHENTICATED_SEND:
            if case.expected == "refuse":
                return Verdict.LAX if case.is_old_tls else Verdict.FAILED
            if outcome is Outcome.UNAUTHENTICATED_SEND and case.expected == "accept":
                return Verdict.FAILED
            return Verdict.LAX if case.expected == "lax" else Verdict.PASSED
        case Outcome.REFUSED_LATE:
            return Verdict.LAX if case.expected == "lax" or case.is_old_tls else Verdict.FAILED
        case Outcome.HUNG:
            return Verdict.LAX if case.stalls else Verdict.FAILED
        case Outcome.REFUSED_CLEAN:
            return Verdict.PASSED
        case Outcome.FALSE_REFUSAL if case.is_slow:
            return Verdict.LAX
    return Verdict.FAILED


_ORDER: Final = (Verdict.PASSED, Verdict.LAX, Verdict.CAPPED, Verdict.FAILED)


def _worse(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=_ORDER.index)


def _remarks(
    case: Case, declaration: Declaration, observed: Observed, control: Observed | None, also: tuple[Outcome, ...]
) -> list[str]:
    ended, evidence = observed.ended, observed.evidence
    remarks = []
    if ended.ending is Ending.TIMED_OUT:
        where = ", and waited on its own, connected to nothing" if _waits_on_its_own(observed) else ""
        remarks.append(f"it had not ended after {ended.seconds:.1f} s{where}")
    if ended.ending is Ending.CRASHED:
        remarks.append(f"it was ended by signal {-(ended.status or 0)}")
    if Outcome.MISREPORTED in also:
        came = "not all messages were read" if declaration.reads_mail else "no message was accepted"
        if evidence.delivered:
            was = "messages were read" if declaration.reads_mail else "message was accepted"
            came = f"{evidence.delivered} {was}"
        remarks.append(f"it {_left(ended)}, and {came}")
    if case.control is not None and control is not None and _may_have_acted(case, evidence):
        used = [one for one in case.scenario.injected_mechanisms if one in evidence.mechanisms]
        went_on = f"it went on with {', '.join(dict.fromkeys(evidence.spoke_in_tls))} inside TLS"
        acted = f"it logged in by {', '.join(used)}, which only what was injected offers" if used else went_on
        remarks.append(f"{acted}; without the injection ({case.control}) it {_did(case, evidence, control.evidence)}")
    return remarks


def _did(case: Case, evidence: Evidence, without: Evidence) -> str:
    """Return what a client did in the control run, in words."""
    if case.control == GOOD:
        return "delivers" if without.delivered else "does not deliver either"
    if not _may_have_acted(case, without):
        return "does not do so"
    others = [] if case.scenario.injected_mechanisms else [*{*without.ways_on} - {*evidence.ways_on}]
    return f"does so otherwise, by {', '.join(others[0])}" if others else "does so too"


def _left(ended: Ended) -> str:
    """Return how a client ended, in words."""
    match ended.ending:
        case Ending.SUCCEEDED:
            return "reported success"
        case Ending.CRASHED:
            return f"was ended by signal {-(ended.status or 0)}"
        case Ending.FAILED:
            return "reported failure" if ended.status is None else f"ended with status {ended.status}"
    return "had not ended when its time was over"
