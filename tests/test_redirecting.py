"""Places that are hard-coded lead to a server while `redirect` is on, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import smtplib
import socket
import ssl
from email.message import EmailMessage

import aiosmtplib
import pytest

from smtpfix import InvalidValueError, NotRunningError, Policy, Server, redirect, resolving

ELSEWHERE = OSError("it was looked up, or connected to, elsewhere")


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch):
    """Refuse whatever is not on loopback, so that a place that is not led is noticed."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def checked_look_up(host, *args, **keywords):
        if host not in (None, "localhost", "127.0.0.1", "::1"):
            raise ELSEWHERE
        return look_up(host, *args, **keywords)

    def checked_connect(connecting, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            raise ELSEWHERE
        return connect(connecting, address)

    monkeypatch.setattr(socket, "getaddrinfo", checked_look_up)
    monkeypatch.setattr(socket.socket, "connect", checked_connect)


def message():
    found = EmailMessage()
    found["From"], found["To"], found["Subject"] = "ann@example.org", "bob@example.org", "hi"
    return found


def say_hello(host, port):
    with smtplib.SMTP(host, port, timeout=10) as client:
        return client.noop()[0]


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("smtp.gmail.com:587", "smtp.gmail.com", 587),
        ("SMTP.Gmail.com.:587", "smtp.gmail.COM", 587),
        ("smtp.gmail.com", "smtp.gmail.com", 25),
        ("smtp.gmail.com", "smtp.gmail.com", 2525),
        ("smtp.gmail.com:25", "smtp.gmail.com", "smtp"),
        ("smtp.gmail.com:587", "smtp.gmail.com", "587"),
        ("192.0.2.25:25", "192.0.2.25", 25),
        ("localhost:25", "localhost", 25),
        ("127.0.0.1:25", "127.0.0.1", 25),
    ],
)
def test_a_place_leads_to_the_server(start_smtp_server, place, host, port):
    server = start_smtp_server()
    with redirect(place, to=server), socket.create_connection((host, port), timeout=10) as client:
        assert client.recv(3) == b"220"
        assert client.getpeername()[1] == server.port


def test_an_ipv6_address_leads_to_the_server(start_smtp_server, ipv6):
    server = start_smtp_server()
    with redirect("[2001:DB8::0:25]:25", to=server):
        assert say_hello("2001:db8::25", 25) == 250


def test_a_socket_of_a_family_that_the_server_has_not_is_refused_and_connected_nowhere(start_smtp_server, ipv6):
    server = start_smtp_server(host="127.0.0.1")
    with redirect("[2001:db8::25]:25", to=server):
        assert say_hello("2001:db8::25", 25) == 250  # it was looked up
        with socket.socket(socket.AF_INET6) as client:
            assert client.connect_ex(("2001:db8::25", 25)) == errno.ECONNREFUSED
            with pytest.raises(ConnectionRefusedError, match="of this family"):
                client.connect(("2001:db8::25", 25))


def test_a_socket_that_is_connected_by_name_is_led_too(start_smtp_server):
    server = start_smtp_server()
    with redirect("smtp.gmail.com:587", to=server), socket.socket() as client:
        client.connect(("smtp.gmail.com", 587))
        assert client.recv(3) == b"220"
    with redirect("smtp.gmail.com:587", to=server), socket.socket() as client:
        assert client.connect_ex(("smtp.gmail.com", 587)) == 0


@pytest.mark.parametrize(
    ("host", "port"), [("smtp.gmail.com", 465), ("mx.smtp.gmail.com", 587), ("gmail.com", 587), ("192.0.2.25", 587)]
)
def test_any_other_place_is_left_alone(start_smtp_server, host, port):
    places = ("smtp.gmail.com:587", "192.0.2.25:25")
    with redirect(*places, to=start_smtp_server()), pytest.raises(OSError, match="elsewhere"):
        say_hello(host, port)


