"""`smtpfix serve` from the start to the end: in this process, and as the program that people and programs run."""

import errno
import imaplib
import io
import json
import os
import poplib
import shutil
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from smtpfix import Server
from smtpfix.cli import main
from smtpfix.cli import serve as serve_module
from smtpfix.cli.options import read_options
from smtpfix.cli.pipe import settle
from smtpfix.cli.serve import CannotServeError, serve
from smtpfix.errors import CallbackFailed, InvalidValueError

pytestmark = pytest.mark.slow

BOUND = 20
"""Seconds after which a run that should have ended long ago ends, so that a failing test does not hang."""

MODES = ("plain", "starttls", "tls-required", "implicit-tls")


class Stream(io.StringIO):
    """Standard output of a run in this process: starts a client in another thread once all servers listen."""

    def __init__(self, client):
        super().__init__()
        self._client = client
        self.thread = None

    def flush(self):
        if self.thread is None:
            self.thread = threading.Thread(target=self._client, args=(self.events,))
            self.thread.start()

    @property
    def events(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]


def run(client, *listen, stream=None, **options):
    """Serve until an option or the client ends it; return the exit status and what was printed."""
    stream = stream or Stream(client)
    options = {"as_json": True, "timeout": BOUND, **options}
    try:
        status = serve(read_options(listen=listen or ["plain:0"], **options), stream)
    finally:
        if stream.thread is not None:
            stream.thread.join(BOUND)
    return status, stream


def end_it():
    """End the run in this process from a client's thread, as somebody else would."""
    os.kill(os.getpid(), signal.SIGTERM)


def nobody(_listening):
    """Be no client at all."""


def connect(listening):
    """Return a client of one server, in TLS wherever there is TLS."""
    address = (listening["host"], listening["port"], "client.example")
    if listening["mode"] == "plain":
        return smtplib.SMTP(*address, timeout=BOUND)
    context = ssl.create_default_context(cafile=listening["ca_file"])
    if listening["mode"] == "implicit-tls":
        return smtplib.SMTP_SSL(*address, context=context, timeout=BOUND)
    client = smtplib.SMTP(*address, timeout=BOUND)
    client.starttls(context=context)
    return client


def send(client, subject="Hello"):
    client.sendmail("ann@example.org", "bob@example.org", f"Subject: {subject}\r\n\r\nHi\r\n")


def send_one(listening):
    with connect(listening[0]) as client:
        send(client)


def send_one_and_leave(listening):
    """Send a message, and do not wait for a goodbye: the server may be gone by then."""
    client = connect(listening[0])
    send(client)
    client.close()


# What is served


def test_every_hostname_is_in_the_certificate_and_the_first_is_where_json_has_clients_connect():
    def client(listening):
        seen.extend((server["connect"], server["host"]) for server in listening)
        context = ssl.create_default_context(cafile=listening[0]["ca_file"])
        for name in (*names, "localhost"):
            with socket.create_connection((listening[0]["host"], listening[0]["port"]), timeout=BOUND) as raw:
                context.wrap_socket(raw, server_hostname=name).close()
        end_it()

    seen = []
    names = ["mail.example", "relay.example", "192.0.2.7", "2001:db8::7"]
    status, _ = run(client, "implicit-tls:0", "plain:0", hostname=names)
    assert status == 0
    assert seen == [("mail.example", "localhost")] * 2


def test_a_client_shows_a_certificate_that_was_issued_from_the_server_s_authority(tmp_path, capsys):
    def client(listening):
        context = ssl.create_default_context(cafile=tmp_path / "ca" / "ca.pem")
        context.load_cert_chain(tmp_path / "out" / "device-7-chain.pem", tmp_path / "out" / "device-7-key.pem")
        with smtplib.SMTP_SSL(
            listening[0]["host"], listening[0]["port"], "client.example", timeout=BOUND, context=context
        ) as connected:
            send(connected)

    arguments = ["client", "device-7", "--authority", tmp_path / "ca", "--out", tmp_path / "out"]
    assert main(["certs", *map(str, arguments)]) == 0
    assert "device-7-key.pem" in capsys.readouterr().out
    options = {"authority": tmp_path / "ca", "client_certificate": "required"}
    _, printed = run(client, "implicit-tls:0", exit_after=1, **options)
    (ended,) = printed.of("session-ended")
    assert "device-7" in ended["tls"]["client_certificate"]


def test_users_of_a_file_log_in_with_hashed_passwords_also_in_clear_where_that_is_asked_for(tmp_path):
    def client(listening):
        with smtplib.SMTP(listening[0]["host"], listening[0]["port"], "client.example", timeout=BOUND) as connected:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                connected.login("ann", "other")
            connected.login("ann", "s3cret")
            send(connected)

    file = tmp_path / "users"
    file.write_text("ann:$apr1$abcdefgh$M2T3erDstkD7SsE2QQnfH0\n")
    _, printed = run(client, "starttls:0", users=file, auth_in_clear=True, require_auth=True, exit_after=1)
    assert [event["user"] for event in printed.of("message")] == ["ann"]


def test_verbose_tells_everything_that_is_said_as_it_goes_and_no_password():
    def client(listening):
        with connect(listening[0]) as connected:
            assert greeted.wait(BOUND)  # it is told while the client is connected
            connected.login("ann", "s3cret")
            send(connected)

    class Watched(Stream):
        def write(self, text):
            written = super().write(text)
            if '"lines": ["220 ' in text:
                greeted.set()
            return written

    greeted = threading.Event()
    stream = Watched(client)
    run(client, user=["ann:s3cret"], verbose=True, exit_after=1, stream=stream)
    said = [(event["by"], line) for event in stream.of("said") for line in event["lines"]]
    lines = [line.lower() for by, line in said if by == "client"]  # smtplib writes them in its own way
    assert {"ehlo client.example", "mail from:<ann@example.org> size=22"} <= set(lines)
    assert ("server", "235 2.7.0 Authentication successful") in said
    assert ("note", "end: quit") in said
    assert any(by == "content" for by, _ in said)
    assert "s3cret" not in stream.getvalue()
    assert "AGFubgBzM2NyZXQ=" not in stream.getvalue()
    assert run(send_one, exit_after=1)[1].of("said") == []


