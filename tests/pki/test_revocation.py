"""Revocation: what the certificates say, what the responder answers, and what OpenSSL makes of both."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gc
import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest
from cryptography import x509  # noqa: TID251 - an independent reader of what is served
from cryptography.hazmat.primitives import hashes  # noqa: TID251
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: TID251
from cryptography.x509 import ocsp  # noqa: TID251

from smtpfix import Policy, Server
from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.pki.revocation import Ledger, serial_number
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario
from smtpfix.tls.side import TLS, HandshakeFailedError

PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))
TEXT = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'
GOOD = Scenario.parse("good-with-urls", TEXT + "[leaf]\nrevocation = true\n")
TIMEOUT = 10.0
SHA1 = hashes.SHA1()  # noqa: S303 - as clients ask

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(scope="module")
def revoked(authority):
    return authority.chain(load_scenario("revoked-crl"), PLACE)


@pytest.fixture(scope="module")
def good(authority):
    return authority.chain(GOOD, PLACE)


@pytest.fixture(params=["good", "revoked"])
def chain(request):
    return request.getfixturevalue(request.param)


def urls(issued):
    """Return the URLs in a certificate: CRL, OCSP, issuer."""
    extensions = issued.certificate.extensions
    (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    names = {description.access_method: description.access_location.value for description in access}
    return (
        point.full_name[0].value,
        names[x509.AuthorityInformationAccessOID.OCSP],
        names[x509.AuthorityInformationAccessOID.CA_ISSUERS],
    )


def ask(url, method="GET", path=None, body=None, **headers):
    """Return status, media type and body of an answer."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path if path is None else path, body, fields)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        connection.close()


