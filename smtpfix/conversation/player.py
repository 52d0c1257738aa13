"""How a rule's actions change the bytes of one connection, and when the command itself is performed.

An action says what it does by a `Performance`; what a command means is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.action import Action, Answer
from smtpfix.rules.moment import Moment

from .connection import Connection, Perform

if TYPE_CHECKING:
    from .asking import Question


class Place(NamedTuple):
    """Where a rule is played."""

    stage: str
    argument: str


class Player:
    """One connection's."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._question: Question | None = None
        self._behind: list[Callable[[], None]] | None = None
        """What rules do after a command that holds until it is told; None where no command does."""
        self.is_holding = False
        """Whether commands have to wait."""
        self.is_stalled = False
        """Whether nothing more is said or taken in."""
        self.is_silent = False
        """Whether the answer to the command being performed is not to be sent."""
        self.keeps_injected = False
        """Whether what came in clear after the command that begins TLS is kept."""
        self.edits: tuple[Action, ...] = ()
        """What is done to the answer to the command being performed."""
        self.on_end: Callable[[Action], None] | None = None
        """Is told of an action after which the handshake, in which a rule has a say, never goes on."""
        self.on_flight: Callable[[int | None, Callable[[Perform[Any]], None]], None] | None = None
        """Holds that handshake back: from how many octets on, and what to do then, given what goes on with it."""

    def at_stage(self, place: Place, perform: Perform[Any], octets: int) -> None:
        """Play the rule that answers a stage, at a mark of so many octets; or perform it, where none does."""
        connection = self._connection
        recorder, service = connection.recorder, connection.service
        try:
            rule = service.rulebook.pick(*place, Moment(connection.channel.in_tls, recorder.number, octets))
        except BaseException as error:  # noqa: BLE001 - a rule's own function, also pytest.fail; nothing may leave the loop
            what = f"the argument of a rule at {place.stage}"
            service.failures.note(what, recorder.number, error)
            self.fail(what, perform)
            return
        if rule is None:
            perform(None)
            return
        if rule.probability < 1:
            recorder.note(f"a rule answers by chance: {rule}")
        self.play(rule.actions, perform, place=place)

    def play(self, actions: tuple[Action, ...], perform: Perform[Any], *, place: Place, answered: bool = False) -> None:
        """Do what the actions say, in order; the command is performed by the one that answers, or after them all."""
        playing = _Playing(self, self._connection, perform, place, answered=answered)
        for position, action in enumerate(actions):
            if self.on_end is not None and action.ends:
                self.on_end(action)
            playing.action, playing.rest = action, actions[position + 1 :]
            if not action.play(playing):
                return
            if self._behind is not None:
                rest = partial(self.play, playing.rest, perform, place=place, answered=playing.is_answered)
                self._behind.append(rest)
                return
        if not playing.is_answered:
            perform(None)
        self.edits = ()

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Take no further command for some seconds, then go on."""
        self._timer = self._connection.service.loop.call_later(seconds, self._go_on, then)
        self._hold()

    def hold_until_told(self) -> Callable[[Callable[[], None]], None]:
        """Take no further command until what is returned is called: with what to do first.

        Where the connection is gone by then, nothing is done.
        """
        self._hold()
        self._behind = []
        is_silent = self.is_silent

        def perform(then: Callable[[], None]) -> None:
            self.is_silent = is_silent
            try:
                then()
            finally:
                self.is_silent = False
            behind, self._behind = self._behind or (), None
            for play in behind:
                play()

        return lambda then: self._go_on(partial(perform, then)) if self.is_holding else None

    def _hold(self) -> None:
        self._connection.channel.pause()
        self.is_holding = True

    def _go_on(self, then: Callable[[], None]) -> None:
        self._timer = None
        self.is_holding = False
        self._connection.channel.resume()
        then()
        self._connection.readable()

    def ask(self, what: str, question: Callable[[], Any], then: Callable[[Any], None], perform: Perform[Any]) -> None:
        """Ask a question in a thread of its own, and take no further command before it has come back; then go on.

        Where it raises, that is kept, and the client is told by `perform`.
        """
        from .asking import Question  # noqa: PLC0415 - few servers ask anybody

        connection = self._connection

        def go_on(outcome: Any, failure: BaseException | None) -> None:
            self._question = None
            self.is_holding = False
            connection.channel.resume()
            if failure is None:
                then(outcome)
            else:
                self.fail(what, perform)
            connection.readable()

        connection.channel.pause()
        self.is_holding = True
        self._question = Question(what, question, go_on, connection.service, connection.recorder.number)

    def fail(self, what: str, perform: Perform[Any], *, is_asked: bool = True) -> None:
        """Tell the client that code has failed that is not its own, and end the session."""
        connection = self._connection
        if connection.channel.is_closing:
            return
        connection.recorder.note(f"{what} raised an exception: the client is not to blame")
        is_in_handshake = self.on_end is not None or connection.channel.is_handshaking
        if not is_in_handshake and (answer := connection.failure(is_asked=is_asked)) is not None:
            perform(answer)
        connection.end(SessionEnd.ERROR)

    def give_in(self, what: str) -> None:
        """Tell the client so unasked, and end the session."""
        self.fail(what, self._connection.send, is_asked=False)
        self._connection.channel.flush()

    def stop(self) -> None:
        """Forget what is still to come: the connection is gone."""
        if self._question is not None:
            self._question.forget()
            self._question = None
            self.is_holding = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.is_holding = False
        self._behind = None

    def stall(self) -> None:
        """Take nothing more in, not even what has come already."""
        self.is_stalled = self._connection.has_detour = True
        self._connection.channel.received.clear()


class _Playing:
    """One rule being played; a `rules.action.Performance`."""

    action: Action
    """The action whose turn it is."""
    rest: tuple[Action, ...]
    """What follows it."""

    def __init__(
        self, player: Player, connection: Connection[Any], perform: Perform[Any], place: Place, *, answered: bool
    ) -> None:
        self._player = player
        self._connection = connection
        self._perform = perform
        self._place = place
        self.is_answered = answered
        """Whether something stands for the answer already."""

    def perform(self, answer: Answer | None = None) -> None:
        self.is_answered = True
        if answer is not None:
            answer = self._connection.worded(answer, *self._place)
        self._perform(answer)
        self._player.edits = ()

    def perform_silently(self) -> None:
        self.is_answered = True
        self._player.is_silent = True
        try:
            self._perform(None)
        finally:
            self._player.is_silent = False

    def send(self, octets: bytes, *, performs: bool) -> None:
        was_answered, self.is_answered = self.is_answered, True
        octets = self._connection.fill(octets)
        self._connection.recorder.add(Kind.SERVER, octets)
        self._connection.channel.write(octets)
        if performs and not was_answered:
            self.perform_silently()
        else:
            if not was_answered:
                self._end_handshake()
            self._connection.give_up(octets)

    def send_repeatedly(self, octets: bytes, times: int | None) -> None:
        was_answered, self.is_answered = self.is_answered, True
        recorder, channel = self._connection.recorder, self._connection.channel
        octets = self._connection.fill(octets)
        recorder.add(Kind.SERVER, octets)
        how_often = "again and again, without end" if times is None else f"{times} times"
        recorder.note(f"these octets were sent {how_often}, as a rule has it")
        self._connection.give_up(octets)
        if times is None:
            channel.send_endlessly(octets)
            self._player.stall()
        else:
            if not was_answered:
                self._end_handshake()
            channel.write(octets * times)

    def wait(self, seconds: float) -> None:
        self._player.hold(seconds, partial(self._go_on, self.rest))

    def ask(self, function: Callable[[Any], object]) -> None:
        from .asking import decision  # noqa: PLC0415 - few rules ask functions

        connection = self._connection
        question = decision(function, connection.turn(*self._place), connection.service.rulebook)
        self._player.ask(f"the function at {self._place.stage}", question, self._decided, self._perform)

    def _decided(self, actions: tuple[Action, ...]) -> None:
        """Do what a function has decided on; it is one of the rule's actions."""
        if not actions:
            self.perform()
        self._go_on((*actions, *self.rest))

    def _go_on(self, actions: tuple[Action, ...]) -> None:
        self._player.play(actions, self._perform, place=self._place, answered=self.is_answered)

    def fall_silent(self) -> None:
        self._connection.recorder.note("the server says nothing more, as a rule has it")
        self._player.stall()

    def close(self, *, notify: bool) -> None:
        self._connection.end(SessionEnd.DISCONNECTED, notify=notify)

    def reset(self) -> None:
        self._connection.recorder.finish(SessionEnd.DISCONNECTED)
        self._connection.channel.reset()

    def send_slowly(self, octets: int, every: float) -> None:
        self._connection.channel.drip(octets, every)

    def read_slowly(self, octets_per_second: int) -> None:
        self._connection.channel.throttle(octets_per_second)

    def keep_injected(self) -> None:
        self._player.keeps_injected = True

    def edit(self, action: Action) -> None:
        self._player.edits = (*self._player.edits, action)

    def edit_answer(self, action: Action) -> None:
        self.edit(action)
        if not self.is_answered and not any(later.changes_answer or later.stands_for_answer for later in self.rest):
            self.perform()

    def change_elsewhere(self, what: Action) -> None:
        self._connection.change_elsewhere(what)

    def break_into_flight(self, octets: int | None) -> None:
        hold_back = self._player.on_flight
        assert hold_back is not None  # noqa: S101 - stands at the stage HANDSHAKE only
        hold_back(octets, partial(self._player.play, self.rest, place=self._place))
        self._perform(None)

    def _end_handshake(self) -> None:
        """Tell a handshake that octets have taken its place."""
        if self._player.on_end is not None:
            self._player.on_end(self.action)
