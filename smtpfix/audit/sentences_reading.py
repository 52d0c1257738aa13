"""The consequence of a finding and its fix for clients that read mail; `sentences` has the others."""

from __future__ import annotations

from .case import Case
from .phrases import accepting, lower, refusing, went_on
from .result import Declaration, DeclaredMode, Outcome


def misreported(*, is_read: bool) -> tuple[str, str]:
    """Return the consequence and the fix where a client says otherwise than it was."""
    if is_read:
        return (
            "It reports a failure though it has read all mail; anyone who tries again reads it twice.",
            "Take the whole messages for the result, and nothing that comes after them.",
        )
    return (
        "It reports success and has not read all mail; nobody will look for the rest.",
        "Report success only after every message has come whole, and end with a status other than 0 otherwise.",
    )


def of_outcome(case: Case, declaration: Declaration, outcome: Outcome, fixed_by: str) -> tuple[str, str]:
    """Return the consequence and the fix; `fixed_by` is the shown flaw's, empty where none was."""
    scenario = case.scenario
    match outcome:
        case Outcome.LEAKED_CREDENTIALS if declaration.mode is DeclaredMode.NONE:
            return "Everyone between client and server reads the password.", fixed_by
        case Outcome.LEAKED_CREDENTIALS:
            return (
                "Anyone between client and server gets the password, and reads the mail from then on.",
                fixed_by,
            )
        case Outcome.LEAKED_MESSAGE:
            return "Anyone between client and server can read the mail too.", fixed_by
        case Outcome.LOST_MAIL:
            return "Mail is lost: the client deleted it without having read it.", fixed_by
        case Outcome.DOWNGRADED if declaration.mode is DeclaredMode.OPPORTUNISTIC:
            return "Anyone who can change what the server says can switch TLS off and read the mail.", fixed_by
        case Outcome.DOWNGRADED:
            return (
                "It goes on in clear; anyone in between can read what it says there, and can answer it.",
                fixed_by,
            )
        case Outcome.ACTED_ON_INJECTION:
            return "An attacker who cannot break TLS still decides what the client believes inside it.", fixed_by
        case Outcome.FALSE_REFUSAL:
            return (
                "It does not read all mail though the server does nothing wrong.",
                accepting(scenario),
            )
        case Outcome.REFUSED_LATE:
            return (
                "It refuses in the end, but anyone who plays the server already has what it said.",
                f"Before the first command inside TLS: {lower(fixed_by or refusing(scenario))}",
            )
        case Outcome.RETRIEVED:
            return went_on(case, ": get the password, and show other mail."), fixed_by or refusing(scenario)
    return "", ""
