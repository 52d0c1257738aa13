"""SCRAM: the RFCs' own exchanges, what is refused and how the client is told, and clients that log in by it."""

import base64
import contextlib
import hashlib
import re
import shutil
import ssl
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix import ANY_USER, Authority, ExtraMissing, Policy, Server, Token
from smtpfix.login.mechanisms import MalformedResponseError
from smtpfix.login.names import SCRAM, SCRAM_PLUS
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario
from smtpfix.tls.binding import end_point

pytest.importorskip("scramp")
from scramp import ScramClient, ScramException  # noqa: TID251 - a client that is not ours

from smtpfix.login import scram as sasl_scram
from smtpfix.login.scram import SCRAM_MECHANISMS

USERS = {"ann": "s3cret", "zoë": "pässword", "jim": ("old", Token("abc"), "new"), "eve": Token("abc")}
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost",))
END_POINT = "tls-server-end-point"
DATA = b"a hash of the certificate"
WITHOUT = [name for name in SCRAM if name not in SCRAM_PLUS]


def begun(name, users=USERS, *, bindings=None, offers_binding=False):
    """Return an exchange, and the function that answers it: the first answer is the initial response."""
    exchange = SCRAM_MECHANISMS[name](users, binding=(bindings or {}).get, offers_binding=offers_binding)
    turns = None

    def say(octets):
        nonlocal turns
        try:
            if turns is None:
                turns = exchange.run(octets)
                return next(turns)
            return turns.send(octets)
        except StopIteration as stop:
            return stop.value

    return exchange, say


def log_in(name, user="ann", password=USERS["ann"], *, flag=None, client_binding=None, **options):
    """Let another implementation log in; return the exchange, the server's last message and the result."""
    exchange, say = begun(name, **options)
    client = ScramClient([name.removesuffix("-PLUS") if flag == "y" else name], user, password, client_binding)
    client.set_server_first(say(client.get_client_first().encode()).decode())
    last = say(client.get_client_final().encode())
    if last.startswith(b"v="):
        client.set_server_final(last.decode())
    return exchange, last, say(b"")


# The RFCs' own exchanges

EXCHANGES = {
    "SCRAM-SHA-1": (  # RFC 5802 section 5
        "QSXCR+Q6sek8bf92",
        "3rfcNHYJY1ZVvWVs7j",
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "SCRAM-SHA-256": (  # RFC 7677 section 3
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("name", EXCHANGES)
def test_the_exchange_of_the_rfc(monkeypatch, name, initial):
    salt, nonce, client_first, server_first, client_final, server_final = EXCHANGES[name]
    monkeypatch.setattr(sasl_scram, "SALT", base64.b64decode(salt))
    monkeypatch.setattr(SCRAM_MECHANISMS[name], "_nonce", lambda _: nonce.encode())
    exchange, say = begun(name, {"user": "pencil"})
    if not initial:
        assert say(None) == b""
    assert say(client_first) == server_first
    assert say(client_final) == server_final
    assert say(b"") is True
    assert (exchange.user, exchange.password, exchange.authorization_identity) == ("user", None, None)


# Who gets in


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("ann", "s3cret", b"v="),
        ("zoë", "pässword", b"v="),
        ("ann", "s3\N{SOFT HYPHEN}cret", b"v="),  # which SASLprep maps to nothing
        ("jim", "old", b"v="),
        ("jim", "new", b"v="),
        ("jim", "abc", b"e=invalid-proof"),
        ("eve", "abc", b"e=invalid-proof"),  # hers is a token
        ("ann", "S3cret", b"e=invalid-proof"),
        ("bob", "s3cret", b"e=unknown-user"),
    ],
)
def test_only_the_right_password_of_a_known_user_gets_in(name, user, password, said):
    exchange, last, accepted = log_in(name, user, password)
    assert last.startswith(said)
    assert accepted is said.startswith(b"v=")
    assert (exchange.user, exchange.password) == (user, None)


def test_a_password_that_saslprep_does_not_allow_is_nobodys():
    _, last, accepted = log_in("SCRAM-SHA-256", "ann", "s3cret", users={"ann": ("\a", "s3cret")})
    assert last.startswith(b"v=")
    assert accepted
    assert log_in("SCRAM-SHA-256", "ann", "s3cret", users={"ann": "\a"})[1:] == (b"e=invalid-proof", False)


def test_everybody_is_nobody_where_no_password_is_known():
    assert log_in("SCRAM-SHA-256", users=ANY_USER)[1:] == (b"e=unknown-user", False)


def test_keys_are_derived_once_for_each_password(monkeypatch):
    derived = []
    sasl_scram._keys.cache_clear()
    genuine = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *given: derived.append(given) or genuine(*given))
    exchanges = 3
    for _ in range(exchanges):
        assert log_in("SCRAM-SHA-256")[2]
    assert len(derived) == exchanges + 1  # each client's own, and the server's


