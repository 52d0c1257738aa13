"""IMAP sessions: the four modes, logins, what one session sees of another, IDLE, back-pressure, and limits."""

from __future__ import annotations

import socket
import time
import tracemalloc

import pytest
from wire import LAST, PLAIN, USERS, WITHIN, Wire, fill

from smtpfix import Authority, Mode, Policy, Raw, Server
from smtpfix.imap.policy import ImapPolicy


@pytest.fixture(scope="module")
def authority():
    with Authority() as authority:
        yield authority


@pytest.fixture
def start(authority):
    """Return a function that starts a server with ann's three messages."""
    servers = []

    def start(mode="plain", **fields):
        server = Server(ImapPolicy(mode, **{"users": USERS, **fields}), authority=authority).start()
        servers.append(server)
        fill(server)
        return server

    yield start
    for server in servers:
        server.close()


# Modes and logins


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_sent_over_smtp_is_read_over_imap_in_every_mode(mode, authority):
    with (
        Server(Policy()) as smtp,
        Server(ImapPolicy(mode, users=USERS), authority=authority, inbox=smtp.inbox) as server,
    ):
        with smtp.client() as sender:
            sender.sendmail("shop@example.org", ["ann@example.org"], PLAIN)
        client = server.client()
        client.login("ann", "s3cret")
        assert client.select() == ("OK", [b"1"])
        assert client.fetch("1", "(BODY.PEEK[])")[1][0][1] == PLAIN
        client.logout()
        session = server.sessions[-1]
        assert (session.tls is None) is (mode is Mode.PLAIN)
        assert session.auth[0].accepted
        assert session.auth[0].in_clear is (mode is Mode.PLAIN)
        assert session.violations == ()
        assert smtp.inbox.accounts["ann"].inbox[0].retrievals == 1
        assert len(smtp.inbox) == 1


@pytest.mark.parametrize("mode", ["starttls", "tls-required"])
def test_login_is_disabled_outside_tls_where_the_policy_wants_tls_first(start, mode):
    server = start(mode)
    with Wire(server) as wire:
        is_disabled = b"LOGINDISABLED" in wire.greeting
        answer = wire.do("LOGIN ann s3cret")
    assert is_disabled is (mode == "tls-required")
    assert answer[-1].startswith(b"x NO [PRIVACYREQUIRED]" if is_disabled else b"x OK")
    attempt = server.sessions[-1].auth[0]
    assert (attempt.in_clear, attempt.password, attempt.accepted) == (True, "s3cret", not is_disabled)
    assert ("login-though-disabled" in [one.id for one in server.sessions[-1].violations]) is is_disabled


def test_inside_tls_all_is_forgotten_that_was_said_in_clear(start):
    server = start("starttls")
    with Wire(server) as wire:
        wire.send(b"a STARTTLS\r\nb LOGIN ann s3cret\r\n")
        assert wire.line().startswith(b"a OK")
        wire.begin_tls(server)
        assert wire.do("SELECT INBOX") == [b"x BAD log in first"]
        assert b"STARTTLS" not in wire.do("CAPABILITY")[0]
        assert wire.do("STARTTLS")[0].startswith(b"x BAD")
    session = server.sessions[-1]
    assert session.injected == b"b LOGIN ann s3cret\r\n"
    assert "s3cret" not in str(session.transcript)
    assert "command-after-starttls" in [one.id for one in session.violations]


def test_starttls_comes_too_late_behind_a_login(start):
    with Wire(start("starttls"), "authenticated") as wire:
        assert wire.do("STARTTLS") == [b"x BAD you have logged in already"]


def test_a_client_that_meets_a_hidden_capability_is_told_that_there_is_no_such_command(start):
    server = start(
        hide=["IMAP4REV2", "MOVE", "IDLE", "SASL-IR", "CONDSTORE", "LITERAL+", "BINARY", "ESEARCH", "LIST-EXTENDED"]
    )
    with Wire(server) as wire:
        assert b"IDLE" not in wire.greeting
        assert wire.do("AUTHENTICATE PLAIN AGFubgBzM2NyZXQ=") == [
            b"x BAD AUTHENTICATE: this server takes no initial response"
        ]
        wire.do("LOGIN ann {6+}\r\ns3cret", "y")
        wire.do("SELECT INBOX", "z")
        assert wire.do("MOVE 1 Sent", "a") == [b"a BAD there is no such command here"]
        assert wire.do("IDLE", "b") == [b"b BAD there is no such command here"]
        assert wire.do("FETCH 1 MODSEQ", "c") == [b"c BAD FETCH: this server has no CONDSTORE"]
        assert wire.do("FETCH 1 BINARY[1]", "d") == [b"d BAD FETCH: this server has no BINARY"]
        assert wire.do("SEARCH RETURN (MIN) ALL", "e") == [b"e BAD SEARCH: this server has no ESEARCH"]
        assert wire.do('LIST "" (INBOX) RETURN (SUBSCRIBED)', "f") == [b"f BAD LIST: this server has no LIST-EXTENDED"]
    ids = {one.id for one in server.sessions[-1].violations}
    assert ids == {"initial-response-unoffered", "literal-unoffered", "command-unoffered", "no-logout"}


