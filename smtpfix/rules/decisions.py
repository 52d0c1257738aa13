"""Rules that ask a function what to do: `Decide`.

Knows how a function is checked and what it may answer; in which thread it is asked is `conversation`'s to say.
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
    """Ask a function, of one `Turn`, what to do: ``server.on("RCPT", check)`` is ``Rule("RCPT", (Decide(check),))``.

    It returns an action, such as a Reply, a tuple of actions, or None, where the server does what it does by itself.
    It runs in a thread of its own while its session waits, so it may take its time. Where it raises, the client is
    answered 451, its session ends with `SessionEnd.ERROR`, and `Server.close` raises `CallbackFailed`.
    """

    stands_for_answer = True

    function: Callable[[Any], object]
    """What is asked; it is given the `Turn`."""

    def __post_init__(self) -> None:
        if not is_function(self.function):
            raise InvalidValueError("Decide.function", self.function, "a function that is no coroutine function")

    def play(self, performance: Performance) -> bool:
        """Ask; what it returns follows then, and behind that what stands behind it."""
        performance.ask(self.function)
        return False


def as_actions(given: Iterable[object]) -> tuple[Action, ...]:
    """Return actions, with functions among them as what asks these; what is neither is left for `Rule` to refuse."""
    return tuple(
        Decide(one) if callable(one) and not isinstance(one, Action | type) else one  # type: ignore[misc]
        for one in given
    )


def decided(outcome: object) -> tuple[Action, ...]:
    """Return the actions that a function has decided on; none where it returned None. Raises `TypeError`."""
    if outcome is None:
        return ()
    actions = outcome if isinstance(outcome, tuple | list) else (outcome,)
    if inspect.iscoroutine(outcome):
        outcome.close()
    if not actions or not all(isinstance(action, Action) and not isinstance(action, Decide) for action in actions):
        raise TypeError(f"it returned {outcome!r}, expected an action such as a Reply, a tuple of actions, or None")
    return tuple(actions)


def is_function(value: object) -> bool:
    """Return whether something can be asked in a thread: it can be called, and is neither class nor coroutine."""
    if not callable(value) or isinstance(value, type):
        return False
    return not (inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(value.__call__))
