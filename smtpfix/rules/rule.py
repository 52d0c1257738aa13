"""`Rule`: which actions answer a stage, and under what conditions.

A value; `rulebook` says which rule answers, and what an action does to a connection `conversation` does.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypedDict

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import suggests_fields

from .action import Action
from .moment import NOW, Moment
from .stages import CONNECT, HANDSHAKE

if TYPE_CHECKING:
    from random import Random


ArgumentMatch: TypeAlias = str | re.Pattern[str] | Callable[[str], bool] | None


class Conditions(TypedDict, total=False):
    """The rarer conditions of a `Rule`, as keyword arguments."""

    after: int
    in_tls: bool | None
    session: int | None
    octets: int
    probability: float
    seed: int | None


_MEANT: Final = {
    **dict.fromkeys(("count", "repeat", "once"), "How often it answers is times=1"),
    **dict.fromkeys(("tls", "encrypted"), "Whether TLS is on is in_tls=True"),
    **dict.fromkeys(("delay", "wait"), "A delay is an action: Delay(2.0), before the Reply"),
    **dict.fromkeys(("match", "pattern", "to", "recipient", "sender"), 'What is matched is argument="*@example.org"'),
    **dict.fromkeys(("reply", "action"), 'Actions come after the stage: on("RCPT", Reply(450))'),
}
"""Keywords that people write for what is no field of a rule."""
_STAGE: Final = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*|\*")


@suggests_fields(_MEANT)
@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Actions that answer a stage instead of, or before, the server's own reply, where all conditions are met.

    Raises `InvalidValueError` for no action, two replies, actions that cannot follow each other or stand here, or a
    condition that makes no sense. Which stages there are the server knows that it is for, or the text it is read from.
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
    """Answers in the server's nth session only, counted from its start or from `Server.reset`."""
    octets: int = 0
    """At ``CONTENT``, how many octets of content have to have come, as they are on the wire. The rule answers once in
    each content; what has come together with these octets has been read by then."""
    probability: float = 1.0
    """How likely the rule is to answer, where the other conditions are met."""
    seed: int | None = None
    """What chance begins with: the same seed answers at the same turns again. None takes a random one, which `str`
    and the transcript show."""
    written: str | None = field(default=None, init=False, repr=False)
    """The text that it was read from; None for a rule that was made as a value."""
    _glob: re.Pattern[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        stage = re.sub(r"[ _]", "-", str(self.stage).strip()).upper()
        if not _STAGE.fullmatch(stage):
            raise InvalidValueError("Rule.stage", self.stage, "a stage's name, such as RCPT or END-OF-DATA")
        object.__setattr__(self, "stage", stage)
        self._check_actions()
        self._check_conditions()

    def _check_actions(self) -> None:
        actions = self.actions
        if (
            not isinstance(actions, tuple | list)
            or not actions
            or not all(isinstance(action, Action) for action in actions)
        ):
            expected = "a tuple of one or more actions, such as Reply, Raw, Repeat or Delay"
            if isinstance(actions, Action):
                name = type(actions).__name__
                raise InvalidValueError.saying("Rule.actions", actions, f"put the {name} into a tuple: ({name}(...),)")
            raise InvalidValueError("Rule.actions", actions, expected)
        object.__setattr__(self, "actions", tuple(actions))
        if sum(action.stands_for_answer for action in actions) > 1:
            sentence = "a command has one reply; give one Reply or one function, and another rule for another reply"
            raise InvalidValueError.saying("Rule.actions", actions, sentence)
        for action in actions[:-1]:
            if action.ends:
                sentence = f"nothing after {type(action).__name__} is ever done: put it at the end"
                raise InvalidValueError.saying("Rule.actions", actions, sentence)
        for action in actions:
            name = type(action).__name__
            if action.stages and self.stage not in action.stages:
                where = " or ".join(sorted(action.stages))
                sentence = f"{name} has no meaning at the stage {self.stage}; it belongs to {where}"
                raise InvalidValueError.saying("Rule.actions", actions, sentence)
            if action.only_once and sum(isinstance(other, type(action)) for other in actions) > 1:
                raise InvalidValueError("Rule.actions", actions, f"one {name} at the most")
        if self.stage == HANDSHAKE and any(action.stands_for_answer or action.changes_answer for action in actions):
            expected = (
                "no Reply, no NoReply and no function at the stage HANDSHAKE: there is no reply in it, to give or to "
                "change; Raw sends octets in clear"
            )
            raise InvalidValueError("Rule.actions", actions, expected)

    def _check_conditions(self) -> None:
        for name, least in (("times", 1), ("session", 1), ("after", 0), ("octets", 0)):
            value = getattr(self, name)
            if (value is not None or least == 0) and (type(value) is not int or value < least):
                none = "" if least == 0 else ", or None"
                raise InvalidValueError(f"Rule.{name}", value, f"a whole number from {least} up{none}")
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
            object.__setattr__(self, "seed", random_from().randrange(1_000_000))
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

    def applies_to(self, argument: str, moment: Moment = NOW) -> bool:
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


def random_from(seed: int | None = None) -> Random:
    """Return chance that begins with a seed, or with one of its own."""
    from random import Random  # noqa: PLC0415 - few rules leave anything to chance

    return Random(seed)  # noqa: S311 - it has to repeat