def test_no_form_of_a_record_has_a_password(start):
    server = start()
    with Wire(server) as wire:
        for command in (
            b"LOGIN ann s3cret",
            b'LOGIN "ann" "s3cret',
            b"LOGIN ann {6+}\r\ns3cret",
            b"LOGIN {3+}\r\nann {6+}\r\ns3cret more",
            b"LOGIN {0+}\r\ns3cret LOGIN more",
            b"LOGN ann s3cret",
            b"AUTHENTICATE PLAIN AGFubgBzM2NyZXQ=",
            b"AUTHENTICATE AGFubgBzM2NyZXQ=",
        ):
            wire.do(command)
        wire.send(b"LOGIN ann s3cret\r\nAGFubgBzM2NyZXQ=\r\n")
        wire.do("LOGOUT", "z")
    shown = f"{server.sessions[-1]!r}{server.sessions[-1]}{server.sessions[-1].transcript}"
    shown += repr(server.sessions[-1].transcript.events) + str(server.sessions[-1].violations)
    assert "s3cret" not in shown
    assert "AGFubgBzM2NyZXQ" not in shown
    assert {attempt.password for attempt in server.sessions[-1].auth} >= {"s3cret"}


# Two sessions


def test_sequence_numbers_stay_until_the_session_is_told(start):
    server = start()
    with Wire(server, "selected") as one, Wire(server, "selected") as two:
        one.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
        one.do("EXPUNGE")
        assert two.do("SEARCH ALL")[0] == b"* SEARCH 1 2 3"  # section 7.5.1: no EXPUNGE in an answer to SEARCH
        assert two.do("FETCH 1 (UID RFC822.SIZE)")[0] == b"* 1 FETCH (UID 1 RFC822.SIZE %d)" % len(PLAIN)
        assert two.do("NOOP") == [b"* 1 EXPUNGE", b"x OK done"]
        assert two.do("SEARCH ALL")[0] == b"* SEARCH 1 2"
        one.do("STORE 1 +FLAGS ($Note)")
        assert two.do("NOOP")[:2] == [
            b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Note)",
            b"* 1 FETCH (FLAGS ($Note))",
        ]
    gone = server.inbox.accounts["ann"].lost[0]
    assert (gone.how, gone.session.number) == ("EXPUNGE", 1)


def test_a_client_that_idles_is_told_at_once_what_comes_over_smtp():
    with (
        Server(Policy()) as smtp,
        Server(ImapPolicy(users=USERS), inbox=smtp.inbox) as server,
        Wire(server, "selected") as wire,
    ):
        wire.send(b"a IDLE\r\n")
        assert wire.line() == b"+ idling"
        with smtp.client() as sender:
            sender.sendmail("shop@example.org", ["ann@example.org"], PLAIN)
            sender.sendmail("shop@example.org", ["bob@example.org"], PLAIN)
        assert [wire.line(), wire.line()] == [b"* 1 EXISTS", b"* 1 RECENT"]
        wire.send(b"DONE\r\n")
        assert wire.line() == b"a OK done"


def test_a_mailbox_that_may_be_looked_at_only_is_changed_by_nothing(start):
    with Wire(start(read_only=True), "selected") as wire:
        assert wire.do("SELECT INBOX", "a")[-1] == b"a OK [READ-ONLY] selected"
        for command in ("STORE 1 +FLAGS (\\Seen)", "COPY 1 Sent", "CREATE new", "EXPUNGE", "DELETE Sent"):
            assert b" NO [" in wire.do(command)[-1]


def test_an_account_holds_no_more_than_its_quota(start):
    with Wire(start(quota=1_000), "selected") as wire:
        assert wire.do("GETQUOTAROOT INBOX")[:2] == [b'* QUOTAROOT INBOX ""', b'* QUOTA "" (STORAGE 1 0)']
        assert wire.do("COPY 1:3 Sent")[-1] == b"x NO [OVERQUOTA] COPY: the account may hold 1000 octets"
        assert wire.do(b"APPEND Sent {3+}\r\nyes")[-1].startswith(b"x OK")


# What was read


