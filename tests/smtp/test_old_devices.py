"""What old devices do: AUTH without EHLO, contents that end in LF, old cipher suites; and who takes it."""

import contextlib
import smtplib
import ssl
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix import ANY_USER, Authority, InvalidValueError, Policy, Server, UnknownProvider
from smtpfix.smtp.content import Content
from smtpfix.smtp.lf_content import LFContent, unended

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
PLAIN = "AUTH PLAIN AGFubgBzM2NyZXQ="
ENVELOPE = b"MAIL FROM:<ann@example.org>\nRCPT TO:<bob@example.org>\nDATA\n"
HEADERS = b"From: ann@example.org\nDate: Mon, 7 Jan 2030 10:00:00 +0000\n\n"
TAKEN, REFUSED = "235", "503"


def ids(violations):
    return [violation.id for violation in violations]


# AUTH without EHLO


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({}, REFUSED),
        ({"syntax": "strict"}, REFUSED),
        ({"syntax": "lenient"}, TAKEN),
        ({"hello_required": False}, TAKEN),
        ({"hello_required": False, "syntax": "strict"}, TAKEN),
        ({"like": "postfix", "auth_in_clear": True}, TAKEN),
        ({"like": "gmail", "auth_in_clear": True}, REFUSED),
    ],
)
@pytest.mark.parametrize("hello", ["HELO x", None])
def test_auth_behind_helo_or_without_it(start_smtp_server, wire, fields, reply, hello):
    server = start_smtp_server("starttls", **{"users": USERS, "auth_in_clear": True, **fields})
    client = wire(server, greeted=False)
    client.reply()
    if hello is not None:
        client.say(hello)
    assert client.say(PLAIN)[:3] == reply
    client.say("QUIT")
    assert ids(server.sessions.wait(1)[0].violations) == ["no-ehlo"]


@pytest.mark.parametrize(("hello_required", "reply"), [(True, REFUSED), (False, TAKEN)])
def test_auth_in_tls_without_another_ehlo(start_smtp_server, wire, hello_required, reply):
    server = start_smtp_server("starttls", users=USERS, hello_required=hello_required)
    client = wire(server)
    client.hello()
    client.start_tls()
    assert client.say(PLAIN)[:3] == reply
    client.say("QUIT")
    assert ids(server.sessions.wait(1)[0].violations) == ["no-ehlo"]


def test_auth_behind_ehlo_is_no_violation(start_smtp_server, wire):
    server = start_smtp_server("starttls", users=USERS, hello_required=False)
    client = wire(server)
    client.hello()
    client.start_tls()
    client.hello()
    assert client.say(PLAIN)[:3] == TAKEN
    client.say("QUIT")
    assert server.sessions.wait(1)[0].violations == ()


def test_a_transaction_needs_no_hello_either_and_may_have_parameters(start_smtp_server, wire):
    client = wire(start_smtp_server(hello_required=False))
    assert client.say("MAIL FROM:<ann@example.org> SIZE=10").startswith("250")


# Contents that end in LF


def bring(wire, content, *, hello=b"HELO x\n", envelope=ENVELOPE, **fields):
    """Send a message whose lines end as they do here; return the server, left open, and the client."""
    server = Server(Policy(**fields)).start()
    client = wire(server)
    client.send(hello + envelope + content)
    assert [reply[:3] for reply in client.replies(4)] == ["250", "250", "250", "354"]
    return server, client


def test_a_lenient_server_takes_lf_lf_in_a_conversation_of_lf_alone_and_records_it(wire):
    server, client = bring(wire, HEADERS + b"..one\n.two\nthree\n.\nQUIT\n", syntax="lenient")
    with contextlib.closing(server):
        assert [reply[:3] for reply in client.replies(2)] == ["250", "221"]
        message = server.inbox.one()
        assert message.content == HEADERS + b".one\ntwo\nthree\n"
        assert (message.stuffed_lines, message.unstuffed_lines) == (1, 1)
        assert ids(message.violations) == ["bare-line-feed", "malformed-end-of-data", "dot-not-stuffed"]
        assert "the content ended with LF.LF" in str(message.violations[1])


