"""Plays a rule's actions on one connection: what they do to its bytes, and when the command itself is performed.

An action says what it does by a `Performance`; what a command means is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from smtpfix.record.session import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.action import Action, Answer

from .connection import Connection, Perform


class Player:
    """One connection's."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._behind: list[Callable[[], None]] | None = None
        """What rules do behind a command that holds until it is told; None where no command does."""
        self.is_holding = False
        """Whether commands have to wait."""
        self.is_stalled = False
        """Whether nothing more is said or taken in."""
        self.is_silent = False
        """Whether the answer to the command being performed is not to be sent."""
        self.keeps_injected = False
        """Whether what came in clear behind the command that begins TLS is kept."""
        self.edits: tuple[Action, ...] = ()
        """What is done to the answer to the command being performed, by actions that only its protocol has."""
        self.on_end: Callable[[Action], None] | None = None
        """Is told of an action behind which the handshake, in which a rule has a say, never goes on."""
        self.on_flight: Callable[[int | None, Callable[[Perform[Any]], None]], None] | None = None
        """Holds that handshake back: from how many octets on, and what to do then, given what goes on with it."""

    def play(self, actions: tuple[Action, ...], perform: Perform[Any], *, answered: bool = False) -> None:
        """Do what the actions say, in order; the command is performed by the one that answers, or behind them all."""
        playing = _Playing(self, self._connection, perform, answered=answered)
        for position, action in enumerate(actions):
            if self.on_end is not None and action.ends:
                self.on_end(action)
            playing.action, playing.rest = action, actions[position + 1 :]
            if not action.play(playing):
                return
            if self._behind is not None:
                self._behind.append(partial(self.play, playing.rest, perform, answered=playing.is_answered))
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

    def stop(self) -> None:
        """Forget what is still to come: the connection is gone."""
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
    """What stands behind it."""

    def __init__(self, player: Player, connection: Connection[Any], perform: Perform[Any], *, answered: bool) -> None:
        self._player = player
        self._connection = connection
        self._perform = perform
        self.is_answered = answered
        """Whether something stands for the answer already."""

    def perform(self, answer: Answer | None = None) -> None:
        self.is_answered = True
        self._perform(answer)

    def perform_silently(self) -> None:
        self.is_answered = True
        self._player.is_silent = True
        try:
            self._perform(None)
        finally:
            self._player.is_silent = False

    def send(self, octets: bytes, *, performs: bool) -> None:
        was_answered, self.is_answered = self.is_answered, True
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
        play = self._player.play
        self._player.hold(seconds, partial(play, self.rest, self._perform, answered=self.is_answered))

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

    def break_into_flight(self, octets: int | None) -> None:
        hold_back = self._player.on_flight
        assert hold_back is not None  # noqa: S101 - stands at the stage HANDSHAKE only
        hold_back(octets, partial(self._player.play, self.rest))
        self._perform(None)

    def _end_handshake(self) -> None:
        """Tell a handshake that octets have taken its place."""
        if self._player.on_end is not None:
            self._player.on_end(self.action)