@pytest.mark.parametrize(
    ("commands", "count"),
    [
        (["FETCH 2 BODY.PEEK[]"], 1),
        (["FETCH 2 RFC822.HEADER", "FETCH 2 BODY.PEEK[TEXT]"], 1),
        (["FETCH 2 BODY.PEEK[1]", "FETCH 2 BODY.PEEK[2]"], 1),
        (["FETCH 2 BODY.PEEK[1]<0.6>", "FETCH 2 BODY.PEEK[1]<6.99>", "FETCH 2 BINARY.PEEK[2]"], 1),
        (["FETCH 2 BODY.PEEK[]<0.400>", "FETCH 2 BODY.PEEK[]<400.400>"], 1),
        (["FETCH 2 BODY.PEEK[]<0.400>", "FETCH 2 BODY.PEEK[]<401.400>"], 0),
        (["FETCH 2 BODY.PEEK[2]", "FETCH 2 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])"], 0),
    ],
)
def test_a_message_is_retrieved_once_all_of_its_body_was_written_in_whatever_pieces(start, commands, count):
    server = start()
    with Wire(server, "selected") as wire:
        for command in commands:
            wire.do(command)
    assert server.inbox.accounts["ann"].inbox[1].retrievals == count


# Much, and too much


def test_a_large_answer_is_drawn_as_the_client_reads_it_while_others_are_served(start):
    server = start()
    server.inbox.accounts["ann"].put(b"Subject: big\r\n\r\n" + b"x" * 1_000_000)
    with Wire(server, "authenticated") as slow, Wire(server, "selected") as other:
        slow.do("SELECT INBOX")
        for _ in range(40):
            slow.do("COPY 4 Sent")
        slow.do("SELECT Sent")
        slow.send(b"a FETCH 1:* BODY.PEEK[]\r\nb NOOP\r\n")
        first = slow.line()
        assert first == b"* 1 FETCH (BODY[] {1000016}"
        assert other.do("NOOP") == [b"x OK done"]
        conversation = next(one for one in server._serving.conversations if one.recorder.number == 1)
        assert conversation.speech.drawing is not None
        assert conversation.channel._transport.get_write_buffer_size() < 4_000_000
        octets = sum(len(line) for line in slow.until("a"))
        assert octets > 40_000_000
        assert slow.line() == b"b OK done"


def test_a_literal_over_the_limit_is_refused_and_the_session_goes_on(start):
    server = start(append_limit=1000)
    with Wire(server) as wire:
        assert wire.do("LOGIN ann {99999}", "a") == [b"a NO [TOOBIG] that is more than this server takes"]
        wire.do("LOGIN ann s3cret")
        assert wire.do("APPEND INBOX {999999999}", "b")[0].startswith(b"b NO [TOOBIG]")
        wire.send(b"c APPEND INBOX {300000+}\r\n" + b"x" * 300_000 + b" {3}\r\n")
        assert wire.line().startswith(b"c NO [TOOBIG]")
        wire.send(b"d APPEND INBOX {300000+}\r\n" + b"x" * 300_000 + b" {3+}\r\nyes\r\n")
        assert wire.line().startswith(b"d NO [TOOBIG]")
        wire.send(b"e " + b"x" * 70_000 + b"\r\n")
        assert wire.line() == b"e BAD the line is too long"
        assert wire.do("NOOP") == [b"x OK done"]


def test_a_large_append_comes_piece_by_piece_while_others_are_served(start):
    server = start(append_limit=30_000_000)
    half = b"x" * 10_000_000
    head = b"Subject: big\r\n\r\n"
    with Wire(server, "authenticated") as large, Wire(server, "selected") as other:
        large.send(b"a APPEND Sent {%d}\r\n" % (len(head) + 2 * len(half)))
        assert large.line() == b"+ go on"
        large.send(head + half)
        conversation = next(one for one in server._serving.conversations if one.recorder.number == 1)
        until = time.monotonic() + WITHIN
        while conversation.incoming.size < len(head + half) and time.monotonic() < until:
            assert other.do("NOOP") == [b"x OK done"]
        assert conversation.incoming.size == len(head + half)
        assert len(conversation.channel.received) == 0  # what has come waits in one place
        large.send(half + b"\r\n")
        assert large.line().startswith(b"a OK [APPENDUID ")
    (stored,) = server.account("ann")["Sent"]
    assert stored.content == head + half + half


def test_a_literal_over_the_limit_takes_no_memory_however_long_it_is(start):
    server = start(append_limit=1_000)
    some = b"x" * 1_000_000
    with Wire(server, "authenticated") as wire:
        tracemalloc.start()
        try:
            wire.send(b"a APPEND Sent {40000000+}\r\n")
            for _ in range(40):
                wire.send(some)
            wire.send(b"\r\n")
            assert wire.line().startswith(b"a NO [TOOBIG]")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4_000_000


