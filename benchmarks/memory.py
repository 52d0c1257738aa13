"""What kept messages cost in memory, record included, as the operating system counts it."""

from __future__ import annotations

from functools import partial
from typing import Final

from .peers import SUBJECT, Peer, Ring
from .processes import StepFailedError, memory, reset_peak
from .results import Figure, Results, Sample, take_turns
from .sink import KIB, MIB, Load, content_file, send

SMALL: Final = Load("10,000 x 1 KiB, 10 sessions kept", KIB, 10_000, 10)
SESSIONS: Final = Load("10,000 x 1 KiB, a session each", KIB, 10_000, 10, keeps_connections=False)
LARGE: Final = Load("20 x 10 MiB", 10 * MIB, 20)
_WARM_UP: Final = Load("warm-up", KIB, 50, 10)
DROPPED: Final = "smtpfix, the last 100 kept"


def turn(ring: Ring, peer: Peer, load: Load, *extra: str) -> tuple[Sample, Sample]:
    """Fill a new server; return the octets a message more than before, and at the peak, in units of one message."""
    with ring.start(peer, "plain", *extra) as server:
        send(ring, _WARM_UP, server.port)
        server.clear()
        reset_peak(server.pid)
        before = memory(server.pid)
        send(ring, load, server.port)
        after = memory(server.pid)
        if before is None or after is None:
            raise StepFailedError("this system does not tell a process's memory")
        if not extra:
            server.check(load.messages, content_file(ring.scratch, load.size)[1])
    kept = (after[0] - before[0]) / load.messages / KIB
    beyond = (after[1] - before[0]) / load.size - load.messages
    return Sample(kept), Sample(beyond)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure small messages on few sessions and on one each, and large messages."""
    if ring.smtp_source is None:
        results.note("memory figures: not available, smtp-source is not installed (Debian's package postfix has it)")
        return
    for load in (SMALL, SESSIONS, LARGE):
        scaled = load.scaled(max(factor, 0.25))
        kept = Figure(f"memory/{load.name}, kept", "KiB a message", more_is_better=False)
        beyond = Figure(f"memory/{load.name}, peak beyond the content", "messages", more_is_better=False)
        contestants = {
            peer.name: partial(turn, ring, peer, scaled) for peer in ring.peers.values() if peer.program is not None
        }
        if load is SESSIONS and SUBJECT in ring.peers:
            limits = ("--max-sessions", "100", "--max-messages", "100")
            contestants[DROPPED] = partial(turn, ring, ring.peers[SUBJECT], scaled, *limits)
        take_turns([kept, beyond], contestants, min(rounds, 3), warm_up=0)
        results.add(beyond if load is LARGE else kept)