def test_rules_that_answered_on_no_server_are_named_at_the_end_as_they_were_written(tmp_path):
    def client(listening):
        with connect(listening[0]) as connected:
            connected.docmd("NOOP")
            send(connected)

    file = tmp_path / "rules.toml"
    file.write_text('rules = ["DATA session 9: 451 4.3.0 Later"]\n[starttls]\nrules = ["STARTTLS: 454 4.7.0 No"]\n')
    rules = ["NOOP: 250 2.0.0 yes", "VRFY  ann: 252 2.1.5 x1"]
    _, printed = run(client, "plain:0", "plain:0", rule=rules, rules=file, exit_after=1)
    (stopped,) = printed.of("stopped")
    assert stopped["unused_rules"] == ["VRFY  ann: 252 2.1.5 x1", "DATA session 9: 451 4.3.0 Later"]


def test_what_comes_over_smtp_is_read_over_imap_and_pop3_and_told():
    def client(listening):
        smtp, imap, pop3 = listening
        send_one_and_leave([smtp])
        context = ssl.create_default_context(cafile=imap["ca_file"])
        reader = imaplib.IMAP4(imap["host"], imap["port"], timeout=BOUND)
        reader.starttls(context)
        reader.login("bob", "anything")
        reader.select()
        assert b"Hi" in reader.fetch("1", "(RFC822)")[1][0][1]
        reader.logout()
        mail = poplib.POP3_SSL(pop3["host"], pop3["port"], context=context, timeout=BOUND)
        mail.user("bob")
        with pytest.raises(poplib.error_proto, match="not now"):
            mail.pass_("anything")
        mail.quit()
        end_it()

    listen = ("plain:0", "imap+starttls:0", "pop3+implicit-tls:0")
    status, stream = run(client, *listen, rule=["pop3:PASS: -ERR not now"])
    assert status == 0
    assert [(one["server"], one["protocol"]) for one in stream.of("listening")] == [
        *(("plain", "smtp"), ("imap+starttls", "imap"), ("pop3+implicit-tls", "pop3"))
    ]
    ended = {one["server"]: one for one in stream.of("session-ended")}
    assert [one["user"] for one in ended["imap+starttls"]["retrievals"]] == ["bob"]
    assert ended["pop3+implicit-tls"]["refusal"] == "-ERR not now"
    assert ended["plain"]["messages"] == 1


def test_rules_answer_in_the_order_they_were_given_in():
    def client(listening):
        with connect(listening[0]) as connected:
            replies.extend(connected.docmd("NOOP") for _ in range(3))
            send(connected)

    replies = []
    status, printed = run(client, rule=["NOOP: 451 4.3.0 first x1", "NOOP: 452 4.3.1 second x1"], exit_after=1)
    assert status == 0
    assert replies == [(451, b"4.3.0 first"), (452, b"4.3.1 second"), (250, b"2.0.0 OK")]
    assert len(printed.of("message")) == 1


def test_a_scenario_that_needs_no_tls_is_shown_by_a_plain_server_too():
    def client(listening):
        with connect(listening[0]) as connected:
            replies.append(connected.mail("ann@example.org"))
        end_it()

    replies = []
    run(client, "plain:0", scenario="mail-452")
    assert replies == [(452, b"4.3.1 Insufficient system storage")]


def test_four_modes_are_served_at_once_into_one_inbox():
    def client(listening):
        for server in listening:
            with connect(server) as connected:
                send(connected, server["mode"])

    status, printed = run(client, *(f"{mode}:0" for mode in MODES), exit_after=4)
    assert status == 0
    messages = printed.of("message")
    assert [(event["number"], event["mode"], event["subject"]) for event in messages] == [
        (number, mode, mode) for number, mode in enumerate(MODES, 1)
    ]
    assert [event["in_tls"] for event in messages] == [False, True, True, True]
    assert [event["end"] for event in printed.of("session-ended")] == ["quit"] * 4


def test_lmtp_servers_are_named_as_they_were_asked_for_and_say_who_was_refused(tmp_path):
    def client(listening):
        for server in listening:
            connected = smtplib.LMTP(server["host"], server["port"], "client.example", timeout=BOUND)
            connected.sendmail("ann@example.org", ["bob@example.org", "eve@example.org"], "Subject: x\r\n\r\nx\r\n")
            connected.close()  # smtplib reads one of the two replies

    rules = ["END-OF-DATA eve@*: 550 5.1.1 No such mailbox"]
    path = tmp_path / "socket"
    _, printed = run(client, "lmtp:0", "lmtp+starttls:0", f"lmtp+unix:{path}", rule=rules, exit_after=3)
    messages = printed.of("message")
    assert [(event["server"], event["mode"]) for event in messages] == [
        ("lmtp", "plain"),
        ("lmtp+starttls", "starttls"),
        ("lmtp-2", "plain"),
    ]
    assert [(event["accepted"], event["refused_recipients"]) for event in messages] == [(True, ["eve@example.org"])] * 3
    assert [event["client"] for event in printed.of("session-ended")].count("local") == 1
    assert not path.exists()


def test_what_comes_by_smtp_is_read_by_pop3():
    def client(listening):
        send_one(listening)
        reader = poplib.POP3(listening[1]["host"], listening[1]["port"], timeout=BOUND)
        reader.user("ann")
        reader.pass_("s3cret")
        assert reader.stat() == (7, 7)
        reader.retr(1)
        reader.quit()
        end_it()

    status, stream = run(
        client, "plain:0", "pop3:0", "pop3+starttls:0", user=["ann:s3cret"], rule=["pop3: STAT: +OK 7 7"]
    )
    assert status == 0
    assert [(one["server"], one["protocol"]) for one in stream.of("listening")] == [
        ("plain", "smtp"),
        ("pop3", "pop3"),
        ("pop3+starttls", "pop3"),
    ]
    (read,) = (one for one in stream.of("session-ended") if one["server"] == "pop3")
    assert (read["end"], read["messages"]) == ("quit", 0)
    assert [(one["user"], one["folder"], one["in_tls"]) for one in read["retrievals"]] == [("ann", "INBOX", False)]


