"""Keys, names, DER, certificates and chains: what is issued is what the profile says, octet by octet if need be."""

from __future__ import annotations

import datetime as dt
import ipaddress
import warnings

import pytest
from cryptography import x509  # noqa: TID251 - reads back what was issued
from cryptography.exceptions import InvalidSignature  # noqa: TID251 - as above
from cryptography.hazmat.primitives import hashes  # noqa: TID251 - as above
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa  # noqa: TID251 - as above
from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: TID251 - as above
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID  # noqa: TID251 - as above
from hypothesis import given
from hypothesis import strategies as st

from smtpfix.errors import InvalidValueError
from smtpfix.pki import der, keys, names
from smtpfix.pki.certificates import Revocation, issue
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.certificate_profile import KEY_USAGES, KEYS, CertificateProfile
from smtpfix.policy.good_chain import day
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario

NOW = dt.datetime(2030, 6, 1, 12, tzinfo=dt.UTC)
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'
SAN, SKI, AKI = (
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
)
SAN_ELEMENT = bytes.fromhex("0603551d11")


# DER


@given(st.integers(0, 255), st.binary(max_size=70_000))
def test_an_element_is_read_back_as_it_was_written(tag, content):
    (element,) = der.elements(der.encode(tag, content))
    assert element == (tag, der.encode(tag, content), content)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "0400"),
        (127, "047f"),
        (128, "048180"),
        (255, "0481ff"),
        (256, "04820100"),
        (65_535, "0482ffff"),
        (65_536, "0483010000"),
    ],
)
def test_a_length_takes_as_many_octets_as_it_needs(size, head):
    assert der.encode(4, bytes(size)) == bytes.fromhex(head) + bytes(size)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (-1, "0201ff"),
        (-129, "0202ff7f"),
        (256, "02020100"),
        (-4711, "0202ed99"),
    ],
)
def test_integers_are_in_two_s_complement(value, octets):
    assert der.integer(value) == bytes.fromhex(octets)


@given(st.integers(-(2**200), 2**200))
def test_every_integer_is_read_back_as_it_was_written(value):
    (element,) = der.elements(der.integer(value))
    assert element.tag == der.INTEGER
    assert int.from_bytes(element.content, "big", signed=True) == value


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_elements_side_by_side_are_all_read(parts):
    octets = b"".join(der.encode(tag, content) for tag, content in parts)
    assert [(one.tag, one.content) for one in der.elements(octets)] == parts
    assert [(one.tag, one.content) for one in der.sequence(der.encode(der.SEQUENCE, octets))] == parts


@pytest.mark.parametrize(
    "octets", ["3005", "300201", "3081", "308201", "30820102ff", "30848fffffff00", "3003020101ff01"]
)
def test_octets_that_end_too_early_are_a_value_error(octets):
    with pytest.raises(ValueError, match=r"\w"):
        list(der.elements(bytes.fromhex(octets)))


@given(st.binary(max_size=60))
def test_hostile_octets_are_a_value_error_or_elements_that_make_them_up(octets):
    try:
        found = list(der.elements(octets))
    except ValueError:
        return
    assert b"".join(one.whole for one in found) == octets


@given(st.binary(max_size=60))
def test_what_is_no_single_sequence_is_a_value_error(octets):
    try:
        found = der.sequence(octets)
    except ValueError:
        return
    assert octets.endswith(b"".join(one.whole for one in found))


# Names


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("dns:mx.example", x509.DNSName("mx.example")),
        ("dns:*.example", x509.DNSName("*.example")),
        ("email:ann@mx.example", x509.RFC822Name("ann@mx.example")),
        ("uri:smtp://mx.example", x509.UniformResourceIdentifier("smtp://mx.example")),
        ("ip:127.0.0.1", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))),
        ("ip:::1", x509.IPAddress(ipaddress.ip_address("::1"))),
        (
            "srv:_submission.mx.example",
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x16\x16_submission.mx.example"),
        ),
    ],
)
def test_every_kind_of_name_is_what_a_parser_reads(name, parsed):
    certificate = issued(alternative_names=[name]).certificate
    found = list(certificate.extensions.get_extension_for_oid(SAN).value)
    assert found == [parsed]


