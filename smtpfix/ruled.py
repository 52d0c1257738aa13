"""`Ruled`: how a test changes a server's rules while the server runs; and `Stage`, the names of the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack, cast

from .rules.action import Action

if TYPE_CHECKING:
    from datetime import datetime

    from .conversation.turn import Turn
    from .rules.rule import ArgumentMatch, Conditions, Rule
    from .rules.rulebook import Rulebook

Stage: TypeAlias = Literal[
    "CONNECT",
    "HANDSHAKE",
    "GREETING",
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    "AUTH-ANSWER",
    "MAIL",
    "RCPT",
    "DATA",
    "CONTENT",
    "BDAT",
    "END-OF-DATA",
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "XCLIENT",
    "QUIT",
    "UNKNOWN",
    "*",
    # IMAP's
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COPY",
    "CREATE",
    "DELETE",
    "DONE",
    "ENABLE",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "GETQUOTA",
    "GETQUOTAROOT",
    "ID",
    "IDLE",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "NAMESPACE",
    "RENAME",
    "SEARCH",
    "SELECT",
    "SORT",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "UNSELECT",
    "UNSUBSCRIBE",
    # POP3's
    "APOP",
    "CAPA",
    "DELE",
    "LANG",
    "PASS",
    "RETR",
    "STAT",
    "STLS",
    "TOP",
    "UIDL",
    "USER",
    "UTF8",
]
"""The stages of SMTP, IMAP and POP3, for type checkers. At run time, upper and lower case are the same."""


def _check_rule(method: str, given: object) -> None:
    from .rules.rule import Rule  # noqa: PLC0415 - most tests set none

    if not isinstance(given, Rule):
        raise TypeError(f"{method}: {given!r} is no rule; keep the one that on() returns: rule = server.on(...)")


class Ruled:
    """The part of a server that deals with rules."""

    _rulebook: Rulebook

    def on(
        self,
        stage: Stage,
        *actions: Action | Callable[[Turn], Action | Sequence[Action] | None],
        times: int | None = None,
        argument: ArgumentMatch = None,
        **conditions: Unpack[Conditions],
    ) -> Rule:
        """Let actions answer a stage: ``on("RCPT", Reply(450, "4.2.1", "Greylisted"), times=1)``.

        Stages and conditions are those of `Rule`. You can call this while clients are connected. The server consults a
        new rule before the older ones. Returns the rule, for `off` and `fired`. Raises `InvalidValueError`.

        You can pass a function instead of an action. It gets a `Turn`, runs in a thread of its own while the client
        waits, and returns an action, several actions, or None, which leaves the answer to the server. See `Decide`.
        """
        from .rules.rule import Rule  # noqa: PLC0415 - most tests set none

        if any(not isinstance(action, Action) for action in actions):
            from .rules.decisions import as_actions  # noqa: PLC0415 - few rules ask functions

            actions = as_actions(actions)
        return self.add_rule(
            Rule(stage, cast("tuple[Action, ...]", actions), times=times, argument=argument, **conditions)
        )

    def add_rule(self, rule: Rule) -> Rule:
        """Put an existing rule, such as one of `parse_rule`, in front of all others, and return it."""
        self._rulebook.add(rule)
        return rule

    def off(self, *rules: Rule) -> None:
        """Remove rules; without arguments, all except those of the policy's scenario.

        Raises `TypeError` for an argument that is no rule.
        """
        for rule in rules:
            _check_rule("off", rule)
        if rules:
            self._rulebook.remove(*rules)
        else:
            self._rulebook.clear()

    def use_rules(self, rules: Iterable[Rule], *, instead_of: Iterable[Rule] | None = None) -> None:
        """Replace some rules, or all of them, by others in one step. The server consults the first rule first.

        A running session sees either the old rules or the new ones, never a mixture.
        """
        self._rulebook.replace(rules, instead_of=instead_of)

    def fired(self, rule: Rule) -> int:
        """Return how often a rule has answered. Raises `TypeError` for an argument that is no rule."""
        _check_rule("fired", rule)
        return self._rulebook.fired(rule)

    def fired_at(self, rule: Rule) -> tuple[datetime, ...]:
        """Return when a rule has answered: UTC times of the system's clock, as in `CapturedMessage.received`.

        A rule keeps its latest 10,000 times. Raises `TypeError` for an argument that is no rule.
        """
        _check_rule("fired_at", rule)
        return self._rulebook.fired_at(rule)

    @property
    def unused_rules(self) -> tuple[Rule, ...]:
        """The active rules that have never answered. A test whose rule never fires tests nothing."""
        return self._rulebook.unused

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The active rules, in the order in which the server consults them."""
        return self._rulebook.script.rules
