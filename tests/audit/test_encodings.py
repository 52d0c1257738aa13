"""A secret is found in every encoding it travels in, wherever it stands, and is not seen where it is not."""

from __future__ import annotations

import base64
import quopri
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix.audit.encodings import find
from smtpfix.audit.evidence import names_user
from smtpfix.erasing import base64_cores

SECRET = "s3cret-word"
OCTETS = SECRET.encode()


def wrapped(text, width=20):
    encoded = base64.b64encode(text).decode()
    return "\r\n".join(encoded[at : at + width] for at in range(0, len(encoded), width)).encode()


@pytest.mark.parametrize(
    ("octets", "ways"),
    [
        (b"AUTH X " + OCTETS, ("as it is",)),
        (base64.b64encode(OCTETS), ("in base64",)),
        (b"AUTH PLAIN " + base64.b64encode(b"\0ann\0" + OCTETS), ("in base64",)),
        (b"AUTH PLAIN " + base64.b64encode(b"\0anna\0" + OCTETS), ("in base64",)),
        (b"AUTH PLAIN " + base64.b64encode(b"\0annah\0" + OCTETS), ("in base64",)),
        (wrapped(b"some text before it, " + OCTETS + b" and behind"), ("in base64",)),
        (base64.urlsafe_b64encode(b"\xff\xfe\xfd" + OCTETS + b"\xff\xff"), ("in base64",)),
        (OCTETS.hex().encode(), ("in hexadecimal",)),
        (OCTETS.hex(" ").upper().encode(), ("in hexadecimal",)),
        (b"p=73=33cret-w=\r\nord", ("in quoted-printable",)),
        (b"p=" + b"".join(b"%%%02x" % octet for octet in OCTETS), ("percent-encoded",)),
        (SECRET.encode("utf-16-le"), ("as it is, in UTF-16",)),
        (base64.b64encode(SECRET.encode("utf-16-le")), ("in base64, in UTF-16",)),
        (b"EHLO client.example\r\nMAIL FROM:<ann@example.org>\r\n", ()),
        (base64.b64encode(b"another word"), ()),
        (b"", ()),
    ],
)
def test_a_secret_is_found_and_how_it_was_encoded(octets, ways):
    assert find(SECRET, octets) == ways


@given(st.text(min_size=4, max_size=30), st.binary(max_size=40), st.binary(max_size=40))
def test_base64_is_found_whatever_stands_around_it(secret, before, behind):
    octets = secret.encode("utf-8", "surrogatepass")
    if octets.decode("utf-8", "replace") != secret:  # half a surrogate pair is no password
        return
    assert "in base64" in find(secret, base64.b64encode(before + octets + behind))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=4, max_size=30))
def test_quoted_printable_and_percent_encoding_are_found(secret):
    assert find(secret, quopri.encodestring(secret.encode(), quotetabs=True))
    assert find(secret, urllib.parse.quote(secret, safe="").encode())


def test_what_is_looked_for_in_base64_depends_on_nothing_but_the_secret():
    for before in range(3):
        encoded = {base64.b64encode(bytes([octet]) * before + OCTETS + bytes([octet])) for octet in range(256)}
        assert all(base64_cores(OCTETS)[before] in one for one in encoded)


@pytest.mark.parametrize(
    ("user", "said", "is_named"),
    [
        ("shop", b"EHLO shop.example\r\nSTARTTLS\r\n", False),
        ("shop", b"EHLO shop\r\nMAIL FROM:<shop@example.org>\r\nFrom: shop@example.org\r\n", False),
        ("shop", b"workshop\r\nshop.example\r\n", False),
        ("shop", b"AUTH LOGIN\r\nc2hvcA==\r\n", True),
        ("shop", b"AUTH PLAIN AHNob3AAczNjcmV0\r\n", True),
        ("shop", b"USER shop\r\n", True),
        ("shop", b'a1 LOGIN "shop" s3cret\r\n', True),
        ("shop", b"workshop shop\r\n", True),
        ("ann@example.org", b"MAIL FROM:<ann@example.org>\r\n", False),
        ("ann@example.org", b"a1 LOGIN ann@example.org s3cret\r\n", True),
    ],
)
def test_a_user_is_named_where_a_login_names_it_and_not_where_a_host_or_an_address_has_the_letters(
    user, said, is_named
):
    assert names_user(user, said) is is_named
