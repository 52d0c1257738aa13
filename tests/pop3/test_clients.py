"""Real clients read their mail in every mode that they know, and what they do not know is on record."""

from __future__ import annotations

import contextlib
import poplib

import pytest
from reading_programs import assert_curl_fails, configure, run, wrong_ways

from smtpfix import SessionEnd

USERS = {"ann": "s3cret"}
FIRST = b"Subject: one\r\nFrom: shop@example.org\r\n\r\nHello\r\n.dot\r\n"
SECOND = b"Subject: two\r\nFrom: shop@example.org\r\n\r\nBye\r\n"
MODES = ("plain", "starttls", "tls-required", "implicit-tls")
HOSTS = ("localhost", "127.0.0.1", "::1")

pytestmark = pytest.mark.usefixtures("nothing_logged")


def by_poplib(server, folder):
    with contextlib.closing(server.client()) as client:
        client.user("ann")
        client.pass_("s3cret")
        read = [b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in (1, 2)]
        client.dele(1)
        client.dele(2)
        client.quit()
    return b"".join(read).decode()


def by_curl(server, folder):
    scheme = "pop3s" if server.mode == "implicit-tls" else "pop3"
    name = f"[{server.host}]" if ":" in server.host else server.host
    options = ["--cacert", str(server.ca_file)] if server.policy.uses_tls else []
    options += ["--ssl-reqd"] if server.policy.has_starttls else []
    read = ""
    for number in (1, 2):
        url = f"{scheme}://ann:s3cret@{name}:{server.port}/{number}"
        read += run(["curl", "-sS", *options, url], folder).stdout
        run(["curl", "-sS", *options, "-X", f"DELE {number}", "--list-only", url], folder)
    return read


def by_fetchmail(server, folder):
    tls = {"plain": 'sslproto ""', "implicit-tls": "ssl"}.get(server.mode, 'sslproto "TLS1+"')
    trust = f'sslcertfile "{server.ca_file}"' if server.policy.uses_tls else ""
    account = f'user "ann" password "s3cret" mda "cat >> {folder}/got" {tls} {trust}'
    rc = configure(folder, f'poll "{server.host}" service {server.port} protocol pop3 {account}\n')
    run(["fetchmail", "-f", rc, "--nosyslog", "--pidfile", str(folder / "pid")], folder)
    return (folder / "got").read_text() if (folder / "got").exists() else ""


def by_getmail(server, folder):
    """Read by a client that knows no STARTTLS; as root it gives mail to a command only."""
    kind, trust = "SimplePOP3Retriever", ""
    if server.mode == "implicit-tls":
        kind, trust = "SimplePOP3SSLRetriever", f"ca_certs = {server.ca_file}\n"
    where = f"server = {server.host}\nport = {server.port}\nusername = ann\npassword = s3cret\n{trust}"
    got = folder / "got"
    deliver = f'type = MDA_external\nallow_root_commands = true\npath = /bin/sh\narguments = ("-c", "cat >> {got}")\n'
    options = "delete = true\ndelivered_to = false\nreceived = false\n"
    text = f"[retriever]\ntype = {kind}\n{where}[destination]\n{deliver}[options]\n{options}"
    run(["getmail", "--getmaildir", str(folder), "--rcfile", configure(folder, text)], folder)
    return got.read_text() if got.exists() else ""


def by_mpop(server, folder):
    tls = "tls off\nauth user"
    if server.policy.uses_tls:
        starttls = "on" if server.policy.has_starttls else "off"
        tls = f"tls on\ntls_trust_file {server.ca_file}\ntls_starttls {starttls}"
    where = f"host {server.host}\nport {server.port}\nuser ann\npassword s3cret"
    got = folder / "mbox"
    rest = f"delivery mbox {got}\nuidls_file {folder}/uidls\nkeep off\n"
    rc = configure(folder, f"account default\n{where}\n{tls}\n{rest}")
    run(["mpop", "-C", rc], folder)
    return got.read_text() if got.exists() else ""


CLIENTS = {
    "poplib": by_poplib,
    "curl": by_curl,
    "fetchmail": by_fetchmail,
    "getmail": by_getmail,
    "mpop": by_mpop,
}
DELETING = CLIENTS.keys() - {"curl"}
WITHOUT_STARTTLS = {"getmail"}
RUNS = [
    (client, mode)
    for client in CLIENTS
    for mode in MODES
    if client not in WITHOUT_STARTTLS or mode in ("plain", "implicit-tls")
]


@pytest.mark.parametrize(("client", "mode"), RUNS)
def test_a_client_reads_its_mail_and_deletes_it(start_pop3_server, tmp_path, client, mode):
    server = start_pop3_server(mode, users=USERS)
    server.put(FIRST)
    server.put(SECOND)
    read = CLIENTS[client](server, tmp_path)
    assert ("Hello\n.dot\n" in read.replace("\r", ""), "Bye\n" in read.replace("\r", "")) == (True, True)
    sessions = server.sessions[:]
    assert [one.in_tls for session in sessions for one in session.retrievals] == [mode != "plain"] * 2
    assert all(attempt.accepted for session in sessions for attempt in session.auth)
    assert not any(attempt.in_clear and mode != "plain" for session in sessions for attempt in session.auth)
    account = server.account("ann")
    assert not account.lost
    if client in DELETING:
        assert not account.inbox
        assert [gone.how for gone in account.gone] == ["QUIT", "QUIT"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("client", ["poplib", "curl"])
def test_a_server_is_found_by_name_and_by_both_addresses(start_pop3_server, tmp_path, client, host):
    server = start_pop3_server("implicit-tls", host=host, users=USERS)
    server.put(FIRST)
    server.put(SECOND)
    assert "Hello" in CLIENTS[client](server, tmp_path)
    assert server.sessions[0].tls is not None


@pytest.mark.parametrize(("mode", "way", "end", "why"), wrong_ways("STLS"))
def test_curl_fails_where_it_is_told_the_wrong_way_and_the_record_says_why(
    start_pop3_server, tmp_path, mode, way, end, why
):
    server = start_pop3_server(mode, users=USERS, handshake_timeout=0.3)  # in which it waits for a greeting
    server.put(FIRST, to="ann")
    assert_curl_fails(server, tmp_path, way, "/1", end, why)


def test_a_client_that_expects_tls_at_once_fails_on_a_clear_port_and_the_record_says_so(start_pop3_server):
    server = start_pop3_server("starttls", users=USERS)
    with pytest.raises(OSError, match=r"(?i)ssl|version|reset|closed"):
        poplib.POP3_SSL(server.host, server.port, timeout=10, context=server.ssl_context())
    assert server.sessions[0].end is SessionEnd.TLS_ON_CLEAR_PORT


def test_a_client_that_never_begins_tls_is_refused_where_it_is_required(start_pop3_server):
    server = start_pop3_server("tls-required", users=USERS)
    with contextlib.closing(poplib.POP3(server.host, server.port, timeout=10)) as client:
        with pytest.raises(poplib.error_proto, match="STLS first"):
            client.user("ann")
        with pytest.raises(poplib.error_proto, match="STLS first"):
            client.pass_("s3cret")
    assert [(one.in_clear, one.password) for one in server.sessions[0].auth] == [(True, "s3cret")]
