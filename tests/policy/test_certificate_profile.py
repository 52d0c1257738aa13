"""The tables of a catalogue file: what each key may say, and that anything else is named with what is allowed."""

from __future__ import annotations

import datetime as dt
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix.errors import InvalidValueError
from smtpfix.policy.certificate_profile import (
    EXTENDED_KEY_USAGES,
    KEY_USAGES,
    KEYS,
    NAME_KINDS,
    PLACEHOLDERS,
    SIGNATURES,
    CertificateProfile,
    is_template,
)
from smtpfix.policy.good_chain import KEY_TYPES, check_key_type
from smtpfix.policy.tls_profile import FAULTS, LEGACY, TLSProfile

LEAF = "mine.toml, [leaf]"
TLS = "mine.toml, [tls]"

YES_OR_NO = ([True, False], [0, 1, "true", [], [True]], "true or false")
DAYS = (
    [-365_000, -1, 0, 90, 365_000, dt.date(3000, 1, 1)],
    [1.5, True, "tomorrow", 365_001, -365_001, [1], dt.datetime(2030, 1, 1, tzinfo=dt.UTC), dt.time(1)],
    "a number of days from today, or a date such as 3000-01-01",
)
SUBTREES = (
    [[], ["dns:example.org"], ["ip:10.0.0.0/8", "dns:{domain}"]],
    ["dns:example.org", ["example.org"], ["email:ann@example.org"], ["dns:"], [1], 1, True],
    'a list such as ["dns:example.org", "ip:10.0.0.0/8"]',
)

CERTIFICATE_KEYS = {
    "ca": YES_OR_NO,
    "key": (list(KEYS), ["rsa", "RSA2048", "", 2048, True, ["p256"], {}], "one of p256, p384"),
    "signature": (list(SIGNATURES), ["sha-1", "SHA256", "", 1, ["sha1"]], "one of sha256, sha384, sha512, sha1, md5"),
    "corrupt_signature": YES_OR_NO,
    "issuer": (["above", "self"], ["me", "", True, 1, ["self"]], "one of above, self"),
    "version": ([3, 1], [2, 0, "3", True, [3]], "one of 3, 1"),
    "serial": ([0, -4711, 2**159], [1.0, "1", True, [1]], "a whole number"),
    "not_before": DAYS,
    "not_after": DAYS,
    "subject": YES_OR_NO,
    "common_name": (
        ["mx.example", "*.{domain}", "{name}\0.evil.example", ""],
        [1, True, ["mx.example"], "{nobody}", "{", "}", "{{name}}"],
        "text, with {names}, {name}, {host}",
    ),
    "names": (
        [[], ["{names}"], ["dns:mx.example", "ip:{address}", "email:a@b", "uri:smtp://b", "srv:_submission.b"]],
        ["dns:mx.example", ["mx.example"], ["dns:"], ["DNS:mx.example"], ["http:mx.example"], [1], ["dns:{no}"], 1],
        f'a list of names such as "dns:mx.example" with {", ".join(NAME_KINDS)} as kinds',
    ),
    "extra_names": ([0, 1, 100_000], [-1, 100_001, 1.0, "1", True, [1]], "a whole number up to 100000"),
    "empty_names": YES_OR_NO,
    "duplicate_names": YES_OR_NO,
    "basic_constraints": YES_OR_NO,
    "path_length": ([0, 3], [-1, 1.0, "0", True, [0]], "a whole number from 0 up"),
    "key_usage": (
        [[], list(KEY_USAGES), ["crl_sign"]],
        ["crl_sign", ["sign"], [1], 1, True, [["crl_sign"]]],
        "a list out of digital_signature, content_commitment",
    ),
    "extended_key_usage": (
        [[], list(EXTENDED_KEY_USAGES)],
        ["any", ["serverAuth"], [1], 1],
        "a list out of server_auth, client_auth",
    ),
    "permitted": SUBTREES,
    "excluded": SUBTREES,
    "unknown_extension": (["critical", "noncritical"], ["yes", "", True, ["critical"]], "critical or noncritical"),
    "must_staple": YES_OR_NO,
    "impersonates": YES_OR_NO,
    "revocation": YES_OR_NO,
    "revoked": YES_OR_NO,
}
"""Every key of a certificate's table: values that make sense, values that do not, and how the error goes on."""