def test_behind_a_proxy_sessions_are_those_of_the_clients():
    def client(listening):
        with socket.create_connection((listening[0]["host"], listening[0]["port"]), BOUND) as connected:
            connected.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\nQUIT\r\n")
            while connected.recv(1000):
                pass
        end_it()

    _, printed = run(client, "plain:0", proxy_protocol=True)
    (ended,) = printed.of("session-ended")
    assert (ended["client"], ended["client_port"]) == ("192.0.2.1", 56324)
    assert ended["forwarded_by"] in ("127.0.0.1", "::1")


def test_a_message_s_number_is_that_of_its_file_in_later_runs_too(tmp_path):
    for number in (1, 2):
        _, printed = run(send_one, exit_after=1, save=tmp_path)
        (message,) = printed.of("message")
        assert message["number"] == number
        assert Path(message["path"]).name == f"000{number}-bob@example.org-Hello.eml"


def test_messages_can_be_saved_as_a_maildir(tmp_path):
    _, printed = run(send_one, exit_after=1, save=tmp_path, save_as="maildir")
    (message,) = printed.of("message")
    assert Path(message["path"]).parent == tmp_path / "new"
    assert Path(message["path"]).read_bytes() == b"Subject: Hello\n\nHi\n"


@pytest.mark.parametrize(("given", "kept"), [({}, 3), ({"save": "mails"}, 1)])
def test_what_is_saved_does_not_stay_in_memory(tmp_path, monkeypatch, given, kept):
    monkeypatch.chdir(tmp_path)
    run_of_serve = serve_module.Run(read_options(**{name: Path(value) for name, value in given.items()}), io.StringIO())
    inbox = run_of_serve._inbox()
    with Server(inbox=inbox) as server, server.client() as client:
        for _ in range(3):
            send(client)
    run_of_serve._printer.finish(BOUND)
    assert len(inbox) == kept
    assert inbox.dropped == 3 - kept


def test_two_servers_of_one_mode_have_names_and_files_of_their_own(tmp_path):
    def client(listening):
        for server in listening:
            with connect(server) as connected:
                send(connected)

    _, printed = run(client, "plain:0", "plain@127.0.0.1:0", exit_after=2, save=tmp_path)
    assert [event["server"] for event in printed.of("message")] == ["plain", "plain-2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".numbers",
        "0001-bob@example.org-Hello.eml",
        "0002-bob@example.org-Hello.eml",
        "session-plain-0001.txt",
        "session-plain-2-0001.txt",
    ]


def test_the_options_reach_the_servers():
    replies = []

    def client(listening):
        with connect(listening[0]) as connected:
            replies.append(connected.ehlo()[1].split(b"\n")[0])
            replies.append(connected.mail("ann@example.org")[0])
            replies.append(connected.login("ann", "s3cret")[0])
            replies.append(connected.mail("ann@example.org", ["SIZE=101"])[0])
            send(connected)

    _, printed = run(
        client, user=["ann:s3cret"], require_auth=True, hostname=["mail.example"], size_limit=100, exit_after=1
    )
    assert replies == [b"mail.example", 530, 235, 552]
    assert printed.of("message")[0]["user"] == "ann"
    assert "s3cret" not in printed.getvalue()


def test_tokens_and_mechanisms_reach_the_servers():
    offered = []

    def client(listening):
        with connect(listening[0]) as connected:
            connected.ehlo()
            offered.append(connected.esmtp_features["auth"].split())
            connected.auth("XOAUTH2", lambda challenge=None: "" if challenge else "user=ann\1auth=Bearer s3cret\1\1")
            send(connected)

    _, printed = run(client, token=["ann:s3cret"], mechanism=["XOAUTH2", "LOGIN"], exit_after=1)
    assert offered == [["XOAUTH2", "LOGIN"]]
    assert printed.of("message")[0]["user"] == "ann"
    assert "s3cret" not in printed.getvalue()


def test_messages_on_one_connection_belong_to_its_session():
    def client(listening):
        with connect(listening[0]) as first, connect(listening[0]) as second:
            for connected in (second, first, second):
                send(connected)

    _, printed = run(client, exit_after=3)
    assert [event["session"] for event in printed.of("message")] == [2, 1, 2]


def test_what_is_kept_in_memory_is_bounded_and_the_oldest_messages_go_first(monkeypatch, capfd):
    def client(listening):
        with connect(listening[0]) as connected:
            for number in range(5):
                send(connected, f"{number}\r\nX-Filler: " + "\r\n ".join(["x" * 900] * 250))
            seen.append(([one.subject for one in inboxes[0]], inboxes[0].dropped))
        end_it()

    class Kept(serve_module.Inbox):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            inboxes.append(self)

    inboxes, seen = [], []
    monkeypatch.setattr(serve_module, "Inbox", Kept)
    _, printed = run(client, "plain:0", "starttls:0", max_memory=1)
    assert seen == [(["3", "4"], 3)]
    subjects = [event["subject"] for event in printed.of("message")]
    assert subjects == ["0", "1", "2", "3", "4"] or "events were not shown" in capfd.readouterr().err
    assert {policy.max_octets for policy in read_options(max_memory=8).policies} == {524_288}


def test_people_get_a_table_and_programs_get_json(capsys):
    options = read_options(listen=["plain:0"], timeout=0.01)
    assert serve(options, sys.stdout) == 0
    assert capsys.readouterr().out.startswith("MODE ")
    _, printed = run(nobody, timeout=0.01)
    assert [event["event"] for event in printed.events] == ["listening", "stopped"]


# The authority


