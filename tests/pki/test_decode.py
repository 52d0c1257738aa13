"""A certificate in words: whatever octets a server sends for one, there are lines, and nothing is raised."""

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpfix import Authority
from smtpfix.pki import decode, der
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.safe_text import printable

BUDGET = settings(max_examples=150, deadline=None, derandomize=True)


with Authority() as _authority:
    GENUINE = _authority.chain(load_scenario("good"), Place("localhost", "mx.smtpfix.test", "127.0.0.1")).leaf.octets
IDENTIFIERS = [
    der.encode(6, bytes.fromhex(one)) for one in ("551d11", "551d13", "551d0f", "551d1e", "551d1f", "", "ff")
]
LEAVES = st.one_of(
    st.sampled_from(
        [*IDENTIFIERS, der.encode(5), der.encode(1, b"\xff"), b"\x30\x80", b"\x30", b"\x04\x84\xff\xff\xff\xff"]
    ),
    st.builds(der.encode, st.sampled_from((1, 2, 3, 4, 6, 12, 23, 30, 0x81, 0x87, 0xA0)), st.binary(max_size=9)),
    st.just(der.encode(6, b"\x80" * 20_000)),
    st.just(der.encode(2, b"\x7f" * 5_000)),  # Python writes no such number in decimal
)
DER = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda tag, parts: der.encode(tag, *parts),
        st.sampled_from((0x30, 0x30, 0x31, 0x04, 0xA0, 0xA3)),
        st.lists(inner, max_size=7),
    ),
    max_leaves=20,
)


def extended(extension):
    """Return the genuine certificate with another list of extensions."""
    tbs, algorithm, signature = der.sequence(GENUINE)
    parts = [part.whole for part in der.sequence(tbs.whole) if part.tag != der.EXTENSIONS]
    tbs = der.encode(der.SEQUENCE, *parts, der.encode(der.EXTENSIONS, der.encode(der.SEQUENCE, extension)))
    return der.encode(der.SEQUENCE, tbs, algorithm.whole, signature.whole)


def replaced(place, by):
    """Return the genuine certificate with something else in the place of a field of what is signed."""
    tbs, *others = der.sequence(GENUINE)
    parts = [part.whole for part in der.sequence(tbs.whole)]
    parts[place % len(parts)] = by
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *parts), *(other.whole for other in others))


def patched(at, octets):
    return GENUINE[: at % len(GENUINE)] + octets + GENUINE[at % len(GENUINE) + len(octets) :]


def holding(identifier, value):
    """Return the genuine certificate with one extension."""
    return extended(der.encode(der.SEQUENCE, der.encode(6, bytes.fromhex(identifier)), der.encode(4, value)))


CERTIFICATES = st.one_of(
    st.binary(max_size=40),
    DER,
    st.builds(extended, DER),
    st.builds(
        lambda kind, value: extended(der.encode(der.SEQUENCE, kind, der.encode(4, value))),
        st.sampled_from(IDENTIFIERS),
        DER,
    ),
    st.builds(replaced, st.integers(0, 9), DER),
    st.builds(patched, st.integers(0, 2000), st.binary(min_size=1, max_size=3)),
)


@BUDGET
@example(replaced(0, b"\xa0\x00"))  # a version that is empty
@example(replaced(2, b"\x30\x00"))  # an algorithm without an identifier
@example(holding("551d11", b"\x30\x08\xa0\x06\x06\x02\x2a\x03\xa0\x00"))  # a name without what it is
@example(holding("551d1e", b"\x30\x04\xa0\x02\x30\x00"))  # a constraint without a name
@given(CERTIFICATES)
def test_whatever_octets_come_for_a_certificate_there_are_harmless_lines(octets):
    lines = list(decode.lines(octets))
    assert lines[-1].startswith("SHA256 Fingerprint: ")
    assert all(line == printable(line) and "\n" not in line for line in lines)


@BUDGET
@given(CERTIFICATES)
def test_der_that_is_none_is_a_value_error_and_nothing_else(octets):
    for read in (der.first, der.sequence, der.tbs_certificate, lambda given: list(der.elements(given))):
        with contextlib.suppress(ValueError):
            read(octets)


def test_what_cannot_be_read_of_a_certificate_is_said_to_be_none_and_the_rest_is_shown():
    assert next(iter(decode.lines(b"\x30\x00"))) == "Not a certificate: 30:00"
    shown = list(decode.lines(extended(der.encode(der.SEQUENCE, IDENTIFIERS[0], der.encode(4, b"\x30\x05")))))
    assert shown[-3:-1] == ["X509v3 Subject Alternative Name:", "    30:05"]