VERSIONS = (
    ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
    ["SSLv3", "1.2", 1.2, True, ["TLSv1.2"], ""],
    "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
)

TLS_KEYS = {
    "min": VERSIONS,
    "max": VERSIONS,
    "ciphers": (["DEFAULT", "AES128-SHA:!aNULL"], ["", 1, True, ["AES128-SHA"]], "a list of suites as OpenSSL writes"),
    "dh": ([1024, 2048], [512, "1024", True, [1024]], "one of 1024, 2048"),
    "server_name": (["required", "unrecognized"], ["optional", True, ["required"]], "one of required, unrecognized"),
    "client_certificate": (["optional", "required"], ["none", True, 1], "one of optional, required"),
    "client_authority": (["own", "other"], ["", "mine", True, 1], "one of own, other"),
    "staple": (["good", "revoked"], ["bad", True, 1], "one of good, revoked"),
    "rotate_keys": YES_OR_NO,
    "fault": (list(FAULTS), ["explode", True, ["stall"]], "one of stall, close, alert, clear-text"),
    "legacy": (list(LEGACY), ["ssl2", True, ["rc4"]], "one of ssl30, rc4, 3des, dh512"),
}
"""The same for the table ``[tls]``."""


def rows(keys, which):
    return [
        pytest.param(key, value, row[2], id=f"{key}-{value!r}".replace("\0", "NUL"))
        for key, row in keys.items()
        for value in row[which]
    ]


good_in_a_certificate = pytest.mark.parametrize(("key", "value", "allowed"), rows(CERTIFICATE_KEYS, 0))
bad_in_a_certificate = pytest.mark.parametrize(("key", "value", "allowed"), rows(CERTIFICATE_KEYS, 1))
good_in_tls = pytest.mark.parametrize(("key", "value", "allowed"), rows(TLS_KEYS, 0))
bad_in_tls = pytest.mark.parametrize(("key", "value", "allowed"), rows(TLS_KEYS, 1))


def as_kept(value):
    return tuple(value) if isinstance(value, list) else value


def test_every_key_is_tried_here():
    assert ["where", *CERTIFICATE_KEYS] == [item.name for item in fields(CertificateProfile)]
    assert ["where", *TLS_KEYS] == [item.name for item in fields(TLSProfile)]


# A certificate


@good_in_a_certificate
def test_a_certificate_takes_a_value_that_makes_sense(key, value, allowed):
    needed = {"revocation": True} if key == "revoked" else {}
    profile = CertificateProfile.parse(LEAF, {**needed, key: value}, ca=False)
    assert getattr(profile, key) == as_kept(value)
    assert profile.where == LEAF


def test_nobody_can_be_revoked_where_nobody_could_find_out():
    with pytest.raises(InvalidValueError, match="revoked: expected false where revocation is"):
        CertificateProfile.parse(LEAF, {"revoked": True}, ca=False)


@bad_in_a_certificate
def test_a_certificate_refuses_a_value_that_makes_none(key, value, allowed):
    with pytest.raises(InvalidValueError) as caught:
        CertificateProfile.parse(LEAF, {key: value}, ca=False)
    assert caught.value.field == f"{LEAF}: {key}"
    assert caught.value.value == value
    assert str(caught.value).startswith(f"mine.toml, [leaf]: {key}: expected {allowed}")
    assert str(caught.value).endswith(f", got {value!r}")


@pytest.mark.parametrize("table", [1, "p256", [], [{"key": "p256"}], True, None])
def test_what_is_no_table_is_refused_as_a_certificate_and_as_tls(table):
    with pytest.raises(InvalidValueError, match=r"mine\.toml, \[leaf\]: expected a table, got"):
        CertificateProfile.parse(LEAF, table, ca=False)
    with pytest.raises(InvalidValueError, match=r"mine\.toml, \[tls\]: expected a table, got"):
        TLSProfile.parse(TLS, table)


