"""How reading mail grows with the messages in a mailbox, over IMAP and POP3: the server's CPU time of each command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .peers import SUBJECT, Ring
from .processes import StepFailedError, memory
from .reading import Place, Reader, message_file, own
from .results import Results, Sample
from .scaling import table
from .sink import KIB

COUNTS: Final = (10, 100, 1000, 10_000, 100_000)
TIMES: Final = 5
"""How often a command about one message is given."""
_USER: Final = "u0"


def _seconds(*samples: Sample) -> float:
    """Return the mean of the server's CPU time; where the system does not tell, of the time by the wall."""
    return sum(sample.value / 1e3 if sample.cpu is None else sample.cpu for sample in samples) / len(samples)


def turn(place: Place, file: Path, count: int) -> dict[str, float]:
    """Give every command, and return the seconds of each."""
    found = {}
    last = f"{count - TIMES + 1} {count}"
    with Reader(place, "imap", _USER) as client:
        client.step("login")
        found["SELECT"] = _seconds(client.step("ask SELECT INBOX"))
        found["FETCH of all flags"] = _seconds(client.step("ask FETCH 1:* (FLAGS)"))
        for name, verb in (("FETCH of one by its number", ""), ("FETCH of one by its UID", "UID ")):
            found[name] = _seconds(client.step(f"each {last} {verb}FETCH {{}} (BODY.PEEK[])", units=TIMES))
        found["SEARCH by flag"] = _seconds(client.step("ask SEARCH SEEN"))
        found["SEARCH by subject"] = _seconds(client.step('ask SEARCH SUBJECT "nothing"'))
        found["SEARCH by text"] = _seconds(client.step('ask SEARCH TEXT "nothing"'))
        found["STORE of one flag"] = _seconds(client.step(f"each {last} STORE {{}} +FLAGS (\\Flagged)", units=TIMES))
        found["APPEND of one"] = _seconds(client.step(f"append {TIMES} INBOX {file}", units=TIMES))
        samples = []
        for _ in range(TIMES):
            client.step("ask STORE 1 +FLAGS.SILENT (\\Deleted)")
            samples.append(client.step("ask EXPUNGE"))
        found["EXPUNGE of one"] = _seconds(*samples)
    with Reader(place, "pop3", _USER) as client:
        found["POP3's login"] = _seconds(client.step("login"))
        found["STAT"] = _seconds(client.step(f"each 1 {TIMES} STAT", units=TIMES))
        found["RETR of one"] = _seconds(client.step(f"each {last} RETR {{}}", units=TIMES))
    return found


def measure(ring: Ring, results: Results, counts: Sequence[int], rounds: int) -> None:
    """Measure each size in a server of its own."""
    file = message_file(ring.scratch, KIB)
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    octets: dict[int, float] = {}
    try:
        for _ in range(rounds):
            for count in counts:
                with own(ring, ring.peers[SUBJECT]) as place:
                    before = memory(place.pid)
                    place.fill(_USER, count, file)
                    after = memory(place.pid)
                    if before is not None and after is not None:
                        octets[count] = (after[0] - before[0]) / count
                    found[count].append(turn(place, file, count))
    except StepFailedError as error:
        results.note(f"growth with messages in a mailbox: {error}")
    if found[counts[0]]:
        grid = table("messages of 1 KiB in a mailbox", found, octets)
        results.grids[grid.key] = grid