def test_imaplib_s_literals_are_acknowledged_at_once(start):
    """Else Nagle's algorithm makes each APPEND take 40 ms, and these all of 8 s."""
    server = start()
    client = server.client()
    client.login("ann", "s3cret")
    for _ in range(200):
        assert client.append("Sent", None, None, LAST)[0] == "OK"
    client.logout()
    session = server.sessions[-1]
    assert session.duration < 5
    assert len(server.inbox.accounts["ann"]["Sent"]) == 200


# Ends


def test_a_server_that_closes_in_order_says_bye_to_who_idles(start):
    server = start()
    with Wire(server, "selected") as wire:
        wire.send(b"a IDLE\r\n")
        wire.line()
        server.close(graceful=True)
        assert wire.line().startswith(b"* BYE ")


def test_a_silent_client_is_told_bye(start):
    server = start()
    with Wire(server) as wire:
        for conversation in tuple(server._serving.conversations):
            conversation.channel.last_active -= 1801
        server._serving._loop.call_soon_threadsafe(server._serving._sweep)
        assert wire.line() == b"* BYE idle for too long"
    assert server.sessions[-1].end == "timeout"


def test_a_client_that_idles_for_half_an_hour_is_told_bye_unless_it_begins_anew(start):
    """RFC 9051 section 6.3.13 has it begin anew at least every 29 minutes; what it is told does not count."""
    server = start()

    def let_pass(seconds):
        (conversation,) = server._serving.conversations
        conversation.channel.last_active -= seconds
        server._serving._loop.call_soon_threadsafe(server._serving._sweep)

    with Wire(server, "selected") as wire:
        for count in (4, 5):
            wire.send(b"a IDLE\r\n")
            assert wire.line() == b"+ idling"
            let_pass(1700)
            server.put(PLAIN, to="ann")
            assert [wire.line(), wire.line()] == [b"* %d EXISTS" % count, b"* %d RECENT" % count]
            wire.send(b"DONE\r\n")
            assert wire.line() == b"a OK done"
        wire.send(b"a IDLE\r\n")
        wire.line()
        let_pass(1000)
        server.put(PLAIN, to="ann")
        assert wire.line() == b"* 6 EXISTS"
        wire.line()
        let_pass(1000)
        assert wire.line() == b"* BYE idle for too long"
    assert server.sessions[-1].end == "timeout"


def test_a_client_that_idles_and_does_not_read_is_told_once_it_does(start):
    """Thousands of changes do not pile up for it: it hears of how things stand."""
    server = start()
    with Wire(server, "selected") as idler, Wire(server, "selected") as other:
        idler.send(b"a IDLE\r\n")
        assert idler.line() == b"+ idling"
        (conversation,) = (one for one in server._serving.conversations if one.is_idling)
        conversation.channel.pause_writing()  # as the transport does where a client does not read
        for _ in range(500):
            other.do("STORE 1:3 +FLAGS.SILENT (\\Flagged)")
            other.do("STORE 1:3 -FLAGS.SILENT (\\Flagged)")
        other.do("STORE 2 +FLAGS.SILENT (\\Deleted)")
        other.do("EXPUNGE")
        server._serving._loop.call_soon_threadsafe(conversation.channel.resume_writing)
        assert idler.line() == b"* 2 EXPUNGE"
        idler.send(b"DONE\r\n")
        told = idler.until("a")
    assert told[-1] == b"a OK done"
    assert len(told) < 10


def test_a_client_in_clear_gets_no_further_where_tls_begins_at_once(start):
    server = start("implicit-tls")
    with socket.create_connection((server.host, server.port), WITHIN) as clear:
        clear.sendall(b"a LOGIN ann s3cret\r\n")
        clear.recv(1000)
    session = server.sessions[-1]
    assert session.end == "clear text instead of TLS"
    assert "s3cret" not in str(session.transcript)


# Rules


def test_rules_answer_at_the_stage_of_a_verb_and_know_the_tag(start):
    server = start()
    server.on("FETCH", Raw(b"{tag} NO later\r\n"), argument="UID *", times=1)
    with Wire(server, "selected") as wire:
        assert wire.do("FETCH 1 UID")[0] == b"* 1 FETCH (UID 1)"
        assert wire.do("UID FETCH 1 UID", "a7") == [b"a7 NO later"]
        assert wire.do("UID FETCH 1 UID")[0] == b"* 1 FETCH (UID 1)"
