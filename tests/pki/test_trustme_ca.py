"""Who makes what: authorities come from trustme where it can say what the scenario says, and the rest from us."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import trustme  # noqa: TID251 - what the authorities are made by
from cryptography import x509  # noqa: TID251 - reads back what was made
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: TID251 - as above
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: TID251 - as above

from smtpfix.pki import keys, names, trustme_ca
from smtpfix.pki.authority import Authority
from smtpfix.pki.certificates import issue
from smtpfix.pki.trustme_ca import Trustme, TrustmeCA, signer
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario

NOW = dt.datetime(2030, 6, 1, 12, tzinfo=dt.UTC)
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'

OURS = {
    "eku-intermediate-wrong": "intermediate 1",
    "expired-intermediate": "intermediate 1",
    "expired-root": "root",
    "issuer-no-basic-constraints": "intermediate 1",
    "issuer-no-certsign": "intermediate 1",
    "issuer-v1": "intermediate 1",
    "nc-excluded-violated": "intermediate 1",
    "nc-ok": "intermediate 1",
    "nc-permitted-violated": "intermediate 1",
    "rsa1024-root": "root",
    "sha1-intermediate": "intermediate 1",
    "sha1-root-self-signature": "root",
    "signed-by-leaf": "intermediate 2",
}
"""The one issuer of a scenario that trustme cannot make; all others of the catalogue are trustme's."""


@pytest.fixture
def made(monkeypatch):
    """Return the certificates that trustme makes from now on, DER, in their order; what it reads is not among them."""
    found = []

    class Recorded(trustme.CA):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            found.append(x509.load_pem_x509_certificate(self.cert_pem.bytes()).public_bytes(Encoding.DER))

    monkeypatch.setattr(trustme, "CA", Recorded)
    return found


def test_the_root_and_its_intermediate_are_trustme_s_and_the_leaf_is_not(made):
    with Authority() as authority:
        leaf, intermediate, root = authority.chain(load_scenario("good"), PLACE).path
    assert made == [root.octets, intermediate.octets]
    assert leaf.octets not in made


@pytest.mark.slow
@pytest.mark.parametrize("key_type", ["ecdsa", pytest.param("rsa", marks=pytest.mark.once)])
def test_every_issuer_of_the_catalogue_is_trustme_s_unless_it_is_listed(made, key_type):
    found = {}
    with Authority(key_type=key_type) as authority:
        for name in scenario_ids():
            chain = authority.chain(load_scenario(name), PLACE)
            ours = [one for one in (*chain.path[1:], *chain.sent[1:]) if one.octets not in made]
            if ours:
                units = [one.subject.rfc4514_string().partition(",")[0] for one in dict.fromkeys(ours)]
                found[name] = " and ".join(unit.removeprefix(f"OU=smtpfix {name} ") for unit in units)
    assert found == OURS


def test_the_documentation_lists_what_trustme_cannot_make():
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = {
        maker: {name for name in scenario_ids() for row in page.splitlines() if maker in row and f"`{name}`" in row}
        for maker in ("| our builder |", "| trustme |")
    }
    assert listed["| our builder |"] == set(OURS)
    assert {"untrusted-root", "pathlen"} <= listed["| trustme |"] - set(OURS)


# What trustme makes


def test_what_trustme_made_can_be_read_by_trustme_and_issues_what_is_below_it(made):
    with Authority() as authority:
        for issued in authority.chain(load_scenario("good"), PLACE).path[1:]:
            again = trustme.CA.from_pem(issued.pem.encode(), keys.pem(issued.key))
            leaf = x509.load_pem_x509_certificate(again.issue_cert("mx.example").cert_chain_pems[0].bytes())
            leaf.verify_directly_issued_by(issued.certificate)


@pytest.mark.parametrize(("key_type", "kind"), [("ecdsa", ec.EllipticCurvePrivateKey), ("rsa", rsa.RSAPrivateKey)])
def test_names_stay_ours_and_keys_are_of_the_type_that_was_asked_for(key_type, kind):
    root = trustme_ca.make(None, "smtpfix root 1", key_type=key_type, path_length=200)
    child = trustme_ca.make(root, "smtpfix intermediate 1", key_type=key_type, path_length=0)
    assert root.subject == names.authority("smtpfix root 1")
    assert child.certificate.issuer == root.subject
    assert isinstance(root.key, kind)
    assert root.key_type == child.key_type == key_type
    assert root.key.public_key() != child.key.public_key()


def facts(issued):
    """Return everything a certificate says but for its keys, its serial number and its issuer's."""
    certificate = issued.certificate
    own = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
    return (
        {one.oid: (one.critical, None if isinstance(one.value, own) else one.value) for one in certificate.extensions},
        (certificate.subject, certificate.issuer, certificate.version, certificate.signature_hash_algorithm.name),
        (certificate.not_valid_before_utc, certificate.not_valid_after_utc),
    )