def test_afterwards_everything_is_as_it_was(start_smtp_server):
    before = (socket.getaddrinfo, socket.gethostbyname, socket.socket.connect, socket.socket.connect_ex)
    with contextlib.suppress(ZeroDivisionError), redirect("smtp.gmail.com:587", to=start_smtp_server()):
        _ = 1 / 0
    assert (socket.getaddrinfo, socket.gethostbyname, socket.socket.connect, socket.socket.connect_ex) == before
    with pytest.raises(OSError, match="elsewhere"):
        say_hello("smtp.gmail.com", 587)


def test_beside_resolving_they_end_in_any_order(start_smtp_server):
    before = socket.getaddrinfo
    names, places = contextlib.ExitStack(), contextlib.ExitStack()
    names.enter_context(resolving())
    places.enter_context(redirect("smtp.gmail.com:587", to=start_smtp_server()))
    names.close()
    assert say_hello("smtp.gmail.com", 587) == 250
    places.close()
    assert socket.getaddrinfo is before


def test_nested_the_innermost_counts(start_smtp_server):
    outer, inner = start_smtp_server(), start_smtp_server()
    with redirect("smtp.gmail.com", to=outer):
        with redirect("smtp.gmail.com:587", to=inner):
            say_hello("smtp.gmail.com", 587)
            say_hello("smtp.gmail.com", 465)
        say_hello("smtp.gmail.com", 587)
    assert (len(outer.sessions), len(inner.sessions)) == (2, 1)


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_the_certificate_is_for_the_place_meanwhile_and_no_longer(start_smtp_server, mode):
    server = start_smtp_server(mode)
    context = ssl.create_default_context(cafile=server.ca_file)

    def shake_hands():
        if mode == "implicit-tls":
            return smtplib.SMTP_SSL("smtp.gmail.com", 587, timeout=10, context=context)
        client = smtplib.SMTP("smtp.gmail.com", 587, timeout=10)
        client.starttls(context=context)
        return client

    with redirect("smtp.gmail.com:587", to=server):
        with redirect("smtp.office365.com:587", to=server), shake_hands() as client:
            assert client.noop()[0] == 250
        shake_hands().close()
    assert "smtp.gmail.com" not in server.place.names("")
    with server.client() as client:
        assert client.noop()[0] == 250


def test_a_certificate_that_is_wrong_on_purpose_stays_so(start_smtp_server):
    server = start_smtp_server("implicit-tls", certificate="self-signed")
    trusted = server.ca_file.read_bytes()
    with redirect("smtp.gmail.com:465", to=server):
        assert server.ca_file.read_bytes() == trusted
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL(
                "smtp.gmail.com", 465, timeout=10, context=ssl.create_default_context(cafile=server.ca_file)
            )


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["smtp.gmail.com", "192.0.2.25"])
async def test_aiosmtplib_is_led_by_name_and_by_address(host):
    """An address is not looked up by asyncio, so its sockets are connected elsewhere."""
    async with Server(Policy("starttls")) as server:
        with redirect(f"{host}:587", to=server):
            context = ssl.create_default_context(cafile=server.ca_file)
            await aiosmtplib.send(message(), hostname=host, port=587, start_tls=True, tls_context=context, timeout=10)
        assert server.inbox.one().in_tls


@pytest.mark.asyncio
async def test_asyncio_s_streams_are_led():
    async with Server() as server:
        with redirect("192.0.2.25:25", to=server):
            reader, writer = await asyncio.open_connection("192.0.2.25", 25)
            assert (await reader.readline()).startswith(b"220")
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    "place", ["", ":25", "a:b", "host:0", "host:65536", "smtp://host:25", "2001:db8::25:25", None, 25]
)
def test_what_is_no_place_is_an_error_that_says_how_one_is_written(start_smtp_server, place):
    before = socket.getaddrinfo
    with pytest.raises(InvalidValueError, match=r"redirect: expected HOST:PORT, such as 'smtp.gmail.com:587'"):
        redirect(place, to=start_smtp_server()).__enter__()
    assert socket.getaddrinfo is before


def test_no_place_at_all_is_an_error(start_smtp_server):
    with pytest.raises(InvalidValueError, match="at least one place"):
        redirect(to=start_smtp_server()).__enter__()


def test_a_server_has_to_run():
    with pytest.raises(NotRunningError):
        redirect("smtp.gmail.com:587", to=Server()).__enter__()
