"""Authorities: chains that clients accept, names they check, and files that come, stay and go as they should."""

import contextlib
import gc
import ssl
import stat
import tempfile
import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization  # noqa: TID251 - to write a key nobody can read

from smtpfix.errors import AuthorityError
from smtpfix.pki.authority import Authority
from smtpfix.policy.place import Place
from smtpfix.smtp.policy import Policy
from smtpfix.tls.side import TLS, HandshakeFailedError

STARTTLS = Policy("starttls")
PLACE = Place(host="localhost", hostname="mx.smtpfix.test", address="127.0.0.1", others=("::1",))
NAMES = ("localhost", "127.0.0.1", "::1", "mx.smtpfix.test")


def shake_hands(server_context, client_context, name="localhost"):
    """Return the client's side of a complete handshake; raise the side's error that refuses."""
    tls = TLS(server_context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname=name)
    while not tls.established:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        tls.receive(outgoing.read())
        tls.handshake()
        incoming.write(tls.to_send())
    return client


def names_of(certificate, key="subject"):
    return {pair[0]: pair[1] for name in certificate.get_info()[key] for pair in name}


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture
def temporary_files(tmp_path, monkeypatch):
    """Return the folder in which temporary files are made during this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


# Chains and names


def test_the_good_chain_is_root_intermediate_leaf_and_the_root_is_not_sent(authority):
    client = shake_hands(authority.server_context(STARTTLS, PLACE), authority.client_context())
    leaf, intermediate, root = client._sslobj.get_verified_chain()
    assert names_of(leaf)["commonName"] == "mx.smtpfix.test"
    assert names_of(leaf, "issuer") == names_of(intermediate)
    assert names_of(intermediate, "issuer") == names_of(root)
    assert names_of(root, "issuer") == names_of(root)
    assert names_of(intermediate) != names_of(root)
    sent = client._sslobj.get_unverified_chain()
    assert [names_of(certificate) for certificate in sent] == [names_of(leaf), names_of(intermediate)]
    assert root.public_bytes() == authority.ca_pem


@pytest.mark.parametrize("name", NAMES)
def test_every_name_and_address_of_the_server_is_in_its_certificate(authority, name):
    client = shake_hands(authority.server_context(STARTTLS, PLACE), authority.client_context(), name)
    assert client.getpeercert()["subjectAltName"]


@pytest.mark.parametrize("name", ["127.0.0.2", "::2", "localhost.example", "smtpfix.test", "a.mx.smtpfix.test"])
def test_another_name_or_address_is_not(authority, name):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(authority.server_context(STARTTLS, PLACE), authority.client_context(), name)


def test_addresses_that_mean_any_and_address_literals_are_left_out_of_the_certificate(authority):
    place = Place(host="localhost", hostname="[127.0.0.1]", address="0.0.0.0", others=("::",))
    client = shake_hands(authority.server_context(STARTTLS, place), authority.client_context())
    assert client.getpeercert()["subjectAltName"] == (("DNS", "localhost"),)


def test_a_host_name_longer_than_a_common_name_may_be_is_fine(authority):
    hostname = ".".join(["a" * 60] * 3)
    place = Place(host="localhost", hostname=hostname, address="127.0.0.1")
    context = authority.server_context(Policy("starttls", hostname=hostname), place)
    assert shake_hands(context, authority.client_context(), hostname)


def test_a_client_trusts_its_own_authority_and_no_other(authority):
    with Authority() as other:
        context = other.server_context(STARTTLS, PLACE)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed certificate in|unable to get"):
            shake_hands(context, authority.client_context())
        assert shake_hands(context, other.client_context())


def test_a_client_certificate_is_taken_where_it_is_required(authority):
    context = authority.server_context(STARTTLS.replace(client_certificate="required"), PLACE)
    assert shake_hands(context, authority.client_context("ann@example.org"))
    with pytest.raises(HandshakeFailedError, match="peer did not return a certificate"):
        shake_hands(context, authority.client_context())


def test_one_context_serves_all_servers_of_the_same_policy_and_names(authority):
    context = authority.server_context(STARTTLS, PLACE)
    assert authority.server_context(Policy("implicit-tls", port=465), Place(**PLACE._asdict())) is context
    for policy, place in [
        (STARTTLS.replace(tls_max="TLSv1.2"), PLACE),
        (STARTTLS.replace(client_certificate="optional"), PLACE),
        (STARTTLS.replace(alpn=("smtp",)), PLACE),
        (STARTTLS, PLACE._replace(others=())),
    ]:
        assert authority.server_context(policy, place) is not context


def test_threads_that_ask_together_get_the_same_context_and_root():
    with Authority() as authority:
        start = threading.Barrier(4)
        found = []

        def ask():
            start.wait()
            found.append((authority.server_context(STARTTLS, PLACE), authority.ca_pem, authority.ca_file))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(found)) == 1


# Files without a directory of one's own


def test_no_file_is_made_before_it_is_asked_for(temporary_files):
    with Authority() as authority:
        shake_hands(authority.server_context(STARTTLS, PLACE), authority.client_context("ann@example.org"))
        assert list(temporary_files.iterdir()) == []
        assert authority.ca_file.exists()


def test_the_file_holds_the_root_alone_and_clients_can_trust_it(temporary_files):
    with Authority() as authority:
        assert authority.ca_file.read_text() == authority.ca_pem
        assert authority.ca_file == authority.ca_file
        assert [path for path in temporary_files.rglob("*") if path.is_file()] == [authority.ca_file]
        context = ssl.create_default_context(cafile=authority.ca_file)
        assert shake_hands(authority.server_context(STARTTLS, PLACE), context)


def test_closing_removes_the_temporary_files_and_may_be_done_twice(temporary_files):
    authority = Authority()
    path = authority.ca_file
    assert path.is_relative_to(temporary_files)
    authority.close()
    authority.close()
    assert list(temporary_files.iterdir()) == []
    assert authority.ca_pem.startswith("-----BEGIN CERTIFICATE-----")


def test_a_forgotten_authority_removes_its_temporary_files_too(no_garbage, temporary_files):
    authority = Authority()
    assert authority.ca_file.exists()
    del authority
    gc.collect()
    assert list(temporary_files.iterdir()) == []


def test_the_file_comes_back_when_asked_for_after_closing(temporary_files):
    authority = Authority()
    first = authority.ca_file.read_text()
    authority.close()
    assert authority.ca_file.read_text() == first
    authority.close()
    assert list(temporary_files.iterdir()) == []


# A directory of one's own


def test_a_directory_keeps_root_and_intermediate_between_runs(tmp_path, temporary_files):
    directory = tmp_path / "deep" / "authority"
    with Authority(directory) as first:
        old = first.server_context(STARTTLS, PLACE)
        assert first.ca_file == directory / "ca.pem"
    with Authority(str(directory)) as second:
        assert second.ca_pem == first.ca_pem
        chain = shake_hands(old, second.client_context())._sslobj.get_verified_chain()
        again = shake_hands(second.server_context(STARTTLS, PLACE), first.client_context())._sslobj.get_verified_chain()
        assert [item.public_bytes() for item in chain[1:]] == [item.public_bytes() for item in again[1:]]
    assert sorted(path.name for path in directory.iterdir()) == [
        "ca.der",
        "ca.key",
        "ca.p12",
        "ca.pem",
        "intermediate-1.key",
        "intermediate-1.pem",
    ]
    assert list(temporary_files.iterdir()) == []


def test_keys_are_readable_by_their_owner_only(tmp_path):
    directory = tmp_path / "authority"
    with Authority(directory) as authority:
        authority.server_context(STARTTLS, PLACE)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    keys = sorted(directory.glob("*.key"))
    assert len(keys) == 2
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert b"PRIVATE KEY" in key.read_bytes()
    for certificate in directory.glob("*.pem"):
        assert b"PRIVATE KEY" not in certificate.read_bytes()


@pytest.fixture
def stored(tmp_path):
    """Return the directory of an authority that has served."""
    with Authority(tmp_path / "authority") as authority:
        authority.server_context(STARTTLS, PLACE)
    return tmp_path / "authority"


def encrypted(pem):
    key = serialization.load_pem_private_key(pem, None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"x"))


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "intermediate-1.pem", "intermediate-1.key"])
@pytest.mark.parametrize(
    "spoil",
    [lambda octets: b"", lambda octets: b"\0\xff", lambda octets: octets[:-40], lambda octets: octets[::-1], None],
    ids=["empty", "binary", "truncated", "reversed", "missing"],
)
def test_a_broken_file_is_an_error_that_says_what_to_do(stored, name, spoil):
    path = stored / name
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(AuthorityError, match="restore both files, or remove both") as caught:
        Authority(stored).server_context(STARTTLS, PLACE)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_files_that_are_not_broken_are_no_error(stored):
    assert Authority(stored).server_context(STARTTLS, PLACE)


def test_a_key_with_a_password_is_an_error_and_not_a_question_on_the_terminal(stored):
    key = stored / "ca.key"
    key.write_bytes(encrypted(key.read_bytes()))
    with pytest.raises(AuthorityError, match=r"ca\.key"):
        Authority(stored)


def test_a_key_of_another_authority_is_an_error(stored, tmp_path):
    with Authority(tmp_path / "other"):
        (stored / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(AuthorityError, match=r"ca\.key"):
        Authority(stored)


def test_an_intermediate_of_an_older_root_is_an_error_until_it_is_removed_too(stored):
    for name in ("ca.pem", "ca.key"):
        (stored / name).unlink()
    with pytest.raises(AuthorityError, match=r"intermediate-1\.pem"):
        Authority(stored).server_context(STARTTLS, PLACE)
    for name in ("intermediate-1.pem", "intermediate-1.key"):
        (stored / name).unlink()
    authority = Authority(stored)
    assert shake_hands(authority.server_context(STARTTLS, PLACE), authority.client_context())


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            Authority(directory)


def test_an_authority_that_was_imported_somewhere_is_valid_for_years(stored):
    from cryptography import x509  # noqa: PLC0415, TID251 - to read the date

    for name in ("ca.pem", "intermediate-1.pem"):
        certificate = x509.load_pem_x509_certificate((stored / name).read_bytes())
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc >= timedelta(days=3650)
