"""`Question`: a call of a function that the server was given, in a thread of its own.

A session waits for the answer, nobody else does. A thread for each, and no pool: however many sleep, none waits for
another; they are daemons, so that one that never comes back keeps no process from ending.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from smtpfix.rules.action import Action
from smtpfix.rules.decisions import decided
from smtpfix.rules.rule import Rule
from smtpfix.rules.rulebook import Rulebook

from .service import Service
from .turn import Turn


class Question:
    """One, from the moment that it is asked; `then` is called in the loop thread, unless it is forgotten before."""

    def __init__(
        self,
        what: str,
        ask: Callable[[], Any],
        then: Callable[[Any, BaseException | None], None],
        service: Service,
        session: int,
    ) -> None:
        self._what = what
        self._ask = ask
        self._then = then
        self._service = service
        self._session = session
        self._is_forgotten = False
        threading.Thread(target=self._run, name=f"smtpfix: {what}, session {session}", daemon=True).start()

    def forget(self) -> None:
        """Want no answer any more: the connection is gone."""
        self._is_forgotten = True

    def _run(self) -> None:
        outcome, failure = None, None
        try:
            outcome = self._ask()
        except BaseException as error:  # noqa: BLE001 - also pytest.fail, and sys.exit, which would end nothing here
            failure = self._service.failures.note(self._what, self._session, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            self._service.loop.call_soon_threadsafe(self._answered, outcome, failure)

    def _answered(self, outcome: Any, failure: BaseException | None) -> None:
        if not self._is_forgotten:
            self._then(outcome, failure)


def decision(function: Callable[[Any], object], turn: Turn, rulebook: Rulebook) -> Callable[[], tuple[Action, ...]]:
    """Return the question which actions a function decides on, and whether they may stand at this stage."""
    return partial(_decide, function, turn, rulebook)


def _decide(function: Callable[[Any], object], turn: Turn, rulebook: Rulebook) -> tuple[Action, ...]:
    actions = decided(function(turn))
    if actions:
        rulebook.check(Rule(turn.stage, actions))
    return actions
