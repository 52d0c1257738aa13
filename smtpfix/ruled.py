"""`Ruled`: what a test does with a server's rules while it serves, and the names of the stages as users write them."""

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
"""The stages of SMTP, IMAP and POP3, for type checkers; when the program runs, any case will do."""


def _check_rule(method: str, given: object) -> None:
    from .rules.rule import Rule  # noqa: PLC0415 - most tests set none

    if not isinstance(given, Rule):
        raise TypeError(f"{method}: {given!r} is no rule; keep the one that on() returns: rule = server.on(...)")


class Ruled:
    """A server, as far as its rules go."""

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

        Stages and conditions are those of `Rule`. May be called while clients are connected. A new rule is asked before
        the older ones. Returns the rule, for `off` and `fired`. Raises `InvalidValueError`.

        A function may stand for an action: it is given a `Turn`, in a thread of its own while the client waits, and
        returns an action, several, or None, where the server does what it does by itself. See `Decide`.
        """
        from .rules.rule import Rule  # noqa: PLC0415 - most tests set none

        if any(not isinstance(action, Action) for action in actions):
            from .rules.decisions import as_actions  # noqa: PLC0415 - few rules ask functions

            actions = as_actions(actions)
        return self.add_rule(
            Rule(stage, cast("tuple[Action, ...]", actions), times=times, argument=argument, **conditions)
        )

    def add_rule(self, rule: Rule) -> Rule:
        """Put a rule that was made before, such as by `parse_rule`, in front of all others, and return it."""
        self._rulebook.add(rule)
        return rule

    def off(self, *rules: Rule) -> None:
        """Take rules out; without any, all but those of the policy's scenario.

        Raises `TypeError` for what is no rule.
        """
        for rule in rules:
            _check_rule("off", rule)
        if rules:
            self._rulebook.remove(*rules)
        else:
            self._rulebook.clear()

    def use_rules(self, rules: Iterable[Rule], *, instead_of: Iterable[Rule] | None = None) -> None:
        """Put rules, the first to be asked first, in the place of some others, or of all there are, at once.

        Sessions that are running see the old rules or the new ones, and never a mixture.
        """
        self._rulebook.replace(rules, instead_of=instead_of)

    def fired(self, rule: Rule) -> int:
        """Return how often a rule has answered. Raises `TypeError` for what is no rule."""
        _check_rule("fired", rule)
        return self._rulebook.fired(rule)

    def fired_at(self, rule: Rule) -> tuple[datetime, ...]:
        """Return when a rule has answered, in UTC by the system's clock, as `CapturedMessage.received` is.

        Beyond 10,000 times, the latest ones. Raises `TypeError` for what is no rule.
        """
        _check_rule("fired_at", rule)
        return self._rulebook.fired_at(rule)

    @property
    def unused_rules(self) -> tuple[Rule, ...]:
        """The rules in force that have never answered: a test whose rule never fires tests nothing."""
        return self._rulebook.unused

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order they are asked."""
        return self._rulebook.script.rules
