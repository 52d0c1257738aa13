"""Rules: which action answers which command. `Rule` and `Script` are values; a `Rulebook` is what a server plays from.

Knows stages and conditions; what an action does to a connection is `conversation`'s business.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypedDict

from smtpfix.errors import InvalidValueError

from .reply import Reply

if TYPE_CHECKING:
    from random import Random

    from .actions import Action

CONNECT: Final = "CONNECT"
"""The stage when a connection is there: nothing has been said, and implicit TLS has not begun."""
HANDSHAKE: Final = "HANDSHAKE"
"""The stage when the ClientHello has come whole; its argument is the server name asked for."""
GREETING: Final = "GREETING"
"""The stage when the greeting is due: behind `CONNECT`, and with implicit TLS behind the handshake."""
CONTENT: Final = "CONTENT"
"""The stage inside the content, once so many octets of it have come; its argument is the reverse-path."""
END_OF_DATA: Final = "END-OF-DATA"
"""The stage at the final dot or the last chunk, when the whole content has been read."""
AUTH_ANSWER: Final = "AUTH-ANSWER"
"""The stage at the client's answer to a challenge of AUTH (RFC 4954 section 4); ``*``, by which it cancels, is none."""
UNKNOWN: Final = "UNKNOWN"
"""The stage of a command that is not one of the verbs below; its argument is the whole line."""
ANY: Final = "*"
"""Every command, also those nobody knows, but none of `BESIDE_COMMANDS`."""
BDAT: Final = "BDAT"
"""The stage at the end of each chunk of a server that has CHUNKING (RFC 3030 section 2), with `END_OF_DATA` behind the
last one. Of any other server it is a command like others."""

BESIDE_COMMANDS: Final = frozenset({CONNECT, HANDSHAKE, GREETING, AUTH_ANSWER, CONTENT, END_OF_DATA})
"""The stages that are no command."""

STAGES: Final = (
    CONNECT,
    HANDSHAKE,
    GREETING,
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    AUTH_ANSWER,
    "MAIL",
    "RCPT",
    "DATA",
    CONTENT,
    BDAT,
    END_OF_DATA,
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "XCLIENT",
    "QUIT",
    UNKNOWN,
    ANY,
)
"""Where a rule may stand."""

ArgumentMatch: TypeAlias = str | re.Pattern[str] | Callable[[str], bool] | None


class Moment(NamedTuple):
    """When a rule is asked."""

    in_tls: bool = False
    session: int = 1
    """`Session.number` of the session."""
    octets: int = 0
    """At `CONTENT`, which of the rules' marks has been reached."""


_NOW: Final = Moment()


