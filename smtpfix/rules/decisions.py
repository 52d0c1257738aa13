"""`Decide`: a rule that calls a function to decide what to do.

This module checks functions and their answers; `conversation` knows in which thread they run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from smtpfix.errors import InvalidValueError

from .action import Action, Performance


@dataclass(frozen=True, slots=True)
class Decide(Action):
    """Call a function, with a `Turn`, to decide: ``server.on("RCPT", check)`` is ``Rule("RCPT", (Decide(check),))``.

    The function returns an action, such as a `Reply`, or a tuple of actions; None leaves the answer to the server. It
    runs in a thread of its own while its session waits, so it may take its time. If it raises an exception, the client
    is answered 451, its session ends with `SessionEnd.ERROR`, and `Server.close` raises `CallbackFailed`. Raises
    `InvalidValueError` for a coroutine function.
    """

    stands_for_answer = True

    function: Callable[[Any], object]
    """The function; it gets the `Turn`."""

    def __post_init__(self) -> None:
        if not is_function(self.function):
            raise InvalidValueError("Decide.function", self.function, "a function that is no coroutine function")

    def play(self, performance: Performance) -> bool:
        """Ask; what it returns follows then, and after that the rest of the rule."""
        performance.ask(self.function)
        return False


def as_actions(given: Iterable[object]) -> tuple[Action, ...]:
    """Return actions, with each function wrapped in `Decide`. `Rule` refuses anything else."""
    return tuple(
        Decide(one) if callable(one) and not isinstance(one, Action | type) else one  # type: ignore[misc]
        for one in given
    )


def decided(outcome: object) -> tuple[Action, ...]:
    """Return the actions that a function has decided on; empty if it returned None. Raises `TypeError`."""
    if outcome is None:
        return ()
    actions = outcome if isinstance(outcome, tuple | list) else (outcome,)
    if inspect.iscoroutine(outcome):
        outcome.close()
    if not actions or not all(isinstance(action, Action) and not isinstance(action, Decide) for action in actions):
        raise TypeError(f"it returned {outcome!r}, expected an action such as a Reply, a tuple of actions, or None")
    return tuple(actions)


def is_function(value: object) -> bool:
    """Return whether a thread can call the value: it is callable, and no class or coroutine function."""
    if not callable(value) or isinstance(value, type):
        return False
    return not (inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(value.__call__))
