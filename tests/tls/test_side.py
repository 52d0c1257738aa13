"""TLS on the server's side, by in-memory handshakes: what is agreed on, and every alert by its name.

Each refusal is checked in TLS 1.2 and 1.3, which send their alerts at different moments.
"""

import contextlib
import ssl
import warnings
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.pki.authority import Authority
from smtpfix.policy.place import Place
from smtpfix.smtp.policy import Policy
from smtpfix.tls.facts import Alert, TLSFailure
from smtpfix.tls.side import TLS, HandshakeFailedError, watch

PLACE = Place(host="localhost", hostname="mx.smtpfix.test", address="127.0.0.1")
VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])


class Meeting:
    """A client of OpenSSL and a server, and what became of their handshake."""

    def __init__(self, server_context, client_context, name="localhost", session=None):
        self.tls = TLS(server_context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client_context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        self.client_error = None
        self.error = None
        for _ in range(5):  # the longest handshake takes three turns
            if self.client_error is None:
                self._advance_client()
            self.tls.receive(self.outgoing.read())
            if self.error is None and not self.tls.established:
                self._advance_server()
            self.incoming.write(self.tls.to_send())

    def _advance_client(self):
        try:
            self.client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.client_error = error

    def _advance_server(self):
        try:
            self.tls.handshake()
        except HandshakeFailedError as error:
            self.error = error

    @property
    def failure(self):
        assert self.error is not None, "the handshake did not fail"
        return self.error.failure

    @property
    def info(self):
        assert self.tls.established, self.error
        return self.tls.info("STARTTLS")

    def client_reads(self):
        """Return what the client reads; in TLS 1.3 it learns from reading that it was refused."""
        try:
            return self.client.read(1000)
        except ssl.SSLError as error:
            return error.reason

    def client_sends(self, data):
        self.client.write(data)
        self.tls.receive(self.outgoing.read())

    def server_sends(self, data):
        self.tls.write(data)
        self.incoming.write(self.tls.to_send())


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(scope="module")
def stranger():
    """Return an authority nobody trusts."""
    with Authority() as made:
        yield made


def policy(version="TLSv1.3", **changes):
    return Policy("starttls", tls_min=version, tls_max=version, **changes)


def test_a_handshake_agrees_on_everything(authority):
    meeting = Meeting(authority.server_context(Policy("starttls"), PLACE), authority.client_context())
    info = meeting.info
    assert info.version == "TLSv1.3"
    assert info.cipher.startswith("TLS_")
    assert info.cipher_bits >= 128
    assert info.started_by == "STARTTLS"
    assert info.server_name == "localhost"
    assert info.client_certificate is None
    assert info.client_name is None
    assert info.alpn is None
    assert not info.resumed
    assert meeting.tls.alerts == []
    assert meeting.tls.client_hello.server_name == "localhost"


@VERSIONS
def test_octets_go_both_ways(authority, version):
    meeting = Meeting(authority.server_context(policy(version), PLACE), authority.client_context())
    assert meeting.info.version == version
    buffer = bytearray(b"before ")
    assert meeting.tls.read_into(buffer) is True
    meeting.client_sends(b"EHLO client.example\r\n")
    assert meeting.tls.read_into(buffer) is True
    assert buffer == b"before EHLO client.example\r\n"
    meeting.server_sends(b"250 mx.example\r\n")
    assert meeting.client_reads() == b"250 mx.example\r\n"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
def test_old_versions_are_spoken_where_the_policy_says_so(authority, version):
    client = authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    assert Meeting(authority.server_context(policy(version), PLACE), client).info.version == version
    refused = Meeting(authority.server_context(policy(version), PLACE), authority.client_context())
    assert refused.failure.alert == "protocol_version"


@VERSIONS
def test_a_client_that_distrusts_the_authority_says_unknown_ca(authority, stranger, version):
    meeting = Meeting(authority.server_context(policy(version), PLACE), stranger.client_context())
    failure = meeting.failure
    assert (failure.alert, failure.alert_sender) == ("unknown_ca", "client")
    assert failure.reason == "TLS handshake refused by the client, alert unknown_ca"
    assert failure.openssl_reason == "TLSV1_ALERT_UNKNOWN_CA"
    assert meeting.tls.alerts[-1] == Alert("client", "unknown_ca", is_fatal=True)
    assert not meeting.error.clear_text
    assert not meeting.tls.established
    assert meeting.tls.client_hello.server_name == "localhost"


@VERSIONS
def test_a_client_that_wants_another_host_says_bad_certificate(authority, version):
    context = authority.server_context(policy(version), PLACE)
    failure = Meeting(context, authority.client_context(), "other.example").failure
    assert (failure.alert, failure.alert_sender) == ("bad_certificate", "client")
    assert Meeting(context, authority.client_context(), "localhost").tls.established


@pytest.mark.parametrize(("server", "client"), [("TLSv1.2", "TLSv1_3"), ("TLSv1.3", "TLSv1_2")])
def test_without_a_common_version_the_server_says_protocol_version(authority, server, client):
    context = authority.client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[client]
    meeting = Meeting(authority.server_context(policy(server), PLACE), context)
    failure = meeting.failure
    assert (failure.alert, failure.alert_sender) == ("protocol_version", "server")
    assert failure.reason == "TLS handshake refused by the server, alert protocol_version: unsupported protocol"
    assert failure.openssl_reason == "UNSUPPORTED_PROTOCOL"
    assert meeting.client_error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"  # the alert has reached the client
    assert meeting.tls.client_hello.versions[0] == client.replace("_", ".")


def test_without_a_common_cipher_the_server_says_handshake_failure(authority):
    context = authority.client_context()
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # the server has no RSA key
    failure = Meeting(authority.server_context(policy("TLSv1.2"), PLACE), context).failure
    assert (failure.alert, failure.alert_sender) == ("handshake_failure", "server")
    assert failure.openssl_reason == "NO_SHARED_CIPHER"


@pytest.mark.parametrize(
    ("version", "alert", "at_the_client"),
    [
        ("TLSv1.2", "handshake_failure", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ("TLSv1.3", "certificate_required", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    ],
)
def test_a_missing_client_certificate_is_refused_with_an_alert_that_arrives(authority, version, alert, at_the_client):
    context = authority.server_context(policy(version, client_certificate="required"), PLACE)
    meeting = Meeting(context, authority.client_context())
    failure = meeting.failure
    assert (failure.alert, failure.alert_sender) == (alert, "server")
    assert "peer did not return a certificate" in failure.reason
    assert failure.rejected_certificate is None
    reason = meeting.client_error.reason if meeting.client_error else meeting.client_reads()
    assert reason == at_the_client
    assert Meeting(context, authority.client_context("ann@example.org")).tls.established


@VERSIONS
@pytest.mark.parametrize("wanted", ["required", "optional"])
def test_a_client_certificate_of_a_strange_authority_is_refused_and_kept(authority, stranger, version, wanted):
    client = stranger.client_context("eve@example.org")
    own = Meeting(stranger.server_context(policy(version, client_certificate="required"), PLACE), client)
    client.load_verify_locations(cadata=authority.ca_pem)
    meeting = Meeting(authority.server_context(policy(version, client_certificate=wanted), PLACE), client)
    failure = meeting.failure
    assert (failure.alert, failure.alert_sender) == ("unknown_ca", "server")
    assert failure.reason.startswith("TLS handshake refused by the server, alert unknown_ca: ")
    assert failure.openssl_reason == "CERTIFICATE_VERIFY_FAILED"
    assert failure.rejected_certificate == own.info.client_certificate
    assert failure.rejected_certificate is not None


@VERSIONS
def test_an_optional_client_certificate_may_be_missing(authority, version):
    context = authority.server_context(policy(version, client_certificate="optional"), PLACE)
    without = Meeting(context, authority.client_context()).info
    assert (without.client_certificate, without.client_name) == (None, None)
    with_one = Meeting(context, authority.client_context("ann@example.org")).info
    assert with_one.client_certificate is not None
    assert "commonName=ann@example.org" in with_one.client_name


def test_a_client_certificate_nobody_asked_for_is_not_sent(authority):
    meeting = Meeting(authority.server_context(policy(), PLACE), authority.client_context("ann@example.org"))
    assert meeting.info.client_certificate is None


@pytest.mark.parametrize(("name", "server_name"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_a_client_names_a_host_but_no_address(authority, name, server_name):
    meeting = Meeting(authority.server_context(policy(), PLACE), authority.client_context(), name)
    assert meeting.info.server_name == server_name


@VERSIONS
@pytest.mark.parametrize(
    ("known", "offered", "agreed"),
    [
        (("smtp",), ("smtp",), "smtp"),
        (("b", "a"), ("a", "b"), "b"),  # what the server wants most
        (("smtp",), ("imap",), None),
        (("smtp",), (), None),
        ((), ("smtp",), None),
    ],
)
def test_an_application_protocol_is_agreed_on_where_both_know_it(authority, version, known, offered, agreed):
    client = authority.client_context()
    if offered:
        client.set_alpn_protocols(list(offered))
    meeting = Meeting(authority.server_context(policy(version, alpn=known), PLACE), client)
    assert meeting.info.alpn == agreed
    assert meeting.tls.client_hello.alpn == offered


@VERSIONS
@pytest.mark.parametrize("wanted", ["none", "required"])
def test_a_session_is_resumed_with_its_client_certificate(authority, version, wanted):
    context = authority.server_context(policy(version, client_certificate=wanted), PLACE)
    client = authority.client_context("ann@example.org")
    first = Meeting(context, client)
    first.server_sends(b"220 mx.example\r\n")
    assert first.client_reads() == b"220 mx.example\r\n"  # TLS 1.3 sends its tickets behind the handshake
    again = Meeting(context, client, session=first.client.session)
    assert not first.info.resumed
    assert again.info.resumed
    assert again.info.client_certificate == first.info.client_certificate
    assert (again.info.client_certificate is None) == (wanted == "none")


@VERSIONS
def test_a_client_that_says_close_notify_is_done(authority, version):
    meeting = Meeting(authority.server_context(policy(version), PLACE), authority.client_context())
    meeting.client.write(b"QUIT\r\n")
    with contextlib.suppress(ssl.SSLWantReadError):
        meeting.client.unwrap()
    meeting.tls.receive(meeting.outgoing.read())
    buffer = bytearray()
    assert meeting.tls.read_into(buffer) is False
    assert buffer == b"QUIT\r\n"
    assert meeting.tls.alerts == [Alert("client", "close_notify", is_fatal=False)]


@VERSIONS
def test_the_server_says_close_notify(authority, version):
    meeting = Meeting(authority.server_context(policy(version), PLACE), authority.client_context())
    meeting.tls.write(b"221 Bye\r\n")
    meeting.tls.close()
    meeting.incoming.write(meeting.tls.to_send())
    assert meeting.client.read(1000) == b"221 Bye\r\n"
    assert meeting.client.read(1000) == b""
    assert meeting.tls.alerts == [Alert("server", "close_notify", is_fatal=False)]
    meeting.client.unwrap()  # the answer, for which nobody waits
    meeting.tls.receive(meeting.outgoing.read())
    assert meeting.tls.read_into(bytearray()) is False


def test_an_alert_after_the_handshake_breaks_the_stream_and_is_kept(authority):
    meeting = Meeting(authority.server_context(policy(), PLACE), authority.client_context())
    meeting.client_sends(b"NOOP\r\n")
    meeting.tls.receive(b"\x17\x03\x03\x00\x14" + bytes(20))  # a record nobody encrypted
    buffer = bytearray()
    with pytest.raises(ssl.SSLError):
        meeting.tls.read_into(buffer)
    assert buffer == b"NOOP\r\n"
    assert meeting.tls.alerts == [Alert("server", "bad_record_mac", is_fatal=True)]


@pytest.mark.parametrize(
    "said", [b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\n\r\n", b"AUTH PLAIN\r\n", b"\r\n\r\n\r\n"]
)
@pytest.mark.parametrize("step", [1, 1000])
def test_clear_text_instead_of_tls_is_told_apart_and_kept(authority, said, step):
    tls = TLS(authority.server_context(policy(), PLACE))
    error = None
    for start in range(0, len(said), step):
        tls.receive(said[start : start + step])
        try:
            assert tls.handshake() is False
        except HandshakeFailedError as failed:
            error = failed
            break
    assert error.clear_text
    assert error.failure.reason == "the client sent clear text where TLS has to begin"
    assert tls.first_octets
    assert said.startswith(tls.first_octets)
    assert tls.client_hello is None


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + bytes(70_000), b"\x80\x05hello"]
)
def test_broken_tls_is_not_taken_for_clear_text(authority, sent):
    tls = TLS(authority.server_context(policy(), PLACE))
    tls.receive(sent)
    with pytest.raises(HandshakeFailedError) as caught:
        tls.handshake()
    assert not caught.value.clear_text
    assert caught.value.failure.reason.startswith("TLS handshake refused by the server")
    assert caught.value.failure.openssl_reason


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(min_size=1) | st.binary().map(lambda octets: b"\x16\x03\x01" + octets))
def test_no_octets_do_more_than_fail_the_handshake(authority, octets):
    tls = TLS(authority.server_context(policy(), PLACE))
    tls.receive(octets)
    with contextlib.suppress(HandshakeFailedError):
        assert tls.handshake() is False
    assert not tls.established
    assert len(tls.alerts) == len(tls.to_send()) // 7  # an alert in clear is a record of seven octets


def test_a_handshake_broken_off_half_way_has_no_alert(authority):
    tls = TLS(authority.server_context(policy(), PLACE))
    assert tls.handshake() is False
    assert tls.broken_off("the client left") == TLSFailure("the client left", None, None, None)


def test_a_handshake_broken_off_behind_an_alert_names_it(authority):
    tls = TLS(authority.server_context(policy(), PLACE))
    tls.alert_seen("client", 1, 90)
    failure = tls.broken_off("the client left")
    assert failure.reason == "TLS handshake ended by the client, alert user_canceled"
    assert (failure.alert, failure.alert_sender) == ("user_canceled", "client")


def test_an_alert_without_a_name_is_shown_by_its_number(authority):
    tls = TLS(authority.server_context(policy(), PLACE))
    tls.alert_seen("client", 2, 255)
    tls.alert_seen("client", 2, 48)
    assert [alert.name for alert in tls.alerts] == ["unknown_255", "unknown_ca"]


@settings(max_examples=100, deadline=None)
@given(version=st.sampled_from([0x0303, 0x0304]), body=st.binary(max_size=20))
def test_no_certificate_message_breaks_the_record(authority, version, body):
    """OpenSSL shows a message before it has checked it."""
    TLS(authority.server_context(policy(), PLACE)).certificate_seen(
        version, b"\x0b" + len(body).to_bytes(3, "big") + body
    )


def test_connections_of_one_context_keep_their_alerts_apart(authority, stranger):
    context = authority.server_context(policy(), PLACE)
    refused, fine = Meeting(context, stranger.client_context()), Meeting(context, authority.client_context())
    assert [alert.name for alert in refused.tls.alerts] == ["unknown_ca"]
    assert fine.tls.alerts == []


def test_a_watched_context_can_be_used_without_a_record_too(authority):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.server_context(policy(), PLACE).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(b"\x16\x03\x01\x00\x05hello")
    with pytest.raises(ssl.SSLError, match="SSL"):
        server.do_handshake()
    assert outgoing.read()[:1] == b"\x15"  # an alert went out, and nobody had to know


# Without the message callback, which is private to CPython


@pytest.fixture
def unwatched(monkeypatch):
    """Return an authority whose contexts have no message callback."""
    monkeypatch.setattr("smtpfix.tls.contexts.watch", lambda context: None)
    with Authority() as made:
        yield made


def test_a_context_without_a_message_callback_is_left_alone():
    context = SimpleNamespace()
    watch(context)
    assert vars(context) == {}


@VERSIONS
@pytest.mark.parametrize(
    ("name", "trusts", "alert"), [("other.example", True, "bad_certificate"), ("localhost", False, "unknown_ca")]
)
def test_the_clients_alert_is_known_without_the_callback(unwatched, stranger, version, name, trusts, alert):
    client = (unwatched if trusts else stranger).client_context()
    meeting = Meeting(unwatched.server_context(policy(version), PLACE), client, name)
    failure = meeting.failure
    assert (failure.alert, failure.alert_sender) == (alert, "client")
    assert failure.reason == f"TLS handshake refused by the client, alert {alert}"
    assert meeting.tls.alerts == [Alert("client", alert, is_fatal=True)]


def test_the_servers_refusal_is_explained_without_the_callback(unwatched):
    context = unwatched.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    meeting = Meeting(unwatched.server_context(policy("TLSv1.3"), PLACE), context)
    assert meeting.failure.reason == "TLS handshake refused by the server: unsupported protocol"
    assert meeting.failure.alert is None
    assert meeting.client_error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_a_handshake_needs_no_callback(unwatched):
    meeting = Meeting(unwatched.server_context(policy(), PLACE), unwatched.client_context())
    assert meeting.info.version == "TLSv1.3"