@pytest.mark.parametrize(("wanted", "said"), [(b"ann", b"v="), (b"b=2Co=3Db", b"e=invalid-proof")])
def test_whom_the_user_wants_to_act_as_is_recorded_and_has_to_be_itself(wanted, said):
    exchange, say = begun("SCRAM-SHA-256")
    client = ScramClient(["SCRAM-SHA-256"], "ann", "s3cret")
    header = b"n,a=" + wanted + b","
    server_first = say(client.get_client_first().encode().replace(b"n,,", header, 1))
    client.set_server_first(server_first.decode())
    # scramp knows no authorization identity: its proof is made anew for the other header.
    final = final_message(client, header, server_first)
    assert say(final).startswith(said)
    assert exchange.authorization_identity == wanted.decode().replace("=2C", ",").replace("=3D", "=")


def final_message(client, bound, server_first, nonce=None):
    """Return the client's last message with another channel binding or nonce in it, and a proof that fits."""
    bare = b"c=%b,r=%b" % (base64.b64encode(bound), nonce or str(client.nonce).encode())
    message = b",".join((client.client_first_bare.encode(), server_first, bare))
    salted = hashlib.pbkdf2_hmac("sha256", b"s3cret", bytes(client.salt), int(client.iterations))
    key = sasl_scram.hmac.digest(salted, b"Client Key", "sha256")
    signature = sasl_scram.hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    return bare + b",p=" + base64.b64encode(proof)


@pytest.mark.parametrize(
    ("bound", "nonce", "said"),
    [
        (b"n,,", None, b"v="),
        (b"y,,", None, b"e=channel-bindings-dont-match"),
        (b"n,,more", None, b"e=channel-bindings-dont-match"),
        (b"n,,", b"another", b"e=other-error"),
    ],
)
def test_what_the_proof_is_about_has_to_be_this_exchange(bound, nonce, said):
    _, say = begun("SCRAM-SHA-256")
    client = ScramClient(["SCRAM-SHA-256"], "ann", "s3cret")
    server_first = say(client.get_client_first().encode())
    client.set_server_first(server_first.decode())
    assert say(final_message(client, bound, server_first, nonce)).startswith(said)
    assert say(b"") is said.startswith(b"v=")


@pytest.mark.parametrize(
    ("final", "said"),
    [
        (b"c=biws,r=%b,p=AAAA", b"e=invalid-proof"),
        (b"c=biws,r=%b,p=!", b"e=invalid-encoding"),
        (b"c=!,r=%b,p=AAAA", b"e=invalid-encoding"),
        (b"c=biws,r=%b,x=later,p=AAAA", b"e=invalid-proof"),
    ],
)
def test_errors_are_told_in_the_last_message(final, said):
    _, say = begun("SCRAM-SHA-256")
    nonce = re.match(rb"r=([^,]+)", say(b"n,,n=ann,r=abc"))[1]
    assert say(final % nonce) == said
    assert say(b"whatever") is False


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"n,,m=more,n=ann,r=abc", b"e=extensions-not-supported"),
        (b"n,,n=\xff,r=abc", b"e=invalid-username-encoding"),
        (b"n,,n=\x07,r=abc", b"e=invalid-username-encoding"),
        (b"n,,n=ann,r=abc,x=later", b"e=invalid-proof"),
    ],
)
def test_a_first_message_that_is_refused_is_told_so_in_the_last_one(first, said):
    """RFC 5802 section 7: only the server's last message has room for an error."""
    _, say = begun("SCRAM-SHA-256")
    nonce = re.match(rb"r=([^,]+)", say(first))[1]
    assert say(b"c=biws,r=%b,p=AAAA" % nonce) == said


@pytest.mark.parametrize(
    "first",
    [
        b"n",
        b"n,,",
        b"n,,r=abc,n=ann",
        b"n,,n=,r=abc",
        b"n,,n=ann",
        b"n,,n=a=ann,r=abc",
        b"q,,n=ann,r=abc",
        b"p,,n=ann,r=abc",
        b"n,b=ann,n=ann,r=abc",
        b"n,,n=ann,r=a\0c",
    ],
)
def test_a_first_message_of_another_form_is_malformed(first):
    _, say = begun("SCRAM-SHA-256")
    with pytest.raises(MalformedResponseError, match="SCRAM begins with"):
        say(first)


