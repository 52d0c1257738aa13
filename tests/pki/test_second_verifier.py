"""A second verifier over the same chains, which shares no code with OpenSSL: cryptography's, written in Rust.

What it sees is the certificates alone: it knows no ciphers, curves or security levels of a handshake.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import warnings
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, IPAddress  # noqa: TID251 - the verifier is what this file is about
from cryptography.x509.verification import (  # noqa: TID251 - as above
    PolicyBuilder,
    Store,
    VerificationError,
)

from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.place import Place

pytestmark = pytest.mark.once

PLACES = {
    "name": Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1")),
    "IPv4": Place("127.0.0.1", "mx.smtpfix.test", "127.0.0.1", ("localhost",)),
    "IPv6": Place("::1", "mx.smtpfix.test", "::1", ("localhost",)),
}

_NO_COMMON_NAME = "refuses: it never takes a name from the common name (RFC 9525 section 2); Python still does"
_ISSUERS_ONLY = "accepts: it measures the keys of issuers only; {}"
_NOT_OFFERED = "a TLS client does not offer this kind of key, so that OpenSSL's handshake ends before the certificate"

DIFFERENCES = {
    "brainpool": _ISSUERS_ONLY.format(_NOT_OFFERED),
    "cn-match-san-only-ip": _NO_COMMON_NAME,
    "cn-only": _NO_COMMON_NAME,
    "dsa": _ISSUERS_ONLY.format(_NOT_OFFERED),
    "empty-san": _NO_COMMON_NAME,
    "leaf-is-ca": "refuses: a CA's certificate is no server's, as the CA/Browser Forum's Baseline Requirements have it",
    "leaf-v1": "refuses: it knows version 3 only (RFC 5280 section 4.1.2.1)",
    "long-chain-50": "refuses: eight intermediates are the most unless it is told otherwise; OpenSSL goes to 100",
    "long-chain-9": "refuses: eight intermediates are the most unless it is told otherwise; OpenSSL goes to 100",
    "p192": _ISSUERS_ONLY.format(_NOT_OFFERED),
    "p224": _ISSUERS_ONLY.format(_NOT_OFFERED),
    "rsa1024": _ISSUERS_ONLY.format("OpenSSL measures the leaf's too, at its security level"),
    "rsa512": _ISSUERS_ONLY.format("OpenSSL measures the leaf's too, at its security level"),
    "san-10000": "accepts: it gets the chain as it is; a TLS client limits how much a server may send of it",
    "secp256k1": _ISSUERS_ONLY.format(_NOT_OFFERED),
    "self-signed-pinned": "refuses: a server's certificate has to name the key of its issuer, which is a CA",
    "serial-negative": "refuses: serial numbers are positive (RFC 5280 section 4.1.2.2)",
    "wildcard-cn": _NO_COMMON_NAME,
    "wildcard-tld": "accepts: it knows no public suffixes, and a wildcard may stand for any leftmost label",
}
"""Scenarios in which this verifier does not do what OpenSSL does, with what it does and the reason."""

UNEXPECTED = {
    "long-chain-9": "refuse",
    "rsa512": "accept",
    "self-signed-pinned": "refuse",
}
"""Those of them in which it does not do what a careful client is expected to do either."""

CERTIFICATES = scenario_ids("certificates")


@pytest.fixture(scope="module")
def authority(smtp_authority):
    """Return the one of the whole run: it issues the catalogue, and makes the costly keys, once."""
    return smtp_authority


def complaint_about(chain, name, **options):
    """Return what the verifier has against a chain for a name or address; None if it accepts it."""
    try:
        subject = IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = DNSName(name)
    builder = PolicyBuilder().time(dt.datetime.now(dt.UTC))
    if "depth" in options:
        builder = builder.max_chain_depth(options["depth"])
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of odd serial numbers that it may one day not read
            leaf, *others = [issued.certificate for issued in chain.sent]
        builder.store(Store([chain.trusted.certificate])).build_server_verifier(subject).verify(leaf, others)
    except (VerificationError, ValueError) as error:
        return str(error)
    return None


def accepts(authority, scenario_id, place):
    scenario = load_scenario(scenario_id)
    return complaint_about(authority.chain(scenario, place), place.expand(scenario.connect)) is None


@pytest.mark.parametrize("scenario_id", CERTIFICATES)
def test_it_does_what_openssl_does_unless_the_difference_is_listed(authority, scenario_id):
    """By name and by both kinds of address."""
    as_openssl_does = load_scenario(scenario_id).openssl.accepts is (scenario_id not in DIFFERENCES)
    found = {name: accepts(authority, scenario_id, place) for name, place in PLACES.items()}
    assert found == dict.fromkeys(PLACES, as_openssl_does)


@pytest.mark.parametrize("scenario_id", CERTIFICATES)
def test_it_does_what_is_expected_of_a_careful_client_unless_that_is_listed(authority, scenario_id):
    did = "accept" if accepts(authority, scenario_id, PLACES["name"]) else "refuse"
    expected = load_scenario(scenario_id).expected
    if scenario_id in UNEXPECTED:
        assert (did, expected) == (UNEXPECTED[scenario_id], {"accept": "refuse", "refuse": "accept"}[did])
    else:
        assert expected in (did, "either", "lax")


@pytest.mark.parametrize("scenario_id", scenario_ids("tls"))
def test_the_certificates_of_tls_scenarios_are_good(authority, scenario_id):
    assert accepts(authority, scenario_id, PLACES["name"])


@pytest.mark.parametrize("scenario_id", DIFFERENCES)
def test_a_listed_difference_says_what_it_does_and_why(authority, scenario_id):
    word = "accepts" if accepts(authority, scenario_id, PLACES["name"]) else "refuses"
    assert DIFFERENCES[scenario_id].startswith(f"{word}: ")


def test_an_extension_that_is_there_twice_is_refused(authority):
    place = PLACES["name"]
    said = complaint_about(authority.chain(load_scenario("dup-san"), place), "localhost")
    assert "duplicate" in said.lower()


@pytest.mark.parametrize(("scenario_id", "depth"), [("long-chain-9", 9), ("long-chain-50", 50)])
def test_a_long_chain_is_accepted_where_it_may_be_as_long(authority, scenario_id, depth):
    chain = authority.chain(load_scenario(scenario_id), PLACES["name"])
    assert complaint_about(chain, "localhost", depth=depth) is None
    assert "max depth" in complaint_about(chain, "localhost", depth=depth - 1)


@pytest.mark.parametrize(
    ("scenario_id", "said"),
    [
        ("expired", "not valid at validation time"),
        ("wrong-host", "no matching subjectAltName"),
        ("untrusted-root", "candidates exhausted"),
        ("eku-client-only", "required EKU"),
        ("unknown-critical", "critical"),
    ],
)
def test_it_refuses_for_the_reason_that_the_scenario_is_about(authority, scenario_id, said):
    assert said in complaint_about(authority.chain(load_scenario(scenario_id), PLACES["name"]), "localhost")


def test_in_20_years_it_accepts_what_is_issued_then_and_nothing_of_today(authority):
    def complaint(made):
        chain = made.chain(load_scenario("good"), PLACES["name"])
        policy = PolicyBuilder().store(Store([chain.trusted.certificate])).time(then)
        leaf, *others = [issued.certificate for issued in chain.sent]
        return policy.build_server_verifier(DNSName("localhost")).verify(leaf, others)

    then = dt.datetime.now(dt.UTC) + dt.timedelta(days=7305)
    with Authority(now=lambda: then) as later:
        assert complaint(later)
    with pytest.raises(VerificationError, match="not valid at validation time"):
        complaint(authority)


@pytest.mark.parametrize("scenario_id", DIFFERENCES)
def test_the_documentation_lists_each_difference_with_its_reason(scenario_id):
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    outcome, _, reason = DIFFERENCES[scenario_id].partition(": ")
    assert f"| `{scenario_id}` | {outcome} | {reason} |" in page