def test_names_are_kept_in_order_and_octet_by_octet():
    value = names.subject_alternative_names(["dns:a\0b", "dns:bücher.example", "ip:192.0.2.1"])
    assert [(one.tag, one.content) for one in der.sequence(value)] == [
        (0x82, b"a\0b"),
        (0x82, "bücher.example".encode()),
        (0x87, bytes((192, 0, 2, 1))),
    ]
    assert names.subject_alternative_names([]) == b"\x30\x00"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("127.0.0.1", "ip:127.0.0.1"),
        ("::0001", "ip:::1"),
        ("mx.example", "dns:mx.example"),
        ("bücher.example", "dns:xn--bcher-kva.example"),
        ("1.2.3", "dns:1.2.3"),
    ],
)
def test_a_bare_name_gets_the_kind_it_has(name, found):
    assert names.with_kind(name) == found


def test_a_name_that_cannot_be_sent_is_an_error_of_text():
    with pytest.raises(UnicodeError):
        names.to_alabels("ü" * 64 + ".example")


def test_subtrees_are_names_and_networks():
    assert names.subtree("dns:example.org") == x509.DNSName("example.org")
    assert names.subtree("ip:10.0.0.0/8") == x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
    assert names.subtree("ip:2001:db8::/32") == x509.IPAddress(ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(("common_name", "found"), [("mx", ["mx"]), (None, []), ("", []), ("a" * 65, ["a" * 64])])
def test_a_distinguished_name_is_ours_and_its_common_name_no_longer_than_it_may_be(common_name, found):
    name = names.distinguished(common_name)
    assert [one.value for one in name.get_attributes_for_oid(NameOID.COMMON_NAME)] == found
    assert [one.value for one in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [names.ORGANIZATION]


def test_an_authority_s_name_is_ours_and_its_unit_no_longer_than_it_may_be():
    name = names.authority("smtpfix root")
    assert name.rfc4514_string() == f"OU=smtpfix root,O={names.ORGANIZATION}"
    assert names.authority("a" * 65) == names.authority("a" * 64)


# Keys


SIZES = {
    **{f"rsa{bits}": bits for bits in (512, 1024, 2048, 3072, 4096)},
    **{f"p{bits}": bits for bits in (192, 224, 256, 384, 521)},
    "secp256k1": 256,
    "brainpool256": 256,
    "dsa2048": 2048,
}
"""Bits of each kind of key; Ed25519 and Ed448 know one size only."""


def verify(public, signature, octets, name):
    """Check a signature; raise `InvalidSignature`."""
    algorithm = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}.get(name)
    algorithm = algorithm or {"sha1": hashes.SHA1, "md5": hashes.MD5}[name]
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, octets, padding.PKCS1v15(), algorithm())
    elif isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, octets, ec.ECDSA(algorithm()))
    elif isinstance(public, dsa.DSAPublicKey):
        public.verify(signature, octets, algorithm())
    else:
        public.verify(signature, octets)


@pytest.fixture(scope="module")
def ring():
    return keys.KeyRing()


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_signs_what_its_public_key_verifies(ring, kind):
    key = ring.key(kind, "leaf")
    assert getattr(key, "key_size", None) == SIZES.get(kind)
    signature = keys.sign(key, b"what was said", "sha256")
    verify(key.public_key(), signature, b"what was said", "sha256")
    with pytest.raises(InvalidSignature):
        verify(key.public_key(), signature, b"what was not", "sha256")


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512", "sha1", "md5"])
@pytest.mark.parametrize("kind", ["rsa2048", "p256", "dsa2048"])
def test_a_key_signs_with_the_hash_it_is_told(ring, kind, name):
    key = ring.key(kind, "leaf")
    verify(key.public_key(), keys.sign(key, b"x", name), b"x", name)