@pytest.mark.parametrize("final", [b"", b"c=biws", b"c=biws,r=abc", b"r=abc,c=biws,p=AAAA", b"c=biws,r=abc,p="])
def test_a_last_message_of_another_form_is_malformed(final):
    _, say = begun("SCRAM-SHA-256")
    say(b"n,,n=ann,r=abc")
    with pytest.raises(MalformedResponseError, match="SCRAM ends with"):
        say(final)


def test_a_signature_takes_an_empty_answer():
    _, say = begun("SCRAM-SHA-256")
    client = ScramClient(["SCRAM-SHA-256"], "ann", "s3cret")
    client.set_server_first(say(client.get_client_first().encode()).decode())
    client.set_server_final(say(client.get_client_final().encode()).decode())
    with pytest.raises(MalformedResponseError, match="an empty answer"):
        say(b"thanks")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SCRAM), st.binary(), st.binary())
def test_no_answer_breaks_anything(name, first, final):
    _, say = begun(name)
    with contextlib.suppress(MalformedResponseError):
        assert isinstance(say(first), bytes)
        assert say(final).startswith(b"e=")


# Channel binding


@pytest.mark.parametrize("name", SCRAM_PLUS)
def test_a_client_binds_to_the_channel(name):
    _, last, accepted = log_in(name, client_binding=(END_POINT, DATA), bindings={END_POINT: DATA}, offers_binding=True)
    assert last.startswith(b"v=")
    assert accepted


@pytest.mark.parametrize(
    ("name", "client_binding", "said"),
    [
        ("SCRAM-SHA-256-PLUS", (END_POINT, b"another certificate"), b"e=channel-bindings-dont-match"),
        ("SCRAM-SHA-1-PLUS", (END_POINT, b"another certificate"), b"e=channel-bindings-dont-match"),
        ("SCRAM-SHA-256-PLUS", ("tls-unique", DATA), b"e=unsupported-channel-binding-type"),
    ],
)
def test_another_channel_is_refused(name, client_binding, said):
    _, last, accepted = log_in(name, client_binding=client_binding, bindings={END_POINT: DATA}, offers_binding=True)
    assert (last, accepted) == (said, False)


@pytest.mark.parametrize(("offers", "said"), [(True, b"e=server-does-support-channel-binding"), (False, b"v=")])
def test_a_client_that_was_kept_from_binding_is_told_of_the_downgrade(offers, said):
    """RFC 5802 section 6: the flag `y` says that no -PLUS was offered, which somebody may have taken out."""
    _, last, accepted = log_in("SCRAM-SHA-256", flag="y", client_binding=(END_POINT, DATA), offers_binding=offers)
    assert last.startswith(said)
    assert accepted is not offers


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("SCRAM-SHA-256", b"p=tls-server-end-point,,", b"e=channel-binding-not-supported"),
        ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,", b"e=unsupported-channel-binding-type"),
        ("SCRAM-SHA-256-PLUS", b"n,,", b"e=server-does-support-channel-binding"),
        ("SCRAM-SHA-256-PLUS", b"y,,", b"e=server-does-support-channel-binding"),
    ],
)
def test_flag_and_mechanism_have_to_agree(name, header, said):
    _, say = begun(name, bindings={END_POINT: DATA}, offers_binding=True)
    nonce = re.match(rb"r=([^,]+)", say(header + b"n=ann,r=abc"))[1]
    assert say(b"c=%b,r=%b,p=AAAA" % (base64.b64encode(header), nonce)) == said


@pytest.mark.parametrize(
    ("table", "algorithm"),
    [
        ("", "sha256"),
        ('[leaf]\nsignature = "sha384"', "sha384"),
        ('[leaf]\nsignature = "sha512"', "sha512"),
        ('[leaf]\nsignature = "sha1"', "sha256"),
        ('[[intermediate]]\nkey = "rsa2048"\n[leaf]\nsignature = "md5"', "sha256"),
        ('[[intermediate]]\nkey = "ed25519"', None),
    ],
)
def test_the_binding_is_the_certificates_hash_by_the_hash_of_its_signature(table, algorithm):
    """RFC 5929 section 4.1: but for MD5 and SHA-1, and there is none where the signature has no hash of its own."""
    scenario = Scenario.parse("mine", f'summary = "x"\nexpected = "accept"\nstandard = "RFC 5280"\n{table}\n')
    with Authority() as authority:
        leaf, *_ = authority.chain(scenario, PLACE).chain_pem.split("-----END")
    certificate = ssl.PEM_cert_to_DER_cert(f"{leaf}-----END CERTIFICATE-----")
    assert end_point(certificate) == (hashlib.new(algorithm, certificate).digest() if algorithm else None)


