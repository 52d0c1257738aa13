"""The chain of a good server is that of the scenario ``good``, although it is issued without reading one."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509  # noqa: TID251 - reads back what was made

from smtpfix import InvalidValueError, Policy
from smtpfix.pki.authority import Authority
from smtpfix.pki.chains import Issuer
from smtpfix.pki.good_chain import good_chain
from smtpfix.pki.hierarchy import Hierarchy
from smtpfix.pki.keys import KeyRing
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place

NOW = dt.datetime(2030, 6, 1, 12, tzinfo=dt.UTC)
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1", "b\u00fccher.example"))
OF_THE_KEY = (x509.SubjectKeyIdentifier,)


def said(issued):
    """Return what a certificate says, but for what is another one's in each: key, serial number and signature."""
    read = issued.certificate
    extensions = [
        (one.oid, one.critical, None if isinstance(one.value, OF_THE_KEY) else one.value) for one in read.extensions
    ]
    validity = (read.not_valid_before_utc, read.not_valid_after_utc)
    return read.version, read.subject, read.issuer, validity, read.signature_algorithm_oid, extensions


@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
def test_it_says_what_the_scenario_says(key_type):
    hierarchy, ring = Hierarchy(None, key_type), KeyRing()
    good = good_chain(hierarchy, ring, PLACE, NOW)
    expected = Issuer(hierarchy, ring, lambda: NOW).chain(load_scenario("good"), PLACE)
    assert [said(one) for one in good] == [said(one) for one in expected.sent]
    assert type(good.leaf.key) is type(expected.leaf.key)
    assert good.intermediate.octets == expected.path[1].octets
    assert good.leaf.octets != expected.leaf.octets


def test_who_asks_for_the_scenario_is_told_of_what_good_servers_show():
    with Authority() as authority:
        shown = authority.server_context(Policy("implicit-tls"), PLACE).chain_pem
        chain = authority.chain(load_scenario("good"), PLACE)
        assert chain.chain_pem.encode() == shown
        assert chain.trusted.pem == authority.ca_pem


def test_a_name_that_no_certificate_can_hold_is_told():
    with Authority() as authority, pytest.raises(InvalidValueError, match="names a certificate can hold"):
        authority.server_context(Policy("implicit-tls"), PLACE._replace(others=("\u00fc" * 64 + ".example",)))
