"""`acted_on`: how a client understood an ambiguous reply, as its next command shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.rules.actions import Raw
from smtpfix.safe_text import printable

from .disclosure import SPEAKS_OF_MAIL, verbs

_CODE: Final = re.compile(rb"(?m)^[0-9]{3,}")
_STAGES: Final = ("MAIL", "RCPT")
"""Where a client that goes on speaks of mail, and one that stops says RSET or QUIT, or nothing."""


def acted_on(scenario: Scenario, sessions: Iterable[Session]) -> Iterator[str]:
    """Yield a sentence for each reply of the scenario's that the standard does not know and lets the command stand."""
    odd = [
        action.octets
        for rule in scenario.rules
        if rule.stage in _STAGES
        for action in rule.actions
        if isinstance(action, Raw) and action.performs and action.octets.endswith(b"\r\n")
    ]
    for session in sessions:
        events = session.transcript.events
        for at, event in enumerate(events):
            if event.kind is not Kind.SERVER or event.data not in odd or events[at - 1].has_more:
                continue
            behind = [*islice(verbs(events[at + 1 :]), 1)]
            yield _told(event.data, goes_on=any(verb in SPEAKS_OF_MAIL for verb in behind), says_more=bool(behind))


def _told(reply: bytes, *, goes_on: bool, says_more: bool) -> str:
    codes = sorted({code.decode() for code in _CODE.findall(reply)})
    if len(codes) > 1 and not says_more:
        return f"it said nothing more after a reply with the codes {' and '.join(codes)}"
    if len(codes) > 1:
        return f"of the codes {' and '.join(codes)} in one reply it acted on {codes[0] if goes_on else codes[-1]}"
    shown = printable(reply.removesuffix(b"\r\n"))
    return f"it {'went on after' if goes_on else 'stopped at'} the reply {shown!r}"
