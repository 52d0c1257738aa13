"""Whatever a client makes of a login, and whatever it is told: no report has its password, in no encoding."""

from __future__ import annotations

import base64
import binascii
import io
import itertools
import socket
import string
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfix import ANY_USER, Disconnect, KeepInjected, Policy, Raw, Reply
from smtpfix.audit.auditing import declare
from smtpfix.audit.encodings import find
from smtpfix.audit.evidence import gather
from smtpfix.audit.runner import settle
from smtpfix.audit.wire import WireServer
from smtpfix.cli.events import SessionEnded
from smtpfix.cli.json_output import JSONOutput
from smtpfix.cli.save import Saver
from smtpfix.cli.terminal import Terminal
from smtpfix.erasing import base64_cores
from smtpfix.login.exchange import is_mechanism
from smtpfix.policy.catalogue_files import load_scenario

pytestmark = pytest.mark.slow

SERVERS = {
    "knows no AUTH": (Policy("plain"), ()),
    "knows somebody else": (Policy("plain", users={"ann": "another"}), ()),
    "takes anybody": (Policy("plain", users=ANY_USER, mechanisms=("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")), ()),
    "is strict": (Policy("plain", users={"ann": "another"}, syntax="strict"), ()),
    "speaks LMTP": (Policy("plain", users={"ann": "another"}, protocol="lmtp"), ()),
    "wants TLS for AUTH": (Policy("starttls", users={"ann": "another"}, auth_in_clear=False), ()),
    "wants TLS for all": (Policy("tls-required", users={"ann": "another"}), ()),
    "wants TLS first": (Policy("implicit-tls", users={"ann": "another"}), ()),
    "waits for a proxy": (Policy("plain", users={"ann": "another"}, proxy_protocol=True), ()),
    "has a rule for AUTH": (Policy("plain", users={"ann": "another"}), (("AUTH", Reply(504, "5.5.4", "No")),)),
    "answers too early": (Policy("plain", users={"ann": "another"}), (("AUTH", Reply(235, "2.7.0", "Fine")),)),
    "breaks off": (Policy("plain", users={"ann": "another"}), (("AUTH-ANSWER", Reply(454, "4.7.0", "Later")),)),
    "asks for nothing": (Policy("plain", users={"ann": "another"}), (("AUTH", Raw(b"334 \r\n")),)),
    "keeps what was injected": (Policy("starttls", users={"ann": "another"}), (("STARTTLS", KeepInjected()),)),
    "hangs up": (Policy("plain", users={"ann": "another"}), (("AUTH-ANSWER", Disconnect()),)),
}

_WORDS = st.text(string.ascii_letters + string.digits + "äß€%+/-_ ", min_size=8, max_size=24).map("zQ".__add__)
_AUTH = (
    b"AUTH ",
    b"auth ",
    b" AUTH ",
    b"AUTH\t",
    b"AUTH  ",
    b"\x01AUTH ",
    b"AUTH=",
    b"\xef\xbb\xbfAUTH ",
    b"AUTHENTICATE ",
)
_BETWEEN = (b"*", b"MAIL FROM:<a@example.org>", b"RSET", b"NOOP", b"STARTTLS", b"AUTH", b"AUTH=", b"WHAT", b"", b"=")
_MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL", "WHAT", "")
_USERS = ("ann", "anna")
"""Base64 of the second one ends in ``=``."""


def answers(mechanism: str, password: str, user: str = "ann") -> list[bytes]:
    """Return what a client says in a mechanism, not encoded."""
    secret, name = password.encode(), user.encode()
    return {
        "PLAIN": [b"\0" + name + b"\0" + secret],
        "LOGIN": [name, secret],
        "XOAUTH2": [b"user=" + name + b"\1auth=Bearer " + secret + b"\1\1", b""],
        "OAUTHBEARER": [b"n,a=" + name + b",\1auth=Bearer " + secret + b"\1\1", b"\1"],
        "EXTERNAL": [name],
        "CRAM-MD5": [name + b" " + binascii.hexlify(secret)[:32].ljust(32, b"0")],
    }.get(mechanism, [b"n,,n=" + name + b",r=" + secret, b"c=biws,r=" + secret])