def test_what_is_no_certificate_binds_nothing():
    assert end_point(b"no certificate") is None


# Over the wire


def scram(name, user="ann", password=USERS["ann"], binding=None):
    """Return what smtplib asks for each answer; it raises `ScramException` for a server that cannot prove itself."""
    client = ScramClient([name], user, password, binding)
    steps = [client.get_client_first]

    def answer(challenge=None):
        if challenge and challenge.startswith(b"r="):
            client.set_server_first(challenge.decode())
            return client.get_client_final()
        if challenge:
            client.set_server_final(challenge.decode())
            return ""
        return steps.pop()() if steps else None

    return answer


@pytest.fixture
def connect(start_smtp_server):
    """Return a function that starts a server and connects smtplib to it, in TLS where its mode has that."""
    with contextlib.ExitStack() as stack:

        def connect(mode="plain", **fields):
            server = start_smtp_server(mode, **({"users": USERS, "mechanisms": SCRAM} | fields))
            client = stack.enter_context(server.client())
            client.ehlo()
            return server, client

        yield connect


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("name", WITHOUT)
def test_smtplib_logs_in_and_gives_no_password_away(connect, name, initial):
    server, client = connect()
    assert client.auth(name, scram(name), initial_response_ok=initial)[0] == 235
    client.sendmail("ann@example.org", "bob@example.org", "Subject: x\r\n\r\nx\r\n")
    assert server.inbox.one().session.auth == server.sessions[-1].auth
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.secret, recorded.accepted) == (name, "ann", None, True)
    assert "refused" not in str(server.sessions[-1].transcript)


def test_a_wrong_password_is_answered_535(connect):
    server, client = connect()
    with pytest.raises(ScramException, match="invalid-proof"):
        client.auth("SCRAM-SHA-256", scram("SCRAM-SHA-256", password="wrong"))
    code, _ = client.docmd("")
    assert code == 535
    assert not server.sessions[-1].auth[0].accepted
    assert "-- SCRAM-SHA-256 is refused: invalid-proof\n" in str(server.sessions[-1].transcript)


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("scenario", ["good", "key-rotated", "good-ocsp-staple", "p384", "rsa2048"])
def test_a_client_binds_to_the_certificate_it_was_shown(connect, mode, scenario):
    if scenario == "good-ocsp-staple":
        pytest.importorskip("OpenSSL")
    field = load_scenario(scenario).policy_field
    server, client = connect(mode, **({field: scenario} if scenario != "good" else {}))
    answer = scram("SCRAM-SHA-256-PLUS", binding=(END_POINT, client.sock))
    assert client.auth("SCRAM-SHA-256-PLUS", answer)[0] == 235
    assert server.sessions[-1].auth[0].accepted


@pytest.mark.parametrize("scenario", ["good", "good-ocsp-staple", "dup-san"])
def test_each_tls_stack_knows_the_certificate_it_showed(start_smtp_server, wire, scenario):
    """Python's own, pyOpenSSL's and tlslite-ng's."""
    if scenario != "good":
        pytest.importorskip({"good-ocsp-staple": "OpenSSL", "dup-san": "tlslite"}[scenario])
    server = start_smtp_server("implicit-tls", **{load_scenario(scenario).policy_field: scenario})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = wire(server, greeted=False)
    client.handshake(context)
    assert client.reply().startswith("220")
    (conversation,) = server._serving.conversations
    tls = conversation.channel._tls
    assert tls.server_certificate == client.socket.getpeercert(binary_form=True)
    assert tls.channel_binding("tls-exporter") is None


