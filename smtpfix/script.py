"""Rules: which action answers which command. `Rule` and `Script` are values; a `Rulebook` is what a server plays from.

Knows stages and conditions; what an action does to a connection is `conversation`'s business.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from .errors import InvalidValueError
from .reply import Action, Delay, Disconnect, Reply

CONNECT: Final = "CONNECT"
"""The stage before the greeting."""
END_OF_DATA: Final = "END-OF-DATA"
"""The stage at the final dot, when the whole content has been read."""
ANY: Final = "*"
"""Every command, also those nobody knows, but neither of the two stages above."""
UNKNOWN: Final = "unknown command"
"""The stage of a command that is not one of the verbs below; only ``*`` answers it."""

STAGES: Final = (
    CONNECT,
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    END_OF_DATA,
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "QUIT",
    ANY,
)
"""Where a rule may stand."""

ArgumentMatch: TypeAlias = str | re.Pattern[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Actions that answer a stage instead of, or before, the server's own reply.

    Raises `InvalidValueError` for an unknown stage, no action, two replies, or a count below one.
    """

    stage: str
    """A command verb, ``CONNECT``, ``END-OF-DATA`` or ``*``, in any case."""
    actions: tuple[Action, ...]
    """What happens, in this order."""
    times: int | None = None
    """How often the rule answers before it is spent; None for ever."""
    argument: ArgumentMatch = None
    """What the command's argument has to look like: a glob, matched in any case, against the argument and, for MAIL and
    RCPT, against the address in it; or a compiled pattern, searched for. At ``END-OF-DATA`` it is the reverse-path."""
    _glob: re.Pattern[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        stage = re.sub(r"[ _]", "-", str(self.stage).strip()).upper()
        if stage not in STAGES:
            raise InvalidValueError("Rule.stage", self.stage, "one of " + ", ".join(STAGES))
        object.__setattr__(self, "stage", stage)
        if (
            not isinstance(self.actions, tuple | list)
            or not self.actions
            or not all(isinstance(action, Reply | Delay | Disconnect) for action in self.actions)
        ):
            raise InvalidValueError("Rule.actions", self.actions, "a tuple of one or more of Reply, Delay, Disconnect")
        object.__setattr__(self, "actions", tuple(self.actions))
        if sum(isinstance(action, Reply) for action in self.actions) > 1:
            raise InvalidValueError("Rule.actions", self.actions, "one Reply at the most: a command has one reply")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise InvalidValueError("Rule.times", self.times, "a whole number from 1 up, or None")
        if isinstance(self.argument, str):
            object.__setattr__(self, "_glob", re.compile(fnmatch.translate(self.argument), re.IGNORECASE))
        elif self.argument is not None and not (
            isinstance(self.argument, re.Pattern) and isinstance(self.argument.pattern, str)
        ):
            raise InvalidValueError("Rule.argument", self.argument, "a glob, a compiled pattern of text or None")

    def applies_to(self, argument: str) -> bool:
        """Return whether the command's argument is one this rule answers."""
        if self._glob is not None:
            address = re.search(r"<([^<>]*)>", argument)
            return bool(self._glob.match(argument) or (address and self._glob.match(address[1])))
        if isinstance(self.argument, re.Pattern):
            return bool(self.argument.search(argument))
        return True


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in the order they are asked, the latest first: a new rule overrides an older one."""

    rules: tuple[Rule, ...] = ()
    by_stage: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    """The rules that may answer each stage; a stage without rules is missing."""

    def __post_init__(self) -> None:
        table = {
            stage: rules
            for stage in STAGES
            if (rules := tuple(rule for rule in self.rules if _covers(rule.stage, stage)))
        }
        object.__setattr__(self, "by_stage", MappingProxyType(table))

    def with_rule(self, rule: Rule) -> Script:
        """Return a script that asks this rule first."""
        return Script((rule, *self.rules))

    def without(self, rules: Iterable[Rule]) -> Script:
        """Return a script without these rules."""
        gone = set(rules)
        return Script(tuple(rule for rule in self.rules if rule not in gone))


def _covers(rule_stage: str, stage: str) -> bool:
    return rule_stage == stage or (rule_stage == ANY and stage not in (CONNECT, END_OF_DATA))


_NO_RULES: Final = Script()


class Rulebook:
    """The script in force and how often each rule has answered; any thread may change it while sessions run.

    A change swaps the whole script at once, so a session sees the old rules or the new ones and never a mixture.
    """

    def __init__(self) -> None:
        self.script = _NO_RULES
        self.by_stage: Mapping[str, tuple[Rule, ...]] = {}
        """`Script.by_stage` of the script in force; empty without rules, so asking costs one truth test."""
        self._fired: dict[Rule, int] = {}
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        """Put a rule in front of all others."""
        with self._lock:
            self._use(self.script.with_rule(rule))

    def remove(self, *rules: Rule) -> None:
        """Take rules out; those not in force are ignored."""
        with self._lock:
            self._use(self.script.without(rules))

    def clear(self) -> None:
        """Take all rules out."""
        with self._lock:
            self._use(_NO_RULES)

    def _use(self, script: Script) -> None:
        self.script, self.by_stage = script, script.by_stage

    def fired(self, rule: Rule) -> int:
        """Return how often a rule has answered."""
        return self._fired.get(rule, 0)

    def pick(self, stage: str, argument: str) -> Rule | None:
        """Return the first rule that answers this stage, counting it as having answered; None if there is none."""
        for rule in self.by_stage.get(stage if stage in STAGES else ANY, ()):
            if not rule.applies_to(argument):
                continue
            with self._lock:
                count = self._fired.get(rule, 0)
                if rule.times is not None and count >= rule.times:
                    continue
                self._fired[rule] = count + 1
            return rule
        return None
