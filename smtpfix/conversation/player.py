"""Plays a rule's actions on one connection: what they do to its bytes, and when the command itself is performed.

What a command means is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from smtpfix.record.session import SessionEnd
from smtpfix.record.transcript import Kind

from .connection import Connection, Perform

if TYPE_CHECKING:
    from smtpfix.rules.actions import Action, Advertise, Hide, Raw, Repeat


class Player:
    """One connection's."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._channel = connection.channel
        self._recorder = connection.recorder
        self._loop = connection.service.loop
        self._timer: asyncio.TimerHandle | None = None
        self.is_holding = False
        """Whether commands have to wait."""
        self.is_stalled = False
        """Whether nothing more is said or taken in."""
        self.is_silent = False
        """Whether the reply to the command being performed is not to be sent."""
        self.keeps_injected = False
        """Whether what came behind STARTTLS in clear is kept."""
        self.edits: tuple[Hide | Advertise, ...] = ()
        """What is done to the reply to the EHLO being performed."""
        self.on_end: Callable[[Action], None] | None = None
        """Is told of an action behind which the handshake, in which a rule has a say, never goes on."""
        self.on_flight: Callable[[int | None, Callable[[Perform[Any]], None]], None] | None = None
        """Holds that handshake back: from how many octets on, and what to do then, given what goes on with it."""

    def play(self, actions: tuple[Action, ...], perform: Perform[Any], *, answered: bool = False) -> None:
        """Do what the actions say, in order; the command is performed by the one that answers, or behind them all."""
        from smtpfix.rules import actions as do  # noqa: PLC0415 - as in `script`

        for position, action in enumerate(actions):
            if self.on_end is not None and do.ends(action):
                self.on_end(action)
            match action:
                case do.Delay():
                    self.hold(action.seconds, partial(self.play, actions[position + 1 :], perform, answered=answered))
                    return
                case do.Stall():
                    self._recorder.note("the server says nothing more, as a rule has it")
                    self._stall()
                    return
                case do.Disconnect():
                    self._connection.end(SessionEnd.DISCONNECTED, notify=action.notify)
                    return
                case do.Reset():
                    self._recorder.finish(SessionEnd.DISCONNECTED)
                    self._channel.reset()
                    return
                case do.Drip():
                    self._channel.drip(action.octets, action.every)
                case do.Throttle():
                    self._channel.throttle(action.octets_per_second)
                case do.KeepInjected():
                    self.keeps_injected = True
                case _ if isinstance(action, do.EDITS):
                    self.edits = (*self.edits, action)
                case do.Raw():
                    self._send_raw(action, None if answered else perform)
                    answered = True
                case do.Repeat():
                    self._repeat(action, answered=answered)
                    answered = True
                case do.Flight():
                    assert self.on_flight is not None  # noqa: S101 - stands at the stage HANDSHAKE only
                    self.on_flight(action.octets, partial(self.play, actions[position + 1 :]))
                    perform(None)
                    return
                case do.NoReply():
                    self._silently(perform)
                    answered = True
                case _:
                    perform(action)
                    answered = True
        if not answered:
            perform(None)
        self.edits = ()

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Take no further command for some seconds, then go on."""

        def go_on() -> None:
            self._timer = None
            self.is_holding = False
            self._channel.resume()
            then()
            self._connection.readable()

        self._channel.pause()
        self.is_holding = True
        self._timer = self._loop.call_later(seconds, go_on)

    def stop(self) -> None:
        """Forget what is still to come: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.is_holding = False

    def _send_raw(self, action: Raw, perform: Perform[Any] | None) -> None:
        self._recorder.add(Kind.SERVER, action.octets)
        self._channel.write(action.octets)
        if action.performs and perform is not None:
            self._silently(perform)
        else:
            if self.on_end is not None and perform is not None:
                self.on_end(action)
            self._connection.give_up(action.octets)

    def _repeat(self, action: Repeat, *, answered: bool) -> None:
        self._recorder.add(Kind.SERVER, action.octets)
        self._recorder.note(
            f"these octets were sent {action.times or 'again and again, without end'}"
            f"{' times' if action.times else ''}, as a rule has it"
        )
        self._connection.give_up(action.octets)
        if action.times is None:
            self._channel.pour(action.octets)
            self._stall()
        else:
            if self.on_end is not None and not answered:
                self.on_end(action)
            self._channel.write(action.octets * action.times)

    def _stall(self) -> None:
        """Take nothing more in, not even what has come already."""
        self.is_stalled = self._connection.has_detour = True
        self._channel.received.clear()

    def _silently(self, perform: Perform[Any]) -> None:
        self.is_silent = True
        try:
            perform(None)
        finally:
            self.is_silent = False