@pytest.mark.parametrize("kind", [kind for kind in KEYS if kind != "rsa512"])
def test_every_kind_of_key_is_read_back_from_its_pem(ring, kind):
    key = ring.key(kind, "leaf")
    assert keys.pem(key).startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_pem_private_key(keys.pem(key), None).public_key() == key.public_key()


def test_costly_keys_are_kept_for_each_part_and_cheap_ones_are_new_each_time(ring):
    for kind in ("rsa2048", "dsa2048", "rsa512"):
        assert ring.key(kind, "leaf") is ring.key(kind, "leaf")
        assert ring.key(kind, "leaf") is not ring.key(kind, "root")
        assert keys.KeyRing().key("rsa1024", "leaf") is not ring.key("rsa1024", "leaf")
    for kind in ("p256", "ed25519", "ed448", "brainpool256"):
        assert ring.key(kind, "leaf") is not ring.key(kind, "leaf")


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("p256", "sha256", "sha256"),
        ("p256", "sha384", "sha384"),
        ("p256", "sha512", "sha512"),
        ("p256", "md5", "sha256"),
        ("ed25519", "sha256", None),
        ("ed448", "sha512", None),
    ],
)
def test_a_builder_is_told_a_hash_that_it_takes(kind, name, found):
    algorithm = keys.builder_hash(keys.generate(kind), name)
    assert (algorithm.name if algorithm else None) == found


# Certificates


KEY = keys.generate("p256")
CA = issue(
    CertificateProfile("a CA", ca=True),
    None,
    key=keys.generate("p256"),
    subject=names.distinguished("a CA"),
    alternative_names=[],
    now=NOW,
)


def issued(*, issuer=CA, key=KEY, ca=False, alternative_names=("dns:mx.example",), revocation=None, **profile):
    """Issue a certificate that differs from a base one as said."""
    return issue(
        CertificateProfile("test", ca=ca, **profile),
        issuer,
        key=key,
        subject=names.distinguished("mx.example") if profile.get("subject", True) else x509.Name([]),
        alternative_names=list(alternative_names),
        now=NOW,
        revocation=revocation,
    )


