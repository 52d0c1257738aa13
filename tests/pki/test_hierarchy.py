"""An authority's own hierarchy: its keys are of one type, and what is kept over runs is read back, whoever wrote it."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import smtplib
import ssl
import stat
import subprocess
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme  # noqa: TID251 - whose authorities a directory may hold
from cryptography import x509  # noqa: TID251 - to read dates
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: TID251 - to tell keys apart
from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: TID251 - to read what devices read

from smtpfix import Policy, Server
from smtpfix.errors import AuthorityError, InvalidValueError
from smtpfix.pki import keys, names, trustme_ca
from smtpfix.pki.authority import Authority
from smtpfix.pki.certificates import issue
from smtpfix.pki.hierarchy import Hierarchy
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.place import Place

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
ELSEWHERE = Place("localhost", "mx.example.org", "127.0.0.1", ("::1",))
GOOD = load_scenario("good")
KINDS = {"ecdsa": ec.EllipticCurvePrivateKey, "rsa": rsa.RSAPrivateKey}
OTHER = {"ecdsa": "rsa", "rsa": "ecdsa"}


@pytest.fixture(scope="module")
def rsa_authority():
    with Authority(key_type="rsa") as made:
        yield made


# Key types


@pytest.mark.parametrize(("given", "kind"), [(None, "ecdsa"), ("ecdsa", "ecdsa"), ("rsa", "rsa")])
def test_every_key_of_a_good_chain_is_of_the_authority_s_type(given, kind):
    with Authority(key_type=given) as authority:
        path = authority.chain(GOOD, PLACE).path
    assert [isinstance(one.key, KINDS[kind]) for one in path] == [True, True, True]
    assert {one.key.key_size for one in path} == {2048 if kind == "rsa" else 256}


@pytest.mark.parametrize("key_type", ["RSA", "rsa4096", "dsa", "", 2048, True])
def test_another_key_type_is_an_error_that_says_which_there_are(key_type, tmp_path):
    with pytest.raises(InvalidValueError, match=r"^Authority\.key_type: expected one of ecdsa, rsa"):
        Authority(tmp_path / "authority", key_type=key_type)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scenario_id", "kind"), [("p256", KINDS["ecdsa"]), ("rsa3072", KINDS["rsa"]), ("wrong-host", KINDS["rsa"])]
)
def test_a_scenario_that_names_its_own_key_keeps_it(rsa_authority, scenario_id, kind):
    leaf, intermediate, root = rsa_authority.chain(load_scenario(scenario_id), PLACE).path
    assert isinstance(leaf.key, kind)
    assert getattr(leaf.key, "key_size", None) == {"p256": 256, "rsa3072": 3072, "wrong-host": 2048}[scenario_id]
    assert {type(intermediate.key), type(root.key)} == {type(rsa_authority.chain(GOOD, PLACE).leaf.key)}


def test_a_costly_key_is_made_once_for_all_servers_and_a_cheap_one_for_each(rsa_authority):
    def key(authority, place):
        return authority.chain(GOOD, place).leaf.key

    assert key(rsa_authority, PLACE) is key(rsa_authority, ELSEWHERE)
    upper = [rsa_authority.chain(load_scenario("untrusted-root"), place).path[1:] for place in (PLACE, ELSEWHERE)]
    assert upper[0] == upper[1]
    with Authority() as authority:
        assert key(authority, PLACE) is not key(authority, ELSEWHERE)


def test_a_pinned_certificate_with_another_key_has_another_key_though_keys_are_kept(rsa_authority):
    chain = rsa_authority.chain(load_scenario("pin-other-key"), PLACE)
    assert chain.trusted.key.public_key() != chain.leaf.key.public_key()


@pytest.mark.parametrize("key_type", KINDS)
def test_a_client_s_certificate_is_of_the_same_type_and_the_same_for_the_same_name(key_type):
    with Authority(key_type=key_type) as authority:
        policy = Policy("implicit-tls", client_certificate="required")
        shown = []
        with Server(policy, authority=authority) as server:
            for name in ("ann@example.org", "ann@example.org", "bob@example.org"):
                with smtplib.SMTP_SSL(server.host, server.port, context=authority.client_context(name)) as client:
                    client.noop()
                shown.append(server.sessions[-1].tls.client_certificate)
    assert len(shown) == 3
    assert all(shown)
    assert shown[0] == shown[1] != shown[2]


# Clients that know no ECDSA


def context_without_ecdsa(authority):
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose suites name the kind of key
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    return context


def test_a_client_that_knows_no_ecdsa_delivers_where_the_authority_is_rsa(rsa_authority):
    with Server(Policy("implicit-tls"), authority=rsa_authority) as server:
        context = context_without_ecdsa(rsa_authority)
        with smtplib.SMTP_SSL(server.host, server.port, context=context) as client:
            client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\r\n\r\nx\r\n")
        assert len(server.inbox) == 1


def test_and_finds_no_cipher_suite_where_it_is_not():
    with Authority() as authority, Server(Policy("implicit-tls"), authority=authority) as server:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            smtplib.SMTP_SSL(server.host, server.port, context=context_without_ecdsa(authority))
        assert len(server.inbox) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize(("key_type", "status"), [("rsa", 0), ("ecdsa", 1)])
def test_the_openssl_command_told_of_rsa_signatures_only_finds_the_same(key_type, status):
    with Authority(key_type=key_type) as authority, Server(Policy("implicit-tls"), authority=authority) as server:
        done = subprocess.run(
            [
                *("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-verify_return_error", "-quiet"),
                *("-CAfile", authority.ca_file, "-verify_hostname", "localhost", "-no_ign_eof"),
                *("-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256"),
            ],
            input="QUIT\r\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert (server.sessions[-1].tls is not None) is (status == 0)


# Kept over runs


@pytest.mark.parametrize("key_type", KINDS)
def test_what_a_directory_keeps_is_trustme_s_and_trustme_reads_it_back(key_type, tmp_path):
    with Authority(tmp_path, key_type=key_type) as authority:
        first = authority.chain(GOOD, PLACE).path
    again = [
        trustme.CA.from_pem((tmp_path / f"{name}.pem").read_bytes(), (tmp_path / f"{name}.key").read_bytes())
        for name in ("intermediate-1", "ca")
    ]
    assert [ca.cert_pem.bytes().decode() for ca in again] == [one.pem for one in first[1:]]
    with Authority(tmp_path) as authority:
        second = authority.chain(GOOD, PLACE).path
    assert [one.pem for one in second[1:]] == [one.pem for one in first[1:]]
    assert second[0].pem != first[0].pem
    assert isinstance(second[0].key, KINDS[key_type])


@pytest.mark.parametrize("key_type", KINDS)
def test_a_directory_of_the_other_key_type_is_an_error_and_stays_as_it_is(key_type, tmp_path):
    with Authority(tmp_path, key_type=key_type):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(AuthorityError, match=f"is of the key type '{key_type}', and '{OTHER[key_type]}' was asked"):
        Authority(tmp_path, key_type=OTHER[key_type])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with Authority(tmp_path, key_type=key_type) as again:
        assert again.ca_pem.encode() == before[tmp_path / "ca.pem"]


def test_chains_that_only_a_few_scenarios_have_are_not_kept(tmp_path):
    with Authority(tmp_path) as authority:
        assert len(authority.chain(load_scenario("long-chain-9"), PLACE).path) == 11
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".pem") == ["ca.pem", "intermediate-1.pem"]


# Directories that this version did not write


def write_as_before(directory, *, days=3650, kind="p256"):
    """Write an authority as earlier versions did: by our own builder, with a common name and dates of its own."""
    above = None
    for file, part in (("ca", "root"), ("intermediate-1", "intermediate 1")):
        profile = CertificateProfile(
            part, ca=True, not_before=-1, not_after=days, key_usage=("key_cert_sign", "crl_sign")
        )
        subject = names.distinguished(f"smtpfix {part} 0123abcd")
        now = dt.datetime.now(dt.UTC)
        made = issue(profile, above, key=keys.generate(kind), subject=subject, alternative_names=[], now=now)
        directory.mkdir(exist_ok=True)
        (directory / f"{file}.pem").write_text(made.pem)
        (directory / f"{file}.key").write_bytes(keys.pem(made.key))
        (directory / f"{file}.key").chmod(0o600)
        above = made


def deliver(authority, policy):
    """Deliver one message as a careful client; raise what it raises."""
    with Server(policy, authority=authority) as server:
        with server.client() as client:
            client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\r\n\r\nx\r\n")
        return len(server.inbox)


def test_an_earlier_version_s_directory_is_read_back_and_serves(tmp_path):
    write_as_before(tmp_path)
    before = (tmp_path / "ca.pem").read_text()
    with Authority(tmp_path) as authority:
        assert authority.ca_pem == before
        assert deliver(authority, Policy("implicit-tls")) == 1
        assert authority.chain(GOOD, PLACE).path[1].pem == (tmp_path / "intermediate-1.pem").read_text()


@pytest.mark.parametrize(
    ("scenario_id", "code"), [("long-chain-9", 0), ("md5-leaf", 68), ("untrusted-root-same-name", 20), ("expired", 10)]
)
def test_and_shows_every_scenario(tmp_path, scenario_id, code):
    write_as_before(tmp_path)
    with Authority(tmp_path) as authority:
        policy = Policy("implicit-tls", certificate=scenario_id)
        if code == 0:
            assert deliver(authority, policy) == 1
            return
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            deliver(authority, policy)
        assert caught.value.verify_code == code


def test_a_directory_has_the_root_in_forms_for_devices_too_also_one_that_is_older(tmp_path):
    with Authority(tmp_path) as authority:
        root = authority.root
    assert (tmp_path / "ca.der").read_bytes() == root.octets
    store = tmp_path / "ca.p12"
    (stored,) = pkcs12.load_pkcs12(store.read_bytes(), b"smtpfix").additional_certs
    assert stored.certificate == root.certificate
    written = store.read_bytes()
    Authority(tmp_path).close()
    assert store.read_bytes() == written
    (tmp_path / "ca.der").write_bytes(b"another's")
    Authority(tmp_path).close()
    assert (tmp_path / "ca.der").read_bytes() == root.octets
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("days", "left"), [(3650, 90), (30, 30)])
def test_no_leaf_outlives_an_authority_that_a_directory_has_kept(tmp_path, days, left):
    write_as_before(tmp_path, days=days)
    (tmp_path / "intermediate-1.pem").unlink()  # so that trustme makes another, which it cannot date
    (tmp_path / "intermediate-1.key").unlink()
    with Authority(tmp_path) as authority:
        leaf, intermediate, root = (one.certificate for one in authority.chain(GOOD, PLACE).path)
        client = x509.load_pem_x509_certificate(authority.client_certificate("ann@example.org")[0])
    assert root.not_valid_after_utc < intermediate.not_valid_after_utc
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=left)
    for certificate in (leaf, client):
        assert abs(certificate.not_valid_after_utc - ends) < dt.timedelta(minutes=5)
        assert certificate.not_valid_after_utc <= root.not_valid_after_utc


@pytest.mark.parametrize("kind", ["ed25519", "dsa2048"])
def test_an_authority_whose_key_trustme_cannot_use_is_an_error_that_names_the_file(tmp_path, kind):
    write_as_before(tmp_path, kind=kind)
    with pytest.raises(AuthorityError, match=r"cannot read the authority back from .*ca\.pem and .*ca\.key: "):
        Authority(tmp_path)


@pytest.mark.parametrize("key_type", KINDS)
def test_an_authority_of_somebody_s_own_may_stand_in_the_directory(tmp_path, key_type):
    mine = trustme.CA(key_type=trustme.KeyType[key_type.upper()])
    mine.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine.private_key_pem.write_to_path(tmp_path / "ca.key")
    (tmp_path / "ca.key").chmod(0o600)
    with Authority(tmp_path) as authority:
        assert authority.ca_pem.encode() == mine.cert_pem.bytes()
        assert deliver(authority, Policy("implicit-tls")) == 1
        assert isinstance(authority.chain(GOOD, PLACE).leaf.key, KINDS[key_type])


# Nothing outlives what is above it


def test_no_certificate_of_the_catalogue_outlives_its_issuer_unless_it_is_about_that(smtp_authority):
    found = []
    with warnings.catch_warnings(action="ignore"):  # of odd serial numbers
        for name in scenario_ids("certificates"):
            path = smtp_authority.chain(load_scenario(name), PLACE).path
            ends = [issued.certificate.not_valid_after_utc for issued in path]
            found += [name] if ends != sorted(ends) else []
    assert found == ["expired-intermediate", "expired-root"]


# Several programs, and one that dies


def test_programs_that_start_at_the_same_time_have_one_and_the_same_authority(tmp_path, monkeypatch):
    """Whoever makes one waits for the other to make one too, which does not come where only one may."""

    def wait_for_the_other(*arguments, **options):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return make(*arguments, **options)

    def start(_):
        hierarchy = Hierarchy(tmp_path, None)
        return hierarchy.at(0).pem, hierarchy.at(1).pem

    make, both = trustme_ca.make, threading.Barrier(2)
    monkeypatch.setattr(trustme_ca, "make", wait_for_the_other)
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(start, range(2)))) == 1


@pytest.mark.parametrize("crash", [1, 2, 3, 4])
def test_a_program_that_dies_while_it_makes_an_authority_leaves_a_directory_that_works(tmp_path, monkeypatch, crash):
    """Root and intermediate are two files each, so it can die before each of the four has its name."""
    replace, calls = Path.replace, []

    def die(part, target):
        calls.append(target)
        if len(calls) == crash:
            raise KeyboardInterrupt
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        Hierarchy(tmp_path, None).at(1)
    monkeypatch.undo()
    made = Hierarchy(tmp_path, None).at(1).pem
    assert Hierarchy(tmp_path, None).at(1).pem == made
    assert [path.name for path in tmp_path.glob("*.part")] == []


@pytest.mark.usefixtures("no_umask")
def test_no_umask_lets_others_write_the_root(tmp_path):
    Hierarchy(tmp_path, None)
    assert stat.S_IMODE((tmp_path / "ca.pem").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ca.pem", ".ca.pem.part", "ca.key", ".ca.key.part"])
def test_no_file_is_written_through_a_link(tmp_path, name):
    directory, victim = tmp_path / "authority", tmp_path / "victim"
    directory.mkdir()
    (directory / name).symlink_to(victim)
    Hierarchy(directory, None)
    assert not victim.exists()
    assert not any(path.is_symlink() for path in directory.iterdir())


@pytest.mark.parametrize("name", ["ca.key", "intermediate-1.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path, name, mode):
    made = Hierarchy(tmp_path, None).at(1).pem
    (tmp_path / name).chmod(mode)
    with pytest.raises(AuthorityError, match=rf"others can read or write .*{name}.*chmod 600"):
        Hierarchy(tmp_path, None).at(1)
    (tmp_path / name).chmod(0o600)
    assert Hierarchy(tmp_path, None).at(1).pem == made
