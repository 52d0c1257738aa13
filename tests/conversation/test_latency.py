"""The latency budget: whatever one client sends, no step of the loop thread takes so long that the others notice.

A step is a callback of the event loop; between two of them everybody has a turn. What is measured is the thread's own
processor time, so a busy machine makes no difference.
"""

import contextlib
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfix import ANY_USER

BUDGET = 0.25
"""Seconds of processor time that one step may take."""
MEGABYTE = 1_000_000

HELLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<ann@example.org>\r\n"
DATA = HELLO + MAIL + b"RCPT TO:<bob@example.org>\r\nDATA\r\n"
QUOTED = b"<" + b".".join([b'"a"'] * 58) + b"@example.org>"

CORPUS = {
    "line ends, then AUTH": b"\n" * 250_000 + b"AUTH",
    "line ends and blanks": b"\r\n \t" * 250_000,
    "one line": b"x" * MEGABYTE,
    "one line of AUTH": b"AUTH " * 200_000,
    "blanks": b" " * MEGABYTE,
    "nothing but NUL": b"\0" * MEGABYTE,
    "commands": b"NOOP\r\n" * 160_000,
    "unknown commands": b"\xff\r\n" * 300_000,
    "AUTH, cancelled": HELLO + b"AUTH PLAIN\r\n*\r\n" * 60_000,
    "AUTH with long answers": HELLO + b"AUTH PLAIN %b\r\nAUTH LOGIN\r\n%b\r\n" % (b"QUFB" * 2_900, b"QUFB" * 2_900),
    "paths of quoted strings": HELLO + MAIL + (b"RCPT TO:" + QUOTED + b"\r\n") * 2_000,
    "long paths": HELLO + (b"MAIL FROM:<" + b"a." * 1_900 + b"a@x>\r\n") * 200,
    "paths with comments": HELLO + (b"MAIL FROM:<a" + b"(" * 120 + b"@x>\r\n") * 2_000,
    "paths of brackets": HELLO + (b"VRFY " + b"<" * 1_000 + b">" * 1_000 + b"\r\n") * 400,
    "recipients": HELLO + MAIL + b"RCPT TO:<bob@example.org>\r\n" * 30_000,
    "parameters": HELLO + b"MAIL FROM:<ann@example.org> " + b"A=B " * 900 + b"\r\n",
    "dots": DATA + b".\r\n.." * 200_000 + b"\r\n.\r\n",
    "ends of data that are none": DATA + b"\r\n.\n\r.\r\n.\r" * 90_000 + b"\r\n.\r\n",
    "content of line ends": DATA + b"\n" * MEGABYTE + b"\r\n.\r\n",
    "headers": DATA + b"Subject: x\r\n" * 80_000 + b"\r\n.\r\n",
    "a broken Content-Type": DATA + b"Content-Type: text/plain" + b";" * MEGABYTE + b"\r\n\r\n.\r\n",
    "chunks": HELLO + MAIL + b"RCPT TO:<bob@example.org>\r\n" + b"BDAT 1\r\nx" * 80_000,
    "a PROXY header that is none": b"PROXY TCP4 " + b"1." * 50 + b"\r\n" + b"PROXY " * 160_000,
    "the beginning of a ClientHello": b"\x16\x03\x01\xff\xff\x01\x00\xff\xfb" + b"\x03" * MEGABYTE,
    "a ClientHello of extensions": bytes.fromhex("1603014000 01003ffc 0303")
    + bytes(33)
    + bytes.fromhex("0002 1301 0100 3fc0")
    + bytes(16_320),
    "behind STARTTLS": HELLO + b"STARTTLS\r\n" + b"\n" * 250_000 + b"AUTH",
    "XCLIENT": HELLO + (b"XCLIENT " + b"NAME=x " * 500 + b"\r\n") * 100,
}

POLICIES = {
    "plain": {},
    "starttls": {"mode": "starttls"},
    "tls-required": {"mode": "tls-required"},
    "implicit-tls": {"mode": "implicit-tls"},
    "strict": {"syntax": "strict", "offer": ["CHUNKING"], "xclient": True},
    "lenient": {"syntax": "lenient", "protocol": "lmtp"},
    "behind a proxy": {"proxy_protocol": True},
}


def attack(client, octets):
    """Send octets, however the server takes it, and let it have the end of them."""
    reader = threading.Thread(target=client.rest)
    reader.start()  # a client that does not read is another attack
    with contextlib.suppress(OSError):
        client.send(octets)
        client.socket.shutdown(1)
    reader.join()


WHERE = {
    "line ends, then AUTH": ("plain", "implicit-tls", "behind a proxy"),
    "one line of AUTH": ("plain", "implicit-tls", "behind a proxy"),
    "commands": ("plain", "tls-required"),
    "paths of quoted strings": ("plain", "strict", "lenient"),
    "long paths": ("plain", "strict", "lenient"),
    "paths with comments": ("plain", "lenient"),
    "paths of brackets": ("plain", "strict"),
    "parameters": ("plain", "strict"),
    "dots": ("plain", "lenient"),
    "chunks": ("strict",),
    "a PROXY header that is none": ("behind a proxy",),
    "the beginning of a ClientHello": ("plain", "implicit-tls"),
    "a ClientHello of extensions": ("plain", "implicit-tls"),
    "behind STARTTLS": ("starttls", "tls-required"),
    "XCLIENT": ("strict",),
}
"""The policies under which an input meets other code; the rest meets all of its own in clear."""
CASES = [(name, policy) for name in CORPUS for policy in WHERE.get(name, ("plain",))]


@pytest.mark.once  # what Python's own parsers cost is tests/mail/test_cost.py's
@pytest.mark.slow
@pytest.mark.parametrize(("name", "policy"), CASES)
def test_no_input_holds_the_loop_thread_up(start_smtp_server, wire, longest_step, name, policy):
    server = start_smtp_server(users=ANY_USER, size_limit=2 * MEGABYTE, **POLICIES[policy])
    attack(wire(server, greeted=False), CORPUS[name])
    server.sessions.wait()
    assert longest_step() < BUDGET


PIECES = st.sampled_from(
    [b"\r\n", b"\n", b" ", b"AUTH ", b"PLAIN ", b"MAIL FROM:<", b'"', b"(", b">", b"\\", b".", b"\0", b"\xff", b"A=B "]
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PIECES, st.integers(1, 40_000)), min_size=1, max_size=6))
def test_no_repetition_of_pieces_does_either(start_smtp_server, wire, longest_step, pieces):
    server = start_smtp_server(users=ANY_USER)
    attack(wire(server), HELLO + b"".join(piece * count for piece, count in pieces)[:MEGABYTE])
    server.sessions.wait()
    assert longest_step() < BUDGET