def test_an_authority_in_a_directory_stays_the_same_and_its_keys_are_private(tmp_path):
    certificates = []
    for _ in range(2):
        _, printed = run(send_one, "starttls:0", authority=tmp_path / "authority", exit_after=1)
        assert printed.of("message")[0]["in_tls"]
        ca_file = printed.of("listening")[0]["ca_file"]
        certificates.append(Path(ca_file).read_bytes())
    assert certificates[0] == certificates[1]
    keys = list((tmp_path / "authority").glob("*.key"))
    assert keys
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


@pytest.mark.parametrize(("key_type", "served"), [("rsa", True), (None, False)])
def test_clients_that_know_no_ecdsa_are_served_by_an_rsa_authority(key_type, served):
    def client(listening):
        context = ssl.create_default_context(cafile=listening[0]["ca_file"])
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        address = (listening[0]["host"], listening[0]["port"], "client.example")
        try:
            with smtplib.SMTP_SSL(*address, context=context, timeout=BOUND) as connected:
                send(connected)
        except ssl.SSLError:
            with connect(listening[0]) as connected:
                send(connected, "by ECDSA")

    _, printed = run(client, "implicit-tls:0", key_type=key_type, exit_after=1)
    assert [one["subject"] for one in printed.of("message")] == ["Hello" if served else "by ECDSA"]


def test_an_authority_without_a_directory_is_gone_afterwards():
    _, printed = run(send_one, "starttls:0", exit_after=1)
    assert printed.of("message")[0]["in_tls"]
    assert not Path(printed.of("listening")[0]["ca_file"]).exists()


def test_without_tls_there_is_no_authority():
    _, printed = run(send_one, "plain:0", exit_after=1)
    assert printed.of("listening")[0]["ca_file"] is None


# Scenarios


def shown(client, *listen, **options):
    """Serve while a client does one thing to the first server; return what it returned, and what was printed."""
    seen = []

    def once(listening):
        try:
            seen.append(client(listening[0]))
        finally:
            signal.raise_signal(signal.SIGINT)

    status, printed = run(once, *listen, **options)
    assert status == 0
    return seen[0], printed


def handshake(there, ca_file=None):
    """Shake hands as a careful client does; return the TLS version, or OpenSSL's verify code."""
    context = ssl.create_default_context(cafile=ca_file or there["ca_file"])
    with socket.create_connection((there["host"], there["port"]), BOUND) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=there["connect"]) as wrapped:
                return wrapped.version()
        except ssl.SSLCertVerificationError as error:
            return error.verify_code


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good", "TLSv1.3"),
        ("expired", 10),
        ("wrong-host", 62),
        ("self-signed", 18),
        ("self-signed-pinned", "TLSv1.3"),
        ("pin-other-key", 18),
        ("untrusted-root", 20),
        ("wildcard-ok", "TLSv1.3"),
        ("ip-san", "TLSv1.3"),
        ("ip-wildcard", 64),
    ],
)
def test_a_certificate_s_scenario_is_shown_to_a_client_that_connects_as_it_is_told_to(name, expected):
    seen, printed = shown(handshake, "implicit-tls:0", certificate=name)
    assert seen == expected
    assert [event["id"] for event in printed.of("scenario")] == [name]


def test_what_is_trusted_in_a_scenario_is_not_what_is_trusted_elsewhere(tmp_path):
    root = tmp_path / "ca.pem"
    options = {"certificate": "self-signed-pinned", "authority": tmp_path}
    seen, printed = shown(lambda there: handshake(there, root), "implicit-tls:0", **options)
    assert seen == 18
    assert printed.of("listening")[0]["ca_file"] != str(root)


def test_a_mode_that_cannot_show_a_scenario_is_told_and_not_served():
    _, printed = run(nobody, "plain:0", "starttls:0", certificate="expired", timeout=0.01)
    assert [event["mode"] for event in printed.of("listening")] == ["starttls"]
    assert printed.of("left-out") == [{"event": "left-out", "mode": "plain"}]


@pytest.mark.parametrize(("options", "expected"), [({"tls_max": "1.2"}, "TLSv1.2"), ({"tls_min": "1.3"}, "TLSv1.3")])
def test_tls_versions_can_be_bounded(options, expected):
    assert shown(handshake, "implicit-tls:0", **options)[0] == expected


@pytest.mark.parametrize(("name", "expected"), [("good", "TLSv1.3"), ("wrong-host", 62)])
def test_a_certificate_of_the_user_s_own_is_shown(name, expected, tmp_path):
    assert main(["certs", "write", name, "--out", str(tmp_path)]) == 0
    files = {"certificate_file": tmp_path / f"{name}-chain.pem", "key_file": tmp_path / f"{name}-key.pem"}
    trusted = tmp_path / f"{name}-ca.pem"
    assert shown(lambda there: handshake(there, trusted), "implicit-tls:0", **files)[0] == expected


@pytest.mark.parametrize(("mode", "complains"), [(0o600, False), (0o644, True)])
def test_a_key_of_the_user_s_own_that_others_can_read_is_complained_of_and_used(tmp_path, capfd, mode, complains):
    assert main(["certs", "write", "good", "--out", str(tmp_path)]) == 0
    files = {"certificate_file": tmp_path / "good-chain.pem", "key_file": tmp_path / "good-key.pem"}
    files["key_file"].chmod(mode)
    trusted = tmp_path / "good-ca.pem"
    assert shown(lambda there: handshake(there, trusted), "implicit-tls:0", **files)[0] == "TLSv1.3"
    assert (f"others can read or write the key {files['key_file']}" in capfd.readouterr().err) is complains


def test_a_key_that_is_not_the_certificate_s_is_an_error_that_names_options_and_files(tmp_path):
    assert main(["certs", "write", "good", "expired", "--out", str(tmp_path)]) == 0
    files = {"certificate_file": tmp_path / "good-chain.pem", "key_file": tmp_path / "expired-key.pem"}
    with pytest.raises(InvalidValueError, match=r"^--certificate-file and --key-file: expected .*expired-key\.pem"):
        run(nobody, "starttls:0", **files)


