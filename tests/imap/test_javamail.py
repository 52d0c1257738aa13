"""JavaMail, with which devices and issue trackers read their mail: both protocols, every mode, one run of Java."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from smtpfix import ImapPolicy, Pop3Policy, Server, SessionEnd

JARS = [Path("/usr/share/java") / f"{name}.jar" for name in ("javax.mail", "javax.activation")]
POLICIES = {"imap": ImapPolicy, "pop3": Pop3Policy}
MESSAGE = b"Subject: one\r\nFrom: a@example.org\r\n\r\nHello\r\n"
READER = Path(__file__).with_name("ReadAll.java")
WAYS = ("in clear", "by STARTTLS", "in TLS at once")
"""How a client may be told to connect; the last two leave where they get no TLS."""
LEFT = (SessionEnd.QUIT, SessionEnd.CLIENT_CLOSED)
WRONG = {
    ("plain", "by STARTTLS"): (LEFT, "in mode plain there is none"),
    ("plain", "in TLS at once"): ((SessionEnd.TLS_ON_CLEAR_PORT,), "the client began TLS at once"),
    ("starttls", "in TLS at once"): ((SessionEnd.TLS_ON_CLEAR_PORT,), "the client began TLS at once"),
    ("tls-required", "in clear"): (LEFT, "in mode tls-required there is one inside TLS only"),
    ("tls-required", "in TLS at once"): ((SessionEnd.TLS_ON_CLEAR_PORT,), "the client began TLS at once"),
    ("implicit-tls", "in clear"): ((SessionEnd.HANDSHAKE_FAILED,), "the client said nothing"),
    ("implicit-tls", "by STARTTLS"): ((SessionEnd.HANDSHAKE_FAILED,), "the client said nothing"),
}
"""How a session ends that a client cannot begin like this, and what the server's hint says of it."""

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("nothing_logged")]


def told(server, protocol, way):
    """Return what the reader is told of a server; the last is how many milliseconds it waits for an answer."""
    scheme = f"{protocol}s" if way == "in TLS at once" else protocol
    limit = 300 if server.mode == "implicit-tls" and scheme == protocol else 10_000  # there it waits for a greeting
    return f"{scheme} {server.host} {server.port} {str(way == 'by STARTTLS').lower()} {limit}"


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("protocol", POLICIES)
def test_javamail_reads_in_every_mode_and_the_wrong_way_is_on_record(protocol, stack, smtp_authority):
    """It deletes what it has read; where it is told to connect the wrong way, it reads nothing, and a hint says why."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None or not all(jar.exists() for jar in JARS):
        pytest.skip("a JDK or JavaMail (Debian's libmail-java) is not installed")
    servers = {}
    for mode in ("plain", "starttls", "tls-required", "implicit-tls"):
        for way in WAYS:
            policy = POLICIES[protocol](mode, users={"ann": "s3cret"})
            servers[mode, way] = stack.enter_context(Server(policy, authority=smtp_authority))
            servers[mode, way].put(MESSAGE, to="ann")
    arguments = [told(server, protocol, way) for (_, way), server in servers.items()]
    command = [java, "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, JARS)), str(READER)]
    command += [str(smtp_authority.ca_file), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert len(said) == len(servers)
    for (how, server), line in zip(servers.items(), said, strict=True):
        assert line.endswith(": read Hello") == (how not in WRONG), line
        (session,) = server.sessions
        ends, hint = WRONG.get(how, ((SessionEnd.QUIT,), ""))
        assert session.end in ends, (how, session.end)
        assert [hint in one for one in server.hints()] == [True] * (how in WRONG), (how, server.hints())
        assert len(server.account("ann").gone) == (how not in WRONG)
        accepted = [attempt.in_clear for attempt in session.auth if attempt.accepted]
        assert accepted == [how[1] == "in clear"] * (how not in WRONG)
