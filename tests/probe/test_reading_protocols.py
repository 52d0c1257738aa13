"""The probe of IMAP and POP3 servers: what it measures of ours, by which login, and how it gives hostile ones up."""

from __future__ import annotations

import pytest

from smtpfix import After, ImapPolicy, InvalidValueError, Pop3Policy, Server, Token
from smtpfix.probe import speaking
from smtpfix.probe.measurement import Connection, Probe, Protocol
from smtpfix.probe.probe import probe
from tests.shared.scripted_server import spoken

pytestmark = pytest.mark.slow

IMAP, POP3 = Protocol.IMAP, Protocol.POP3
POLICIES = {IMAP: ImapPolicy, POP3: Pop3Policy}
BOTH = pytest.mark.parametrize("protocol", [IMAP, POP3])
NO_REPLY = "no valid reply: expected"
TOO_MANY_LINES = "a reply goes on after 200 lines: the rest was not read"
TOO_LONG = "a line of a reply has more than 8,192 octets: no more was read"
LOGIN = {"user": "ann", "password": "s3cret"}


def policy(protocol, mode="plain", **fields):
    return POLICIES[protocol](mode, **({"users": {"ann": "s3cret"}} | fields))


def measured(server, protocol, kind=Connection.PLAIN, **fields):
    if server.policy.uses_tls:
        fields.setdefault("ca_file", server.ca_file)
    return probe(Probe(server.host, server.port, kind, protocol=protocol, **fields))


def found(protocol, *replies, kind=Connection.PLAIN, **fields):
    """Probe a server of a few lines; return the result and what the server heard."""
    with spoken(*replies) as (port, heard):
        result = probe(Probe("127.0.0.1", port, kind, protocol=protocol, **fields))
    return result, heard


# Servers that are well


@BOTH
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("plain", Connection.PLAIN),
        ("starttls", Connection.STARTTLS),
        ("tls-required", Connection.STARTTLS),
        ("implicit-tls", Connection.IMPLICIT_TLS),
    ],
)
@pytest.mark.usefixtures("nothing_logged")
def test_everything_is_measured_in_each_mode(protocol, mode, kind):
    with Server(policy(protocol, mode)) as server:
        result = measured(server, protocol, kind, **LOGIN)
        assert (result.reply_code, result.stage, result.error) == (0, "", "")
        assert (result.logged_in, result.mechanism, result.sent) == (True, "PLAIN", False)
        assert min(result.connection_ms, result.login_ms, result.total_ms) > 0
        assert result.greeting == f"mx.smtpfix.test {protocol.upper()} smtpfix"
        assert {"AUTH=PLAIN", "SASL PLAIN LOGIN"} & set(result.extensions)
        assert bool({"STARTTLS", "STLS"} & set(result.extensions_in_clear)) == (kind is Connection.STARTTLS)
        assert (result.tls_version is None) == (mode == "plain")
        assert (result.days_left is None) == (mode == "plain")
        (session,) = server.sessions
        assert session.violations == ()


@BOTH
def test_without_a_user_it_does_not_log_in(protocol):
    with Server(policy(protocol)) as server:
        result = measured(server, protocol)
        assert (result.reply_code, result.logged_in, result.login_ms) == (0, False, None)
        assert not server.sessions[-1].auth


@BOTH
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "LOGIN"])
@pytest.mark.parametrize("right", [True, False])
def test_one_attempt_is_made_by_the_mechanism_that_was_asked_for(protocol, mechanism, right):
    by_token = mechanism in ("XOAUTH2", "OAUTHBEARER")
    users = {"ann": Token("t0ken-of-ann") if by_token else "s3cret"}
    with Server(policy(protocol, users=users, mechanisms=[mechanism])) as server:
        secret = ("t0ken-of-ann" if by_token else "s3cret") if right else "wr0ng-one"
        secrets = {"token" if by_token else "password": secret}
        result = measured(server, protocol, user="ann", mechanism=mechanism, **secrets)
        assert (result.logged_in, result.reply_code) == (right, 0 if right else 1)
        (attempt,) = server.sessions[-1].auth
        assert (attempt.mechanism, attempt.accepted) == (mechanism, right)
    assert "wr0ng-one" not in repr(result)


