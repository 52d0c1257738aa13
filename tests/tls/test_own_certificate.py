"""A certificate of one's own, as PEM octets or as a context: shown as it is, trusted, and never in a text."""

from __future__ import annotations

import smtplib
import ssl

import pytest

from smtpfix import Authority, InvalidValueError, Policy, Server
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))


@pytest.fixture(scope="module")
def chain():
    """Return a chain of the leaf and an intermediate, whose root the authority is."""
    with Authority() as authority:
        yield authority.chain(load_scenario("good"), PLACE)


@pytest.fixture
def pem(chain):
    return chain.chain_pem.encode() + chain.key_pem


@pytest.fixture
def context(chain, tmp_path):
    """Return a context as an application has one, of TLS 1.2 only."""
    (tmp_path / "chain.pem").write_text(chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def given(form, chain, context):
    octets, key = chain.chain_pem.encode(), chain.key_pem
    return {
        "bytes": octets + key,
        "key first": key + octets,
        "pair": (octets, key),
        "text": (octets + key).decode(),
        "context": context,
    }[form]


FORMS = ("bytes", "key first", "pair", "text", "context")


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("form", FORMS)
def test_it_is_shown_and_the_server_s_own_client_trusts_it(chain, context, mode, form):
    with Server(Policy(mode, certificate=given(form, chain, context))) as server, server.client() as client:
        assert client.noop()[0] == 250
        assert client.sock.getpeercert(binary_form=True) == chain.leaf.octets
        assert server.ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert server.sessions[0].tls.version == ("TLSv1.2" if form == "context" else "TLSv1.3")


def test_a_client_that_trusts_the_root_by_itself_needs_nothing_of_the_server(chain, context):
    with Server(Policy("implicit-tls", certificate=context)) as server:
        trusting = ssl.create_default_context(cadata=chain.trusted.pem)
        with smtplib.SMTP_SSL("localhost", server.port, timeout=10, context=trusting) as client:
            assert client.noop()[0] == 250


def test_a_refused_handshake_is_recorded_as_with_any_certificate(context):
    with Server(Policy("implicit-tls", certificate=context)) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("localhost", server.port, timeout=10, context=ssl.create_default_context())
        (session,) = server.sessions.wait(1)
        assert session.tls_failure.alert == "unknown_ca"


def test_a_context_may_ask_for_client_certificates(context, smtp_authority):
    """It shows its own certificate all the same, so that clients can be told what to trust."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=smtp_authority.ca_pem)
    with Server(Policy("implicit-tls", certificate=context), authority=smtp_authority) as server:
        with smtplib.SMTP_SSL(
            "localhost", server.port, timeout=10, context=server.ssl_context("ann@example.org")
        ) as client:
            client.noop()
        assert "ann@example.org" in str(server.sessions[0].tls.client_certificate)


@pytest.mark.parametrize("form", ["bytes", "key first", "pair", "text"])
def test_the_key_is_in_no_text(chain, context, form):
    policy = Policy("starttls", certificate=given(form, chain, context))
    secret = chain.key_pem.decode().splitlines()[1]
    assert secret not in repr(policy)
    assert secret not in str(policy.certificate)
    assert "<PEM, 2 certificates>" in repr(policy)


@pytest.mark.parametrize("missing", ["certificate", "key"])
@pytest.mark.parametrize("form", ["octets", "text", "pair"])
def test_half_of_it_is_an_error_that_shows_no_key(chain, form, missing):
    half = chain.key_pem if missing == "certificate" else chain.chain_pem.encode()
    value = {"octets": half, "text": half.decode(), "pair": (half, b"")}[form]
    with pytest.raises(InvalidValueError, match=r"Policy\.certificate: expected .*got 'PEM octets'") as raised:
        Policy("starttls", certificate=value)
    assert half.decode().splitlines()[1] not in str(raised.value)


@pytest.mark.parametrize("damage", ["other key", "no key"])
def test_what_openssl_does_not_load_is_an_error_at_the_start_that_shows_no_key(chain, damage):
    with Authority() as other:
        another = other.chain(load_scenario("good"), PLACE).key_pem
    key = another if damage == "other key" else b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    server = Server(Policy("starttls", certificate=chain.chain_pem.encode() + key))
    with pytest.raises(InvalidValueError, match=r"unencrypted key .*got <PEM, 2 certificates>"):
        server.start()
    server.close()


def test_an_encrypted_key_is_an_error_and_asks_nobody(chain):
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415, TID251 - to write such a key

    key = serialization.load_pem_private_key(chain.key_pem, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"s3cret"),
    )
    with pytest.raises(InvalidValueError, match="its unencrypted key"):
        Server(Policy("starttls", certificate=chain.chain_pem.encode() + key)).start()


def test_a_client_s_context_is_none_for_a_server():
    with pytest.raises(InvalidValueError, match=r"Policy\.certificate: expected a context for servers"):
        Policy("starttls", certificate=ssl.create_default_context())


@pytest.mark.parametrize(
    "fields",
    [{"tls_min": "TLSv1.3"}, {"tls_max": "TLSv1.2"}, {"client_certificate": "required"}, {"alpn": ["smtp"]}],
)
def test_what_a_context_decides_is_not_said_again(context, fields):
    (name,) = fields
    with pytest.raises(
        InvalidValueError, match=rf"Policy\.{name}: .* has no effect where Policy\.certificate is an SSLContext"
    ):
        Policy("starttls", certificate=context, **fields)


def test_scenarios_that_leave_tls_as_it_is_go_with_a_context_and_others_do_not(context):
    policy = Policy("starttls", certificate=context, scenario="strip-ehlo")
    with Server(policy) as server, smtplib.SMTP(server.host, server.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
    with pytest.raises(InvalidValueError, match=r"Policy\.scenario: .* changes TLS, which an SSLContext in"):
        Policy("starttls", certificate=context, scenario="tls12-only")


def test_a_context_without_a_certificate_has_none_to_trust():
    policy = Policy("implicit-tls", certificate=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    expected = "a context that shows its certificate to every client"
    with Server(policy) as server, pytest.raises(InvalidValueError, match=expected):
        _ = server.ca_file


def test_a_policy_with_a_certificate_of_ones_own_can_be_changed(pem, context):
    for certificate in (pem, context):
        policy = Policy("starttls", certificate=certificate)
        assert policy.replace("implicit-tls").certificate == policy.certificate
