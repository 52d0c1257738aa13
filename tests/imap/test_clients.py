"""Real clients read their mail in every mode that they know, and what they do not know is on record."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import re
import sys

import pytest
from reading_programs import assert_curl_fails, configure, run, wrong_ways
from wire import USERS

from smtpfix import SessionEnd

FIRST = b"Subject: one\r\nFrom: shop@example.org\r\n\r\nHello\r\n.dot\r\n"
SECOND = b"Subject: two\r\nFrom: shop@example.org\r\n\r\nBye\r\n"
MODES = ("plain", "starttls", "tls-required", "implicit-tls")
HOSTS = ("localhost", "127.0.0.1", "::1")

pytestmark = pytest.mark.usefixtures("nothing_logged")


def by_imaplib(server, folder):
    client = server.client()
    client.login("ann", "s3cret")
    client.select()
    _, found = client.search(None, "UNSEEN")
    read = [client.fetch(number.decode(), "(RFC822)")[1][0][1] for number in found[0].split()]
    client.store("1:2", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.logout()
    return b"".join(read).decode()


def by_imapclient(server, folder):
    imapclient = pytest.importorskip("imapclient")
    context = server.ssl_context() if server.policy.uses_tls else None
    is_tls = server.mode == "implicit-tls"
    client = imapclient.IMAPClient(server.host, server.port, ssl=is_tls, ssl_context=context, timeout=10)
    if server.policy.has_starttls:
        client.starttls(context)
    client.login("ann", "s3cret")
    client.select_folder("INBOX")
    found = client.fetch(client.search("UNDELETED"), ["BODY[]", "ENVELOPE", "BODYSTRUCTURE"])
    client.delete_messages(found)
    client.expunge()
    client.logout()
    return b"".join(found[number][b"BODY[]"] for number in sorted(found)).decode()


def by_aioimaplib(server, folder):
    aioimaplib = pytest.importorskip("aioimaplib")

    async def read():
        where = {"host": server.host, "port": server.port, "timeout": 10}
        if server.mode == "implicit-tls":
            client = aioimaplib.IMAP4_SSL(**where, ssl_context=server.ssl_context())
        else:
            client = aioimaplib.IMAP4(**where)
        await client.wait_hello_from_server()
        await client.login("ann", "s3cret")
        await client.select("INBOX")
        idle = await client.idle_start(timeout=10)
        client.idle_done()
        await asyncio.wait_for(idle, 10)
        lines = [bytes(line) for number in "12" for line in (await client.fetch(number, "(RFC822)")).lines]
        await client.store("1:2", "+FLAGS", r"(\Deleted)")
        await client.expunge()
        await client.logout()
        client.protocol.transport.abort()  # which it leaves open
        await asyncio.sleep(0)
        return b"\n".join(lines).decode()

    return asyncio.run(read())


def by_curl(server, folder):
    scheme = "imaps" if server.mode == "implicit-tls" else "imap"
    name = f"[{server.host}]" if ":" in server.host else server.host
    options = ["--cacert", str(server.ca_file)] if server.policy.uses_tls else []
    options += ["--ssl-reqd"] if server.policy.has_starttls else []
    url = f"{scheme}://ann:s3cret@{name}:{server.port}/INBOX"
    read = "".join(run(["curl", "-sS", *options, f"{url};UID={uid}"], folder).stdout for uid in (1, 2))
    for command in (r"STORE 1:2 +FLAGS (\Deleted)", "EXPUNGE"):
        run(["curl", "-sS", *options, url, "-X", command], folder)
    return read


def by_fetchmail(server, folder):
    tls = {"plain": 'sslproto ""', "implicit-tls": "ssl"}.get(server.mode, 'sslproto "TLS1+"')
    trust = f'sslcertfile "{server.ca_file}"' if server.policy.uses_tls else ""
    account = f'user "ann" password "s3cret" mda "cat >> {folder}/got" {tls} {trust} nokeep'
    rc = configure(folder, f'poll "{server.host}" service {server.port} protocol imap {account}\n')
    run(["fetchmail", "-f", rc, "--nosyslog", "--pidfile", str(folder / "pid")], folder)
    return (folder / "got").read_text() if (folder / "got").exists() else ""


def by_getmail(server, folder):
    """Read by a client that knows no STARTTLS; as root it gives mail to a command only."""
    kind, trust = "SimpleIMAPRetriever", ""
    if server.mode == "implicit-tls":
        kind, trust = "SimpleIMAPSSLRetriever", f"ca_certs = {server.ca_file}\n"
    where = f"server = {server.host}\nport = {server.port}\nusername = ann\npassword = s3cret\n{trust}"
    got = folder / "got"
    deliver = f'type = MDA_external\nallow_root_commands = true\npath = /bin/sh\narguments = ("-c", "cat >> {got}")\n'
    options = "delete = true\ndelivered_to = false\nreceived = false\n"
    text = f"[retriever]\ntype = {kind}\n{where}[destination]\n{deliver}[options]\n{options}"
    run(["getmail", "--getmaildir", str(folder), "--rcfile", configure(folder, text)], folder)
    return got.read_text() if got.exists() else ""


def by_mbsync(server, folder):
    tls = {"plain": "None", "implicit-tls": "IMAPS"}.get(server.mode, "STARTTLS")
    trust = f"CertificateFile {server.ca_file}\n" if server.policy.uses_tls else ""
    store = f"IMAPStore far\nHost {server.host}\nPort {server.port}\nUser ann\nPass s3cret\nSSLType {tls}\n{trust}"
    near = f"MaildirStore near\nPath {folder}/\nInbox {folder}/got\nSubFolders Verbatim\n"
    channel = "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nExpunge Both\nSyncState *\n"
    rc = configure(folder, f"{store}\n{near}\n{channel}")
    run(["mbsync", "-c", rc, "-a"], folder)
    return "".join(file.read_text() for file in sorted((folder / "got" / "new").glob("*")))


def by_mutt(server, folder):
    scheme = "imaps" if server.mode == "implicit-tls" else "imap"
    tls = "yes" if server.policy.has_starttls else "no"
    trust = f"set certificate_file={server.ca_file}\n" if server.policy.uses_tls else ""
    every = "<tag-pattern>~A<enter><tag-prefix>"
    keys = f"{every}<copy-message>{folder}/got<enter>y{every}<delete-message><quit>"
    configure(
        folder,
        f"set folder={folder} imap_user=ann imap_pass=s3cret confirmcreate=no delete=yes\n{trust}"
        f'set ssl_starttls={tls} ssl_force_tls={"yes" if trust else "no"}\npush "{keys}"\n',
        ".muttrc",
    )
    name = f"[{server.host}]" if ":" in server.host else server.host
    run(["timeout", "20", "script", "-qec", f"mutt -f {scheme}://{name}:{server.port}/INBOX", "/dev/null"], folder)
    return (folder / "got").read_text() if (folder / "got").exists() else ""


CLIENTS = {
    "imaplib": by_imaplib,
    "IMAPClient": by_imapclient,
    "aioimaplib": by_aioimaplib,
    "curl": by_curl,
    "fetchmail": by_fetchmail,
    "getmail": by_getmail,
    "mbsync": by_mbsync,
    "mutt": by_mutt,
}
KEEPING = {"mbsync"}
WITHOUT_STARTTLS = {"aioimaplib", "getmail"}
RUNS = [
    (client, mode)
    for client in CLIENTS
    for mode in MODES
    if client not in WITHOUT_STARTTLS or mode in ("plain", "implicit-tls")
]


@pytest.mark.parametrize(("client", "mode"), RUNS)
def test_a_client_reads_its_mail_and_deletes_it(start_imap_server, tmp_path, client, mode):
    server = start_imap_server(mode, users=USERS)
    server.put(FIRST, to="ann")
    server.put(SECOND, to="ann")
    read = CLIENTS[client](server, tmp_path).replace("\r", "")
    assert ("Hello\n.dot\n" in read, "Bye\n" in read) == (True, True)
    sessions = server.sessions[:]
    assert [one.in_tls for session in sessions for one in session.retrievals] == [mode != "plain"] * 2
    assert all(attempt.accepted for session in sessions for attempt in session.auth)
    assert not any(attempt.in_clear and mode != "plain" for session in sessions for attempt in session.auth)
    account = server.account("ann")
    assert not account.lost
    if client not in KEEPING:
        assert not account.inbox
        assert len(account.gone) == 2


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("client", ["imaplib", "IMAPClient", "aioimaplib", "curl"])
def test_a_server_is_found_by_name_and_by_both_addresses(start_imap_server, tmp_path, client, host):
    server = start_imap_server("implicit-tls", host=host, users=USERS)
    server.put(FIRST, to="ann")
    server.put(SECOND, to="ann")
    assert "Hello" in CLIENTS[client](server, tmp_path)
    assert server.sessions[0].tls is not None


@pytest.mark.parametrize(("mode", "way", "end", "why"), wrong_ways("STARTTLS"))
def test_curl_fails_where_it_is_told_the_wrong_way_and_the_record_says_why(
    start_imap_server, tmp_path, mode, way, end, why
):
    server = start_imap_server(mode, users=USERS, handshake_timeout=0.3)  # in which it waits for a greeting
    server.put(FIRST, to="ann")
    assert_curl_fails(server, tmp_path, way, "/INBOX;UID=1", end, why)


def test_a_client_that_expects_tls_at_once_fails_on_a_clear_port_and_the_record_says_so(start_imap_server):
    server = start_imap_server("starttls", users=USERS)
    with pytest.raises(OSError, match=r"(?i)ssl|version|reset|closed"):
        imaplib.IMAP4_SSL(server.host, server.port, timeout=10, ssl_context=server.ssl_context())
    assert server.sessions[0].end is SessionEnd.TLS_ON_CLEAR_PORT


def test_a_client_that_never_begins_tls_is_refused_where_it_is_required(start_imap_server):
    server = start_imap_server("tls-required", users=USERS)
    with contextlib.closing(imaplib.IMAP4(server.host, server.port, timeout=10)) as client:
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            client.login("ann", "s3cret")
        client.shutdown()
        client.close = lambda: None
    assert [(one.in_clear, one.password) for one in server.sessions[0].auth] == [(True, "s3cret")]


@pytest.mark.slow
@pytest.mark.once
def test_imapclient_s_live_tests_pass(start_imap_server, tmp_path):
    """All but five: imaplib knows no MOVE, a date is compared with one of no time zone, two want a slow network."""
    pytest.importorskip("imapclient")
    server = start_imap_server(users=USERS)
    where = f"host = {server.host}\nport = {server.port}\nusername = ann\npassword = s3cret\n"
    rc = configure(tmp_path, f"[DEFAULT]\n{where}ssl = False\nstarttls = False\n")
    said = run([sys.executable, "-W", "ignore", "-m", "imapclient.livetest", rc], tmp_path).stderr
    failed = re.findall(r"^(?:FAIL|ERROR): (\w+)", said, re.MULTILINE)
    known = {"test_move", "test_fetch", "test_small_connection_timeout_fail", "test_small_read_timeout_fail"}
    assert "Ran 59 tests" in said
    assert set(failed) - known == set(), said[-2000:]