@pytest.mark.parametrize("protocol", [IMAP, POP3])
def test_a_wrong_password_is_refused_once_with_the_server_s_words(protocol):
    with Server(policy(protocol)) as server:
        result = measured(server, protocol, user="ann", password="wr0ng-one")
        assert (result.reply_code, result.stage) == (1, "login")
        assert result.error.startswith("NO [AUTHENTICATIONFAILED]" if protocol is IMAP else "-ERR [AUTH]")
        assert len(server.sessions[-1].auth) == 1


@pytest.mark.parametrize("password", ['s3 "c\\ret"', "s3crét"])
def test_an_imap_server_without_sasl_gets_login_with_a_quoted_string_or_a_literal(password):
    with Server(ImapPolicy(users={"ann": password}, mechanisms=())) as server:
        result = measured(server, IMAP, user="ann", password=password)
        assert (result.reply_code, result.error, result.mechanism) == (0, "", "LOGIN command")


def test_a_pop3_server_without_sasl_gets_user_and_pass_and_never_apop():
    with Server(Pop3Policy(users={"ann": "s3cret"}, hide=["SASL"], apop=True)) as server:
        result = measured(server, POP3, **LOGIN)
        assert (result.reply_code, result.error, result.mechanism) == (0, "", "USER and PASS")


def test_a_pop3_server_without_capa_is_logged_in_to_all_the_same():
    result, heard = found(POP3, b"+OK hi <1@x>\r\n", b"-ERR what?\r\n", b"+OK\r\n", b"+OK in\r\n", b"+OK\r\n", **LOGIN)
    assert (result.reply_code, result.extensions, result.mechanism) == (0, (), "USER and PASS")
    assert heard == [b"CAPA\r\n", b"USER ann\r\n", b"PASS s3cret\r\n", b"QUIT\r\n"]


def test_a_pop3_server_s_software_is_what_it_calls_its_implementation():
    result, _ = found(POP3, b"+OK hi\r\n", b"+OK\r\nUSER\r\nIMPLEMENTATION Shlemiel 3\r\n.\r\n", b"+OK\r\n")
    assert (result.software, result.extensions) == ("Shlemiel 3", ("USER", "IMPLEMENTATION Shlemiel 3"))


CAPABILITY_WITH_ID = b"* CAPABILITY IMAP4rev1 ID\r\nP1 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "server_id", "software"),
    [
        (b'* ID ("name" "Cyrus" "version" "1.5" "os" NIL)', {"name": "Cyrus", "version": "1.5", "os": ""}, "Cyrus 1.5"),
        (b'* id ("Name" {7}\r\nDovecot "os" "a \\"b\\\\")', {"Name": "Dovecot", "os": 'a "b\\'}, "Dovecot"),
        (b'* ID ("version" {5}\r\n1\r\n"2 "x" "\x1b")', {"version": '1\\r\\n"2', "x": "\\x1b"}, '1\\r\\n"2'),
        (b"* ID NIL", {}, ""),
        (b'* ID ("name" "unfinished', {}, ""),
        (b'* ID ("name")', {}, ""),
        (b'* ID "name" "x"', {}, ""),
        (b"* ID (" + b'"f" "v" ' * 40 + b")", {"f": "v"}, ""),
        (b"* OK nothing about itself", {}, ""),
    ],
)
def test_an_imap_server_says_what_it_is_by_its_id(answer, server_id, software):
    result, heard = found(IMAP, b"* OK hi\r\n", CAPABILITY_WITH_ID, answer + b"\r\nP2 OK\r\n", b"P3 OK\r\n")
    assert heard[1] == b'P2 ID ("name" "smtpfix")\r\n'
    assert (result.error, dict(result.server_id), result.software) == ("", server_id, software)


