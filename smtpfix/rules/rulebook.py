"""`Rulebook`: which rule answers; and `Script`, the rules in their order."""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from .language import Language
from .moment import NOW, Moment
from .stages import ANY

if TYPE_CHECKING:
    from random import Random

    from .rule import Rule


_MOST_TIMES: Final = 10_000
"""Times at which one rule has answered that are kept."""


class Script:
    """Rules in the order they are asked, the latest first: a new rule overrides an older one. Nobody changes it."""

    __slots__ = ("by_stage", "language", "rules")

    def __init__(self, language: Language, rules: tuple[Rule, ...] = ()) -> None:
        self.language = language
        self.rules = rules
        self.by_stage: Mapping[str, tuple[Rule, ...]] = MappingProxyType(self._table() if rules else {})
        """The rules that may answer each stage; a stage without rules is missing."""

    def _table(self) -> dict[str, tuple[Rule, ...]]:
        return {
            stage: rules
            for stage in self.language.stages
            if (rules := tuple(rule for rule in self.rules if self._covers(rule.stage, stage)))
        }

    def _covers(self, rule_stage: str, stage: str) -> bool:
        return rule_stage == stage or (rule_stage == ANY and stage not in self.language.beside)

    def with_rule(self, rule: Rule) -> Script:
        """Return a script that asks this rule first."""
        return Script(self.language, (rule, *self.rules))

    def without(self, rules: Iterable[Rule]) -> Script:
        """Return a script without these rules."""
        gone = set(rules)
        return Script(self.language, tuple(rule for rule in self.rules if rule not in gone))


class Rulebook:
    """The script in force and how often each rule has answered; any thread may change it while sessions run.

    A change swaps the whole script at once, so a session sees the old rules or the new ones and never a mixture. Its
    `own` rules are in force from the start, the first to be asked first. A `successor` has others of its own, for
    sessions that begin later; every other change, and every count, is of both.
    """

    def __init__(self, language: Language, own: Iterable[Rule] = ()) -> None:
        self._language = language
        self._stages = frozenset(language.stages)
        self._lock = threading.Lock()
        self.own = tuple(own)
        """The rules that are in force from the start."""
        for rule in self.own:
            language.check(rule)
        self._fired: dict[Rule, int] = {}
        self._fired_at: dict[Rule, deque[float]] = {}
        self._met: dict[Rule, int] = {}
        self._chances: dict[Rule, Random] = {}
        self.begins_after = 0
        """Sessions before the first that `Rule.session` counts."""
        self._family: weakref.WeakSet[Rulebook] | None = None
        """It and all its successors, and whose successor it is; None: there are no others."""
        self.script: Script
        self.by_stage: Mapping[str, tuple[Rule, ...]]
        """`Script.by_stage` of the script in force; empty without rules, so asking costs one truth test."""
        self.use(Script(language, self.own))

    def successor(self, own: Iterable[Rule]) -> Rulebook:
        """Return a book with other rules of its own, asked after those that were added to this one, and as if new.

        Raises `InvalidValueError` for a rule that the protocol has no place for.
        """
        own = tuple(own)
        for rule in own:
            self._language.check(rule)
        with self._lock:
            for counted in (self._fired, self._fired_at, self._met, self._chances):
                for rule in own:
                    counted.pop(rule, None)
            if self._family is None:
                self._family = weakref.WeakSet((self,))
            book = copy.copy(self)
            book.own = own
            added = tuple(rule for rule in self.script.rules if rule not in self.own)
            book.use(Script(self._language, (*added, *own)))
            self._family.add(book)
        return book

    @property
    def _books(self) -> Iterable[Rulebook]:
        return (self,) if self._family is None else self._family

    def check(self, rule: Rule) -> None:
        """Raise `InvalidValueError` for a rule that the protocol has no place for."""
        self._language.check(rule)

    def add(self, rule: Rule) -> None:
        """Put a rule in front of all others. Raises `InvalidValueError` for one that the protocol has no place for."""
        self._language.check(rule)
        with self._lock:
            for book in self._books:
                book.use(book.script.with_rule(rule))

    def remove(self, *rules: Rule) -> None:
        """Take rules out; those not in force are ignored."""
        with self._lock:
            for book in self._books:
                book.use(book.script.without(rules))

    def clear(self) -> None:
        """Take all rules out but its own."""
        with self._lock:
            for book in self._books:
                own = tuple(rule for rule in book.script.rules if rule in book.own)
                book.use(Script(self._language, own))

    def reset(self, sessions: int = 0) -> None:
        """Begin anew with its own rules, as if none had ever answered; `Rule.session` counts from these `sessions`."""
        with self._lock:
            for counted in (self._fired, self._fired_at, self._met, self._chances):
                counted.clear()
            for book in self._books:
                book.begins_after = sessions
                book.use(Script(self._language, book.own))

    def replace(self, rules: Iterable[Rule], *, instead_of: Iterable[Rule] | None = None) -> None:
        """Put rules, the first to be asked first, in the place of some others, or of all, at once."""
        new = tuple(dict.fromkeys(rules))
        instead_of = None if instead_of is None else tuple(instead_of)
        for rule in new:
            self._language.check(rule)
        with self._lock:
            for book in self._books:
                kept = () if instead_of is None else book.script.without((*instead_of, *new)).rules
                book.use(Script(self._language, (*new, *kept)))

    def use(self, script: Script) -> None:
        """Play from this script."""
        self.script, self.by_stage = script, script.by_stage

    def fired(self, rule: Rule) -> int:
        """Return how often a rule has answered."""
        return self._fired.get(rule, 0)

    def fired_at(self, rule: Rule) -> tuple[datetime, ...]:
        """Return when a rule has answered, in UTC by the system's clock: the latest `_MOST_TIMES`."""
        with self._lock:
            return tuple(datetime.fromtimestamp(at, UTC) for at in self._fired_at.get(rule, ()))

    @property
    def unused(self) -> tuple[Rule, ...]:
        """The rules in force that have never answered, in the order they are asked."""
        return tuple(rule for rule in self.script.rules if rule not in self._fired)

    def pick(self, stage: str, argument: str, moment: Moment = NOW) -> Rule | None:
        """Return the first rule that answers this stage, counting it as having answered; None if there is none."""
        if self.begins_after:
            moment = moment._replace(session=moment.session - self.begins_after)
        for rule in self.by_stage.get(stage if stage in self._stages else ANY, ()):
            if rule.applies_to(argument, moment) and self._takes_its_turn(rule):
                return rule
        return None

    def _takes_its_turn(self, rule: Rule) -> bool:
        """Count that a rule's conditions are met; return whether it answers this time."""
        with self._lock:
            fired = self._fired.get(rule, 0)
            if rule.times is not None and fired >= rule.times:
                return False
            self._met[rule] = met = self._met.get(rule, 0) + 1
            if met <= rule.after:
                return False
            if rule.probability < 1:
                from .rule import random_from  # noqa: PLC0415 - few rules leave anything to chance

                chance = self._chances.setdefault(rule, random_from(rule.seed))
                if chance.random() >= rule.probability:
                    return False
            self._fired[rule] = fired + 1
            self._fired_at.setdefault(rule, deque(maxlen=_MOST_TIMES)).append(time.time())
            return True
