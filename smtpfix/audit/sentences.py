"""The consequence of a finding and its fix, one sentence each, for every outcome.

What to change so that a flaw is gone is `fixes`'; here stands what it takes where no flaw of theirs was shown.
"""

from __future__ import annotations

from typing import Final

from . import sentences_reading
from .case import Case
from .causes import flaw_shown
from .fixes import fix
from .phrases import accepting, lower, refusing, went_on
from .result import Declaration, DeclaredMode, Outcome, Verdict
from .verdict import Judgement, Observed, crashed

FORBIDDEN: Final = {
    "smuggled-end-of-data": (
        "Some servers take part of the message for its end, and the rest for another message, from anybody.",
        "Turn each bare CR and LF in the content into CRLF before you stuff the dots, encode it, or refuse it.",
    ),
    "pipelining-not-offered": (
        "Anyone who chooses its input, such as an address, can write commands to the server.",
        "Refuse CR and LF in everything that becomes part of a command.",
    ),
    "body-without-8bitmime": (
        "Servers that take only 7 bits damage the text, or refuse the message.",
        "If the server does not offer 8BITMIME, encode the body as quoted-printable or base64, or refuse it.",
    ),
    "address-without-smtputf8": (
        "A server that does not know such addresses may refuse the message, or deliver it to somebody else.",
        "Stop with an error if an address is not ASCII and the server does not offer SMTPUTF8.",
    ),
    "another-password": (
        "A user who is asked for another password gives away those of other accounts, or locks this one.",
        "Try another password only where the answer says that this one is wrong: [AUTHENTICATIONFAILED], or [AUTH].",
    ),
    "deleted-though-not-copied": (
        "The message is lost: it is neither in its old folder nor in the one that it was to be moved to.",
        "Delete a message only after the OK to its COPY, or move it with MOVE.",
    ),
    "headers-without-smtputf8": (
        "Servers that take only 7 bits damage the headers, or refuse the message.",
        "Encode what is outside ASCII in headers (RFC 2047), or use SMTPUTF8 where it is offered.",
    ),
}
"""What it means to do what a scenario forbids, and what to do better, by `Violation.id`."""


def sentences(
    case: Case, declaration: Declaration, observed: Observed, judgement: Judgement, language: str = ""
) -> tuple[str, str]:
    """Return the consequence and the fix, in the client's language if it is known; both empty if nothing is wrong."""
    if judgement.verdict in (Verdict.PASSED, Verdict.NOT_RUN):
        return "", ""
    if observed.evidence.forbidden:
        first = observed.evidence.forbidden[0]
        return FORBIDDEN.get(first.id, (f"It does what {first.standard} forbids.", f"Do not: {first.explanation}."))
    if observed.evidence.smuggled and judgement.verdict is Verdict.LAX:
        return (
            "Anyone who chooses an address can send the message to another one, hidden from checks after a line end.",
            FORBIDDEN["pipelining-not-offered"][1],
        )
    flaw = flaw_shown(case, judgement)
    fixed_by = fix(flaw, language, reads_mail=declaration.reads_mail) if flaw else ""
    of_outcome = sentences_reading.of_outcome if declaration.reads_mail else _of_outcome
    consequence, change = of_outcome(case, declaration, judgement.outcome, fixed_by)
    if consequence and judgement.outcome is not Outcome.HUNG:
        return consequence, change
    if crashed(observed.ended):
        return (
            "Anyone who can play the server can make it crash.",
            "Find it with a debugger and the transcript of this run; never trust what a server sends.",
        )
    if Outcome.HUNG in (judgement.outcome, *judgement.also):
        return _hung(case)
    if Outcome.MISREPORTED in judgement.also:
        if declaration.reads_mail:
            return sentences_reading.misreported(is_read=bool(observed.evidence.delivered))
        if observed.evidence.delivered:
            return (
                "It reports a failure though the message was accepted; anyone who tries again sends it twice.",
                "Take the reply to the final dot for the result, and nothing that comes after it.",
            )
        return (
            "It reports success and the message is lost; nobody will look for it.",
            "Report success only after a 2yz reply to the final dot, and end with a status other than 0 otherwise.",
        )
    return consequence, change


def _hung(case: Case) -> tuple[str, str]:
    if case.is_endless:
        return (
            "A server whose reply has no end holds it for longer than this audit waits.",
            "Limit the size of a reply, and the time from its beginning to its end.",
        )
    if case.stalls:
        limit = "Set a time limit for connecting and for each reply; RFC 5321 section 4.5.3.2 says how long is fair."
        has_one = "If it has one, give it {patience} as that limit, or the audit a longer --timeout."
        return "A server that says nothing holds it for longer than this audit waits.", f"{limit} {has_one}"
    return (
        "It never ends, so everything that waits for it waits too.",
        "Set a time limit for the whole delivery, and close the connection when it is over.",
    )


def _of_outcome(case: Case, declaration: Declaration, outcome: Outcome, fixed_by: str) -> tuple[str, str]:
    """Return the consequence and the fix; `fixed_by` is the shown flaw's, empty where none was."""
    scenario = case.scenario
    match outcome:
        case Outcome.LEAKED_CREDENTIALS:
            if declaration.mode is DeclaredMode.NONE:
                return "Everyone between client and server reads the password.", fixed_by
            return (
                "Anyone between client and server gets the password, and can send mail with it from then on.",
                fixed_by,
            )
        case Outcome.LEAKED_MESSAGE:
            return "Anyone between client and server can read the message and see who it is for.", fixed_by
        case Outcome.DOWNGRADED:
            if declaration.mode is DeclaredMode.OPPORTUNISTIC:
                return "Anyone who can change what the server says can switch TLS off and read the message.", fixed_by
            return (
                "It goes on in clear; anyone in between can read what it says there, and can answer it.",
                fixed_by,
            )
        case Outcome.ACTED_ON_INJECTION:
            return "An attacker who cannot break TLS still decides what the client believes inside it.", fixed_by
        case Outcome.UNAUTHENTICATED_SEND:
            return (
                "It sends without the login it was given: real servers refuse, or take it for mail from a stranger.",
                "Stop with an error if login was asked for and the server does not offer AUTH.",
            )
        case Outcome.FALSE_REFUSAL:
            return (
                "It does not deliver though the server does nothing wrong.",
                accepting(scenario),
            )
        case Outcome.REFUSED_LATE:
            return (
                "It refuses in the end, but anyone who plays the server already has what it said.",
                f"Before the first command inside TLS: {lower(fixed_by or refusing(scenario))}",
            )
        case Outcome.DELIVERED:
            return went_on(case, ", and gets password and message."), fixed_by or refusing(scenario)
    return "", ""
