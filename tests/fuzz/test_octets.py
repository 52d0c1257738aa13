"""What reads the octets of strangers, changed in a few places: it is a value, or the one error that is documented."""

from __future__ import annotations

import contextlib
import functools
import ssl

import fuzzing
import pytest
from cryptography import x509  # noqa: TID251 - makes the request that the seeds are made of
from cryptography.hazmat.primitives import hashes, serialization  # noqa: TID251 - as above
from cryptography.x509 import ocsp  # noqa: TID251 - as above
from hypothesis import example, given
from hypothesis import strategies as st

from smtpfix import Authority
from smtpfix.pki import decode, der
from smtpfix.pki.revocation import _issuer_hashes
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.tls.client_hello import ClientHello, asked_name, has_begun, hello_octets, parse_client_hello
from smtpfix.wire.proxy_header import Malformed, ProxyHeader, ProxyTLS, parse_header

pytestmark = pytest.mark.slow

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
SCENARIOS = (
    "good",
    "nc-ok",
    "must-staple-without-staple",
    "unknown-critical",
    "revoked-crl",
    "serial-negative",
    "nul-san",
)
"""Whose certificates have every kind of name and extension among them."""
TAGS = [bytes([tag]) for tag in (*range(7), 0x17, 0x18, 0x1E, 0x1F, 0x30, 0x31, 0x80, 0x82, 0xA0, 0xA3, 0xFF)]
LENGTHS = [
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\x81\xff",
    b"\x82\x01\x00",
    b"\x84\xff\xff\xff\xff",
    b"\xff",
    b"\xff" * 200,
]
DER = [*TAGS, *LENGTHS, b"\x30\x00", b"\x06\x00", b"\x06\x01\x80", b"\x02\x01\x80", b"\x05\x00"]


# Certificates and what is asked about them


@functools.cache
def issued():
    """Return certificates of several scenarios, DER, and the ledger that is asked which of them are revoked."""
    end = "-----END CERTIFICATE-----\n"
    with Authority() as authority:
        chains = [authority.chain(load_scenario(name), PLACE).chain_pem for name in SCENARIOS]
        ledger = next(iter(authority._responder._ledgers.values()))
    pems = [part + end for chain in chains for part in chain.split(end)[:-1]]
    return list(map(ssl.PEM_cert_to_DER_cert, dict.fromkeys(pems))), ledger


def request():
    """Return an OCSP request for a certificate that is revoked, DER."""
    _, ledger = issued()
    algorithm = hashes.SHA1()  # noqa: S303 - as clients ask
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        *_issuer_hashes(ledger.issuer, algorithm), next(iter(ledger._revoked)), algorithm
    )
    builder = builder.add_extension(x509.OCSPNonce(b"12345678"), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


CERTIFICATES = st.deferred(lambda: fuzzing.mutants(issued()[0], DER))
REQUESTS = st.deferred(lambda: fuzzing.mutants([request()], DER))


def test_the_seeds_are_certificates_and_a_request():
    certificates, ledger = issued()
    assert len(certificates) > len(SCENARIOS)
    assert {next(decode.lines(octets)).partition(":")[0] for octets in certificates} == {"Version"}
    answer = ocsp.load_der_ocsp_response(ledger.answer(request()))
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL


@fuzzing.budget(400)
@given(CERTIFICATES)
@example(der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode(der.VERSION)), b"\x30\x00", b"\x03\x00"))
@example(der.encode(der.SEQUENCE))
def test_any_certificate_can_be_shown(octets):
    *lines, last = decode.lines(octets)
    assert last.startswith("SHA256 Fingerprint: ")
    assert lines
    assert all(line.isprintable() for line in lines)


@fuzzing.budget(200)
@given(CERTIFICATES)
@example(der.encode(der.SEQUENCE))
def test_a_certificate_is_taken_apart_whole_or_not_at_all(octets):
    with contextlib.suppress(ValueError):
        assert octets == b"".join(one.whole for one in der.elements(octets))
    with contextlib.suppress(ValueError):
        assert der.tbs_certificate(octets) in octets


@fuzzing.budget(100)
@given(REQUESTS)
def test_whatever_is_asked_the_responder_answers(octets):
    answer = ocsp.load_der_ocsp_response(issued()[1].answer(octets))
    assert answer.response_status in ocsp.OCSPResponseStatus


# ClientHellos


def recorded(server_name="mx.example.org", alpn=("smtp",), maximum=ssl.TLSVersion.TLSv1_3):
    """Return what OpenSSL's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = maximum
    context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()


HELLOS = [recorded(), recorded("192.0.2.1"), recorded(alpn=("smtp", "x")), recorded(maximum=ssl.TLSVersion.TLSv1_2)]
IN_RECORDS = (
    HELLOS[0][:1]
    + b"".join(  # the same in many records
        b"\x16\x03\x01\x00\x14" + HELLOS[0][start : start + 20] for start in range(5, len(HELLOS[0]) // 20 * 20, 20)
    )[1:]
)


def test_the_seeds_are_hellos():
    assert all(isinstance(parse_client_hello(octets), ClientHello) for octets in HELLOS)


@fuzzing.budget(300)
@given(
    fuzzing.mutants(
        [*HELLOS, IN_RECORDS], [b"\x16\x03\x01", b"\xff\xff", b"\x00\x00", b"\x00\x10", b"\x00\x2b", b"\x01\x00"]
    )
)
def test_any_hello_is_read_or_none(octets):
    hello = parse_client_hello(octets)
    assert isinstance(hello, ClientHello | None)
    assert parse_client_hello(hello_octets(octets)) == hello
    if hello is not None:
        assert asked_name(octets) == hello.server_name
        assert not has_begun(octets)
        assert all(isinstance(one, str) for one in (*hello.versions, *hello.alpn))


# PROXY protocol headers

HEADERS = list(fuzzing.octets("proxy").values())


@pytest.mark.parametrize("octets", HEADERS)
def test_the_seeds_are_headers(octets):
    assert isinstance(parse_header(octets), ProxyHeader)


@fuzzing.budget(300)
@given(
    fuzzing.mutants(
        HEADERS, [b"\r\n", b" ", b"TCP6", b"UNKNOWN", b"::", b"\x20\x00\x00", b"\x03\x00\x04", b"\xff\xff", b"0"]
    )
)
def test_any_header_is_read_or_told_what_is_wrong_or_goes_on(octets):
    header = parse_header(octets)
    assert isinstance(header, ProxyHeader | Malformed | None)
    if isinstance(header, ProxyHeader):
        assert 0 < header.size <= len(octets)
        assert parse_header(octets[: header.size]) == header
        assert not isinstance(parse_header(octets[: header.size - 1]), ProxyHeader)
        assert isinstance(header.tls, ProxyTLS | None)
        assert isinstance(header.authority, str | None)
        assert str(header).startswith("PROXY protocol version ")