@st.composite
def dialogues(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """Return a password, and the lines of a client that goes on whatever it is told."""
    password = draw(_WORDS)
    lines = draw(st.sampled_from([[b"EHLO client.example"], [b"LHLO client.example"], [b"HELO client.example"], []]))[:]
    for _ in range(draw(st.integers(1, 2))):
        mechanism = draw(st.sampled_from(_MECHANISMS))
        user = draw(st.sampled_from(_USERS))
        said = [base64.b64encode(answer) or b"=" for answer in answers(mechanism, password, user)]
        match draw(st.integers(0, 19)):
            case 0:
                said = [line.rstrip(b"=") for line in said]  # not well encoded
            case 1:
                said = answers(mechanism, password, user)  # not encoded at all
            case 2:
                said *= 2
        command = draw(st.sampled_from(_AUTH)) + mechanism.encode()
        if draw(st.booleans()) and (mechanism or not is_mechanism(said[0].decode())):
            command += b" " + said.pop(0)
        lines += [command, *said[: draw(st.integers(0, 4))]]
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(_BETWEEN)))
    if draw(st.integers(0, 4)) == 0:
        lines[draw(st.integers(0, len(lines) - 1))] += b"A" * draw(st.sampled_from([600, 4_200, 13_000]))
    if draw(st.booleans()):
        lines += [b"QUIT"]
    return password, lines


def everything(server: WireServer, password: str, folder: Path) -> str:
    """Return all that is told of the server's last session, in any report."""
    session = server.sessions[-1]
    terminal, objects = io.StringIO(), io.StringIO()
    ended = Saver(folder).save(SessionEnded("plain", session))
    assert isinstance(ended, SessionEnded)
    assert ended.path is not None
    Terminal(terminal).show(ended)
    JSONOutput(objects).show(ended)
    evidence = gather(server, declare("starttls-required", "pki", ("ann", password)), load_scenario("good"))
    return "\n".join(
        map(
            str,
            (
                session,
                repr(session),
                session.transcript,
                repr(session.transcript.events),
                session.violations,
                session.pipelined,
                session.auth,
                session.refusal,
                terminal.getvalue(),
                objects.getvalue(),
                ended.path.read_text(encoding="utf-8"),
                evidence.transcripts,
                evidence.facts,
                evidence.leaks,
                evidence.forbidden,
            ),
        )
    )


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    policy, rules = SERVERS[request.param]
    with WireServer(replace(policy, max_sessions=1)) as server:  # reports are of the last one alone
        for stage, *actions in rules:
            server.on(stage, *actions)
        yield server


def send(server: WireServer, lines: list[bytes], cuts: list[int]) -> None:
    """Send lines in segments, and close; what the server does meanwhile is its own."""
    server.wires = ()  # evidence is of this client alone
    octets = b"".join(line + b"\r\n" for line in lines)
    with socket.create_connection((server.host, server.port), 5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in itertools.pairwise(sorted({0, *(cut % (len(octets) + 1) for cut in cuts), len(octets)})):
            try:
                client.sendall(octets[begin:end])
                if cuts[0] % 2:
                    len(server.sessions)  # the server takes in what has come
            except ConnectionError:
                break
    settle(server)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialogue=dialogues(), cuts=st.lists(st.integers(0, 2_000), min_size=1, max_size=6))
def test_no_report_has_a_password(server, dialogue, cuts):
    password, lines = dialogue
    send(server, lines, cuts)
    with tempfile.TemporaryDirectory() as folder:
        told = everything(server, password, Path(folder))
    assert not find(password, told.encode())
    told = told.replace(" ", "")
    assert not [core for core in base64_cores(password.encode()) if core.decode() in told]