def test_a_server_that_says_the_password_in_its_id_shows_it_to_nobody():
    answer = b'* ID ("name" "s3cret" "czNjcmV0" "x")\r\nP2 OK\r\n'
    result, _ = found(IMAP, b"* OK hi\r\n", CAPABILITY_WITH_ID, answer, b"P3 OK\r\n", **LOGIN)
    assert len(result.server_id) == 2
    assert not [word for word in ("s3cret", "czNjcmV0") if word in repr((result.server_id, result.software))]


def test_who_does_not_answer_to_id_is_measured_all_the_same_and_who_does_not_offer_it_is_not_asked():
    replies = (b"P2 NO why?\r\n", b"P3 OK\r\n")
    result, heard = found(IMAP, b"* OK hi\r\n", CAPABILITY_WITH_ID, *replies)
    assert (result.reply_code, result.server_id, heard[-1]) == (0, (), b"P3 LOGOUT\r\n")
    with Server(policy(IMAP, "starttls", hide=["ID"])) as server:
        assert measured(server, IMAP, Connection.STARTTLS).server_id == ()
        assert "ID" not in [verb for _, verb in server.sessions[0].verbs]
    with Server(policy(IMAP, "starttls")) as server:
        assert measured(server, IMAP, Connection.STARTTLS).server_id == (("name", "smtpfix"),)
        session = server.sessions[0]
        assert [verb for _, verb in session.verbs] == ["CAPABILITY", "STARTTLS", "CAPABILITY", "ID", "LOGOUT"]


def test_without_sasl_ir_the_initial_response_is_an_answer():
    capability = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nP1 OK\r\n"
    result, heard = found(IMAP, b"* OK hi\r\n", capability, b"+ \r\n", b"P2 OK in\r\n", b"P3 OK\r\n", **LOGIN)
    assert result.logged_in
    assert heard[1:] == [b"P2 AUTHENTICATE PLAIN\r\n", b"AGFubgBzM2NyZXQ=\r\n", b"P3 LOGOUT\r\n"]


@pytest.mark.parametrize("has_it", [b"IMAP4rev1 SASL-IR", b"IMAP4rev2"])
def test_with_sasl_ir_which_rev2_has_in_itself_it_is_in_the_command(has_it):
    capability = b"* CAPABILITY " + has_it + b" AUTH=PLAIN\r\nP1 OK\r\n"
    result, heard = found(IMAP, b"* OK hi\r\n", capability, b"P2 OK in\r\n", b"P3 OK\r\n", **LOGIN)
    assert result.logged_in
    assert heard[1:] == [b"P2 AUTHENTICATE PLAIN AGFubgBzM2NyZXQ=\r\n", b"P3 LOGOUT\r\n"]


def test_literals_in_responses_are_read_over():
    fetch = b"* 1 FETCH (A {7}\r\nP1 OK\r\n B {0}\r\n C {3}\r\nxyz)\r\n"
    result, _ = found(IMAP, b"* OK hi\r\n", fetch + b"* CAPABILITY IMAP4rev1 X\r\nP1 OK\r\n", b"P2 OK\r\n")
    assert (result.error, result.extensions) == ("", ("IMAP4rev1", "X"))


# Servers that are not


