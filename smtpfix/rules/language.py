"""`Language`: what rules know about a protocol. Each protocol's wing has one value of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

from .action import Action, Answer

if TYPE_CHECKING:
    from .rule import Rule


class Language:
    """A protocol's stages and actions, and how its answers are written as text."""

    stages: ClassVar[tuple[str, ...]]
    """Where a rule may stand, in the order in which people are told."""
    beside: ClassVar[frozenset[str]]
    """The stages that are no command."""
    counting: ClassVar[frozenset[str]] = frozenset()
    """The stages that count octets, at which alone `Rule.octets` means something."""
    answer: ClassVar[type[Answer]]
    """What commands are answered with."""
    answer_pattern: ClassVar[str] = r"(?!)"
    """How an answer begins that is written as text."""
    answer_example: ClassVar[str] = "an answer"
    """One as an example, for people."""

    @property
    def own_actions(self) -> tuple[type[Action], ...]:
        """The actions that only this protocol has."""
        return ()

    @property
    def actions(self) -> tuple[type[Action], ...]:
        """All actions there are in it, its answers first."""
        from .actions import COMMON  # noqa: PLC0415 - servers without rules are the most
        from .decisions import Decide  # noqa: PLC0415 - as above
        from .edits import EDITS  # noqa: PLC0415 - as above

        return (self.answer, *COMMON, *EDITS, Decide, *self.own_actions)

    def parse_answer(self, text: str) -> Answer | None:  # noqa: ARG002 - for protocols that have such a text
        """Read an answer; None for a text that is none. Raises `InvalidValueError` for one that makes no sense."""
        return None

    def write_answer(self, answer: Answer) -> str:
        """Return an answer as a rule has it."""
        return answer.as_text()

    def check(self, rule: Rule) -> None:
        """Raise `InvalidValueError` for a rule that makes no sense in this protocol."""
        if rule.stage not in self.stages:
            raise InvalidValueError("Rule.stage", rule.stage, one_of(rule.stage, self.stages))
        known = self.actions
        if not all(isinstance(action, known) for action in rule.actions):
            names = ", ".join(kind.__name__ for kind in known)
            raise InvalidValueError("Rule.actions", rule.actions, f"a tuple of one or more of {names}")
        if rule.octets and rule.stage not in self.counting:
            where = " or ".join(sorted(self.counting)) or "no stage"
            raise InvalidValueError("Rule.octets", rule.octets, f"0 at the stage {rule.stage}: {where} counts octets")