@pytest.mark.parametrize(("end", "told"), [(b"\n.\r\n", "LF.CRLF"), (b"\r\n.\n", "CRLF.LF"), (b"\r\n.\r\n", None)])
def test_a_lenient_server_takes_a_mixed_end_then_too(wire, end, told):
    server, client = bring(wire, HEADERS + b"x" + end, syntax="lenient")
    with contextlib.closing(server):
        assert client.reply().startswith("250")
        violations = server.inbox.one().violations
        assert ("malformed-end-of-data" in ids(violations)) is (told is not None)
        assert told is None or f"ended with {told}," in str(violations)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"syntax": "lenient", "envelope": ENVELOPE.replace(b"DATA\n", b"DATA\r\n")},
        {"syntax": "lenient", "hello": b"HELO x\r\n"},
    ],
)
@pytest.mark.parametrize("how", ["waits", "leaves", "times out", "server closes"])
def test_elsewhere_the_session_says_that_the_content_never_ended(wire, sweep, fields, how):
    """A client that knows CRLF is not believed: what follows could be commands that somebody else has written."""
    server, client = bring(wire, HEADERS + b"x\n.\n", **fields)
    if how == "waits":
        sweep(server, 1)
        sweep(server, 2)
        text = str(server.sessions[0])
        assert "content has not ended; it holds LF.LF, and CRLF.CRLF is due; still connected" in text
        assert str(server.sessions[0].transcript).count("content has not ended") == 1
        assert "malformed-end-of-data" not in ids(server.sessions[0].violations)
        client.send(b"\r\n.\r\n")  # it was not the end
        assert client.reply().startswith("250")
        client.close()
        assert "malformed-end-of-data" not in ids(server.sessions.wait(1)[0].violations)
        server.close()
        return
    if how == "leaves":
        client.close()
        server.sessions.wait(1)
    elif how == "times out":
        sweep(server, 301)
        assert client.reply().startswith("421")
    server.close()
    (session,) = server.sessions
    if how != "server closes":
        assert "content never ended; it holds LF.LF, and CRLF.CRLF is due" in str(session)
        assert "malformed-end-of-data" in ids(session.violations)
    assert len(server.inbox) == 0


def test_what_a_client_says_is_not_taken_for_the_server_s_note(start_smtp_server, wire):
    server = start_smtp_server(users=USERS)
    client = wire(server)
    client.hello()
    client.say("content never ended, says the client")
    client.say("AUTH LOGIN")
    client.say("content never ended: s3cret")
    (session,) = server.sessions
    assert "never ended" not in str(session)
    assert "malformed-end-of-data" not in ids(session.violations)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"x\n.\n", "LF.LF"),
        (b"x\n.\r\n", "LF.CRLF"),
        (b"x\r\n.\n", "CRLF.LF"),
        (b"x\r.\r", "CR.CR"),
        (b"x\r\nx", ""),
        (b"", ""),
    ],
)
def test_every_form_of_a_wrong_end_is_told(octets, told):
    assert unended(octets) == told


def lf_content(octets, cuts=(), limit=None):
    """Feed a content in pieces; return it, whether it has ended, and what is left."""
    buffer = bytearray()
    content = LFContent(buffer, limit)
    start = 0
    for end in (*sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)):
        buffer += octets[start:end]
        start = end
        if content.take(buffer):
            return content, True, bytes(buffer) + octets[start:]
    return content, False, b""


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b".", b"a"]), max_size=12), st.lists(st.integers(0, 40)))
def test_a_content_of_lf_is_the_same_however_it_is_cut(parts, cuts):
    octets = b"".join(parts) + b"\n.\nQUIT\n"
    content, ended, left = lf_content(octets, cuts)
    whole, _, rest = lf_content(octets)
    assert ended
    assert (content.octets, content.dots, content.size, content.ended_by, left) == (
        whole.octets,
        whole.dots,
        whole.size,
        whole.ended_by,
        rest,
    )
    limited, ended, left = lf_content(octets, cuts, limit=3)
    assert (ended, left) == (True, rest)
    assert limited.octets == (whole.octets if whole.size <= 3 else None)