@pytest.mark.parametrize(
    ("protocol", "replies", "stage", "code", "error"),
    [
        (IMAP, [b"* BYE busy\r\n"], "greeting", 1, "BYE busy"),
        (IMAP, [b"220 smtp\r\n"], "greeting", -1, f"{NO_REPLY} * and one of OK, PREAUTH, BYE, got 220 smtp"),
        (IMAP, [b""], "greeting", -1, "the server closed the connection instead of replying"),
        (IMAP, [b"* OK hi\r\n", b"P9 OK\r\n"], "capabilities", -1, f"{NO_REPLY} P1 and one of OK, NO, BAD, got P9 OK"),
        (IMAP, [b"* OK hi\r\n", b"P1 BAD no\r\n"], "capabilities", 1, "BAD no"),
        (IMAP, [b"* OK hi\r\n", b"* BYE shutdown\r\n"], "capabilities", 1, "BYE shutdown"),
        (IMAP, [b"* OK hi\r\n", b"+ go on\r\n"], "capabilities", -1, "+ go on"),
        (IMAP, [b"* OK hi\r\n", b"* X\r\n" * 300], "capabilities", -1, TOO_MANY_LINES),
        (IMAP, [b"* " + b"x" * 9_000], "greeting", -1, TOO_LONG),
        (POP3, [b"-ERR busy\r\n"], "greeting", 1, "-ERR busy"),
        (POP3, [b"* OK hi\r\n"], "greeting", -1, f"{NO_REPLY} +OK or -ERR, got * OK hi"),
        (POP3, [b"+OK hi\r\n", b"+ \r\n"], "capabilities", -1, "+"),
        (POP3, [b"+OK hi\r\n", b"+OK\r\n" + b"X\r\n" * 300], "capabilities", -1, TOO_MANY_LINES),
        (POP3, [b"+OK hi\r\n", b"+OK\r\n" + b"x" * 9_000], "capabilities", -1, TOO_LONG),
    ],
)
def test_a_server_that_is_not_well_ends_the_probe_with_the_reason(protocol, replies, stage, code, error):
    result, _ = found(protocol, *replies, b"")
    assert (result.stage, result.reply_code, result.error) == (stage, code, error)


@pytest.mark.parametrize(
    ("protocol", "command", "injected"),
    [(IMAP, "STARTTLS", b"* CAPABILITY INJECTED\r\nP3 OK done\r\n"), (POP3, "STLS", b"+OK\r\nINJECTED\r\n.\r\n")],
)
def test_what_a_server_said_in_clear_behind_its_ok_is_no_reply_inside_tls(protocol, command, injected):
    with Server(policy(protocol, "starttls")) as server:
        server.on(command, After(injected))
        result = measured(server, protocol, Connection.STARTTLS, **LOGIN)
        assert (result.error, result.logged_in) == ("", True)
        assert "INJECTED" not in result.extensions


@BOTH
def test_at_a_server_that_is_not_trusted_it_does_not_log_in_and_tells_when_the_certificate_expires(protocol):
    with Server(policy(protocol, "starttls", certificate="expired")) as server:
        result = measured(server, protocol, Connection.STARTTLS, **LOGIN)
        assert (result.reply_code, result.stage) == (-1, "tls")
        assert result.error == "the certificate is not trusted: certificate has expired"
        assert result.days_left < 0
        assert not any(session.auth for session in server.sessions)


@BOTH
def test_replies_without_end_are_bounded_together(protocol):
    line = b"* " + b"x" * 8_000 + b"\r\n"
    replies = (b"* OK hi\r\n", line * 100) if protocol is IMAP else (b"+OK hi\r\n", b"+OK\r\n" + line * 100)
    result, _ = found(protocol, *replies)
    assert result.error == "the replies have more than 262,144 octets: no more was read"
    assert sum(map(len, result.last_reply)) <= speaking.MOST_OCTETS


@BOTH
def test_a_server_that_says_nothing_ends_with_the_deadline(protocol):
    result, _ = found(protocol, deadline=0.2)
    assert (result.stage, result.error) == ("greeting", "it was not over after 0.2 s, the deadline")


