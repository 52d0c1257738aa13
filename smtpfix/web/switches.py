"""The scenarios and rules that servers were switched to, as settings in the store, which others follow.

Knows nothing of HTTP. A file of the user's is never named here: scenarios go by their ids, rules by their text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from smtpfix.errors import InvalidValueError, SMTPFixError, StoreError, UnknownScenario
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario
from smtpfix.policy.protocol import load_language
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.rules.rule import Rule
from smtpfix.rules.text import format_rule, parse_rule
from smtpfix.server import Server
from smtpfix.store.row import new_id
from smtpfix.store.store import Closing, Store

MOST_RULES: Final = 100
"""Rules that one server may be given."""
LONGEST_RULE: Final = 2_000
"""Characters of a rule."""
KEY: Final = "server/"
"""What the key of a server's setting begins with; its name follows."""
_MOST_TRIES: Final = 100
"""To change what other programs change at the same time; each that fails is a change of another one."""
PAUSE: Final = 0.25
"""Seconds between two looks at what others have switched."""
_ID_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class GivenRule:
    """A rule as it was given."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class State:
    """What a server was switched to; without anything, it serves what it was started with."""

    certificate: str | None = None
    scenario: str | None = None
    rules: tuple[GivenRule, ...] = ()

    @classmethod
    def of(cls, setting: Any) -> State:
        """Read a setting; what makes no sense in it is nothing."""
        if not isinstance(setting, dict):
            return cls()
        certificate, scenario, rules = (setting.get(name) for name in ("certificate", "scenario", "rules"))
        return cls(
            certificate if isinstance(certificate, str) else None,
            scenario if isinstance(scenario, str) else None,
            tuple(GivenRule(*one) for one in rules if _is_pair(one)) if isinstance(rules, list) else (),
        )

    @property
    def setting(self) -> dict[str, Any]:
        """The setting that it is read from."""
        rules = [[rule.id, rule.text] for rule in self.rules]
        return {"certificate": self.certificate, "scenario": self.scenario, "rules": rules}


def _given(text: str) -> GivenRule:
    return GivenRule(new_id()[:_ID_LENGTH], text)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)  # noqa: PLR2004


class Switches:
    """The servers of one process, and what each was switched to."""

    def __init__(self, store: Store, servers: Mapping[str, Server]) -> None:
        self._store = store
        self._switched = {name: _Switched(server) for name, server in servers.items()}
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._following: tuple[threading.Thread, Closing] | None = None

    # From outside

    def switch(self, name: str, *, certificate: str | None, scenario: str | None) -> None:
        """Have a server serve these, or without any what it was started with. Raises `SMTPFixError`."""
        self._change(name, lambda state: State(certificate, scenario, state.rules))

    def add_rule(self, name: str, text: str) -> None:
        """Give a server a rule more, to be asked before its others. Raises `InvalidValueError`."""
        added = _given(text)
        self._change(name, lambda state: replace(state, rules=(added, *state.rules)))

    def use_rules(self, name: str, texts: Iterable[str]) -> None:
        """Give a server these rules, the first to be asked first, in the place of those given before."""
        rules = tuple(map(_given, texts))
        self._change(name, lambda state: replace(state, rules=rules))

    def remove_rule(self, name: str, rule: str) -> bool:
        """Take a rule away that was given; return whether there was one of this id."""

        def without(state: State) -> State | None:
            rules = tuple(one for one in state.rules if one.id != rule)
            return None if len(rules) == len(state.rules) else replace(state, rules=rules)

        return self._change(name, without)

    def _change(self, name: str, changed: Callable[[State], State | None]) -> bool:
        """Serve and store what is made of the stored state, None for no change; return whether there was one.

        What cannot be served here is left out, or nothing could be changed. If another program has changed the state
        meanwhile, its change counts too.
        """
        switched = self._switched[name]
        with self._lock, switched.or_as_before():
            for _ in range(_MOST_TRIES):
                stored = self._store.setting(KEY + name)
                state, _problem = switched.usable(State.of(stored))
                wanted = changed(state)
                switched.use(wanted or state)
                if wanted is None:
                    return False
                if self._store.replace_setting(KEY + name, stored, wanted.setting):
                    switched.problem = None
                    return True
            raise StoreError(f"cannot change {name}: other programs change it all the time; try again")

    # What is so

    def rules(self, name: str) -> list[dict[str, Any]]:
        """Return the rules in force, the first to be asked first, and how often each has answered in this process."""
        return self._switched[name].listed()

    def state(self, name: str) -> State:
        """Return what a server was switched to."""
        return self._switched[name].state

    def problem(self, name: str) -> str | None:
        """Return why a server does not serve all that the store says; None: it does."""
        return self._switched[name].problem

    # What others switch

    def start(self, *, is_shared: bool) -> None:
        """Take over what the store says; where others have it too, follow it from now on. Raises `StoreError`."""
        listening = self._store.listen(self._woken.set) if is_shared and self._switched else None
        for name in self._switched:
            self._take_over(name)
        if listening is not None:
            thread = threading.Thread(target=self._follow, name="smtpfix switches", daemon=True)
            self._following = (thread, listening)
            thread.start()

    def close(self) -> None:
        """Follow no more."""
        if self._following is None:
            return
        (thread, listening), self._following = self._following, None
        self._ended.set()
        self._woken.set()
        listening.close()
        thread.join()

    def _follow(self) -> None:
        """Look at the settings alone: under load, the journal is full of messages."""
        while not self._ended.is_set():
            self._woken.wait()
            self._woken.clear()
            for name in self._switched:
                with suppress(StoreError):  # the next change wakes again
                    self._take_over(name)
            self._ended.wait(PAUSE)

    def _take_over(self, name: str) -> None:
        with self._lock:
            switched = self._switched[name]
            state, problem = switched.usable(State.of(self._store.setting(KEY + name)))
            try:
                switched.use(state)
                switched.problem = problem
            except (SMTPFixError, OSError) as error:
                switched.problem = sentence(error)


class _Switched:
    """One server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state = State()
        self.problem: str | None = None
        self._base: ServerPolicy = server.policy
        self._rules: dict[Rule, GivenRule] = {}

    def use(self, state: State) -> None:
        """Serve this, if it is not served yet. Raises an error, and is then as before."""
        if state == self.state:
            return
        rules = self._read(state.rules)
        if (state.certificate, state.scenario) != (self.state.certificate, self.state.scenario):
            self.server.switch(policy_for(self._base, state))
        if rules != self._rules:
            self.server.use_rules(rules, instead_of=self._rules)
        self._rules, self.state = rules, state

    @contextmanager
    def or_as_before(self) -> Iterator[None]:
        """Serve what is served now again, where something goes wrong inside."""
        before = self.state
        try:
            yield
        except BaseException:
            self.use(before)
            raise

    def usable(self, state: State) -> tuple[State, str | None]:
        """Return what of a state can be served, and why the rest cannot: another version may have stored it."""
        problem: str | None = None
        certificate, scenario, rules = state.certificate, state.scenario, []
        for rule in state.rules:
            try:
                self._read((rule,))
                rules.append(rule)
            except InvalidValueError as error:
                problem = sentence(error)
        try:
            policy_for(self._base, state)
        except (SMTPFixError, OSError) as error:
            certificate, scenario = self.state.certificate, self.state.scenario
            problem = sentence(error)
        return State(certificate, scenario, tuple(rules[:MOST_RULES])), problem

    def _read(self, given: Sequence[GivenRule]) -> dict[Rule, GivenRule]:
        """Return rules by what they were read from; one that is there already stays, with its count."""
        if len(given) > MOST_RULES:
            raise InvalidValueError("rules", f"{len(given)} rules", f"{MOST_RULES} at most")
        there = {one: rule for rule, one in self._rules.items()}
        return {there.get(one) or check_rule(one.text, self._base.spoken): one for one in given}

    def listed(self) -> list[dict[str, Any]]:
        """Return the rules in force."""
        language = load_language(self._base.spoken)
        of_scenario = self.server.policy.rules
        listed = []
        for rule in self.server.rules:
            given = self._rules.get(rule)
            try:
                text = given.text if given is not None else format_rule(rule, language)
            except InvalidValueError:  # a function, say
                text = str(rule)
            origin = "page" if given is not None else "scenario" if rule in of_scenario else "start"
            fired = self.server.fired(rule)
            listed.append({"id": given and given.id, "text": text, "from": origin, "fired": fired, "times": rule.times})
        return listed


def policy_for(base: ServerPolicy, state: State) -> ServerPolicy:
    """Return the policy of a server that was started with another one. Raises `SMTPFixError`."""
    certificate, scenario = state.certificate, state.scenario
    for name in filter(None, (certificate, scenario)):
        check_scenario_id(name)
    if scenario and not certificate and load_scenario(scenario).policy_field == "certificate":
        certificate, scenario = scenario, None
    if certificate:
        policy = base.showing(certificate)
        return policy if scenario is None else policy.replace(scenario=scenario)
    return base if scenario is None else base.showing(scenario)


def check_rule(text: str, protocol: str) -> Rule:
    """Read a rule. Raises `InvalidValueError`, whose text is the parser's sentence."""
    if len(text) > LONGEST_RULE:
        raise InvalidValueError("rule", f"{len(text)} characters", f"{LONGEST_RULE} at most")
    return parse_rule(text, load_language(protocol))


def sentence(error: Exception) -> str:
    """Return what an error says, without the list of all scenarios."""
    return str(error).partition(" There is: ")[0] if isinstance(error, UnknownScenario) else str(error)