@given(st.lists(st.sampled_from([b"\r\n", b".", b"a"]), max_size=12))
def test_a_content_of_crlf_is_what_it_is_elsewhere(parts):
    octets = b"a" + b"".join(parts) + b"\r\n.\r\n"
    content, _, left = lf_content(octets)
    buffer = bytearray()
    usual = Content(buffer, None)
    buffer += octets
    assert usual.take(buffer)
    assert (content.octets, content.size, content.ended_by, left) == (usual.octets, usual.size, "", bytes(buffer))


def test_the_limit_of_a_content_of_lf_is_kept_and_its_end_found(wire):
    server, client = bring(
        wire, b"x" * 5_000 + b"\n" + b"y\n" * 5_000 + b".\nQUIT\n", syntax="lenient", size_limit=1_000
    )
    with contextlib.closing(server):
        assert [reply[:3] for reply in client.replies(2)] == ["552", "221"]


# Old cipher suites


OLD = ["AES128-SHA", "AES256-GCM-SHA384", "DHE-RSA-AES128-SHA", "DHE-RSA-AES256-GCM-SHA384"]


def cipher_of(server, suites, version=ssl.TLSVersion.TLSv1_2):
    """Return the suite that a client gets that knows these; None where there is no handshake."""
    context = server.ssl_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    with contextlib.closing(smtplib.SMTP(server.host, server.port, timeout=10)) as client:
        try:
            client.starttls(context=context)
        except (ssl.SSLError, OSError):
            return None
        return client.sock.cipher()[0]


@pytest.fixture(scope="module")
def device_server():
    with Server(Policy.like("old-devices")) as server:
        yield server


@pytest.mark.parametrize("suite", OLD)
def test_an_old_suite_is_there_where_it_is_asked_for_and_else_not(device_server, suite):
    assert cipher_of(device_server, suite) == suite
    with Server(Policy("starttls"), authority=device_server.authority) as usual:
        assert cipher_of(usual, suite) is None


def test_old_suites_need_no_old_version_of_tls(device_server):
    with Server(Policy("starttls", old_ciphers=True), authority=device_server.authority) as server:
        assert cipher_of(server, "AES128-SHA") == "AES128-SHA"
        assert cipher_of(server, "AES128-SHA", ssl.TLSVersion.TLSv1) is None
    assert cipher_of(device_server, "AES128-SHA", ssl.TLSVersion.TLSv1) == "AES128-SHA"


def test_a_modern_client_has_a_modern_suite_all_the_same(device_server):
    assert cipher_of(device_server, "DEFAULT").startswith("ECDHE-RSA-")
    with device_server.client() as client:
        assert client.sock.version() == "TLSv1.3"


def test_an_authority_of_another_key_type_is_refused():
    with Authority() as authority, pytest.raises(InvalidValueError, match="an authority with RSA keys"):
        Server(Policy("starttls", old_ciphers=True), authority=authority)
    with Authority(key_type="ecdsa") as authority:
        Server(Policy("plain", old_ciphers=True), authority=authority)  # there is no TLS


def test_the_fixture_s_server_has_rsa_keys_of_its_own(start_smtp_server, smtp_authority):
    server = start_smtp_server(like="old-devices")
    assert smtp_authority.key_type == "ecdsa"
    assert server.authority.key_type == "rsa"
    assert cipher_of(server, "AES128-SHA") == "AES128-SHA"


# The preset


def test_the_preset_takes_it_all_and_lets_everybody_in(wire):
    with Server(Policy.like("old-devices", "plain")) as server:
        client = wire(server)
        client.send(b"HELO x\nAUTH LOGIN YW5u\neA==\n" + ENVELOPE + HEADERS + b"x\n.\n")
        assert [reply[:3] for reply in client.replies(7)] == ["250", "334", "235", "250", "250", "354", "250"]
        assert server.inbox.one().user == "ann"


def test_the_preset_s_fields_can_be_set_otherwise():
    policy = Policy.like("old-devices", "implicit-tls", users=USERS, syntax="usual")
    assert (policy.mode, policy.users, policy.syntax, policy.old_ciphers) == ("implicit-tls", USERS, "usual", True)
    assert Policy.like("old-devices").users is ANY_USER
    with pytest.raises(TypeError):
        Policy.like("old-devices", nonsense=1)
    with pytest.raises(UnknownProvider, match="Did you mean 'old-devices'"):
        Policy.like("old-device")