def test_other_wrong_values_that_only_the_start_finds_keep_their_names(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('summary = "s"\nexpected = "refuse"\nstandard = "x"\n[tls]\nciphers = "NONESUCH"\n')
    with pytest.raises(InvalidValueError, match=r"^mine\.toml, \[tls\]: ciphers: expected suites"):
        run(nobody, "starttls:0", certificate=str(file))


CURL = shutil.which("curl")
OPENSSL = shutil.which("openssl")


@pytest.mark.skipif(CURL is None, reason="there is no curl")
@pytest.mark.parametrize(
    ("name", "status"),
    [("good", 0), ("wildcard-ok", 0), ("self-signed-pinned", 0), ("expired", 60), ("wrong-host", 60)],
)
def test_curl_delivers_or_refuses_as_the_scenario_expects(name, status, tmp_path):
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"Subject: Hello\r\n\r\nHi\r\n")

    def deliver(there):
        url = f"smtps://{there['connect']}:{there['port']}/client.example"
        way = f"::{there['addresses'][0]}:{there['port']}"
        command = [CURL, "--silent", "--noproxy", "*", "--cacert", there["ca_file"], "--connect-to", way, url]
        command += ["--mail-from", "ann@example.org", "--mail-rcpt", "bob@example.org", "--upload-file", str(mail)]
        return subprocess.run(command, capture_output=True, timeout=BOUND, check=False).returncode

    seen, printed = shown(deliver, "implicit-tls:0", certificate=name)
    assert seen == status
    assert len(printed.of("message")) == (status == 0)


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl")
@pytest.mark.parametrize(
    ("name", "code"), [("good", 0), ("self-signed-pinned", 0), ("expired", 10), ("wrong-host", 62)]
)
def test_openssl_s_client_finds_the_verify_code_after_starttls(name, code):
    def connect_and_quit(there):
        address = f"{there['addresses'][0]}:{there['port']}"
        command = [OPENSSL, "s_client", "-connect", address, "-starttls", "smtp", "-CAfile", there["ca_file"]]
        command += ["-verify_hostname", there["connect"], "-no-CApath", "-no-CAstore"]
        done = subprocess.run(command, input=b"QUIT\r\n", capture_output=True, timeout=BOUND, check=False)
        return done.stdout.decode()

    printed, _ = shown(connect_and_quit, "starttls:0", certificate=name)
    assert f"Verify return code: {code} (" in printed


# A file of rules


class Dialogue(Stream):
    """Standard output of a run in which a client waits for events."""

    def __init__(self, client):
        super().__init__(lambda _: client(self))
        self._changed = threading.Condition()

    def flush(self):
        super().flush()
        with self._changed:
            self._changed.notify_all()

    def wait(self, kind, count=1):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, BOUND)
        return self.of(kind)[count - 1]


def converse(client, *listen, **options):
    """Serve while a client talks to it and waits for what it prints; return that."""

    def once(stream):
        try:
            client(stream)
            done.append(True)
        finally:
            signal.raise_signal(signal.SIGINT)

    done = []
    stream = Dialogue(once)
    assert run(nobody, *listen, stream=stream, **options)[0] == 0
    assert done
    return stream


