"""`notes`: facts about scenarios that a client passed, which change no verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from .case import Case
from .evidence import Evidence
from .grade import listed
from .result import Ending, Finding, Outcome, Verdict

Seen = tuple[Case, Evidence, Finding]
"""A case, what the server saw of it, and what came of it."""


def _sent_without_login(_case: Case, _evidence: Evidence, finding: Finding) -> bool:
    return Outcome.UNAUTHENTICATED_SEND in (finding.outcome, *finding.also)


def _took_revoked(case: Case, evidence: Evidence, _finding: Finding) -> bool:
    return bool(evidence.delivered) and any(profile.revoked for profile in case.scenario.profiles)


def _took_without_staple(case: Case, evidence: Evidence, _finding: Finding) -> bool:
    demands = any(profile.must_staple for profile in case.scenario.profiles)
    return bool(evidence.delivered) and demands and case.scenario.tls.staple is None


def _gave_a_digest(_case: Case, evidence: Evidence, _finding: Finding) -> bool:
    return bool(evidence.digests)


def _lost_a_recipient(case: Case, evidence: Evidence, finding: Finding) -> bool:
    reached = {recipient for message in evidence.messages for recipient in message.envelope.recipients}
    succeeded = finding.run is not None and finding.run.ending is Ending.SUCCEEDED
    return succeeded and 0 < len(reached) < case.scenario.asked.recipients


_NOTES: Final[tuple[tuple[str, Callable[[Case, Evidence, Finding], bool]], ...]] = (
    ("It sends without the login that is declared where the server offers none that it can use", _sent_without_login),
    ("It accepts a certificate that has been revoked, as the server's CRL and OCSP responses say", _took_revoked),
    ("It accepts a certificate that demands a stapled OCSP response (RFC 7633) without one", _took_without_staple),
    ("It reports success where one of several recipients was refused", _lost_a_recipient),
    ("It sends a digest in clear that a weak password can be guessed from", _gave_a_digest),
)


def notes(seen: Collection[Seen]) -> Iterator[str]:
    """Return a sentence for each thing that is hidden behind a verdict that is no fault, naming scenarios."""
    for what, is_shown in _NOTES:
        keys = [one[2].key for one in seen if one[2].verdict is Verdict.PASSED and is_shown(*one)]
        if keys:
            yield f"{what}: {listed(keys)}."