def request_for(issued, issuer, algorithm=SHA1, nonce=None):
    """Return an OCSP request, DER."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(issued.certificate, issuer.certificate, algorithm)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def post(url, request):
    status, media_type, body = ask(url, "POST", body=request, Content_Type="application/ocsp-request")
    assert (status, media_type) == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(body)


# What the certificates say


def test_a_certificate_with_revocation_has_three_urls_on_loopback(chain):
    assert [urllib.parse.urlsplit(url).hostname for url in urls(chain.leaf)] == ["127.0.0.1"] * 3


def test_a_certificate_without_has_none(authority):
    found = {extension.oid for extension in authority.chain(load_scenario("good"), PLACE).leaf.certificate.extensions}
    assert x509.CRLDistributionPoints.oid not in found
    assert x509.AuthorityInformationAccess.oid not in found


def test_an_intermediate_has_the_urls_of_its_own_issuer(authority):
    scenario = Scenario.parse("some", TEXT + "[[intermediate]]\nrevocation = true\n[leaf]\nrevocation = true\n")
    chain = authority.chain(scenario, PLACE)
    for issued, issuer in zip(chain.path, chain.path[1:], strict=False):
        assert ask(urls(issued)[2])[2] == issuer.octets


def test_a_certificate_that_signs_itself_can_not_be_revoked(authority):
    scenario = Scenario.parse("some", TEXT + '[leaf]\nissuer = "self"\nrevocation = true\n')
    with pytest.raises(InvalidValueError, match=r"some\.toml, \[leaf\]: revocation: expected false"):
        authority.chain(scenario, PLACE)


# What the responder answers


def test_the_issuer_is_served_as_der(chain):
    assert ask(urls(chain.leaf)[2]) == (200, "application/pkix-cert", chain.path[1].octets)


def test_the_crl_lists_the_revoked_and_not_the_good(revoked, good):
    assert urls(revoked.leaf)[0] == urls(good.leaf)[0]
    status, media_type, body = ask(urls(revoked.leaf)[0])
    assert (status, media_type) == (200, "application/pkix-crl")
    crl = x509.load_der_x509_crl(body)
    assert crl.is_signature_valid(revoked.path[1].key.public_key())
    assert crl.issuer == revoked.leaf.certificate.issuer
    assert crl.get_revoked_certificate_by_serial_number(serial_number(revoked.leaf)) is not None
    assert crl.get_revoked_certificate_by_serial_number(serial_number(good.leaf)) is None


def test_each_crl_has_a_higher_number(good):
    numbers = [
        x509.load_der_x509_crl(ask(urls(good.leaf)[0])[2]).extensions.get_extension_for_class(x509.CRLNumber)
        for _ in range(2)
    ]
    assert numbers[0].value.crl_number < numbers[1].value.crl_number


@pytest.mark.parametrize("algorithm", [SHA1, hashes.SHA256()], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize("nonce", [None, b"n" * 32], ids=["plain", "nonce"])
def test_ocsp_by_post_says_which_is_revoked(chain, revoked, algorithm, nonce):
    leaf, issuer = chain.path[:2]
    answer = post(urls(leaf)[1], request_for(leaf, issuer, algorithm, nonce))
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    expected = ocsp.OCSPCertStatus.REVOKED if chain is revoked else ocsp.OCSPCertStatus.GOOD
    assert answer.certificate_status is expected
    assert answer.serial_number == leaf.certificate.serial_number
    issuer.key.public_key().verify(
        answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm)
    )
    nonces = [extension.value.nonce for extension in answer.extensions]
    assert nonces == ([] if nonce is None else [nonce])


@pytest.mark.parametrize("safe", ["", "/+="], ids=["quoted", "bare"])
def test_ocsp_by_get_says_the_same(revoked, safe):
    leaf, issuer = revoked.path[:2]
    url = urls(leaf)[1]
    encoded = urllib.parse.quote(base64.b64encode(request_for(leaf, issuer)), safe=safe)
    status, media_type, body = ask(url, path=f"{urllib.parse.urlsplit(url).path}/{encoded}")
    assert (status, media_type) == (200, "application/ocsp-response")
    assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.REVOKED


def test_ocsp_does_not_know_what_the_issuer_has_not_issued(authority, good):
    leaf, issuer = good.path[:2]
    with Authority() as other:
        stranger = other.chain(load_scenario("good"), PLACE)
    plain = authority.chain(load_scenario("good"), PLACE)
    for path in (stranger.path[:2], good.path[1:], (plain.leaf, issuer), (leaf, stranger.path[1])):
        answer = post(urls(leaf)[1], request_for(*path))
        assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


@pytest.mark.parametrize("request_octets", [b"", b"\x30", b"\x00" * 100, b"GET / HTTP/1.0\r\n\r\n"])
def test_a_request_that_is_none_is_answered_malformed(good, request_octets):
    malformed = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    url = urls(good.leaf)[1]
    assert post(url, request_octets).response_status is malformed
    encoded = base64.b64encode(request_octets).decode() or "A"
    _, _, body = ask(url, path=f"{urllib.parse.urlsplit(url).path}/{encoded}")
    assert ocsp.load_der_ocsp_response(body).response_status is malformed


def test_whatever_octet_is_changed_the_answer_is_an_ocsp_response(good):
    leaf, issuer = good.path[:2]
    ledger = Ledger(issuer, lambda: dt.datetime.now(dt.UTC))
    request = request_for(leaf, issuer, nonce=b"nonce")
    for position in range(len(request)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(request)
            changed[position] ^= mask
            assert ocsp.load_der_ocsp_response(ledger.answer(bytes(changed)))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "*", {}, 404),
        ("GET", "/99/issuer.crl", {}, 404),
        ("GET", "/0/other", {}, 404),
        ("GET", "/0/issuer.crl/more", {}, 404),
        ("GET", "/0/ocsp", {}, 404),
        ("POST", "/0/issuer.crl", {"Content_Type": "application/ocsp-request"}, 404),
        ("POST", "/0/ocsp", {"Content_Type": "text/plain"}, 415),
        ("POST", "/0/ocsp", {"Content_Type": "application/ocsp-request", "Content_Length": "x"}, 411),
        ("POST", "/0/ocsp", {"Content_Type": "application/ocsp-request", "Content_Length": "65537"}, 413),
        ("PUT", "/0/ocsp", {}, 501),
        ("GET", "/0/issuer.crl", {}, 200),
        ("HEAD", "/0/issuer.crl", {}, 200),
    ],
)
def test_a_wrong_request_gets_its_http_status(good, capfd, method, path, headers, status):
    assert ask(urls(good.leaf)[0], method, path, **headers)[0] == status
    assert capfd.readouterr() == ("", "")


def test_a_url_with_the_host_in_it_is_understood(good):
    url = urls(good.leaf)[2]
    assert ask(url, path=url)[2] == good.path[1].octets


def test_a_client_that_goes_away_leaves_no_trace(good, capfd):
    parts = urllib.parse.urlsplit(urls(good.leaf)[1])
    head = b"POST /0/ocsp HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: 9\r\n\r\n"
    for sent in (b"", b"GET", b"\x16\x03\x01\x00\x05hello\r\n\r\n", head, head + b"\x30"):
        with socket.create_connection((parts.hostname, parts.port), TIMEOUT) as gone:
            gone.sendall(sent)
    assert ask(urls(good.leaf)[2])[0] == 200
    assert capfd.readouterr() == ("", "")


def test_several_clients_are_answered_at_once(good):
    parts = urllib.parse.urlsplit(urls(good.leaf)[1])
    with socket.create_connection((parts.hostname, parts.port), TIMEOUT) as idle:
        idle.sendall(b"GET /0/issuer.cer HTTP/1.0\r\n")
        assert ask(urls(good.leaf)[2])[0] == 200
        idle.sendall(b"\r\n")
        assert idle.recv(12) == b"HTTP/1.0 200"


# When it runs


def responders():
    return [thread for thread in threading.enumerate() if thread.name == "smtpfix responder"]


def test_there_is_no_responder_before_a_certificate_has_its_url():
    before = len(responders())
    with Authority() as authority:
        authority.chain(load_scenario("good"), PLACE)
        authority.chain(load_scenario("must-staple-without-staple"), PLACE)
        assert len(responders()) == before
        authority.chain(GOOD, PLACE)
        assert len(responders()) == before + 1
    assert len(responders()) == before


def test_closing_the_authority_ends_it_and_may_be_done_twice():
    authority = Authority()
    url = urls(authority.chain(GOOD, PLACE).leaf)[2]
    assert ask(url)[0] == 200
    authority.close()
    authority.close()
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_a_forgotten_authority_s_responder_ends_too(no_garbage):
    authority = Authority()
    url = urls(authority.chain(GOOD, PLACE).leaf)[2]
    assert ask(url)[0] == 200
    del authority
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_an_authority_that_was_closed_answers_for_what_it_issues_anew():
    authority = Authority()
    authority.chain(GOOD, PLACE)
    authority.close()
    with authority:
        assert ask(urls(authority.chain(load_scenario("revoked-crl"), PLACE).leaf)[2])[0] == 200


def test_a_server_s_own_authority_answers_as_long_as_the_server_runs():
    with Server(Policy("starttls", certificate="revoked-crl")) as server:
        url = urls(server.authority.chain(load_scenario("revoked-crl"), server.place).leaf)[0]
        assert ask(url)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_another_day_s_authority_dates_its_statements_that_day():
    later = dt.datetime(2046, 5, 4, 12, tzinfo=dt.UTC)
    with Authority(now=lambda: later) as authority:
        leaf, issuer = authority.chain(GOOD, PLACE).path[:2]
        crl = x509.load_der_x509_crl(ask(urls(leaf)[0])[2])
        answer = post(urls(leaf)[1], request_for(leaf, issuer))
        assert crl.last_update_utc < later < crl.next_update_utc
        assert answer.this_update_utc < later < answer.next_update_utc


# What OpenSSL makes of it


@pytest.fixture
def files(chain, authority, tmp_path):
    """Return the folder that the openssl command works in."""
    leaf, intermediate, _ = chain.path
    (tmp_path / "leaf.pem").write_text(leaf.pem)
    (tmp_path / "intermediate.pem").write_text(intermediate.pem)
    (tmp_path / "ca.pem").write_text(authority.ca_pem)
    (tmp_path / "crl.der").write_bytes(ask(urls(leaf)[0])[2])
    return tmp_path


def openssl(files, *arguments):
    """Return the command's exit status, and what it printed."""
    done = subprocess.run(
        ["openssl", *arguments],
        cwd=files,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@needs_openssl
def test_openssl_ocsp_believes_the_answer(chain, files, revoked):
    status, printed = openssl(
        files,
        *("ocsp", "-issuer", "intermediate.pem", "-cert", "leaf.pem", "-CAfile", "ca.pem"),
        *("-verify_other", "intermediate.pem", "-url", urls(chain.leaf)[1]),
    )
    assert status == 0
    assert "Response verify OK" in printed
    assert f"leaf.pem: {'revoked' if chain is revoked else 'good'}" in printed
    assert "no nonce" not in printed


@needs_openssl
def test_openssl_verify_with_the_crl_refuses_the_revoked_and_takes_the_good(files, chain, revoked):
    _, printed = openssl(
        files, *("crl", "-inform", "DER", "-in", "crl.der", "-out", "crl.pem", "-CAfile", "intermediate.pem")
    )
    assert "verify OK" in printed
    status, printed = openssl(
        files,
        *("verify", "-crl_check", "-CAfile", "ca.pem", "-untrusted", "intermediate.pem"),
        *("-CRLfile", "crl.pem", "leaf.pem"),
    )
    if chain is revoked:
        assert status != 0
        assert "error 23 at 0 depth lookup: certificate revoked" in printed
    else:
        assert (status, printed) == (0, "leaf.pem: OK\n")


@pytest.mark.parametrize("checks", [True, False], ids=["checks the CRL", "does not look"])
def test_a_python_client_that_checks_the_crl_refuses_the_revoked_alone(chain, revoked, authority, tmp_path, checks):
    client_context = authority.client_context()
    if checks:
        client_context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        crl = x509.load_der_x509_crl(ask(urls(chain.leaf)[0])[2])
        (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
        client_context.load_verify_locations(tmp_path / "crl.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "chain.pem").write_bytes(chain.key_pem + chain.chain_pem.encode())
    context.load_cert_chain(tmp_path / "chain.pem")
    server, incoming, outgoing = TLS(context), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def shake_hands():
        while not server.established:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            server.receive(outgoing.read())
            server.handshake()
            incoming.write(server.to_send())

    if checks and chain is revoked:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            shake_hands()
        assert caught.value.verify_code == 23
        server.receive(outgoing.read())
        with pytest.raises(HandshakeFailedError, match="alert certificate_revoked"):
            server.handshake()
    else:
        shake_hands()
