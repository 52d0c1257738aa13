"""Handshakes that one side refuses: the alert in the record says why, in TLS 1.2 and 1.3 alike."""

from __future__ import annotations

import contextlib
import ssl

import pytest

from smtpfix import Authority, SessionEnd

pytestmark = pytest.mark.usefixtures("nothing_logged")

TLS_MODES = pytest.mark.parametrize("mode", ["starttls", "tls-required", "implicit-tls"])
NAMES = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}
VERSIONS = pytest.mark.parametrize("version", list(NAMES), ids=NAMES.values())


@pytest.fixture
def meet(start_smtp_server, wire):
    """Return a function that lets a client context meet a server and returns the session and the client's error."""

    def meet(mode, context_of, name="localhost", **fields):
        server = start_smtp_server(mode, **fields)
        client = wire(server, greeted=mode != "implicit-tls")
        if mode != "implicit-tls":
            assert client.say("STARTTLS").startswith("220")
        error = None
        try:
            client.handshake(context_of(server), name)
            client.hello()  # in TLS 1.3 a client learns only now what the server thinks of its certificate
        except OSError as caught:
            error = caught
        with contextlib.suppress(OSError):
            client.close()
        return server.sessions[-1], error

    return meet


def trusting(version=None, name=None):
    def context_of(server):
        context = server.ssl_context(name)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    return context_of


def distrusting(version):
    def context_of(_server):
        with Authority() as somebody_elses:
            context = somebody_elses.client_context()
        context.minimum_version = context.maximum_version = version
        return context

    return context_of


def check_refused_by_client(session, alert):
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    assert session.tls is None
    assert (session.tls_failure.alert, session.tls_failure.alert_sender) == (alert, "client")
    assert session.tls_failure.reason == f"TLS handshake refused by the client, alert {alert}"
    assert [(one.sender, one.name, one.is_fatal) for one in session.alerts] == [("client", alert, True)]
    assert session.client_hello is not None
    assert session.tls_failure.reason in str(session)


def check_refused_by_server(session, alert):
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    assert session.tls is None
    assert (session.tls_failure.alert, session.tls_failure.alert_sender) == (alert, "server")
    assert session.tls_failure.reason.startswith(f"TLS handshake refused by the server, alert {alert}: ")
    assert [(one.sender, one.name, one.is_fatal) for one in session.alerts] == [("server", alert, True)]


@TLS_MODES
@VERSIONS
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "mx.smtpfix.test"])
def test_a_client_that_trusts_the_authority_and_asks_for_the_right_name_is_content(meet, mode, version, name):
    session, error = meet(mode, trusting(version), name)
    assert error is None
    assert session.tls_failure is None
    assert session.tls.version == NAMES[version]
    assert session.alerts == ()


@TLS_MODES
@VERSIONS
def test_a_client_that_distrusts_the_authority(meet, mode, version):
    session, error = meet(mode, distrusting(version))
    assert isinstance(error, ssl.SSLCertVerificationError)
    check_refused_by_client(session, "unknown_ca")


@TLS_MODES
@VERSIONS
@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_a_client_that_wants_another_host(meet, mode, version, name):
    session, error = meet(mode, trusting(version), name)
    assert isinstance(error, ssl.SSLCertVerificationError)
    check_refused_by_client(session, "bad_certificate")


@TLS_MODES
@pytest.mark.parametrize(
    ("server_range", "client_version", "agreed"),
    [
        (("TLSv1.2", "TLSv1.3"), ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (("TLSv1.2", "TLSv1.2"), ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (("TLSv1.3", "TLSv1.3"), ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        (("TLSv1.3", "TLSv1.3"), ssl.TLSVersion.TLSv1_2, None),
        (("TLSv1.2", "TLSv1.2"), ssl.TLSVersion.TLSv1_3, None),
    ],
)
def test_no_common_tls_version(meet, mode, server_range, client_version, agreed):
    lowest, highest = server_range
    session, error = meet(mode, trusting(client_version), tls_min=lowest, tls_max=highest)
    if agreed is not None:
        assert error is None
        assert session.tls.version == agreed
        return
    assert isinstance(error, ssl.SSLError)
    check_refused_by_server(session, "protocol_version")
    assert session.client_hello.versions[0] == NAMES[client_version]


@TLS_MODES
@VERSIONS
def test_a_client_certificate_that_is_missing(meet, mode, version):
    session, error = meet(mode, trusting(version), client_certificate="required")
    assert error is not None  # TLS 1.2 has no alert of its own for it
    check_refused_by_server(
        session, "handshake_failure" if version == ssl.TLSVersion.TLSv1_2 else "certificate_required"
    )
    assert session.tls_failure.openssl_reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    assert session.tls_failure.rejected_certificate is None


@VERSIONS
def test_a_client_certificate_of_somebody_else(meet, version):
    def context_of(server):
        with Authority() as somebody_elses:
            context = somebody_elses.client_context("eve@example.org")
        context.load_verify_locations(cadata=server.authority.ca_pem)
        context.minimum_version = context.maximum_version = version
        return context

    session, error = meet("implicit-tls", context_of, client_certificate="required")
    assert error is not None
    check_refused_by_server(session, "unknown_ca")
    assert session.tls_failure.rejected_certificate[:1] == b"\x30"  # DER


@TLS_MODES
@VERSIONS
@pytest.mark.parametrize("wanted", ["optional", "required"])
def test_a_client_certificate_that_is_wanted_and_shown(meet, mode, version, wanted):
    session, error = meet(mode, trusting(version, "ann@example.org"), client_certificate=wanted)
    assert error is None
    assert "commonName=ann@example.org" in session.tls.client_name
    assert session.tls.client_certificate[:1] == b"\x30"  # DER


@pytest.mark.parametrize("wanted", ["none", "optional"])
def test_a_client_certificate_that_nobody_insists_on_may_be_missing(meet, wanted):
    session, error = meet("implicit-tls", trusting(), client_certificate=wanted)
    assert error is None
    assert session.tls.client_certificate is None


@pytest.mark.parametrize(
    ("known", "offered", "agreed"),
    [((), ("smtp",), None), (("smtp",), (), None), (("a", "smtp"), ("smtp", "a"), "a")],
)
def test_application_protocols_are_agreed_on_or_left_out(meet, known, offered, agreed):
    def context_of(server):
        context = server.ssl_context()
        if offered:
            context.set_alpn_protocols(list(offered))
        return context

    session, error = meet("implicit-tls", context_of, alpn=known)
    assert error is None
    assert session.tls.alpn == agreed
    assert session.client_hello.alpn == offered


def test_refusals_show_in_a_failed_wait(start_smtp_server, meet):
    session, _ = meet("implicit-tls", distrusting(ssl.TLSVersion.TLSv1_3))
    assert "TLS handshake refused by the client, alert unknown_ca" in str(session)
    assert "TLS handshake refused by the client, alert unknown_ca" in str(session.transcript)
