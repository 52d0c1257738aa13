"""Turns: a client that says much at once does not hold the others up, neither by number nor by cost."""

import itertools

import pytest

from smtpfix.conversation import conversation
from smtpfix.conversation.player import Player


@pytest.fixture
def pauses(monkeypatch):
    """Count how often a connection lets the others have their turn."""
    seen = []
    hold = Player.hold

    def counted(player, seconds, then):
        seen.append(seconds)
        hold(player, seconds, then)

    monkeypatch.setattr(Player, "hold", counted)
    return seen


def use_clock(monkeypatch, step):
    ticks = itertools.count(0, step)
    monkeypatch.setattr(conversation, "monotonic", lambda: next(ticks))


@pytest.mark.parametrize(("commands", "turns_over"), [(1, 0), (500, 0), (501, 1), (1200, 2)])
def test_cheap_commands_have_a_turn_of_five_hundred(monkeypatch, pauses, start_smtp_server, wire, commands, turns_over):
    use_clock(monkeypatch, 0)
    client = wire(start_smtp_server())
    client.send(b"NOOP\r\n" * commands)
    assert set(client.replies(commands)) == {"250 2.0.0 OK"}
    assert len(pauses) == turns_over


def test_costly_commands_have_a_turn_of_twenty_milliseconds(monkeypatch, pauses, start_smtp_server, wire):
    use_clock(monkeypatch, 0.006)
    client = wire(start_smtp_server())
    client.send(b"NOOP\r\n" * 40)
    assert set(client.replies(40)) == {"250 2.0.0 OK"}
    assert 4 <= len(pauses) <= 10  # four commands without a look at the clock, and four within 20 ms


def test_a_client_that_waits_for_each_reply_never_looks_at_the_clock(monkeypatch, pauses, start_smtp_server, wire):
    def forbidden():
        raise AssertionError("nobody was to ask for the time")

    monkeypatch.setattr(conversation, "monotonic", forbidden)
    client = wire(start_smtp_server())
    client.hello()
    client.deliver()
    assert client.say("QUIT").startswith("221")
    assert pauses == []