def hang_up():
    """Send SIGHUP to the main thread, as the system does: it interrupts what that waits for."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGHUP)


needs_sighup = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")


def test_rules_of_a_file_answer_before_those_of_the_command_line_and_each_mode_has_its_own(tmp_path):
    def client(stream):
        stream.wait("rules-read")
        for server in stream.of("listening"):
            with connect(server) as connected:
                replies.append([connected.docmd("NOOP")[0] for _ in range(4)])

    replies = []
    file = tmp_path / "rules.toml"
    file.write_text('rules = ["NOOP: 452 x1"]\n[starttls]\nrules = ["NOOP: 451 x1"]\n')
    printed = converse(client, "plain:0", "starttls:0", rules=file, rule=["NOOP: 453 x1"])
    assert replies == [[452, 453, 250, 250], [451, 452, 453, 250]]
    assert [(event["file"], event["rules"]) for event in printed.of("rules-read")] == [(str(file), 2)]


@needs_sighup
def test_a_hangup_signal_puts_the_file_s_new_rules_in_the_place_of_its_old_ones_and_leaves_all_others(tmp_path):
    def client(stream):
        stream.wait("rules-read")
        with connect(stream.of("listening")[0]) as connected:
            for count, text in enumerate(["rules = ['NOOP: 452', 'VRFY: 453']", "", "rules = ['NOOP: 454']"], 2):
                replies.append([connected.docmd(verb)[0] for verb in ("NOOP", "VRFY", "HELP", "MAIL")])
                file.write_text(text)
                hang_up()
                stream.wait("rules-read", count)
            replies.append([connected.docmd(verb)[0] for verb in ("NOOP", "VRFY", "HELP", "MAIL")])

    replies = []
    file = tmp_path / "rules.toml"
    file.write_text("rules = ['NOOP: 451']")
    printed = converse(client, rules=file, rule=["HELP: 455"], scenario="mail-452")
    assert replies == [[451, 501, 455, 452], [452, 453, 455, 452], [250, 501, 455, 452], [454, 501, 455, 452]]
    assert [event["rules"] for event in printed.of("rules-read")] == [1, 2, 0, 1]


@needs_sighup
def test_a_file_that_makes_no_sense_is_told_and_its_old_rules_stay_in_force(tmp_path):
    def client(stream):
        stream.wait("rules-read")
        with connect(stream.of("listening")[0]) as connected:
            file.write_text("rules = [\n'NOOP: 452',\n'NOOP: never',\n]")
            hang_up()
            stream.wait("rules-rejected")
            replies.append(connected.noop()[0])
            file.unlink()
            hang_up()
            stream.wait("rules-rejected", 2)
            replies.append(connected.noop()[0])
            file.write_text("rules = ['NOOP: 453']")
            hang_up()
            stream.wait("rules-read", 2)
            replies.append(connected.noop()[0])

    replies = []
    file = tmp_path / "rules.toml"
    file.write_text("rules = ['NOOP: 451']")
    printed = converse(client, rules=file)
    assert replies == [451, 451, 453]
    wrong, missing = printed.of("rules-rejected")
    assert wrong["error"].startswith(f"{file}: rules, number 2 (line 3): rule 'NOOP: never', action: expected a reply")
    assert missing["error"] == f"{file}: expected a TOML file that can be read, got 'No such file or directory'"
    assert [wrong["rules"], missing["rules"]] == [1, 1]


@needs_sighup
def test_no_session_sees_a_part_of_a_change_of_rules(tmp_path):
    """Each command is one line with its answers: a rule of either file answers it, and never the server itself."""

    def client(stream):
        stream.wait("rules-read")
        with connect(stream.of("listening")[0]) as connected:
            for count in range(2, 22):
                file.write_text(text(count))
                hang_up()
                replies.extend(connected.docmd(verb) for verb in ("NOOP", "VRFY") * 5)
                stream.wait("rules-read", count)

    def text(count):
        return f"rules = ['VRFY: 451 {count}', 'NOOP: 451 {count}']"

    replies = []
    file = tmp_path / "rules.toml"
    file.write_text(text(1))
    converse(client, rules=file)
    assert {code for code, _ in replies} == {451}
    numbers = [int(words) for _, words in replies]
    assert numbers == sorted(numbers)


@needs_sighup
def test_the_signal_s_handler_is_as_before_afterwards_and_untouched_without_a_file(tmp_path):
    def look(_):
        seen.append(signal.getsignal(signal.SIGHUP))

    seen = []
    handler = signal.getsignal(signal.SIGHUP)
    file = tmp_path / "rules.toml"
    file.touch()
    converse(look)
    converse(look, rules=file)
    assert seen[0] == handler != seen[1]
    assert signal.getsignal(signal.SIGHUP) == handler


# How it ends


def test_it_ends_with_status_0_once_the_messages_asked_for_have_come():
    status, printed = run(send_one, exit_after=1)
    assert status == 0
    assert printed.events[-1] == {
        "event": "stopped",
        "reason": "exit-after",
        "messages": 1,
        "sessions": 1,
        "unused_rules": [],
    }


def test_it_ends_with_status_1_when_the_time_is_up_before_they_have_come():
    status, printed = run(nobody, exit_after=1, timeout=0.01)
    assert status == 1
    assert printed.events[-1]["reason"] == "timeout"


def test_it_ends_with_status_0_when_the_time_is_up_and_no_messages_were_asked_for():
    status, _ = run(nobody, timeout=0.01)
    assert status == 0


def test_a_message_that_is_refused_does_not_count():
    def client(listening):
        with connect(listening[0]) as connected:
            with pytest.raises(smtplib.SMTPDataError):
                send(connected, "longer than 20 octets")
            send(connected)

    options = read_options(listen=["plain:0"], as_json=True, exit_after=1, timeout=BOUND)
    stream = Stream(client)
    assert serve(replace(options, policies=(options.policies[0].replace(line_limit=20),)), stream) == 0
    stream.thread.join(BOUND)
    assert [event["accepted"] for event in stream.of("message")] == [False, True]
    assert stream.events[-1]["messages"] == 1


def test_the_sender_of_the_last_message_can_finish_its_session():
    replies = []

    def client(listening):
        with connect(listening[0]) as connected:
            send(connected)
            replies.extend([connected.noop()[0], connected.quit()[0]])

    run(client, exit_after=1)
    assert replies == [250, 221]


def test_a_sender_that_never_finishes_does_not_hold_it_up(monkeypatch):
    monkeypatch.setattr(serve_module, "FAREWELL", 0.05)
    over = threading.Event()

    def client(listening):
        connected = connect(listening[0])
        send(connected)
        assert over.wait(BOUND)
        connected.close()

    stream = Stream(client)
    try:
        status = serve(read_options(listen=["plain:0"], as_json=True, exit_after=1, timeout=BOUND), stream)
    finally:
        over.set()
        stream.thread.join(BOUND)
    assert status == 0
    assert stream.of("session-ended")[0]["end"] == "server closed"
    assert stream.events[-1]["reason"] == "exit-after"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_and_nothing_lost(number, tmp_path):
    handler = signal.getsignal(number)

    def client(listening):
        connected = connect(listening[0])
        for _ in range(20):
            send(connected)
        signal.raise_signal(number)
        signal.raise_signal(number)  # `timeout` and impatient people send it more than once
        connected.close()

    status, printed = run(client, exit_after=1000, save=tmp_path)
    assert status == 0
    assert len(printed.of("message")) == len(list(tmp_path.glob("*.eml"))) == 20
    assert len(printed.of("session-ended")) == len(list(tmp_path.glob("*.txt"))) == 1
    assert printed.events[-1].items() >= {"reason": number.name, "messages": 20, "sessions": 1}.items()
    assert signal.getsignal(number) is handler


# What goes wrong


@contextmanager
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_port_in_use_is_an_error_and_the_servers_before_it_are_closed():
    before = threading.enumerate()
    with taken_port() as port, pytest.raises(CannotServeError, match=f"localhost port {port}: another program does"):
        run(nobody, "plain:0", "starttls:0", f"plain:{port}")
    assert threading.enumerate() == before


def test_a_host_that_is_not_there_is_an_error():
    with pytest.raises(CannotServeError, match="neither an IP address nor a name this machine knows"):
        run(nobody, "plain@nowhere.invalid:0")


def test_an_authority_that_cannot_be_kept_is_an_error(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CannotServeError, match=r"cannot keep the authority in .*file: File exists; choose"):
        run(nobody, "plain:0", authority=file)


def test_files_that_cannot_be_saved_any_more_end_it_unacknowledged_and_what_came_is_still_shown(tmp_path):
    directory, refused = tmp_path / "mails", []

    def client(listening):
        shutil.rmtree(directory)
        try:
            send_one_and_leave(listening)
        except smtplib.SMTPServerDisconnected:
            refused.append(True)

    stream = Stream(client)
    with pytest.raises(CannotServeError, match=r"cannot go on saving in .*mails: No such file"):
        run(client, stream=stream, save=directory)
    assert refused
    assert stream.of("message")[0]["path"] is None
    assert stream.events[-1]["reason"] == "failed"


class Failing(Stream):
    """Standard output that takes no messages."""

    def __init__(self, client, error):
        super().__init__(client)
        self._error = error

    def write(self, text):
        if '"message"' in text:
            raise self._error
        return super().write(text)


def test_a_fault_of_its_own_is_reported_and_not_the_client_s(monkeypatch):
    def client(listening):
        client = connect(listening[0])
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(client)
        codes.append(refused.value.smtp_code)
        client.close()
        end_it()

    def fails(*_):
        raise KeyError("a bug")

    codes = []
    monkeypatch.setattr(serve_module, "MessageCaptured", fails)
    stream = Stream(client)
    with pytest.raises(CallbackFailed, match="the observer raised KeyError: 'a bug'"):
        run(client, stream=stream)
    assert codes == [451]
    assert [event["end"] for event in stream.of("session-ended")] == ["ended by an error in a function or an observer"]


def test_a_closed_output_ends_it_quietly_and_everything_is_still_saved(tmp_path):
    status, _ = run(nobody, stream=Failing(send_one_and_leave, BrokenPipeError()), save=tmp_path, exit_after=1000)
    assert status == 0
    assert len(list(tmp_path.glob("*.eml"))) == len(list(tmp_path.glob("*.txt"))) == 1


def test_an_output_that_cannot_be_written_is_an_error_and_everything_is_still_saved(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(CannotServeError, match="cannot write to standard output: No space left on device"):
        run(nobody, stream=Failing(send_one_and_leave, full), save=tmp_path)
    assert len(list(tmp_path.glob("*.eml"))) == 1


def test_it_ends_when_nobody_reads_its_output_any_more_even_if_no_client_ever_comes():
    read_end, write_end = os.pipe()

    def reader():
        with os.fdopen(read_end) as lines:
            assert json.loads(lines.readline())["event"] == "listening"

    thread = threading.Thread(target=reader)
    thread.start()
    with os.fdopen(write_end, "w") as stream:
        status = serve(read_options(listen=["plain:0"], as_json=True, exit_after=1, timeout=BOUND), stream)
        settle(stream)
    thread.join(BOUND)
    assert status == 0  # 1 would be the time-out


# The program


@contextmanager
def program(*arguments, **environment):
    """Run ``python -m smtpfix serve`` with every warning an error; ends it if the test does not.

    Not in development mode, where asyncio complains of a busy machine.
    """
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "smtpfix", "serve", "--timeout", str(BOUND)]
    inherited = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "PYTHONIOENCODING")}
    with subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**inherited, "PYTHONIOENCODING": "utf-8", **environment},
        preexec_fn=_hear_hangups if hasattr(signal, "SIGHUP") else None,  # noqa: PLW1509 - it forks to exec only
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _hear_hangups():
    """Be ended by SIGHUP as usual, also where the tests run under nohup, which has it ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def port_in(row):
    return int(row.split()[1].removeprefix("localhost:"))