def value_of(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


def usages(certificate):
    usage = value_of(certificate, x509.KeyUsage)
    return {name for name in KEY_USAGES if getattr(usage, name)}


def identifiers(certificate):
    return {(one.oid.dotted_string, one.critical) for one in certificate.extensions}


def test_a_base_leaf_is_what_a_server_has_to_have():
    found = issued().certificate
    assert found.version is x509.Version.v3
    assert value_of(found, x509.BasicConstraints) == x509.BasicConstraints(ca=False, path_length=None)
    assert usages(found) == {"digital_signature"}
    assert list(value_of(found, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(value_of(found, x509.SubjectAlternativeName)) == [x509.DNSName("mx.example")]
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    assert value_of(found, x509.SubjectKeyIdentifier) == key_identifier
    issuer_identifier = value_of(CA.certificate, x509.SubjectKeyIdentifier).digest
    assert value_of(found, x509.AuthorityKeyIdentifier).key_identifier == issuer_identifier
    assert (found.not_valid_before_utc, found.not_valid_after_utc) == (
        NOW - dt.timedelta(days=1),
        NOW + dt.timedelta(days=90),
    )
    assert {oid for oid, critical in identifiers(found) if critical} == {"2.5.29.15", "2.5.29.19"}
    assert len(found.extensions) == 6
    assert found.issuer == CA.subject
    found.verify_directly_issued_by(CA.certificate)


def test_a_base_ca_may_sign_certificates_revocation_lists_and_ocsp_responses():
    found = CA.certificate
    assert value_of(found, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=None)
    assert usages(found) == {"digital_signature", "key_cert_sign", "crl_sign"}
    assert {oid for oid, critical in identifiers(found) if critical} == {"2.5.29.15", "2.5.29.19"}
    assert not [one for one in found.extensions if one.oid in (SAN, AKI, ExtensionOID.EXTENDED_KEY_USAGE)]
    assert found.issuer == found.subject
    found.verify_directly_issued_by(found)


def test_key_encipherment_is_for_rsa_only_as_rfc_8813_has_it(ring):
    assert usages(issued(key=ring.key("rsa2048", "leaf")).certificate) == {"digital_signature", "key_encipherment"}
    for kind in ("p256", "ed25519", "dsa2048"):
        assert usages(issued(key=ring.key(kind, "leaf")).certificate) == {"digital_signature"}


def test_serial_numbers_are_random_positive_and_no_longer_than_they_may_be():
    serials = {issued().certificate.serial_number for _ in range(8)}
    assert len(serials) == 8
    assert all(0 < serial < 2**159 for serial in serials)


@pytest.mark.parametrize("serial", [0, 1, -4711, 2**200])
def test_any_serial_number_can_be_had(serial):
    made = issued(serial=serial)
    assert der.sequence(der.tbs_certificate(made.octets))[1].whole == der.integer(serial)
    with warnings.catch_warnings(action="ignore"):  # of serial numbers that are not positive
        certificate = made.certificate
    certificate.verify_directly_issued_by(CA.certificate)


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512", "sha1", "md5"])
def test_the_signature_is_made_with_the_hash_of_the_profile(ring, name):
    rsa_issuer = issued(ca=True, key=ring.key("rsa2048", "root"), issuer=None)
    made = issued(signature=name, issuer=rsa_issuer)
    found = made.certificate
    assert found.signature_hash_algorithm.name == name
    verify(rsa_issuer.key.public_key(), found.signature, found.tbs_certificate_bytes, name)
    inside = der.sequence(der.tbs_certificate(made.octets))[2].whole
    assert inside == der.sequence(made.octets)[1].whole


def test_an_ecdsa_signature_with_sha_1_can_be_had():
    found = issued(signature="sha1").certificate
    assert found.signature_algorithm_oid == x509.SignatureAlgorithmOID.ECDSA_WITH_SHA1
    verify(CA.key.public_key(), found.signature, found.tbs_certificate_bytes, "sha1")


@pytest.mark.parametrize("kind", ["ed25519", "ed448", "dsa2048", "p521", "brainpool256", "rsa1024"])
def test_issuers_may_have_keys_of_other_kinds(ring, kind):
    issuer = issued(ca=True, key=ring.key(kind, "root"), issuer=None)
    issued(issuer=issuer).certificate.verify_directly_issued_by(issuer.certificate)


def test_one_bit_of_a_corrupt_signature_is_wrong_and_nothing_else():
    bad = issued(corrupt_signature=True).certificate
    with pytest.raises(InvalidSignature):
        bad.verify_directly_issued_by(CA.certificate)
    mended = bad.signature[:-1] + bytes((bad.signature[-1] ^ 1,))
    verify(CA.key.public_key(), mended, bad.tbs_certificate_bytes, "sha256")


def test_version_1_has_no_extensions_and_a_good_signature():
    found = issued(version=1).certificate
    assert found.version is x509.Version.v1
    assert list(found.extensions) == []
    found.verify_directly_issued_by(CA.certificate)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, NOW),
        (-1, NOW - dt.timedelta(days=1)),
        (dt.date(3000, 1, 1), dt.datetime(3000, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_a_day_is_counted_from_now_or_is_a_date(value, moment):
    assert day(value, NOW) == moment


def test_validity_is_as_the_profile_has_it():
    found = issued(not_before=-91, not_after=dt.date(2099, 12, 31)).certificate
    assert found.not_valid_before_utc == NOW - dt.timedelta(days=91)
    assert found.not_valid_after_utc == dt.datetime(2099, 12, 31, tzinfo=dt.UTC)


@pytest.mark.parametrize("ends", [1, 89, 91])
def test_a_leaf_that_says_nothing_of_its_end_never_outlives_what_is_above_it(ends):
    root = issued(ca=True, issuer=None, not_after=ends)
    middle = issued(ca=True, issuer=root)
    assert middle.certificate.not_valid_after_utc == root.certificate.not_valid_after_utc
    leaf = issued(issuer=middle)
    assert leaf.certificate.not_valid_after_utc == NOW + dt.timedelta(days=min(ends, 90))
    assert leaf.until == leaf.certificate.not_valid_after_utc


def test_a_certificate_ends_when_its_profile_says_whatever_is_above_it():
    """That the issuer is over, or will be, is what some scenarios are about."""
    day_after = NOW + dt.timedelta(days=2)
    assert issued(issuer=issued(ca=True, not_after=1), not_after=2).certificate.not_valid_after_utc == day_after
    over = issued(ca=True, not_before=-9, not_after=-1)
    leaf = issued(issuer=over)
    assert leaf.certificate.not_valid_after_utc == NOW + dt.timedelta(days=90)
    assert leaf.until == over.until == NOW - dt.timedelta(days=1)


def test_without_a_subject_the_names_are_critical():
    found = issued(subject=False).certificate
    assert list(found.subject) == []
    assert (SAN.dotted_string, True) in identifiers(found)
    assert (SAN.dotted_string, False) in identifiers(issued().certificate)


def test_names_can_be_absent_empty_or_there_twice():
    assert SAN.dotted_string not in dict(identifiers(issued(alternative_names=()).certificate))
    assert value_of(issued(alternative_names=(), empty_names=True).certificate, x509.SubjectAlternativeName) is not None
    twice = issued(duplicate_names=True)
    extensions = der.sequence(der.sequence(der.tbs_certificate(twice.octets))[-1].content)
    assert [der.sequence(one.whole)[0].whole for one in extensions].count(SAN_ELEMENT) == 2
    with pytest.raises(x509.DuplicateExtension):
        twice.certificate.extensions  # noqa: B018 - looking is the point


def test_basic_constraints_can_be_absent_or_limit_the_path():
    assert ExtensionOID.BASIC_CONSTRAINTS.dotted_string not in dict(
        identifiers(issued(ca=True, basic_constraints=False).certificate)
    )
    assert value_of(issued(ca=True, path_length=0).certificate, x509.BasicConstraints).path_length == 0


@pytest.mark.parametrize("usage", KEY_USAGES)
def test_key_usage_is_as_the_profile_has_it(usage):
    assert usages(issued(key_usage=(usage,)).certificate) == {usage}


def test_key_usage_and_extended_key_usage_can_be_absent():
    found = dict(identifiers(issued(key_usage=(), extended_key_usage=()).certificate))
    assert ExtensionOID.KEY_USAGE.dotted_string not in found
    assert ExtensionOID.EXTENDED_KEY_USAGE.dotted_string not in found


@pytest.mark.parametrize(
    ("purpose", "oid"),
    [
        ("server_auth", "1.3.6.1.5.5.7.3.1"),
        ("client_auth", "1.3.6.1.5.5.7.3.2"),
        ("code_signing", "1.3.6.1.5.5.7.3.3"),
        ("email_protection", "1.3.6.1.5.5.7.3.4"),
        ("ocsp_signing", "1.3.6.1.5.5.7.3.9"),
        ("any", "2.5.29.37.0"),
    ],
)
def test_extended_key_usage_is_as_the_profile_has_it(purpose, oid):
    found = value_of(issued(extended_key_usage=(purpose,)).certificate, x509.ExtendedKeyUsage)
    assert [one.dotted_string for one in found] == [oid]


def test_name_constraints_are_as_the_profile_has_them_and_critical():
    found = issued(
        ca=True, permitted=("dns:example.org", "ip:10.0.0.0/8"), excluded=("dns:bad.example.org",)
    ).certificate
    constraints = value_of(found, x509.NameConstraints)
    assert constraints.permitted_subtrees == [names.subtree("dns:example.org"), names.subtree("ip:10.0.0.0/8")]
    assert constraints.excluded_subtrees == [names.subtree("dns:bad.example.org")]
    assert (ExtensionOID.NAME_CONSTRAINTS.dotted_string, True) in identifiers(found)
    assert value_of(issued(permitted=("dns:x",)).certificate, x509.NameConstraints).excluded_subtrees is None


@pytest.mark.parametrize("kind", ["critical", "noncritical"])
def test_an_unknown_extension_is_critical_where_the_profile_says_so(kind):
    found = identifiers(issued(unknown_extension=kind).certificate)
    assert ("1.3.6.1.4.1.32473.1", kind == "critical") in found


def test_must_staple_is_a_tls_feature():
    found = value_of(issued(must_staple=True).certificate, x509.TLSFeature)
    assert list(found) == [x509.TLSFeatureType.status_request]


def test_revocation_is_asked_about_where_it_says():
    urls = Revocation("http://127.0.0.1/crl", "http://127.0.0.1/ocsp", "http://127.0.0.1/issuer")
    found = issued(revocation=urls).certificate
    (point,) = value_of(found, x509.CRLDistributionPoints)
    assert [one.value for one in point.full_name] == [urls.crl]
    access = {
        one.access_method._name: one.access_location.value for one in value_of(found, x509.AuthorityInformationAccess)
    }
    assert access == {"OCSP": urls.ocsp, "caIssuers": urls.issuer}
    assert ExtensionOID.CRL_DISTRIBUTION_POINTS.dotted_string not in dict(identifiers(issued().certificate))


# Chains


@pytest.fixture(scope="module")
def authority(smtp_authority):
    """Return the one of the whole run: it issues the catalogue, and makes the costly keys, once."""
    return smtp_authority


def chain_of(authority, text):
    return authority.chain(Scenario.parse("mine", WHOLE + text), PLACE)


def common_name(made):
    return made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_path_has_as_many_intermediates_as_it_is_told_and_each_is_signed_by_the_next(authority, count):
    chain = chain_of(authority, f"intermediates = {count}\n")
    assert len(chain.path) == count + 2
    for below, above in zip(chain.path, chain.path[1:], strict=False):
        below.certificate.verify_directly_issued_by(above.certificate)
    assert chain.leaf is chain.path[0]
    assert chain.trusted is chain.path[-1]
    assert chain.trusted.pem == authority.ca_pem
    assert chain.sent == chain.path[:-1]
    assert chain.chain_pem == "".join(one.pem for one in chain.sent)
    assert load_pem_private_key(chain.key_pem, None).public_key() == chain.leaf.certificate.public_key()


def test_what_is_sent_is_what_the_file_lists_in_that_order(authority):
    chain = chain_of(authority, 'intermediates = 2\nsend = ["leaf", "intermediates-reversed", "root", "stranger"]\n')
    leaf, first, second, root = chain.path
    assert chain.sent[:4] == (leaf, second, first, root)
    stranger = chain.sent[4].certificate
    assert stranger.issuer == stranger.subject
    assert stranger.subject not in [one.subject for one in chain.path]


def test_intermediates_with_a_profile_stand_from_the_root_down(authority):
    chain = chain_of(authority, '[[intermediate]]\ncommon_name = "upper"\n[[intermediate]]\ncommon_name = "lower"\n')
    assert [common_name(one) for one in chain.path[1:-1]] == ["lower", "upper"]


def test_a_root_of_its_own_is_trusted_unless_the_file_says_the_authority_s_is(authority):
    own = chain_of(authority, '[root]\ncommon_name = "mine"\n')
    assert common_name(own.trusted) == common_name(own.path[-1]) == "mine"
    assert len(own.path) == 3
    other = chain_of(authority, 'trust = "authority"\n[root]\ncommon_name = "mine"\n')
    assert other.trusted.pem == authority.ca_pem


def test_an_impersonating_root_has_the_name_of_the_authority_s_and_another_key(authority):
    chain = chain_of(authority, "[root]\nimpersonates = true\n")
    (root,) = x509.load_pem_x509_certificates(authority.ca_pem.encode())
    assert chain.path[-1].subject == root.subject
    assert chain.path[-1].certificate.public_key() != root.public_key()


@pytest.mark.parametrize(("trust", "same"), [("leaf", True), ("other-key", False)])
def test_a_self_signed_leaf_is_its_own_path_and_may_be_pinned(authority, trust, same):
    chain = chain_of(authority, f'trust = "{trust}"\n[leaf]\nissuer = "self"\n')
    assert chain.path == chain.sent == (chain.leaf,)
    assert (chain.trusted is chain.leaf) is same
    assert chain.trusted.subject == chain.leaf.subject
    assert (chain.trusted.certificate.public_key() == chain.leaf.certificate.public_key()) is same


def test_a_leaf_names_all_that_the_server_goes_by_and_an_issuer_nothing(authority):
    chain = chain_of(authority, 'connect = "deep.{hostname}"\n')
    found = value_of(chain.leaf.certificate, x509.SubjectAlternativeName)
    assert found.get_values_for_type(x509.DNSName) == ["deep.mx.smtpfix.test", "localhost", "mx.smtpfix.test"]
    assert list(map(str, found.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]
    assert SAN.dotted_string not in dict(identifiers(chain.path[1].certificate))
    assert common_name(chain.leaf) == "mx.smtpfix.test"


def test_placeholders_are_filled_in_wherever_names_stand(authority):
    chain = chain_of(
        authority,
        'connect = "a.{domain}"\n[[intermediate]]\npermitted = ["dns:{domain}"]\nexcluded = ["ip:{address}/32"]\n'
        '[leaf]\ncommon_name = "{label}"\nnames = ["dns:{name}", "{names}"]\nextra_names = 2\n',
    )
    constraints = value_of(chain.path[1].certificate, x509.NameConstraints)
    assert constraints.permitted_subtrees == [x509.DNSName("smtpfix.test")]
    assert constraints.excluded_subtrees == [names.subtree("ip:127.0.0.1/32")]
    assert common_name(chain.leaf) == "mx"
    found = value_of(chain.leaf.certificate, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName)
    assert found[:2] == ["a.smtpfix.test", "a.smtpfix.test"]
    assert found[-2:] == ["host-0.smtpfix.test", "host-1.smtpfix.test"]


def test_a_name_that_no_certificate_can_hold_is_an_error_that_names_it(authority):
    place = Place("ü" * 64, "mx.smtpfix.test", "127.0.0.1")
    with pytest.raises(InvalidValueError, match=r"the server's names: expected names a certificate can hold .*, got"):
        authority.chain(load_scenario("good"), place)


def test_nobody_can_ask_about_the_revocation_of_what_signs_itself(authority):
    with pytest.raises(InvalidValueError, match=r"mine\.toml, \[leaf\]: revocation: expected false where nobody else"):
        chain_of(authority, '[leaf]\nissuer = "self"\nrevocation = true\n')


def test_every_chain_of_the_catalogue_is_sent_leaf_first_and_its_key_is_the_leaf_s(authority):
    for scenario_id in scenario_ids():
        chain = authority.chain(load_scenario(scenario_id), PLACE)
        assert chain.sent[0] is chain.leaf, scenario_id
        assert chain.key_pem == keys.pem(chain.leaf.key), scenario_id
        assert len({one.octets for one in chain.path}) == len(chain.path), scenario_id
