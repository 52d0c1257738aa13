"""Every mode by every client, login and address: what should arrive does, and the record says how; and why not."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from email.message import EmailMessage

import aiosmtplib
import pytest

from smtpfix import Mode, SessionEnd

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}


@pytest.fixture
def mail():
    message = EmailMessage()
    message["From"] = "Ann <ann@example.org>"
    message["To"] = "Bob <bob@example.org>"
    message["Subject"] = "Grüße"
    message.set_content("Hello Bob\n.\n..\nthe end\n")
    return message


def by_smtplib(server, host, mechanism, mail):
    context = server.ssl_context()
    if server.mode is Mode.IMPLICIT_TLS:
        client = smtplib.SMTP_SSL(host, server.port, "client.example", timeout=10, context=context)
    else:
        client = smtplib.SMTP(host, server.port, "client.example", timeout=10)
    with client:
        if server.policy.has("STARTTLS"):
            client.starttls(context=context)
        client.ehlo()
        if mechanism is not None:
            client.user, client.password = "ann", "s3cret"
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
        client.send_message(mail)


def by_aiosmtplib(server, host, mechanism, mail):
    async def send():
        client = aiosmtplib.SMTP(
            hostname=host,
            port=server.port,
            local_hostname="client.example",
            timeout=10,
            use_tls=server.mode is Mode.IMPLICIT_TLS,
            start_tls=server.policy.has("STARTTLS"),
            tls_context=server.ssl_context() if server.policy.uses_tls else None,
        )
        async with client:
            if mechanism is not None:
                await client.ehlo()
                await getattr(client, f"auth_{mechanism.lower()}")("ann", "s3cret")
            await client.send_message(mail)
            transport = client.transport
        transport.abort()  # aiosmtplib does not wait for its end of the connection to be closed
        await asyncio.sleep(0)

    asyncio.run(send())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("mechanism", [None, "PLAIN", "LOGIN"])
@pytest.mark.parametrize("deliver", [by_smtplib, by_aiosmtplib])
@pytest.mark.parametrize("mode", list(Mode))
def test_the_right_client_delivers_and_the_record_says_how(
    request, start_smtp_server, mail, mode, deliver, mechanism, host
):
    if host == "::1":
        request.getfixturevalue("ipv6")
    server = start_smtp_server(mode, users=USERS if mechanism else None)
    deliver(server, host, mechanism, mail)

    message = server.inbox.one(to="bob@example.org", sender="ann@example.org", subject="Grüße")
    assert message.text == "Hello Bob\n.\n..\nthe end\n"
    assert message.reverse_path == "ann@example.org"
    assert message.in_tls is (mode is not Mode.PLAIN)
    assert message.user == ("ann" if mechanism else None)

    session = server.sessions[-1]
    assert session.end is SessionEnd.QUIT
    assert session.client_name == "client.example"
    assert session.message_count == 1
    assert session.server[1] == server.port
    assert session.client[0] in ({"127.0.0.1", "::1"} if host == "localhost" else {host})
    assert session.tls_failure is None
    if mode is Mode.PLAIN:
        assert session.tls is None
    else:
        assert session.tls.version == "TLSv1.3"
        assert session.tls.started_by == ("connect" if mode is Mode.IMPLICIT_TLS else "STARTTLS")
        assert session.tls.server_name == ("localhost" if host == "localhost" else None)  # RFC 6066: no addresses
    attempts = [(attempt.mechanism, attempt.user, attempt.password, attempt.accepted) for attempt in session.auth]
    assert attempts == ([(mechanism, "ann", "s3cret", True)] if mechanism else [])
    assert all(attempt.in_clear is (mode is Mode.PLAIN) for attempt in session.auth)


# The wrong client for each mode


def clear_client(server):
    with smtplib.SMTP(server.host, server.port, "client.example", timeout=10) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "x")


def starttls_client(server):
    with smtplib.SMTP(server.host, server.port, "client.example", timeout=10) as client:
        client.starttls(context=server.ssl_context())
        client.sendmail("ann@example.org", ["bob@example.org"], "x")


def implicit_tls_client(server):
    with smtplib.SMTP_SSL(
        server.host, server.port, "client.example", timeout=10, context=server.ssl_context()
    ) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "x")


@pytest.mark.parametrize(
    ("mode", "client"),
    [
        ("plain", clear_client),
        ("starttls", clear_client),  # opportunistic: served either way
        ("starttls", starttls_client),
        ("tls-required", starttls_client),
        ("implicit-tls", implicit_tls_client),
    ],
)
def test_a_client_that_fits_the_mode_is_served(start_smtp_server, mode, client):
    server = start_smtp_server(mode)
    client(server)
    assert server.inbox.one().in_tls is (client is not clear_client)
    assert server.sessions[-1].end is SessionEnd.QUIT


def test_starttls_where_there_is_none_is_not_supported(start_smtp_server):
    server = start_smtp_server("plain")
    with pytest.raises(smtplib.SMTPNotSupportedError):
        starttls_client(server)
    session = server.sessions[-1]
    assert "STARTTLS" not in str(session.transcript)
    assert session.tls is None
    assert len(server.inbox) == 0


@pytest.mark.parametrize("mode", ["plain", "starttls", "tls-required"])
def test_implicit_tls_on_a_clear_port_ends_at_once_as_what_it_is(start_smtp_server, mode):
    server = start_smtp_server(mode)
    with pytest.raises(ssl.SSLError):
        implicit_tls_client(server)
    session = server.sessions[-1]
    assert session.end is SessionEnd.TLS_ON_CLEAR_PORT
    assert session.tls_failure.reason == "the client began TLS where the server speaks in clear"
    assert session.client_hello.server_name == "localhost"
    assert "TLSv1.3" in session.client_hello.versions


def test_clear_text_where_tls_is_required_is_refused_with_530(start_smtp_server):
    server = start_smtp_server("tls-required")
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        clear_client(server)
    assert (refused.value.smtp_code, refused.value.smtp_error) == (530, b"5.7.0 Must issue a STARTTLS command first")
    session = server.sessions[-1]
    assert "530 5.7.0 Must issue a STARTTLS command first" in session.transcript.replies
    assert session.end is SessionEnd.QUIT
    assert len(server.inbox) == 0


def test_a_clear_client_on_an_implicit_tls_port_waits_for_a_greeting_until_the_handshake_times_out(start_smtp_server):
    """Server and client wait for each other: only the handshake's limit ends it."""
    server = start_smtp_server("implicit-tls", handshake_timeout=0.1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        clear_client(server)
    session = server.sessions[-1]
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    assert session.tls_failure.reason == (
        "the TLS handshake was not complete within 0.1 s; it sent nothing, perhaps waiting for a greeting in clear"
    )
    assert session.client_hello is None


def test_a_client_that_does_not_wait_for_a_greeting_is_recorded_as_clear_text(start_smtp_server):
    server = start_smtp_server("implicit-tls")
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"EHLO client.example\r\n")
        assert client.makefile("rb").read()[:1] in (b"", b"\x15")  # nothing, or a TLS alert
    session = server.sessions[-1]
    assert session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS
    assert "EHLO client.example" in session.tls_failure.reason
    assert session.transcript.commands == (r"EHLO client.example\r\n",)