def test_people_see_the_table_and_each_message_as_it_comes_without_escape_sequences():
    with program("--listen", "plain:0", "--exit-after", "1") as process:
        assert process.stdout.readline().split() == ["MODE", "ADDRESS", "TLS", "BEGINS", "AUTH"]
        port = port_in(process.stdout.readline())
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        with connect({"mode": "plain", "host": "localhost", "port": port}) as client:
            send(client, "caf=1b[2J")
            assert "connected from" in process.stdout.readline()
            assert 'message 1 from <ann@example.org> to <bob@example.org>; subject "caf' in process.stdout.readline()
        ended, stopped = process.stdout.readlines()
        assert "ended, calls itself client.example; in clear; 1 message; quit\n" in ended
        assert stopped == "Stopped, the messages asked for have come: 1 message in 1 session.\n"
        assert "\x1b" not in ended
        assert (process.wait(BOUND), process.stderr.read()) == (0, "")


def send_without_a_reader(process, count=400):
    """Have more messages accepted than a pipe has room for the events of, while nobody reads them."""
    with connect(json.loads(process.stdout.readline())) as client:
        for _ in range(count):
            send(client)


def test_what_was_acknowledged_outlives_a_kill(tmp_path):
    """Whatever the reader of the output does: this one stalls."""
    with program("--json", "--listen", "plain:0", "--save", str(tmp_path)) as process:
        send_without_a_reader(process)
        process.kill()
        process.wait(BOUND)
    assert len(list(tmp_path.glob("*.eml"))) == 400


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_a_reader_that_stalls_holds_up_neither_a_signal_nor_the_end_of_the_time(number, tmp_path):
    time = ("--timeout", "4") if number is None else ()
    with program("--json", "--listen", "plain:0", "--save", str(tmp_path), *time) as process:
        send_without_a_reader(process)
        if number is not None:
            process.send_signal(number)
        assert process.wait(BOUND) == 0
        assert "events were not shown" in process.stderr.read()
    assert len(list(tmp_path.glob("*.eml"))) == 400
    assert len(list(tmp_path.glob("*.txt"))) == 1


HANGING = """
import sys, threading
from smtpfix.cli import main
from smtpfix.cli.save import Saver

Saver.save = lambda *_: (print("saving", file=sys.stderr, flush=True), threading.Event().wait())
sys.exit(main(sys.argv[1:]))
"""