@pytest.mark.parametrize("as_context", [False, True])
def test_a_server_with_a_certificate_of_ones_own_binds_to_it(connect, tmp_path, as_context):
    with Authority() as authority:
        chain = authority.chain(load_scenario("good"), PLACE)
    (tmp_path / "chain.pem").write_text("a note\n" + chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    certificate = context if as_context else (tmp_path / "chain.pem", tmp_path / "key.pem")
    _, client = connect("implicit-tls", certificate=certificate)
    assert client.auth("SCRAM-SHA-256-PLUS", scram("SCRAM-SHA-256-PLUS", binding=(END_POINT, client.sock)))[0] == 235


@pytest.mark.parametrize(("version", "accepted"), [("TLSv1.2", True), ("TLSv1.3", False)])
def test_tls_unique_is_a_binding_below_tls_1_3_only(connect, version, accepted):
    """RFC 9266: TLS 1.3 has no tls-unique."""
    server, client = connect("implicit-tls", tls_min=version, tls_max=version)
    answer = scram("SCRAM-SHA-256-PLUS", binding=("tls-unique", client.sock.get_channel_binding("tls-unique")))
    with contextlib.nullcontext() if accepted else pytest.raises(ScramException, match="unsupported-channel-binding"):
        client.auth("SCRAM-SHA-256-PLUS", answer)
    client.docmd("")
    assert server.sessions[-1].auth[0].accepted is accepted


@pytest.mark.parametrize(("mode", "offered"), [("plain", WITHOUT), ("implicit-tls", list(SCRAM))])
def test_binding_is_offered_inside_tls_only(connect, mode, offered):
    _, client = connect(mode)
    assert client.esmtp_features["auth"].split() == offered
    code, _ = client.docmd("AUTH", "SCRAM-SHA-256-PLUS")
    assert code == (504 if mode == "plain" else 334)
    client.docmd("*")


def test_a_client_that_cancels_has_shown_who_it_is_and_is_not_logged_in(connect):
    server, client = connect(require_auth=True)
    answer = scram("SCRAM-SHA-256")
    _, first = client.docmd("AUTH", f"SCRAM-SHA-256 {base64.b64encode(answer().encode()).decode()}")
    final = answer(base64.b64decode(first))
    assert client.docmd(base64.b64encode(final.encode()).decode())[0] == 334
    assert client.docmd("*")[0] == 501
    assert client.mail("ann@example.org")[0] == 530
    (recorded,) = server.sessions[-1].auth
    assert (recorded.user, recorded.accepted) == ("ann", False)


# Without the extra


def test_a_server_that_needs_the_extra_says_so_when_it_is_made(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "smtpfix.login.scram", None)
    monkeypatch.delattr("smtpfix.login.scram")
    policy = Policy(users=USERS, mechanisms=["PLAIN"], mechanisms_in_clear=["SCRAM-SHA-1"])
    with pytest.raises(ExtraMissing, match=r"SCRAM-SHA-1 needs scramp: .* -m pip install .*\[scram\]'"):
        Server(policy)
    Server(policy.replace(mechanisms_in_clear=None))
    Server(policy.replace(users=None))


# Clients that people use


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("msmtp")
@pytest.mark.parametrize(("password", "accepted"), [("s3cret", True), ("wrong", False)])
@pytest.mark.parametrize("name", WITHOUT)
def test_msmtp_logs_in(start_smtp_server, tmp_path, name, password, accepted):
    server = start_smtp_server(users=USERS, mechanisms=[name])
    configuration = tmp_path / "msmtprc"
    configuration.touch(mode=0o600)  # or it refuses to read the password in it
    lines = ["account default", "host 127.0.0.1", f"port {server.port}", "from ann@example.org", "timeout 10"]
    lines += [f"auth {name.lower()}", "user ann", f"password {password}"]
    configuration.write_text("\n".join(lines) + "\n")
    done = run(tmp_path, "msmtp", f"--file={configuration}", "bob@example.org", stdin="Subject: x\n\nx\n")
    assert (done.returncode == 0) is accepted, done.stderr
    assert len(server.inbox) == accepted
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.accepted) == (name, "ann", accepted)


@needs("gsasl")
@pytest.mark.parametrize(("password", "accepted"), [("s3cret", True), ("wrong", False)])
@pytest.mark.parametrize("name", SCRAM_PLUS)
def test_gsasl_logs_in_bound_to_the_channel(start_smtp_server, tmp_path, name, password, accepted):
    """It binds by tls-unique, so TLS 1.2 it is."""
    server = start_smtp_server("starttls", users=USERS, mechanisms=[name], tls_max="TLSv1.2")
    options = ["--smtp", f"--mechanism={name}", "--authentication-id=ann", f"--password={password}"]
    options += [f"--x509-ca-file={server.ca_file}", f"--connect=localhost:{server.port}"]
    run(tmp_path, "gsasl", *options)
    recorded = server.sessions.wait()[-1].auth[-1]
    assert (recorded.mechanism, recorded.user, recorded.accepted) == (name, "ann", accepted)


def run(folder, *arguments, stdin=""):
    environment = {"HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, timeout=30, check=False, cwd=folder, env=environment
    )
