"""Server contexts: versions, suites, groups, client certificates and names, each as the profile says."""

from __future__ import annotations

import contextlib
import ssl
import stat
import tempfile
import warnings
from pathlib import Path

import pytest

from smtpfix import Policy
from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.certificate_profile import KEYS, SIGNATURES, CertificateProfile
from smtpfix.policy.place import Place
from smtpfix.policy.tls_profile import TLSProfile
from smtpfix.tls.contexts import needed_stack, needs_weak_security, server_context, with_file
from smtpfix.tls.side import TLS, HandshakeFailedError

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
POLICY = Policy("implicit-tls")
WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'
WEAK = {"rsa512", "rsa1024", "p192", "p224", "dsa2048"}


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture
def own_context(authority, tmp_path):
    """Return a function that makes the context of a scenario of one's own."""

    def make(text, **fields):
        path = tmp_path / "mine.toml"
        path.write_text(WHOLE + text)
        return authority.server_context(POLICY.replace(certificate=path, **fields), PLACE)

    return make


def lenient_client(authority, *, lowest=ssl.TLSVersion.TLSv1, highest=ssl.TLSVersion.TLSv1_3):
    """Return a client that takes whatever it is offered, between two versions."""
    context = authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def shake_hands(server_context, client_context, name="localhost"):
    """Return the client's side of a complete handshake; raise the error of the side that refuses."""
    server = TLS(server_context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname=name)
    while not server.established:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        server.receive(outgoing.read())
        server.handshake()
        incoming.write(server.to_send())
    client.do_handshake()  # up to TLS 1.2 the server has the last word
    return client


# Versions


VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", ["the scenario", "the policy"])
def test_a_server_of_one_version_speaks_it_and_no_other(authority, own_context, version, by):
    if by == "the scenario":
        context = own_context(f'[tls]\nmin = "{version}"\nmax = "{version}"\n')
    else:
        context = authority.server_context(POLICY.replace(tls_min=version, tls_max=version), PLACE)
    assert shake_hands(context, lenient_client(authority)).version() == version
    for other in VERSIONS.values():
        if other is not VERSIONS[version]:
            with pytest.raises((HandshakeFailedError, ssl.SSLError)):
                shake_hands(context, lenient_client(authority, lowest=other, highest=other))


def test_a_scenario_s_version_counts_more_than_the_policy_s(own_context):
    context = own_context('[tls]\nmax = "TLSv1.2"\n', tls_max="TLSv1.3")
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


# Suites and groups


def names_of(context):
    return {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}


def test_only_the_suites_of_the_scenario_are_there(own_context):
    assert names_of(own_context('[tls]\nciphers = "ECDHE-ECDSA-AES128-SHA"\n')) == {"ECDHE-ECDSA-AES128-SHA"}


@pytest.mark.parametrize("text", ['[leaf]\nkey = "rsa1024"\n', '[tls]\nmin = "TLSv1"\n', "[tls]\ndh = 2048\n"])
def test_weak_security_never_brings_suites_without_certificates(own_context, text):
    found = own_context(text)
    assert found.security_level == 0
    assert not [name for name in names_of(found) if name.startswith(("ADH", "AECDH"))]


def test_a_good_server_keeps_openssl_s_own_security_level(authority):
    assert (
        authority.server_context(POLICY, PLACE).security_level == ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).security_level
    )


def test_suites_that_nobody_knows_are_an_error_that_names_the_file(own_context):
    with pytest.raises(InvalidValueError, match=r"mine\.toml, \[tls\]: ciphers: expected suites that OpenSSL .* knows"):
        own_context('[tls]\nciphers = "NONSENSE"\n')


@pytest.mark.parametrize("bits", [1024, 2048])
def test_the_diffie_hellman_group_is_as_large_as_the_scenario_says(authority, own_context, bits):
    suite = "DHE-RSA-AES128-GCM-SHA256"
    context = own_context(f'[tls]\nmax = "TLSv1.2"\nciphers = "{suite}"\ndh = {bits}\n[leaf]\nkey = "rsa2048"\n')
    assert shake_hands(context, lenient_client(authority)).cipher()[0] == suite
    careful = authority.client_context()
    careful.set_ciphers(f"{suite}:@SECLEVEL=2")
    if bits == 1024:
        with pytest.raises(ssl.SSLError, match="DH_KEY_TOO_SMALL"):
            shake_hands(context, careful)
    else:
        assert shake_hands(context, careful)


@pytest.mark.parametrize("key", KEYS)
def test_weak_security_is_for_keys_that_openssl_would_not_show_otherwise(key):
    assert needs_weak_security((CertificateProfile("x", ca=False, key=key),)) is (key in WEAK)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_weak_security_is_for_signatures_that_openssl_would_not_show_otherwise(signature):
    profiles = (CertificateProfile("x", ca=True), CertificateProfile("x", ca=False, signature=signature))
    assert needs_weak_security(profiles) is (signature in ("sha1", "md5"))


