"""Other TLS stacks: what they show that Python's own cannot, that they record the same, and what is said without them.

Tests of a stack are skipped where its extra is not installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys

import pytest
from cryptography import x509  # noqa: TID251 - an independent reader of what is shown
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251
from cryptography.x509 import ocsp  # noqa: TID251

from smtpfix import Policy, Server, resolving
from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.pki.certificates import to_pem
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario
from smtpfix.tls.facts import Alert
from smtpfix.tls.side import TLS, HandshakeFailedError

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
TIMEOUT = 10.0
LEGACY = ("ssl30", "rc4", "3des", "dh512")
STAPLED = ("good-ocsp-staple", "revoked-ocsp-staple")
VERSIONS = ("TLSv1.2", "TLSv1.3")

needs_stapling = pytest.mark.skipif(importlib.util.find_spec("OpenSSL") is None, reason="needs smtpfix[stapling]")
needs_legacy = pytest.mark.skipif(importlib.util.find_spec("tlslite") is None, reason="needs smtpfix[legacy-tls]")


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(scope="module")
def stranger():
    with Authority() as made:
        yield made


def policy_for(scenario_id, mode="implicit-tls", **fields):
    return Policy(mode, **{load_scenario(scenario_id).policy_field: scenario_id}, **fields)


class Meeting:
    """A client of Python's, and a server's TLS side, in memory."""

    def __init__(self, tls, context, name="localhost", step=65_536):
        self.tls = tls
        self.step = step
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.refused = self.failure = None

    def shake_hands(self):
        """Return whether both have come to the end; `refused` and `failure` have the client's and the server's view."""
        for _ in range(20):
            try:
                self.client.do_handshake()
                done = self.tls.established
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as error:
                self.refused, done = error, True
            self.to_server()
            if not self.tls.established:
                try:
                    self.tls.handshake()
                except HandshakeFailedError as error:
                    self.failure, self.clear_text = error.failure, error.clear_text
            self.incoming.write(self.tls.to_send())
            if done or self.failure:
                break
        with contextlib.suppress(ssl.SSLError):
            self.client.do_handshake()
        return self.tls.established and self.refused is None and self.failure is None

    def to_server(self):
        while data := self.outgoing.read(self.step):
            self.tls.receive(data)

    def say(self, data):
        """Return what the server reads after the client has written this, and whether the stream goes on."""
        self.client.write(data)
        self.to_server()
        buffer = bytearray()
        goes_on = self.tls.read_into(buffer)
        return bytes(buffer), goes_on

    def hear(self, data):
        """Return what the client reads after the server has written this."""
        self.tls.write(data)
        self.incoming.write(self.tls.to_send())
        heard = b""
        while len(heard) < len(data):
            heard += self.client.read()
        return heard


def client_of(authority, policy, name=None, **changes):
    """Return the context of a careful client of such a server, changed as said."""
    context = authority.client_context(name, trusted_pem=authority.trusted_pem(policy, PLACE))
    for attribute, value in changes.items():
        setattr(context, attribute, value)
    return context


def meet(authority, policy, context=None, **options):
    tls = authority.tls_factory(policy, PLACE)()
    return Meeting(tls, context or client_of(authority, policy), **options)


# Without the extras


@pytest.fixture
def no_extras(monkeypatch):
    """Let imports of pyOpenSSL and tlslite-ng fail, as where they are not installed."""
    for package, module in (("OpenSSL", "stapling"), ("tlslite", "legacy")):
        for name in [package, *(known for known in sys.modules if known.startswith(f"{package}."))]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"smtpfix.tls.{module}", raising=False)


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize(
    ("scenario_id", "install"),
    [(one, r".* -m pip install .*\[legacy-tls\]'") for one in (*LEGACY, "dup-san")]
    + [(one, r".* -m pip install .*\[stapling\]'") for one in STAPLED],
)
def test_without_its_extra_a_scenario_s_error_names_it_and_what_to_install(authority, scenario_id, install):
    with (
        pytest.raises(ExtraMissing, match=rf"scenario '{scenario_id}' needs .*: {install}") as caught,
        Server(policy_for(scenario_id), authority=authority),
    ):
        pass
    assert isinstance(caught.value, ImportError)


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize("scenario_id", ["good", "must-staple-without-staple", "revoked-crl", "tls10-only"])
def test_other_scenarios_need_no_extra(authority, scenario_id):
    with Server(policy_for(scenario_id), authority=authority) as server:
        assert server.port


@pytest.mark.usefixtures("no_extras")
def test_nothing_listens_after_an_extra_was_missing(authority):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ExtraMissing):
        Server(policy_for("ssl30", host="127.0.0.1", port=port), authority=authority).start()
    with Server(Policy("plain", host="127.0.0.1", port=port)) as server:
        assert server.port == port


def test_the_ordinary_stack_is_python_s_own(authority):
    for scenario_id in ("good", "must-staple-without-staple", "revoked-crl"):
        assert type(authority.tls_factory(policy_for(scenario_id), PLACE)()) is TLS


# Stapling


def asked(tls, authority, version="TLSv1.3"):
    """Return the response that a client gets stapled that asks for one; empty without."""
    from OpenSSL import SSL  # noqa: PLC0415, TID251 - the only client that shows it

    responses = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version({"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}[version])
    context.set_ocsp_client_callback(lambda _connection, response, _data: bool(responses.append(response)) or True)
    client = SSL.Connection(context, None)
    client.set_tlsext_host_name(b"localhost")
    client.request_ocsp()
    client.set_connect_state()
    for _ in range(10):
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            tls.receive(client.bio_read(65_536))
        if tls.handshake():
            break
        client.bio_write(tls.to_send())
    assert tls.info("connect").version == version
    (response,) = responses
    return response


@needs_stapling
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario_id", STAPLED)
def test_a_client_that_asks_gets_the_status_signed_by_the_leaf_s_issuer(authority, scenario_id, version):
    policy = policy_for(scenario_id)
    leaf, issuer = authority.chain(load_scenario(scenario_id), PLACE).path[:2]
    response = ocsp.load_der_ocsp_response(asked(authority.tls_factory(policy, PLACE)(), authority, version))
    good = scenario_id == "good-ocsp-staple"
    assert response.certificate_status is (ocsp.OCSPCertStatus.GOOD if good else ocsp.OCSPCertStatus.REVOKED)
    assert response.serial_number == leaf.certificate.serial_number
    issuer.key.public_key().verify(
        response.signature, response.tbs_response_bytes, ec.ECDSA(response.signature_hash_algorithm)
    )


@needs_stapling
@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_without_a_staple_has_none_though_its_leaf_demands_one(authority, version):
    tls = authority.tls_factory(policy_for("must-staple-without-staple"), PLACE)()
    assert asked(tls, authority, version) == b""
    leaf = authority.chain(load_scenario("must-staple-without-staple"), PLACE).leaf.certificate
    assert x509.TLSFeature.oid in {extension.oid for extension in leaf.extensions}


def compared(authority, **fields):
    """Return the TLS sides of an ordinary server and of a stapling one, after the same policy."""
    policy = Policy("implicit-tls", **fields)
    yield authority.tls_factory(policy, PLACE)()
    yield authority.tls_factory(policy.replace(scenario="good-ocsp-staple"), PLACE)()


@needs_stapling
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [None, "ann@example.org"], ids=["no certificate", "certificate"])
@pytest.mark.parametrize("alpn", [(), ("smtp",), ("other",)], ids=["no ALPN", "ALPN", "no common ALPN"])
def test_a_complete_handshake_is_recorded_as_by_the_ordinary_stack(authority, version, name, alpn):
    found = []
    context = authority.client_context(name)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    for tls in compared(authority, tls_max=version, alpn=("lmtp", "smtp"), client_certificate="optional"):
        assert Meeting(tls, context).shake_hands()
        found.append((tls.info("connect"), tls.client_hello.server_name, tls.alerts))
    ordinary, stapling = found
    assert stapling == ordinary
    assert stapling[0].version == version
    assert (stapling[0].client_certificate is not None) == (name is not None)
    assert stapling[0].alpn == ("smtp" if alpn == ("smtp",) else None)


@needs_stapling
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["untrusted", "old client", "no client certificate", "wrong client certificate"])
def test_a_failed_handshake_is_recorded_as_by_the_ordinary_stack(authority, stranger, version, case):
    required = case.endswith("client certificate")
    found = []
    for tls in compared(
        authority,
        tls_max=version,
        tls_min=version,
        client_certificate="required" if required else "none",
    ):
        context = authority.client_context()
        if case == "untrusted":
            context = stranger.client_context()
        elif case == "wrong client certificate":
            context = stranger.client_context("eve@example.org")
            context.load_verify_locations(cadata=authority.ca_pem)
        elif case == "old client":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("AES128-SHA")
        meeting = Meeting(tls, context)
        if case == "old client":
            context.minimum_version = context.maximum_version
        assert not meeting.shake_hands()
        assert not tls.established
        found.append((meeting.failure.alert, meeting.failure.alert_sender, meeting.clear_text, tls.alerts))
    ordinary, stapling = found
    assert stapling == ordinary
    assert stapling[0] is not None


@needs_stapling
def test_a_client_certificate_that_has_ended_is_recorded_as_refused(authority):
    """Where the certificate itself is at fault, the record has it."""
    text = (
        'summary = "A client"\nexpected = "refuse"\nstandard = "none"\n[leaf]\nextended_key_usage = ["client_auth"]\n'
    )
    ended = authority.chain(Scenario.parse("ended", text + "not_before = -3\nnot_after = -1\n"), PLACE)
    for tls in compared(authority, client_certificate="required"):
        context = authority.client_context()
        _load(context, ended)
        meeting = Meeting(tls, context)
        assert not meeting.shake_hands()
        assert meeting.failure.alert == "certificate_expired"
        assert to_pem(meeting.failure.rejected_certificate) == ended.leaf.pem


def _load(context, chain):
    from smtpfix.tls.contexts import with_file  # noqa: PLC0415 - as the authority does

    with_file(chain.key_pem + chain.chain_pem.encode(), context.load_cert_chain)


@pytest.mark.parametrize(
    "scenario_id",
    [pytest.param("good-ocsp-staple", marks=needs_stapling), pytest.param("dup-san", marks=needs_legacy), "good"],
)
class TestEveryStack:
    """What holds for the ordinary stack and the others alike."""

    @pytest.fixture
    def tls(self, authority, scenario_id):
        return authority.tls_factory(policy_for(scenario_id), PLACE)()

    @pytest.fixture
    def meeting(self, tls, scenario_id):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Meeting(tls, context)

    @pytest.mark.parametrize("step", [1, 7, 65_536])
    def test_octets_come_through_however_they_are_cut(self, meeting, step):
        meeting.step = step
        assert meeting.shake_hands()
        assert meeting.say(b"EHLO there\r\n") == (b"EHLO there\r\n", True)
        assert meeting.say(b"x" * 16_000) == (b"x" * 16_000, True)
        assert meeting.hear(b"250 OK\r\n") == b"250 OK\r\n"
        assert meeting.hear(b"y" * 40_000) == b"y" * 40_000

    def test_half_a_record_is_waited_for(self, meeting):
        assert meeting.shake_hands()
        meeting.client.write(b"QUIT\r\n")
        record, buffer = meeting.outgoing.read(), bytearray()
        meeting.tls.receive(record[:9])
        assert meeting.tls.read_into(buffer)
        assert buffer == b""
        meeting.tls.receive(record[9:])
        assert meeting.tls.read_into(buffer)
        assert buffer == b"QUIT\r\n"

    def test_a_client_s_close_notify_ends_the_stream_and_is_recorded(self, meeting):
        assert meeting.shake_hands()
        with contextlib.suppress(ssl.SSLWantReadError):
            meeting.client.unwrap()
        meeting.to_server()
        assert meeting.tls.read_into(bytearray()) is False
        assert meeting.tls.alerts[-1] == Alert("client", "close_notify", is_fatal=False)

    def test_the_server_says_close_notify_and_records_it(self, meeting):
        assert meeting.shake_hands()
        meeting.tls.close()
        assert meeting.tls.alerts[-1] == Alert("server", "close_notify", is_fatal=False)
        meeting.incoming.write(meeting.tls.to_send())
        assert meeting.client.read() == b""

    def test_a_broken_stream_is_an_ssl_error(self, meeting):
        assert meeting.shake_hands()
        meeting.tls.receive(b"\x17\x03\x03\x00\x40" + b"garbage!" * 8)
        with pytest.raises(ssl.SSLError):
            meeting.tls.read_into(bytearray())

    def test_clear_text_instead_of_tls_is_recognized(self, tls):
        tls.receive(b"EHLO there\r\n")
        with pytest.raises(HandshakeFailedError) as caught:
            tls.handshake()
        assert caught.value.clear_text
        assert caught.value.failure.reason == "the client sent clear text where TLS has to begin"
        assert tls.first_octets == b"EHLO there\r\n"

    def test_a_broken_client_hello_is_refused_with_an_alert(self, tls):
        tls.receive(b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c" + b"\xff" * 12)
        with pytest.raises(HandshakeFailedError) as caught:
            tls.handshake()
        assert not caught.value.clear_text
        assert caught.value.failure.alert_sender == "server"
        assert tls.to_send()[:1] == b"\x15"

    def test_a_handshake_that_stops_is_explained(self, tls):
        assert tls.handshake() is False
        assert tls.broken_off("the client is gone").reason == "the client is gone"
        assert tls.first_octets == b""
        assert tls.client_hello is None

    @pytest.mark.parametrize("mode", ["implicit-tls", "starttls"])
    def test_mail_is_delivered(self, authority, scenario_id, mode, nothing_logged):
        with resolving(), Server(policy_for(scenario_id, mode), authority=authority) as server:
            context = ssl._create_unverified_context()  # noqa: S323 - what the server shows may be wrong
            kind = smtplib.SMTP_SSL if mode == "implicit-tls" else smtplib.SMTP
            options = {"context": context} if mode == "implicit-tls" else {}
            with kind("localhost", server.port, timeout=TIMEOUT, **options) as client:
                if mode == "starttls":
                    client.starttls(context=context)
                client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: x\r\n\r\n" + b"line\r\n" * 10_000)
            assert [message.in_tls for message in server.inbox.messages] == [True]


@needs_stapling
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
@pytest.mark.parametrize(("scenario_id", "status"), [(STAPLED[0], "good"), (STAPLED[1], "revoked")])
def test_openssl_s_client_sees_the_staple(authority, scenario_id, status):
    with Server(policy_for(scenario_id, "starttls", host="127.0.0.1"), authority=authority) as server:
        done = subprocess.run(
            [
                *("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp", "-status"),
                *("-CAfile", server.ca_file, "-verify_return_error", "-verify_hostname", "localhost"),
            ],
            input=b"QUIT\r\n",
            capture_output=True,
            timeout=30,
            check=True,
        )
    assert f"Cert Status: {status}" in done.stdout.decode()
    assert b"Verify return code: 0 (ok)" in done.stdout


@needs_stapling
def test_a_user_s_own_files_can_not_be_stapled_for(authority, tmp_path):
    chain = authority.chain(load_scenario("good"), PLACE)
    (tmp_path / "chain.pem").write_text(chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    policy = Policy(
        "implicit-tls", scenario="good-ocsp-staple", certificate=(tmp_path / "chain.pem", tmp_path / "key.pem")
    )
    with pytest.raises(InvalidValueError, match=r"Policy\.certificate: .* the issuer signs the OCSP response"):
        authority.tls_factory(policy, PLACE)


@needs_stapling
@pytest.mark.parametrize(
    ("tls", "match"),
    [
        ('server_name = "required"', "server_name: expected none where there is a staple"),
        ('ciphers = "NO-SUCH-SUITE"', "ciphers: expected suites that pyOpenSSL's OpenSSL knows"),
    ],
)
def test_a_file_that_wants_what_pyopenssl_cannot_is_refused(authority, tmp_path, tls, match):
    path = tmp_path / "mine.toml"
    path.write_text(f'summary = "Mine"\nexpected = "accept"\nstandard = "none"\n[tls]\nstaple = "good"\n{tls}\n')
    with pytest.raises(InvalidValueError, match=rf"mine\.toml, \[tls\]: {match}"):
        authority.tls_factory(Policy("implicit-tls", certificate=path), PLACE)


@needs_stapling
def test_a_rotating_key_is_stapled_for_too(authority, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'summary = "Mine"\nexpected = "accept"\nstandard = "none"\n[tls]\nstaple = "good"\nrotate_keys = true\n'
    )
    new_tls = authority.tls_factory(Policy("implicit-tls", certificate=path), PLACE)
    serials = {ocsp.load_der_ocsp_response(asked(new_tls(), authority)).serial_number for _ in range(2)}
    assert len(serials) == 2


# Old and odd TLS


@needs_legacy
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("scenario_id", [*LEGACY, "dup-san"])
def test_openssl_finds_exactly_what_the_file_says(authority, scenario_id, strict):
    scenario, policy = load_scenario(scenario_id), policy_for(scenario_id)
    context = ssl.create_default_context(cadata=authority.trusted_pem(policy, PLACE))
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    meeting = meet(authority, policy, context)
    assert not meeting.shake_hands()
    if scenario.openssl.error is not None:
        assert meeting.refused is None or meeting.refused.reason == scenario.openssl.error
    else:
        assert meeting.refused.verify_code == scenario.openssl.code(strict=strict)
    assert meeting.failure is not None
    assert meeting.failure.alert is not None


@needs_legacy
@pytest.mark.parametrize(
    ("scenario_id", "version", "part", "bits"),
    [("ssl30", "SSLv3", "AES", 256), ("rc4", "TLSv1.2", "RC4_128", 128), ("3des", "TLSv1.2", "3DES_EDE", 112)],
)
def test_a_weak_client_gets_what_the_scenario_is_about(authority, scenario_id, version, part, bits):
    from smtpfix.tls.legacy import HandshakeSettings, TLSConnection  # noqa: PLC0415 - the only client so weak

    settings = HandshakeSettings()
    settings.minVersion, settings.maxVersion = (3, 0), (3, 3)
    settings.versions = [(3, 3), (3, 2), (3, 1), (3, 0)]
    settings.cipherNames = ["rc4"] if scenario_id == "rc4" else ["aes256", "aes128", "3des"]
    settings.useExtendedMasterSecret = scenario_id != "ssl30"  # which tlslite-ng would try there too
    with Server(policy_for(scenario_id, host="127.0.0.1"), authority=authority) as server:
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as connection:
            client = TLSConnection(connection)
            client.handshakeClientCert(settings=settings, serverName="localhost")
            client.sendall(b"QUIT\r\n")
            heard = b""
            while data := client.recv(1000):
                heard += data
            assert heard.startswith(b"220 ")
            assert b"\r\n221 " in heard
        session = server.sessions[0]
    assert session.tls.version == version
    assert part in session.tls.cipher
    assert session.tls.cipher_bits == bits
    assert session.tls.server_name == "localhost"
    assert session.client_hello is not None


@needs_legacy
@pytest.mark.parametrize("level", [0, 1])
def test_openssl_refuses_the_small_group_whatever_its_security_level(authority, level):
    policy = policy_for("dh512")
    context = client_of(authority, policy, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"DHE-RSA-AES128-GCM-SHA256:@SECLEVEL={level}")
    meeting = meet(authority, policy, context)
    assert not meeting.shake_hands()
    assert meeting.refused.reason == "DH_KEY_TOO_SMALL"
    assert meeting.failure.alert_sender == "client"


@needs_legacy
@pytest.mark.skipif(shutil.which("gnutls-cli") is None, reason="there is no gnutls-cli")
@pytest.mark.parametrize(("least", "takes"), [(512, True), (1024, False)])
def test_gnutls_takes_the_small_group_where_it_is_told_to(authority, least, takes):
    with Server(policy_for("dh512", host="127.0.0.1"), authority=authority) as server:
        done = subprocess.run(
            [
                *("gnutls-cli", "--insecure", "--no-ca-verification", f"--dh-bits={least}"),
                *("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA"),
                *("--port", str(server.port), "127.0.0.1"),
            ],
            input=b"QUIT\r\n",
            capture_output=True,
            timeout=30,
            check=False,
        )
        session = server.sessions[0]
    assert (b"(DHE-CUSTOM512)" in done.stdout) is takes
    assert (b"\n220 " in done.stdout) is takes  # what comes behind QUIT may come too late for it
    assert (session.tls is not None) is takes
    assert (session.tls_failure is None) is takes


@needs_legacy
def test_the_leaf_that_openssl_does_not_load_is_sent_with_both_extensions(authority):
    policy = policy_for("dup-san")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    meeting = meet(authority, policy, context)
    assert meeting.shake_hands()
    shown = meeting.client.getpeercert(binary_form=True)
    assert shown == authority.chain(load_scenario("dup-san"), PLACE).leaf.octets
    assert shown.count(bytes.fromhex("0603551d11")) == 2
    with pytest.raises(ssl.SSLError):
        authority.server_context(policy, PLACE)


@needs_legacy
@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (
            {"scenario": "ssl30", "certificate": "expired"},
            r"Policy\.certificate: expected a chain whose leaf has an RSA key",
        ),
        (
            {"scenario": "rc4", "client_certificate": "optional"},
            r"Policy\.client_certificate: expected 'none' with tlslite",
        ),
        ({"certificate": "dup-san", "scenario": "sni-required"}, r"server_name: expected none with tlslite-ng"),
    ],
)
def test_what_tlslite_cannot_do_is_refused(authority, fields, match):
    with pytest.raises(InvalidValueError, match=match):
        authority.tls_factory(Policy("implicit-tls", **fields), PLACE)


@needs_legacy
@pytest.mark.parametrize("as_octets", [False, True])
def test_a_user_s_own_certificate_is_shown_by_the_other_stack(authority, tmp_path, as_octets):
    chain = authority.chain(load_scenario("rsa2048"), PLACE)
    (tmp_path / "chain.pem").write_text(chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    octets = chain.chain_pem.encode() + chain.key_pem
    certificate = octets if as_octets else (tmp_path / "chain.pem", tmp_path / "key.pem")
    policy = Policy("implicit-tls", scenario="3des", certificate=certificate)
    meeting = meet(authority, policy)
    meeting.tls.receive(_hello_with_3des())
    assert not meeting.tls.handshake()
    assert chain.leaf.octets in meeting.tls.to_send()


def _hello_with_3des():
    """Return the ClientHello of a client that knows TLS_RSA_WITH_3DES_EDE_CBC_SHA alone, as RFC 5246 has it."""
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x00\x0a" + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message