@pytest.mark.parametrize("key", ["colour", "where", "Key", "self", "__class__", ""])
def test_an_unknown_key_is_named_with_those_there_are(key):
    with pytest.raises(
        InvalidValueError, match=r"\[leaf\]: there is no key .*; there are ca, key, signature, .*, revoked"
    ):
        CertificateProfile.parse(LEAF, {key: 1}, ca=False)
    with pytest.raises(InvalidValueError, match=r"\[tls\]: there is no key .*; there are min, max, .*, legacy"):
        TLSProfile.parse(TLS, {key: 1})


@pytest.mark.parametrize(
    ("table", "ca", "days"),
    [
        ({}, True, (None, None)),
        ({}, False, (None, None)),
        ({"ca": True}, True, (None, None)),
        ({"not_after": 1}, True, (None, 1)),
        ({"ca": True}, False, (-1, 90)),
        ({"ca": False}, True, (dt.date(2000, 1, 1), dt.date(3000, 1, 1))),
        ({"ca": True, "not_after": 1}, False, (-1, 1)),
    ],
)
def test_a_leaf_that_is_a_ca_begins_and_ends_as_a_leaf_and_an_issuer_that_is_none_as_an_issuer(table, ca, days):
    profile = CertificateProfile.parse(LEAF, table, ca=ca)
    assert (profile.not_before, profile.not_after) == days


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_type_of_an_authority_s_keys_is_one_that_trustme_has(key_type):
    check_key_type(key_type, "--key-type")


@pytest.mark.parametrize(
    ("key_type", "hint"),
    [("RSA", " (did you mean 'rsa'?)"), ("dsa", " (did you mean 'ecdsa'?)"), ("ed25519", ""), ("", ""), (2048, "")],
)
def test_another_one_is_named_with_the_nearest_there_is(key_type, hint):
    with pytest.raises(InvalidValueError) as caught:
        check_key_type(key_type, "--key-type")
    assert str(caught.value) == f"--key-type: expected one of ecdsa, rsa{hint}, got {key_type!r}"


def test_a_table_can_say_that_a_leaf_is_a_ca_and_that_an_issuer_is_none():
    assert CertificateProfile.parse(LEAF, {"ca": True}, ca=False).ca is True
    assert CertificateProfile.parse(LEAF, {"ca": False}, ca=True).ca is False


def test_profiles_are_values():
    profile = CertificateProfile.parse(LEAF, {"names": ["dns:mx.example"]}, ca=False)
    assert profile == CertificateProfile(LEAF, ca=False, names=("dns:mx.example",))
    assert hash(profile) == hash(CertificateProfile(LEAF, ca=False, names=("dns:mx.example",)))
    with pytest.raises(FrozenInstanceError):
        profile.key = "p384"
    with pytest.raises(FrozenInstanceError):
        TLSProfile().fault = "stall"


# Placeholders


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_placeholder_may_stand_in_a_text(name):
    assert is_template(f"{{{name}}}")
    assert is_template(f"before.{{{name}}}.behind.{{{name}}}")


@pytest.mark.parametrize("text", ["", "mx.example", "*.example", "a b"])
def test_a_text_needs_no_placeholder(text):
    assert is_template(text)


@pytest.mark.parametrize(
    "text",
    ["{", "}", "{}", "{name", "name}", "{{name}}", "{name!r}", "{name:>9}", "{name.x}", "{0}", "{Name}", None, 1],
)
def test_anything_else_in_braces_is_no_placeholder(text):
    assert not is_template(text)


@given(st.text(alphabet="{}ab", max_size=12))
def test_braces_without_a_placeholder_never_pass(text):
    assert is_template(text) is not any(brace in text for brace in "{}")


# TLS


@good_in_tls
def test_tls_takes_a_value_that_makes_sense(key, value, allowed):
    assert getattr(TLSProfile.parse(TLS, {key: value}), key) == value


@bad_in_tls
def test_tls_refuses_a_value_that_makes_none(key, value, allowed):
    with pytest.raises(InvalidValueError) as caught:
        TLSProfile.parse(TLS, {key: value})
    assert caught.value.field == f"{TLS}: {key}"
    assert caught.value.value == value
    assert str(caught.value).startswith(f"mine.toml, [tls]: {key}: expected {allowed}")
    assert str(caught.value).endswith(f", got {value!r}")


def test_tls_without_a_table_is_a_server_as_it_should_be():
    assert TLSProfile.parse("tls", {}) == TLSProfile()
    assert TLSProfile().fault is None
