"""The ClientHello parser: reads what real clients say, and nothing that is cut off or made up breaks it."""

import ssl
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.tls.client_hello import ClientHello, asked_name, hello_octets, looks_like_tls, parse_client_hello


def hello_of(server_name="mx.example.org", alpn=("smtp",), maximum=ssl.TLSVersion.TLSv1_3):
    """Return what OpenSSL's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def made(versions=b"", extensions=b"", ciphers=b"\x13\x01", legacy=0x0303, kind=1):
    """Return a ClientHello built by hand from RFC 8446 section 4.1.2."""
    if versions:
        extensions += struct.pack(">H", 43) + vector(2, vector(1, versions))
    body = struct.pack(">H", legacy) + bytes(32) + b"\0" + vector(2, ciphers) + b"\1\0" + vector(2, extensions)
    return records(bytes([kind]) + vector(3, body))


def records(handshake, length=16_384):
    return b"".join(
        b"\x16\x03\x01" + vector(2, handshake[start : start + length]) for start in range(0, len(handshake), length)
    )


REAL = hello_of()
PARSED = parse_client_hello(REAL)


def test_reads_a_real_client():
    assert PARSED.server_name == "mx.example.org"
    assert PARSED.versions == ("TLSv1.3", "TLSv1.2")
    assert PARSED.alpn == ("smtp",)
    assert 0x1301 in PARSED.ciphers


def test_reads_a_client_that_asks_for_no_name_and_no_protocol():
    hello = parse_client_hello(hello_of(None, ()))
    assert hello.server_name is None
    assert hello.alpn == ()


def test_reads_a_client_before_tls_1_3_by_its_highest_version():
    hello = parse_client_hello(hello_of(maximum=ssl.TLSVersion.TLSv1_2))
    assert hello.versions[0] == "TLSv1.2"
    assert "TLSv1.3" not in hello.versions


@pytest.mark.parametrize("name", ["mx.example.org", None])
def test_the_name_is_read_without_the_rest(name):
    assert asked_name(hello_of(name)) == name


def test_what_is_kept_of_a_first_flight_is_its_hello():
    """Not what a client sends behind it, such as its certificate, or a password where TLS has to begin."""
    assert hello_octets(REAL + b"\x14\x03\x03\0\1\1" + b"more") == REAL
    assert hello_octets(b"AUTH PLAIN AGFubgBzM2NyZXQ=\r\n") == b""
    parted = records(REAL[5:], 50)
    assert parse_client_hello(hello_octets(parted)) == PARSED


@pytest.mark.parametrize("whole", [REAL, records(REAL[5:], 50)], ids=["one record", "many records"])
def test_a_truncated_hello_is_none(whole):
    assert parse_client_hello(whole) == PARSED
    assert [end for end in range(len(whole)) if parse_client_hello(whole[:end]) is not None] == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_what_follows_a_whole_hello_does_not_matter(more):
    assert parse_client_hello(REAL + more) == PARSED


@pytest.mark.parametrize("more", [b"\x14", b"\x16", b"\x16\x03\x03", b"\x14\x03\x03\0\1\1", b"\x17\x03\x03\xff\xff"])
def test_a_record_that_is_just_beginning_behind_it_does_not_matter(more):
    assert parse_client_hello(REAL + more) == PARSED


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_a_hello_in_many_records_is_the_same(length):
    assert parse_client_hello(records(REAL[5:], length)) == PARSED


@settings(max_examples=200, deadline=None)
@given(st.binary() | st.binary().map(records) | st.binary().map(lambda octets: records(b"\x01" + vector(3, octets))))
def test_no_octets_raise(octets):
    assert isinstance(parse_client_hello(octets), ClientHello | None)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_no_extensions_raise(extensions):
    assert isinstance(parse_client_hello(made(extensions=extensions)), ClientHello | None)


def test_leaves_grease_out_and_names_versions_nobody_knows_by_number():
    hello = parse_client_hello(made(b"\x0a\x0a\x03\x04\x7f\x1c", ciphers=b"\xfa\xfa\x13\x01\x0a\x1a"))
    assert hello.versions == ("TLSv1.3", "0x7f1c")
    assert hello.ciphers == (0x1301, 0x0A1A)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"EHLO client.example\r\n",
        made(kind=2),  # a ServerHello
        made(ciphers=b"\x13"),
        made(versions=b"\x03\x04\x03"),
        made(extensions=b"\0\0" + vector(2, vector(2, b"\0" + vector(2, b"m\xfc")))),
        made(extensions=b"\0\0" + vector(2, b"")),
        made(extensions=b"\0"),
    ],
)
def test_what_is_malformed_or_no_hello_is_none(octets):
    assert parse_client_hello(octets) is None


def test_a_hello_without_extensions_is_one():
    body = struct.pack(">H", 0x0301) + bytes(32) + b"\0" + vector(2, b"\x00\x2f") + b"\1\0"
    hello = parse_client_hello(records(b"\x01" + vector(3, body)))
    assert hello == ClientHello(None, ("TLSv1", "SSLv3"), (0x2F,), ())


def test_a_server_name_comes_from_its_extension():
    hello = parse_client_hello(made(extensions=b"\0\0" + vector(2, vector(2, b"\0" + vector(2, b"mx.example")))))
    assert hello.server_name == "mx.example"


@pytest.mark.parametrize(
    ("octets", "is_tls"),
    [
        pytest.param(REAL, True, id="a real one"),
        (bytearray(b"\x16\x03"), True),
        (b"\x16", False),
        (b"", False),
        (b"EHLO x", False),
        (b"\x16EHLO", False),
        (b"\x15\x03\x03", False),
    ],
)
def test_tells_a_handshake_record_by_its_first_octets(octets, is_tls):
    assert looks_like_tls(octets) is is_tls