class Conditions(TypedDict, total=False):
    """The rarer conditions of a `Rule`, as keyword arguments."""

    after: int
    in_tls: bool | None
    session: int | None
    octets: int
    probability: float
    seed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Actions that answer a stage instead of, or before, the server's own reply, where all conditions are met.

    Raises `InvalidValueError` for an unknown stage, no action, two replies, actions that cannot follow each other, or
    a condition that makes no sense.
    """

    stage: str
    """A command's verb, or ``CONNECT``, ``HANDSHAKE``, ``GREETING``, ``AUTH-ANSWER``, ``CONTENT``, ``END-OF-DATA``,
    ``UNKNOWN`` or ``*``; in any case."""
    actions: tuple[Action, ...]
    """What happens, in this order."""
    times: int | None = None
    """How often the rule answers before it is spent; None for ever."""
    argument: ArgumentMatch = None
    """What the command's argument has to look like: a glob, matched in any case, against the argument and, for MAIL and
    RCPT, against the address in it; a compiled pattern, searched for; or a function. At ``CONTENT`` and ``END-OF-DATA``
    it is the reverse-path, in LMTP at the latter the recipient, for each of whom the rules are asked; at ``CONNECT``
    and ``GREETING`` the client's address; at ``HANDSHAKE`` the server name asked for (RFC 6066 section 3); at
    ``UNKNOWN`` the whole line; at ``AUTH-ANSWER`` the mechanism and which of its responses this is, such as ``LOGIN 2``
    for the password; an initial response counts as the first."""
    _: KW_ONLY
    after: int = 0
    """How often the server answers itself, where the other conditions are met, before the rule begins to."""
    in_tls: bool | None = None
    """Answers inside TLS only, or outside only; None: both."""
    session: int | None = None
    """Answers in the server's nth session only."""
    octets: int = 0
    """At ``CONTENT``, how many octets of content have to have come, as they are on the wire. The rule answers once in
    each content; what has come together with these octets has been read by then."""
    probability: float = 1.0
    """How likely the rule is to answer, where the other conditions are met."""
    seed: int | None = None
    """What chance begins with: the same seed answers at the same turns again. None takes a random one, which `str`
    and the transcript show."""
    _glob: re.Pattern[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        stage = re.sub(r"[ _]", "-", str(self.stage).strip()).upper()
        if stage not in STAGES:
            raise InvalidValueError("Rule.stage", self.stage, "one of " + ", ".join(STAGES))
        object.__setattr__(self, "stage", stage)
        self._check_actions()
        self._check_conditions()

    def _check_actions(self) -> None:
        # Servers without rules are the most, and a test pays for what is imported.
        from .actions import ACTIONS, EDITS, Flight, KeepInjected, NoReply, ends  # noqa: PLC0415

        actions = self.actions
        if (
            not isinstance(actions, tuple | list)
            or not actions
            or not all(isinstance(action, ACTIONS) for action in actions)
        ):
            names = ", ".join(kind.__name__ for kind in ACTIONS)
            raise InvalidValueError("Rule.actions", actions, f"a tuple of one or more of {names}")
        object.__setattr__(self, "actions", tuple(actions))
        if sum(isinstance(action, Reply | NoReply) for action in actions) > 1:
            raise InvalidValueError("Rule.actions", actions, "one Reply at the most: a command has one reply")
        for action in actions[:-1]:
            if ends(action):
                raise InvalidValueError("Rule.actions", actions, f"nothing behind {type(action).__name__}")
        for kinds, stage, names in (
            (EDITS, "EHLO", "Hide and Advertise"),
            (KeepInjected, "STARTTLS", "KeepInjected"),
            (Flight, HANDSHAKE, "Flight"),
        ):
            if self.stage != stage and any(isinstance(action, kinds) for action in actions):
                raise InvalidValueError("Rule.actions", actions, f"{names} at the stage {stage} only")
        if sum(isinstance(action, Flight) for action in actions) > 1:
            raise InvalidValueError("Rule.actions", actions, "one Flight at the most")
        if self.stage == HANDSHAKE and any(isinstance(action, Reply | NoReply) for action in actions):
            expected = (
                "no Reply and no NoReply at the stage HANDSHAKE: there is no reply in it; Raw sends octets in clear"
            )
            raise InvalidValueError("Rule.actions", actions, expected)
        if self.stage == CONTENT and any(isinstance(action, NoReply) for action in actions):
            expected = "no NoReply at the stage CONTENT, where no reply is due; END-OF-DATA is where one is"
            raise InvalidValueError("Rule.actions", actions, expected)

    def _check_conditions(self) -> None:
        for name, least in (("times", 1), ("session", 1), ("after", 0), ("octets", 0)):
            value = getattr(self, name)
            if (value is not None or least == 0) and (type(value) is not int or value < least):
                none = "" if least == 0 else ", or None"
                raise InvalidValueError(f"Rule.{name}", value, f"a whole number from {least} up{none}")
        if self.octets and self.stage != CONTENT:
            raise InvalidValueError("Rule.octets", self.octets, f"0 at the stage {self.stage}: {CONTENT} counts octets")
        if self.in_tls is not None and not isinstance(self.in_tls, bool):
            raise InvalidValueError("Rule.in_tls", self.in_tls, "True, False or None")
        if self.in_tls and self.stage in (CONNECT, HANDSHAKE):
            raise InvalidValueError(
                "Rule.in_tls", self.in_tls, f"False or None at the stage {self.stage}, before TLS is on"
            )
        chance = self.probability
        if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 < chance <= 1:
            raise InvalidValueError("Rule.probability", chance, "a number above 0 and up to 1")
        if self.seed is None and self.probability < 1:
            object.__setattr__(self, "seed", _random().randrange(1_000_000))
        if self.seed is not None and type(self.seed) is not int:
            raise InvalidValueError("Rule.seed", self.seed, "a whole number, or None")
        if isinstance(self.argument, str):
            object.__setattr__(self, "_glob", re.compile(fnmatch.translate(self.argument), re.IGNORECASE))
        elif self.argument is not None and not (
            callable(self.argument)
            or (isinstance(self.argument, re.Pattern) and isinstance(self.argument.pattern, str))
        ):
            expected = "a glob, a compiled pattern of text, a function or None"
            raise InvalidValueError("Rule.argument", self.argument, expected)

    def applies_to(self, argument: str, moment: Moment = _NOW) -> bool:
        """Return whether the rule answers a command with this argument at this moment, times and chance apart."""
        if self.in_tls is not None and self.in_tls is not moment.in_tls:
            return False
        if self.session is not None and self.session != moment.session:
            return False
        if self.octets != moment.octets:
            return False
        if self._glob is not None:
            address = re.search(r"<([^<>]*)>", argument)
            return bool(self._glob.match(argument) or (address and self._glob.match(address[1])))
        if isinstance(self.argument, re.Pattern):
            return bool(self.argument.search(argument))
        return bool(self.argument(argument)) if callable(self.argument) else True

    def __str__(self) -> str:
        """Return the rule in one line."""
        conditions = [f"argument {self.argument!r}"] if self.argument is not None else []
        conditions += [
            f"{name} {getattr(self, name)}"
            for name in ("times", "session", "in_tls")
            if getattr(self, name) is not None
        ]
        conditions += [f"after {self.after}"] if self.after else []
        conditions += [f"octets {self.octets}"] if self.octets else []
        conditions += [f"probability {self.probability:g}, seed {self.seed}"] if self.probability < 1 else []
        actions = ", ".join(map(repr, self.actions))
        return f"{self.stage}: {actions}" + (f" ({'; '.join(conditions)})" if conditions else "")


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


def _random(seed: int | None = None) -> Random:
    from random import Random  # noqa: PLC0415 - few rules leave anything to chance

    return Random(seed)  # noqa: S311 - it has to repeat


def _covers(rule_stage: str, stage: str) -> bool:
    return rule_stage == stage or (rule_stage == ANY and stage not in BESIDE_COMMANDS)


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
        self._met: dict[Rule, int] = {}
        self._chances: dict[Rule, Random] = {}
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

    def replace(self, rules: Iterable[Rule], *, instead_of: Iterable[Rule] | None = None) -> None:
        """Put rules, the first to be asked first, in the place of some others, or of all, at once."""
        new = tuple(dict.fromkeys(rules))
        with self._lock:
            kept = _NO_RULES if instead_of is None else self.script.without((*instead_of, *new))
            self._use(Script((*new, *kept.rules)))

    def _use(self, script: Script) -> None:
        self.script, self.by_stage = script, script.by_stage

    def fired(self, rule: Rule) -> int:
        """Return how often a rule has answered."""
        return self._fired.get(rule, 0)

    @property
    def unused(self) -> tuple[Rule, ...]:
        """The rules in force that have never answered, in the order they are asked."""
        return tuple(rule for rule in self.script.rules if rule not in self._fired)

    def pick(self, stage: str, argument: str, moment: Moment = _NOW) -> Rule | None:
        """Return the first rule that answers this stage, counting it as having answered; None if there is none."""
        for rule in self.by_stage.get(stage if stage in STAGES else ANY, ()):
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
                chance = self._chances.setdefault(rule, _random(rule.seed))
                if chance.random() >= rule.probability:
                    return False
            self._fired[rule] = fired + 1
            return True