@pytest.mark.parametrize("name", [name for name in SERVERS if name not in ("wants TLS first", "waits for a proxy")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize(("pipelines", "greets"), [(True, False), (False, True)])
def test_a_password_that_answers_a_refusal_in_clear_is_known(name, mechanism, pipelines, greets):
    policy, rules = SERVERS[name]
    with WireServer(policy) as server:
        for stage, *actions in rules:
            server.on(stage, *actions)
        said = [base64.b64encode(answer) or b"=" for answer in answers(mechanism, "s3cret-word")]
        lines = [*([b"EHLO client.example"] if greets else []), b"AUTH " + mechanism.encode(), *said]
        send(server, lines, [0] if pipelines else [1, *itertools.accumulate(len(line) + 2 for line in lines)])
        (attempt,) = server.sessions[-1].auth
        if name == "hangs up" and mechanism == "LOGIN" and greets:  # behind the user: nothing more is read
            assert attempt.user == "ann"
            return
        assert (attempt.user, attempt.secret) == ("ann", "s3cret-word")
        assert attempt.accepted is (name == "takes anybody" and greets)
        nobody = declare("starttls-required", "pki", None)
        assert any("in clear, AUTH" in leak for leak in gather(server, nobody, load_scenario("good")).leaks)


@pytest.mark.parametrize(
    "command", ["MAIL FROM:<a@example.org>", "NOOP", "rset", "VRFY ann", "XCLIENT NAME=a", "ETRN x"]
)
def test_a_command_behind_a_refused_login_is_shown_and_what_is_none_may_be_an_answer(start_smtp_server, wire, command):
    server = start_smtp_server("plain")
    client = wire(server)
    client.hello()
    for line in ("AUTH LOGIN", command, "YW5u", "czNjcmV0LXdvcmQ=", "WHAT"):
        client.say(line)
    session = server.sessions[-1]
    assert session.transcript.commands[1:] == (*("AUTH LOGIN", command, "…(4 octets)", "…(16 octets)", "…(4 octets)"),)
    assert [(attempt.user, attempt.secret) for attempt in session.auth] == [("ann", "s3cret-word")]


def test_once_a_client_is_authenticated_only_a_word_in_base64_may_be_an_answer(start_smtp_server, wire):
    server = start_smtp_server("plain", users={"ann": "s3cret-word"})
    client = wire(server)
    client.hello()
    blob = base64.b64encode(b"\0ann\0s3cret-word").decode()
    assert client.say(f"AUTH PLAIN {blob}").startswith("235")
    for line in ("WHAT", blob, "WHAT is this", "czNjcmV0LXdvcmQ"):
        assert client.say(line).startswith("500")
    shown = server.sessions[-1].transcript.commands[2:]
    assert shown == ("WHAT", "…(24 octets)", "WHAT is this", "…(15 octets)")
    assert client.say("AUTH PLAIN").startswith("503")
    client.say("ann s3cret-word")
    assert server.sessions[-1].transcript.commands[-1] == "…(15 octets)"


def test_a_password_is_never_taken_for_the_user_whose_name_could_not_be_read(start_smtp_server, wire):
    server = start_smtp_server("plain", users={"ann": "another"})
    for said in (
        ["AUTH LOGIN YW5ud"],
        ["AUTH LOGIN " + "YW5u" * 4_000],
        ["AUTH LOGIN", "YW5u" * 4_000],
        ["AUTH\tLOGIN ="],
    ):
        client = wire(server)
        client.hello()
        for line in (*said, "czNjcmV0LXdvcmQ="):
            client.say(line)
        (attempt,) = server.sessions[-1].auth
        assert (attempt.mechanism, attempt.user, attempt.secret) == ("LOGIN", "", "s3cret-word")


def test_plain_s_answer_is_no_user_of_login(start_smtp_server, wire):
    server = start_smtp_server("plain", users={"ann": "another"})
    client = wire(server)
    client.hello()
    client.say("AUTH LOGIN")
    assert (
        client.say(base64.b64encode(b"\0ann\0s3cret-word"))
        == "501 5.5.2 LOGIN takes a user's name first, not the answer of PLAIN"
    )
    assert server.sessions[-1].auth[0].user is None


@pytest.mark.parametrize("word", ["MTE0MTE1", "AGFubgBzM2NyZXQ=", "hunter2", "s3cret-word", "AAAA"])
def test_what_is_no_mechanism_s_name_is_not_shown_in_its_place(start_smtp_server, wire, word):
    server = start_smtp_server("plain", users={"ann": "another"})
    client = wire(server)
    client.hello()
    client.say(f"AUTH {word}")
    session = server.sessions[-1]
    assert word not in f"{session.transcript}{session}{session!r}".replace("AUTH ", "")
    assert word.upper() not in f"{session}{session!r}"


@pytest.mark.parametrize("name", ["PLAIN", "plain", "XOAUTH2", "NTLM", "GSSAPI", "DIGEST-MD5", "WHAT", "X-OWN_2"])
def test_a_mechanism_is_shown_also_where_nobody_knows_it(start_smtp_server, wire, name):
    server = start_smtp_server("plain", users={"ann": "another"})
    client = wire(server)
    client.hello()
    client.say(f"AUTH {name} YW5u")
    assert f"C: AUTH {name} …(4 octets)" in str(server.sessions[-1].transcript)
    assert server.sessions[-1].auth[0].mechanism == name.upper()


def test_a_failed_assertion_about_events_shows_no_password(start_smtp_server, wire):
    server = start_smtp_server("plain", users={"ann": "s3cret-word"})
    client = wire(server)
    client.hello()
    client.say("AUTH PLAIN AGFubgBzM2NyZXQtd29yZA==")
    event = server.sessions[-1].transcript[3]
    assert event.data == b"AUTH PLAIN AGFubgBzM2NyZXQtd29yZA=="
    assert "data=b'AUTH PLAIN ' …(24 octets), has_more=False" in repr(event)
