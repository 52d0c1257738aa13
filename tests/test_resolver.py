"""Names that lead to this machine while `resolving` is on, and nothing else that does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import smtplib
import socket
import ssl
import threading
from email.message import EmailMessage

import aiosmtplib
import pytest

from smtpfix import InvalidValueError, ListenError, Policy, Server, resolving
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids

LOOPBACK = {"127.0.0.1", "::1"}
PASSED_ON = ("looked up elsewhere",)


@pytest.fixture(autouse=True)
def look_ups(monkeypatch):
    """Answer whatever is no loopback name without asking anybody; return the hosts that were asked for."""
    asked = []
    real = {name: getattr(socket, name) for name in ("getaddrinfo", "gethostbyname")}

    def answering(name):
        def look_up(host, *args, **keywords):
            asked.append(host)
            if host in (None, "localhost", "127.0.0.1", "127.0.0.2", "::1"):
                return real[name](host, *args, **keywords)
            return PASSED_ON

        return look_up

    for name in real:
        monkeypatch.setattr(socket, name, answering(name))
    return asked


def found(host):
    """Return the addresses that a look-up gives, or what it gives elsewhere."""
    answer = socket.getaddrinfo(host, 25, type=socket.SOCK_STREAM)
    return answer if answer is PASSED_ON else {entry[4][0] for entry in answer}


@pytest.mark.parametrize(
    "host",
    [
        "smtpfix.test",
        "mx.smtpfix.test",
        "a.b.c.smtpfix.test",
        "MX.SmtpFix.TEST",
        "mx.smtpfix.test.",
        b"mx.smtpfix.test",
        "xn--bcher-kva.smtpfix.test",
        "bücher.smtpfix.test",
    ],
)
def test_a_name_below_the_domain_leads_to_loopback(host):
    with resolving():
        assert found(host) <= LOOPBACK
        assert socket.gethostbyname(host) == "127.0.0.1"
    assert found(host) is PASSED_ON
    assert socket.gethostbyname(host) is PASSED_ON


@pytest.mark.parametrize(
    "host",
    ["example.org", "notsmtpfix.test", "smtpfix.test.example.org", "smtpfix", "test", "", b"\xff\xfe", b"example.org"],
)
def test_any_other_name_is_looked_up_as_ever(host, look_ups):
    with resolving():
        socket.getaddrinfo(host, 25)
    assert look_ups == [host]


@pytest.mark.parametrize("host", [None, "localhost", "127.0.0.1", "::1"])
def test_what_is_no_name_of_ours_keeps_its_answer(host):
    before = socket.getaddrinfo(host, 25)
    with resolving():
        assert socket.getaddrinfo(host, 25) == before


def test_every_argument_goes_through():
    with resolving():
        (entry,) = socket.getaddrinfo("mx.smtpfix.test", 25, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        assert entry[4] == ("127.0.0.1", 25)
        assert socket.getaddrinfo(host="mx.smtpfix.test", port=25, family=socket.AF_INET)
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("mx.smtpfix.test", 25, flags=socket.AI_NUMERICHOST)


def test_domains_of_one_s_own_replace_the_usual_one():
    with resolving("Example.ORG.", ".mail.example"):
        assert found("example.org") <= LOOPBACK
        assert found("a.mail.example") <= LOOPBACK
        assert found("mx.smtpfix.test") is PASSED_ON


def test_names_lead_to_another_host_where_told_so():
    with resolving("mail.example", to="127.0.0.2"):
        assert found("mail.example") == {"127.0.0.2"}
        with resolving("mail.example"):
            assert found("mail.example") <= LOOPBACK
        assert found("mail.example") == {"127.0.0.2"}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_no_domain_and_stays_what_it_is(address):
    original = socket.getaddrinfo
    with resolving(address, to="127.0.0.2"):
        assert found(address) == {address}
        assert socket.getaddrinfo is original
    with resolving(address, "mail.example"):
        assert found("mail.example") <= LOOPBACK
        assert found(address) == {address}
    assert socket.getaddrinfo is original


@pytest.mark.parametrize("domain", ["", ".", "..", None, b"smtpfix.test"])
def test_what_is_no_domain_is_an_error_that_says_so(domain):
    original = socket.getaddrinfo
    with pytest.raises(InvalidValueError, match=r"resolving: expected a domain, such as 'smtpfix.test', got "):
        resolving(domain).__enter__()
    assert socket.getaddrinfo is original


# On and off


@pytest.mark.parametrize("name", ["getaddrinfo", "gethostbyname"])
def test_afterwards_the_very_same_function_is_back(name):
    original = getattr(socket, name)
    with resolving():
        assert getattr(socket, name) is not original
        assert getattr(socket, name).__name__ == original.__name__
    assert getattr(socket, name) is original


def test_it_is_back_after_an_error_too():
    original = socket.getaddrinfo
    with pytest.raises(ZeroDivisionError), resolving():
        _ = 1 / 0
    assert socket.getaddrinfo is original
    assert found("mx.smtpfix.test") is PASSED_ON


def test_nested_it_lasts_until_the_outermost_ends():
    original = socket.getaddrinfo
    with resolving():
        with resolving(), resolving("mail.example"):
            assert found("mail.example") <= LOOPBACK
        assert found("mail.example") is PASSED_ON
        assert found("mx.smtpfix.test") <= LOOPBACK
    assert socket.getaddrinfo is original


def test_two_that_overlap_end_in_any_order():
    original = socket.getaddrinfo
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(resolving())
    second.enter_context(resolving())
    first.close()
    assert found("mx.smtpfix.test") <= LOOPBACK
    second.close()
    assert found("mx.smtpfix.test") is PASSED_ON
    assert socket.getaddrinfo is original


def test_somebody_else_s_look_up_put_before_ours_stays():
    with contextlib.ExitStack() as stack:
        stack.enter_context(resolving())
        ours = socket.getaddrinfo
        socket.getaddrinfo = theirs = functools.partial(ours)
        stack.close()
        assert socket.getaddrinfo is theirs
        assert found("mx.smtpfix.test") is PASSED_ON
    with resolving():
        assert found("mx.smtpfix.test") <= LOOPBACK
    assert socket.getaddrinfo is theirs


def test_threads_that_come_and_go_leave_one_another_alone():
    original = socket.getaddrinfo
    wrong = []
    begin = threading.Barrier(8)

    def come_and_go(number):
        begin.wait(10)
        for _ in range(100):
            with resolving(f"d{number}.example"):
                if found(f"mx.d{number}.example") is PASSED_ON:
                    wrong.append(number)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert socket.getaddrinfo is original


# Clients


@pytest.mark.asyncio
async def test_asyncio_s_own_look_up_finds_the_name():
    loop = asyncio.get_running_loop()
    with resolving():
        answer = await loop.getaddrinfo("mx.smtpfix.test", 25, type=socket.SOCK_STREAM)
    assert {entry[4][0] for entry in answer} <= LOOPBACK


def test_smtplib_connects_and_checks_the_name():
    with Server(Policy("implicit-tls", certificate="wildcard-ok")) as server, resolving():
        context = ssl.create_default_context(cafile=server.ca_file)
        with smtplib.SMTP_SSL("mx.smtpfix.test", server.port, timeout=10, context=context) as client:
            assert client.noop()[0] == 250
        assert server.sessions[0].tls.server_name == "mx.smtpfix.test"


@pytest.mark.asyncio
async def test_aiosmtplib_connects_and_checks_the_name():
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.org", "bob@example.org", "hi"
    async with Server(Policy("starttls", certificate="wildcard-ok")) as server:
        with resolving():
            context = ssl.create_default_context(cafile=server.ca_file)
            await aiosmtplib.send(
                message, hostname="mx.smtpfix.test", port=server.port, start_tls=True, tls_context=context, timeout=10
            )
        assert server.inbox.one().in_tls
        assert server.sessions[0].tls.server_name == "mx.smtpfix.test"


NAMED = [one for one in scenario_ids() if "{host}" not in load_scenario(one).connect]
"""Scenarios whose clients have to connect to a name or an address of the scenario's own."""


@pytest.mark.parametrize("scenario", [one for one in NAMED if load_scenario(one).expected == "accept"])
def test_a_server_s_own_client_needs_no_resolving(scenario):
    kind = load_scenario(scenario).policy_field
    original = socket.getaddrinfo
    with Server(Policy("starttls", **{kind: scenario})) as server:
        with server.client() as client:
            assert client.noop()[0] == 250
        assert server.host != "localhost"
        assert server.sessions[0].tls is not None
    assert socket.getaddrinfo is original


def test_a_server_s_own_client_finds_it_at_another_address_than_localhost():
    server = Server(Policy("implicit-tls", certificate="wildcard-ok", host="127.0.0.2"))
    try:
        server.start()
    except ListenError:
        pytest.skip("127.0.0.1 is the only IPv4 loopback address of this machine")
    with contextlib.closing(server):
        with server.client() as client:
            assert client.noop()[0] == 250
        assert server.sessions[0].server[0] == "127.0.0.2"


def test_a_server_s_own_client_refuses_another_name():
    with (
        Server(Policy("implicit-tls", certificate="wildcard-multilabel")) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        server.client()
