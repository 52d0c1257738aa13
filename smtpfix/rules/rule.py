"""`Rule`: the actions that answer a stage, and the conditions under which they do.

A value. `rulebook` decides which rule answers; `conversation` performs its actions on a connection.
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
    """Actions that answer a stage instead of the server's own reply, or before it, if all conditions are met.

    Raises `InvalidValueError` if there is no action, if there are two replies, if actions cannot follow each other or
    do not belong to the stage, or if a condition makes no sense. The server, or the text that a rule is read from,
    decides which stages exist.
    """

    stage: str
    """The verb of a command, or ``CONNECT``, ``HANDSHAKE``, ``GREETING``, ``AUTH-ANSWER``, ``CONTENT``,
    ``END-OF-DATA``, ``UNKNOWN`` or ``*``, in upper or lower case."""
    actions: tuple[Action, ...]
    """What the server does, in this order."""
    times: int | None = None
    """How often the rule answers before it is used up. None: no limit."""
    argument: ArgumentMatch = None
    """What the argument of the command must match: a glob (case does not matter), a compiled pattern (searched), or a
    function that returns True or False. For MAIL and RCPT, a glob may match the argument or the address in it. At
    ``CONTENT`` and ``END-OF-DATA``, the argument is the reverse-path; in LMTP at ``END-OF-DATA``, it is the recipient,
    and the rules are consulted for each recipient. At ``CONNECT`` and ``GREETING``, it is the client's address; at
    ``HANDSHAKE``, the server name that the client asks for (RFC 6066 section 3); at ``UNKNOWN``, the whole line. At
    ``AUTH-ANSWER``, it is the mechanism and the number of the client's response, such as ``LOGIN 2`` for the password;
    an initial response is number 1."""
    _: KW_ONLY
    after: int = 0
    """How many times the server answers as usual, with all other conditions met, before the rule begins to answer."""
    in_tls: bool | None = None
    """True: the rule answers inside TLS only. False: outside TLS only. None: both."""
    session: int | None = None
    """The number of the only session in which the rule answers, counted from the server's start or `Server.reset`.
    None: every session."""
    octets: int = 0
    """At ``CONTENT``, how many octets of content must have arrived, as counted on the wire. The rule answers once per
    content. By then, the server has read everything that arrived together with these octets."""
    probability: float = 1.0
    """How likely it is that the rule answers if all other conditions are met: above 0, up to 1."""
    seed: int | None = None
    """The seed of the random numbers: with the same seed, the rule answers at the same turns again. None chooses a
    random seed, which `str` and the transcript show."""
    written: str | None = field(default=None, init=False, repr=False)
    """The text that the rule was read from; None for a rule that was built as a value."""
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
        """Return whether the rule answers this argument now, apart from `times`, `after` and `probability`."""
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
    """Return random numbers that begin with this seed, or with a random one."""
    from random import Random  # noqa: PLC0415 - few rules leave anything to chance

    return Random(seed)  # noqa: S311 - it has to repeat