@pytest.mark.parametrize("is_root", [True, False])
@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
def test_our_own_builder_makes_the_same_so_that_a_scenario_differs_in_what_its_file_says_alone(key_type, is_root):
    root = None if is_root else trustme_ca.make(None, "a root", key_type=key_type, path_length=9)
    theirs = trustme_ca.make(root, "a CA", key_type=key_type, path_length=8)
    ours = issue(
        CertificateProfile("a CA", ca=True, path_length=8),
        root,
        key=theirs.key,
        subject=names.authority("a CA"),
        alternative_names=[],
        now=NOW,
    )
    assert facts(ours) == facts(theirs)
    assert ours.until == theirs.until


# What it can make


def profile(**differences):
    return CertificateProfile("mine", **{"ca": True, "key": "p256", "path_length": 3, **differences})


ROOT = trustme_ca.make(None, "a root", key_type="ecdsa", path_length=9)
NAME = names.authority("an authority")


@pytest.mark.parametrize("differences", [{}, {"key": "rsa2048"}, {"path_length": 0}, {"impersonates": True}])
def test_trustme_is_told_of_a_key_a_path_length_and_a_name(differences):
    found = Trustme().make(profile(**differences), ROOT, NAME)
    assert found.subject == NAME
    constraints = found.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.path_length == differences.get("path_length", 3)
    assert found.key_type == ("rsa" if "key" in differences else "ecdsa")


@pytest.mark.parametrize(
    "differences",
    [
        {"ca": False},
        {"key": "p384"},
        {"key": "rsa1024"},
        {"key": "ed25519"},
        {"signature": "sha1"},
        {"not_before": -1},
        {"not_after": 90},
        {"common_name": "mx"},
        {"version": 1},
        {"basic_constraints": False},
        {"key_usage": ("key_cert_sign",)},
        {"extended_key_usage": ("server_auth",)},
        {"permitted": ("dns:example.org",)},
        {"revocation": True},
    ],
    ids=str,
)
def test_it_is_not_asked_for_what_it_cannot_say(differences):
    assert Trustme().make(profile(**differences), ROOT, NAME) is None


@pytest.mark.parametrize(
    "subject",
    [
        names.distinguished("an authority"),
        x509.Name([]),
        x509.Name([*reversed([*NAME])]),
        x509.Name([*NAME, *names.distinguished("an authority")]),
        x509.Name([x509.NameAttribute(one.oid, one.value, x509.name._ASN1Type.PrintableString) for one in NAME]),
    ],
    ids=["common-name", "empty", "reversed", "longer", "another-encoding"],
)
def test_nor_for_a_name_that_it_would_write_otherwise(subject):
    assert Trustme().make(profile(), None, subject) is None
    assert Trustme().make(profile(), None, NAME).subject.public_bytes() == NAME.public_bytes()


def test_what_it_made_is_kept_and_made_again_only_where_something_differs():
    maker = Trustme()
    first = maker.make(profile(), ROOT, NAME)
    assert maker.make(profile(), ROOT, NAME) is first
    others = [
        maker.make(profile(path_length=4), ROOT, NAME),
        maker.make(profile(key="rsa2048"), ROOT, NAME),
        maker.make(profile(), None, NAME),
        maker.make(profile(), first, NAME),
        maker.make(profile(), ROOT, names.authority("another")),
    ]
    assert len({one.octets for one in (first, *others)}) == 6


def below(text):
    """Return the lower of two intermediates, of which the upper one is as said."""
    with Authority() as authority:
        return authority.chain(Scenario.parse("mine", f"{WHOLE}{text}\n[[intermediate]]\n"), PLACE).path[1]


@pytest.mark.parametrize(
    "upper",
    ["", 'key = "p521"', 'key = "rsa1024"', 'signature = "sha1"', "not_after = 1", 'common_name = "upper"'],
)
def test_trustme_signs_below_what_our_builder_made_where_it_can(made, upper):
    assert below(f"[[intermediate]]\n{upper}").octets in made


@pytest.mark.parametrize(
    "upper",
    ['key = "ed25519"', 'key = "rsa512"', 'key = "dsa2048"', "version = 1", "serial = -1", 'excluded = ["dns:x"]'],
)
def test_and_where_it_cannot_our_builder_does(made, upper):
    found = below(f"[[intermediate]]\n{upper}")
    assert found.octets not in made
    assert found.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 198


# Reading back


def test_an_authority_is_read_back_and_never_with_another_key():
    again = TrustmeCA.read(ROOT.pem.encode(), keys.pem(ROOT.key))
    assert again.octets == ROOT.octets
    assert again.until == ROOT.until == dt.datetime(3000, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(ValueError, match="the key is not the certificate's"):
        TrustmeCA.read(ROOT.pem.encode(), keys.pem(keys.generate("p256")))
    with pytest.raises(ValueError, match=r"\w"):
        TrustmeCA.read(b"", keys.pem(ROOT.key))


@pytest.mark.parametrize("kind", ["ed25519", "dsa2048"])
def test_a_key_that_trustme_cannot_sign_with_is_an_error(kind):
    key = keys.generate(kind)
    made = issue(profile(), None, key=key, subject=NAME, alternative_names=[], now=NOW)
    with pytest.raises(ValueError, match=r"\w"):
        TrustmeCA.read(made.pem.encode(), keys.pem(key))
    assert signer(profile(key=kind), made) is made