def test_a_disk_that_hangs_does_not_hold_up_a_signal(tmp_path):
    command = [sys.executable, "-c", HANGING, "serve", "--json", "--listen", "plain:0", "--save", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            listening = json.loads(process.stdout.readline())
            with socket.create_connection((listening["host"], listening["port"]), BOUND) as client:
                client.sendall(b"EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n")
                assert process.stderr.readline() == "saving\n"
                process.send_signal(signal.SIGTERM)
                assert process.wait(BOUND) == 2
            assert "ended by a signal, before everything was shown" in process.stderr.read()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_programs_read_json_and_a_signal_ends_it_at_once_with_all_messages_saved(number, tmp_path):
    with program("--json", "--listen", "implicit-tls:0", "--listen", "plain:0", "--save", str(tmp_path)) as process:
        listening = [json.loads(process.stdout.readline()) for _ in range(2)]
        with connect(listening[0]) as client:
            for _ in range(10):
                send(client)
            process.send_signal(number)
            assert process.wait(BOUND) == 0  # while the client is still connected
        events = [json.loads(line) for line in process.stdout]
        assert [event["event"] for event in events] == [
            "session-started",
            *["message"] * 10,
            "session-ended",
            "stopped",
        ]
        assert events[-1]["reason"] == number.name
        assert len(list(tmp_path.glob("*.eml"))) == 10
        assert process.stderr.read() == ""


@needs_sighup
def test_people_change_the_rules_of_a_running_server_by_a_file_and_a_signal(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('rules = ["RCPT *@slow.example: 450 4.2.1 Greylisted"]\n')
    with program("--listen", "plain:0", "--rules", str(file)) as process:
        process.stdout.readline()
        port = port_in(process.stdout.readline())
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        assert process.stdout.readline().endswith(f" 1 rule read from {file}\n")
        with smtplib.SMTP("localhost", port, timeout=BOUND) as client:
            client.ehlo()
            client.mail("ann@example.org")
            assert client.rcpt("bob@slow.example") == (450, b"4.2.1 Greylisted")
            assert "connected from" in process.stdout.readline()
            file.write_text('rules = ["RCPT: 550 5.1.1 Nobody", "DATA: never"]\n')
            process.send_signal(signal.SIGHUP)
            assert "NOT READ" in (line := process.stdout.readline())
            assert line.endswith("; the 1 rule read before stay in force\n")
            assert client.rcpt("bob@slow.example")[0] == 450
            file.write_text('rules = ["RCPT: 550 5.1.1 Nobody", "DATA: 451"]\n')
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline().endswith(f" 2 rules read from {file}\n")
            assert client.rcpt("bob@slow.example") == (550, b"5.1.1 Nobody")
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND) == 0
        assert process.stderr.read() == ""


SENDER = """
import os, sys
left = [{moment!r}]
def hook(event, arguments):
    if event in ("import", "open") and left and arguments[0] == left[0]:
        left.clear()
        os.kill(os.getpid(), {number})
sys.addaudithook(hook)
"""
"""A `sitecustomize`: the program sends itself a signal when it begins to import a module, or to open a file."""

STARTING = ["smtpfix.cli", "smtpfix.cli.save", "rules.toml"]
"""Moments of a start, from its first import to the reading of the options."""


def signalled(tmp_path, moment, number):
    """Return the environment of a program that gets a signal at a moment of its start."""
    moment = str(tmp_path / moment) if moment.endswith(".toml") else moment
    (tmp_path / "sitecustomize.py").write_text(SENDER.format(moment=moment, number=int(number)))
    return {"PYTHONPATH": str(tmp_path)}


@needs_sighup
@pytest.mark.parametrize("moment", STARTING)
def test_a_hangup_signal_during_the_start_has_the_rules_read_and_kills_nothing(tmp_path, moment):
    file = tmp_path / "rules.toml"
    file.write_text("rules = ['NOOP: 451']")
    environment = signalled(tmp_path, moment, signal.SIGHUP)
    with program("--listen", "plain:0", "--rules", str(file), "--json", **environment) as process:
        events = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND) == 0
        assert process.stderr.read() == ""
    assert sorted(event["event"] for event in events) == ["listening", "rules-read", "rules-read"]


@needs_sighup
def test_a_hangup_signal_during_the_start_without_a_file_of_rules_ends_it_as_it_ends_every_program(tmp_path):
    with program("--listen", "plain:0", **signalled(tmp_path, STARTING[0], signal.SIGHUP)) as process:
        assert process.wait(BOUND) == -signal.SIGHUP
        assert process.stderr.read() == ""


@pytest.mark.skipif(os.name == "nt", reason="a program cannot send itself these signals there")
@pytest.mark.parametrize(("number", "moment"), [(signal.SIGINT, STARTING[0]), (signal.SIGTERM, STARTING[2])])
def test_a_signal_that_ends_it_during_the_start_ends_it_in_order(tmp_path, number, moment):
    file = tmp_path / "rules.toml"
    file.touch()
    with program("--listen", "plain:0", "--rules", str(file), **signalled(tmp_path, moment, number)) as process:
        assert process.communicate(timeout=BOUND) == ("", "")
        assert process.returncode == 0


def test_rules_that_make_no_sense_at_the_start_are_one_line_on_stderr_and_status_2(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('[starttls]\nrules = ["DATA: never"]\n')
    with program("--listen", "plain:0", "--rules", str(file)) as process:
        output, error = process.communicate(timeout=BOUND)
    assert (process.returncode, output) == (2, "")
    assert error.startswith(f"smtpfix: --rules: {file}, [starttls]: rules, number 1 (line 2): rule 'DATA: never'")
    assert error.count("\n") == 1


def test_a_port_in_use_is_one_line_on_stderr_and_status_2():
    with taken_port() as port, program("--listen", f"plain:{port}") as process:
        output, error = process.communicate(timeout=BOUND)
    assert (process.returncode, output) == (2, "")
    assert error.startswith(f"smtpfix: cannot listen on localhost port {port}: another program does;")
    assert error.count("\n") == 1


def test_a_reader_that_has_read_enough_ends_it_quietly():
    """As with ``smtpfix serve | head -1``."""
    with program("--listen", "plain:0", "--exit-after", "1") as process:
        assert process.stdout.readline().startswith("MODE")
        process.stdout.close()
        assert process.wait(BOUND) == 0
        assert process.stderr.read() == ""


def test_text_that_the_output_cannot_encode_is_escaped():
    with program("--listen", "plain:0", "--user", "é:x", PYTHONIOENCODING="ascii") as process:
        process.stdout.readline()
        assert process.stdout.readline().split()[3] == "\\xe9,"