@pytest.mark.parametrize(
    ("protocol", "replies", "error"),
    [
        (IMAP, [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1\r\nP1 OK\r\n"], "the server does not offer STARTTLS"),
        (
            IMAP,
            [b"* OK hi\r\n", b"* CAPABILITY STARTTLS\r\nP1 OK\r\n", b"P2 NO today\r\n", b"P3 OK\r\n"],
            "NO today",
        ),
        (
            IMAP,
            [b"* PREAUTH hi\r\n"],
            "PREAUTH hi (the client is logged in already, so that neither STARTTLS nor a login is possible)",
        ),
        (POP3, [b"+OK hi\r\n", b"-ERR\r\n"], "the server does not offer STLS"),
        (POP3, [b"+OK hi\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"-ERR today\r\n", b"+OK\r\n"], "-ERR today"),
    ],
)
def test_where_tls_is_not_begun_nothing_of_the_login_goes_out(protocol, replies, error):
    result, heard = found(protocol, *replies, kind=Connection.STARTTLS, **LOGIN)
    assert (result.error, result.logged_in) == (error, False)
    assert not any(b"ann" in line for line in heard)


@pytest.mark.parametrize(
    ("protocol", "replies", "error"),
    [
        (
            IMAP,
            [b"* OK hi\r\n", b"* CAPABILITY LOGINDISABLED\r\nP1 OK\r\n"],
            "the server does not offer a login: it says LOGINDISABLED",
        ),
        (
            IMAP,
            [b"* OK hi\r\n", b"* CAPABILITY AUTH=NTLM LOGINDISABLED\r\nP1 OK\r\n"],
            "the server does not offer a login: it says LOGINDISABLED",
        ),
        (POP3, [b"+OK hi\r\n", b"+OK\r\nSASL NTLM\r\n.\r\n"], "the server offers AUTH NTLM, and none of"),
        (POP3, [b"+OK hi\r\n", b"+OK\r\n.\r\n"], "the server does not offer AUTH"),
    ],
)
def test_where_no_login_is_offered_none_is_tried(protocol, replies, error):
    result, heard = found(protocol, *replies, **LOGIN)
    assert (result.stage, result.reply_code) == ("login", -1)
    assert result.error.startswith(error)
    assert not any(b"ann" in line for line in heard)


@pytest.mark.parametrize(
    ("protocol", "replies"),
    [
        (
            IMAP,
            [b"* OK hi\r\n", b"* CAPABILITY X\r\nP1 OK\r\n", b'P2 NO LOGIN "ann" "a\\\\b\\"cdef"\r\n', b"P3 OK\r\n"],
        ),
        (POP3, [b"+OK hi\r\n", b"-ERR\r\n", b"+OK\r\n", b'-ERR PASS a\\b"cdef\r\n', b"+OK\r\n"]),
    ],
)
def test_a_password_that_the_server_says_again_is_struck_out(protocol, replies):
    result, _ = found(protocol, *replies, user="ann", password='a\\b"cdef')
    assert (result.reply_code, result.stage) == (1, "login")
    assert "cdef" not in f"{result.error}{result.last_reply}"


def test_a_password_with_a_line_end_cannot_add_a_command():
    replies = [b"+OK hi\r\n", b"-ERR\r\n"]
    result, heard = found(POP3, *replies, user="ann", password="a\r\nDELE 1")
    assert result.error == "the password has control characters, which PASS cannot carry"
    assert heard == [b"CAPA\r\n"]


# What is asked for


@pytest.mark.parametrize("field", ["sender", "ehlo_name"])
def test_what_only_smtp_has_is_an_error(field):
    with pytest.raises(InvalidValueError, match=f"Probe.{field}: expected none: only SMTP has it"):
        Probe("localhost", 143, protocol=IMAP, **{field: "ann.example"})


def test_the_default_ports_are_the_conventional_ones():
    ports = {one: [one.default_port(kind) for kind in Connection] for one in Protocol}
    assert ports == {Protocol.SMTP: [25, 25, 465], IMAP: [143, 143, 993], POP3: [110, 110, 995]}
