"""Rules replaced as a whole while fifty sessions run: no message is lost, and no session meets a part of a set."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from smtpfix import Reply, Rule

pytestmark = pytest.mark.usefixtures("nothing_logged")

SESSIONS = 50
MESSAGES = 3
TURNS = 6
NAMES = ("red", "blue")


def rules_of(name):
    """Return a set that answers every NOOP in one of three ways, all its own, and words MAIL, RCPT and DATA its way."""
    return (
        *(Rule("NOOP", (Reply(250, None, f"{name} {kind}"),), argument=f"{kind}*") for kind in ("a", "b")),
        Rule("NOOP", (Reply(250, None, f"{name} c"),)),
        *(Rule(stage, (Reply(250, None, name),)) for stage in ("MAIL", "RCPT", "END-OF-DATA")),
        Rule("DATA", (Reply(354, None, name),)),
    )


SETS = {name: rules_of(name) for name in NAMES}


@pytest.fixture
def impatient_threads():
    """Let threads take turns a thousand times as often as they do by themselves: what can be torn, is torn."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)


def test_no_message_is_lost_and_no_set_is_torn(start_smtp_server, wire, impatient_threads):
    server = start_smtp_server()
    server.use_rules(SETS["red"])
    clients = [wire(server) for _ in range(SESSIONS)]
    are_done = threading.Event()
    something_said = threading.Event()  # what the change waits for, so that it does not take all the processor's time

    def change():
        count = 0
        while not are_done.is_set():
            something_said.wait(10)
            something_said.clear()
            for _ in range(100):
                count += 1
                server.use_rules(SETS[NAMES[count % 2]])
        return count

    def talk(number):
        client = clients[number]
        client.hello()
        said = []
        for turn in range(MESSAGES):
            for kind in ("a", "b", "c") * TURNS:
                said.append((kind, client.say(f"NOOP {kind}")))
                something_said.set()
            client.send(b"MAIL FROM:<s%d@example.org>\r\nRCPT TO:<m%d@example.org>\r\nDATA\r\n" % (number, turn))
            said += [("", reply) for reply in client.replies(3)]
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            said.append(("", client.reply()))
        return said

    with ThreadPoolExecutor(SESSIONS + 1) as threads:
        changing = threads.submit(change)
        try:
            said = [pair for pairs in threads.map(talk, range(SESSIONS)) for pair in pairs]
        finally:
            are_done.set()
            something_said.set()
        count = changing.result()

    # Nothing but what one of the two sets says: no answer of the server's own, as between taking one out and putting
    # the other in, and none that a later rule of a set gives where an earlier one is missing.
    assert {text for kind, text in said if not kind} <= {f"{code} {name}" for code in (250, 354) for name in NAMES}
    assert {(kind, text) for kind, text in said if kind} <= {(k, f"250 {name} {k}") for k in "abc" for name in NAMES}
    assert count > 1
    assert {text.split()[1] for _, text in said} == set(NAMES)
    delivered = {(message.reverse_path, message.to) for message in server.inbox}
    assert len(server.inbox) == SESSIONS * MESSAGES
    assert delivered == {
        (f"s{number}@example.org", (f"m{turn}@example.org",)) for number in range(SESSIONS) for turn in range(MESSAGES)
    }
    assert set(server.rules) in (set(SETS["red"]), set(SETS["blue"]))


def test_what_is_replaced_may_be_a_part_and_the_rest_stays_behind_it(start_smtp_server, wire):
    server = start_smtp_server()
    own = server.on("NOOP", Reply(250, None, "own"))
    server.use_rules(SETS["red"], instead_of=())
    client = wire(server)
    assert client.say("NOOP a") == "250 red a"
    server.use_rules(SETS["blue"], instead_of=SETS["red"])
    assert client.say("NOOP a") == "250 blue a"
    assert server.rules == (*SETS["blue"], own)
    server.use_rules((), instead_of=SETS["blue"])
    assert client.say("NOOP a") == "250 own"
    server.use_rules(())
    assert client.say("NOOP a") == "250 2.0.0 OK"