@pytest.mark.parametrize(
    ("fields", "stack"),
    [
        ({}, None),
        ({"certificate": "expired"}, None),
        ({"scenario": "tls12-only"}, None),
        ({"scenario": "good-ocsp-staple"}, "stapling"),
        ({"scenario": "rc4"}, "legacy"),
        ({"certificate": "dup-san"}, "legacy"),
    ],
)
def test_another_stack_is_needed_for_what_this_one_cannot_do(fields, stack):
    assert needed_stack(POLICY.replace(**fields)) == stack


# Client certificates


@pytest.mark.parametrize(
    ("wanted", "mode"),
    [("none", ssl.CERT_NONE), ("optional", ssl.CERT_OPTIONAL), ("required", ssl.CERT_REQUIRED)],
)
def test_client_certificates_are_asked_for_as_the_policy_says(authority, wanted, mode):
    assert authority.server_context(POLICY.replace(client_certificate=wanted), PLACE).verify_mode is mode


def test_a_scenario_s_wish_for_client_certificates_counts_more_than_the_policy_s(own_context):
    context = own_context('[tls]\nclient_certificate = "required"\n', client_certificate="optional")
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_only_the_certificates_of_the_wanted_authority_are_taken(authority, own_context):
    text = '[tls]\nmax = "TLSv1.2"\nclient_certificate = "required"\nclient_authority = "{}"\n'
    assert shake_hands(own_context(text.format("own")), authority.client_context("ann@example.org"))
    with pytest.raises(HandshakeFailedError) as caught:
        shake_hands(own_context(text.format("other")), authority.client_context("ann@example.org"))
    assert caught.value.failure.rejected_certificate is not None


# Names and protocols


def nameless_client(authority):
    context = authority.client_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize(
    ("wish", "named", "nameless"),
    [(None, True, True), ("required", True, False), ("unrecognized", False, False)],
)
def test_clients_are_served_by_the_name_they_ask_for(authority, own_context, wish, named, nameless):
    context = own_context(f'[tls]\nserver_name = "{wish}"\n' if wish else "")
    for client, name, served in (
        (authority.client_context(), "localhost", named),
        (nameless_client(authority), None, nameless),
    ):
        if served:
            assert shake_hands(context, client, name)
        else:
            with pytest.raises(HandshakeFailedError) as caught:
                shake_hands(context, client, name)
            assert caught.value.failure.alert == "unrecognized_name"
            assert caught.value.failure.alert_sender == "server"


def test_protocols_are_agreed_on_where_the_policy_has_some(authority):
    client = authority.client_context()
    client.set_alpn_protocols(["smtp"])
    for known, agreed in ((("smtp",), "smtp"), ((), None)):
        context = authority.server_context(POLICY.replace(alpn=known), PLACE)
        assert shake_hands(context, client).selected_alpn_protocol() == agreed


# Sessions


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_taken_up_again(authority, version):
    context = authority.server_context(POLICY.replace(scenario="session-resumption"), PLACE)
    client_context = authority.client_context()
    client_context.maximum_version = version
    reused = []
    session = None
    for _ in range(2):
        server = TLS(context)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
        while not server.established:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            server.receive(outgoing.read())
            server.handshake()
            incoming.write(server.to_send())
        server.write(b"x")
        incoming.write(server.to_send())
        assert client.read(1) == b"x"
        session = client.session
        reused.append((client.session_reused, server.info("connect").resumed))
    assert reused == [(False, False), (True, True)]


# Files


def test_what_openssl_reads_is_the_owner_s_alone_and_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def use(path):
        seen.append((Path(path).read_bytes(), stat.S_IMODE(Path(path).stat().st_mode)))

    with_file(b"secret", use)
    assert seen == [(b"secret", 0o600)]
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_gone_when_openssl_fails_too(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError):
        with_file(b"no certificate", context.load_cert_chain)
    assert list(tmp_path.iterdir()) == []


def test_every_context_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Authority() as authority:
        authority.server_context(POLICY.replace(scenario="dh1024"), PLACE)
    assert list(tmp_path.iterdir()) == []


def test_a_context_of_one_s_own_making_is_loaded_once(authority):
    chain = authority.chain(load_scenario("good"), PLACE)
    loaded = []

    def load(context):
        loaded.append(context)
        with_file(chain.key_pem + chain.chain_pem.encode(), context.load_cert_chain)

    context = server_context(POLICY, TLSProfile(), load, weak=False, client_authority_pem=authority.ca_pem)
    assert loaded == [context]
    assert shake_hands(context, authority.client_context())


# What clients trust


@pytest.mark.parametrize("scenario_id", ["self-signed-pinned", "expired-root", "pin-other-key"])
def test_what_a_careful_client_trusts_is_in_a_file_of_its_own(authority, scenario_id):
    policy = POLICY.replace(certificate=scenario_id)
    file = authority.trusted_file(policy, PLACE)
    assert file.read_text() == authority.trusted_pem(policy, PLACE)
    assert file.read_text() == authority.chain(load_scenario(scenario_id), PLACE).trusted.pem
    assert file != authority.ca_file
    assert authority.trusted_file(policy, PLACE) == file


@pytest.mark.parametrize("scenario_id", ["good", "expired", "wrong-host", "self-signed", "untrusted-root"])
def test_where_nothing_else_is_said_that_is_the_authority_s_root(authority, scenario_id):
    assert authority.trusted_file(POLICY.replace(certificate=scenario_id), PLACE) == authority.ca_file
