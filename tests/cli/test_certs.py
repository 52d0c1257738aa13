"""`smtpfix certs`: the catalogue as a table, a chain decoded, files that other servers, OpenSSL and Java read."""

import io
import json
import re
import shutil
import ssl
import stat
import subprocess
import warnings
from pathlib import Path

import pytest
from cryptography import x509  # noqa: TID251 - reads what was written
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12  # noqa: TID251 - as above

from smtpfix.cli import main
from smtpfix.cli.certs import HERE, VERIFY_CODES
from smtpfix.cli.export import WriteOptions
from smtpfix.errors import InvalidValueError
from smtpfix.pki import decode, der, stores
from smtpfix.policy.catalogue import markdown
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.scenario import GROUPS

CERTIFICATES = scenario_ids("certificates")

OPENSSL = shutil.which("openssl")
KEYTOOL = shutil.which("keytool")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl")
needs_keytool = pytest.mark.skipif(KEYTOOL is None, reason="there is no keytool")


@pytest.fixture(scope="module")
def authority(smtp_authority):
    """Return the one of the whole run, which issues the catalogue once."""
    return smtp_authority


@pytest.fixture
def run(capsys):
    """Return a function that runs `smtpfix certs`, which has to succeed, and returns what it printed."""

    def printed(*arguments):
        status = main(["certs", *map(str, arguments)])
        written = capsys.readouterr()
        assert (status, written.err) == (0, "")
        return written.out

    return printed


@pytest.fixture
def fail(capsys):
    """Return a function that runs `smtpfix certs`, which has to fail, and returns its one line on stderr."""

    def complained(*arguments):
        status = main(["certs", *map(str, arguments)])
        written = capsys.readouterr()
        assert (status, written.out, written.err.count("\n")) == (2, "", 1)
        return written.err

    return complained


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def program(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


# list


def test_the_table_has_every_scenario_with_summary_expectation_and_standard(run):
    head, *rows = run("list").splitlines()
    assert head.split() == ["ID", "SUMMARY", "EXPECTED", "STANDARD"]
    assert [row.split()[0] for row in rows] == list(scenario_ids())
    (expired,) = (row for row in rows if row.startswith("expired "))
    scenario = load_scenario("expired")
    assert [part for part in re.split("  +", expired) if part] == [
        "expired",
        scenario.summary,
        scenario.expected,
        scenario.standard,
    ]


def test_the_scenarios_of_another_protocol_are_listed_where_it_is_asked_for(run, fail):
    rows = run("list", "stripping", "--protocol", "pop3").splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(scenario_ids("stripping", "pop3"))
    assert fail("list", "--protocol", "imap4").startswith("smtpfix: --protocol: expected one of smtp, imap, pop3")


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_listed_by_itself(run, group):
    assert [row.split()[0] for row in run("list", group).splitlines()[1:]] == list(scenario_ids(group))


def test_programs_get_one_json_object_a_line(run):
    objects = {one["id"]: one for one in map(json.loads, run("list", "--json").splitlines())}
    assert list(objects) == list(scenario_ids())
    expired = objects["expired"]
    assert (expired["group"], expired["expected"], expired["verify_code"]) == ("certificates", "refuse", 10)
    assert objects["good"]["verify_code"] == 0
    assert objects["rc4"]["verify_code"] is None


def test_markdown_is_the_catalogue_s(run):
    assert run("list", "--markdown") == markdown()
    assert "`rc4`" not in run("list", "certificates", "--markdown")


def test_a_group_that_is_not_there_is_an_error_that_names_those_that_are(fail):
    assert (
        fail("list", "tsl") == f"smtpfix: GROUP: expected one of {', '.join(GROUPS)} (did you mean 'tls'?), got 'tsl'\n"
    )


def test_without_a_command_the_help_names_them(run):
    assert all(name in run() for name in ("list", "show", "write", "ca"))


# show


def test_a_scenario_is_shown_with_its_expectation_and_each_certificate_in_the_order_of_sending(run):
    text = run("show", "expired")
    assert "Expected:     refuse, a careful client refuses\n" in text
    assert "OpenSSL:      verify code 10 (certificate has expired)\n" in text
    assert "Connect to:   localhost\n" in text
    assert re.findall("^Certificate .*", text, re.MULTILINE) == [
        "Certificate 1: the leaf, sent",
        "Certificate 2: intermediate 1, sent",
        "Certificate 3: the root, not sent, what a careful client trusts",
    ]


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("self-signed-pinned", ["the leaf, sent, what a careful client trusts"]),
        (
            "missing-intermediate",
            ["the leaf, sent", "the root, not sent, what a careful client trusts", "intermediate 1, not sent"],
        ),
        ("pin-other-key", ["the leaf, sent", "one with another key, not sent, what a careful client trusts"]),
        (
            "untrusted-root",
            [
                "the leaf, sent",
                "intermediate 1, sent",
                "the authority's root, not sent, what a careful client trusts",
                "the root, not sent",
            ],
        ),
        (
            "chain-with-root",
            ["the leaf, sent", "intermediate 1, sent", "the root, sent, what a careful client trusts"],
        ),
    ],
)
def test_what_is_sent_and_what_is_trusted_is_said_of_each_certificate(run, name, titles):
    assert re.findall(r"^Certificate \d+: (.*)", run("show", name), re.MULTILINE) == titles


def test_a_stranger_in_the_chain_is_called_so(run):
    assert "a stranger's, sent" in run("show", "chain-extra")


def test_a_name_to_connect_to_and_the_strict_flag_s_code_are_shown_where_they_differ(run):
    assert "Connect to:   mx.smtpfix.test\n" in run("show", "wildcard-ok")
    assert "with X509_V_FLAG_X509_STRICT, as in Python 3.13, verify code 87" in run("show", "empty-san")
    assert "X509_STRICT" not in run("show", "expired")


def test_a_tls_scenario_says_what_the_server_does(run):
    text = run("show", "handshake-stall")
    assert "TLS:          fault stall: takes the ClientHello and says nothing more\n" in text
    assert "OpenSSL:      the handshake fails: TimeoutError\n" in text
    assert "TLS:" not in run("show", "good")
    assert "TLS:          rotate keys\n" in run("show", "key-rotated")
    assert "OpenSSL:" not in run("show", "rc4")  # which it cannot meet


def test_hostile_names_move_no_cursor(run):
    assert "DNS:mx.smtpfix.test\\x00.evil.example" in run("show", "nul-san")
    assert "CN = mx.smtpfix.test\\x00.evil.example" in run("show", "nul-cn")
    for name in ("nul-san", "nul-cn"):
        assert run("show", name).replace("\n", "").isprintable()


def test_a_file_of_the_user_s_own_is_shown_harmlessly(run, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'summary = "\\u001b[2Jmine"\nexpected = "lax"\nstandard = "none"\n'
        '[leaf]\nserial = 7\nnames = ["dns:a, DNS:b"]\ncommon_name = "x, CN = y"\n'
    )
    text = run("show", file)
    assert text.startswith("mine\n")
    assert "\\x1b[2Jmine" in text
    assert "Serial Number: 7 (0x7)" in text
    assert 'DNS:"a, DNS:b"' in text
    assert 'CN = "x, CN = y"' in text


def test_what_is_no_scenario_is_an_error_that_names_the_nearest_one(fail, tmp_path):
    assert "no scenario 'expird' in the catalogue. Did you mean 'expired'" in fail("show", "expird")
    assert "a TOML file that can be read (No such file or directory)" in fail("show", tmp_path / "none.toml")
    file = tmp_path / "wrong.toml"
    file.write_text("leaf = 5")
    assert "wrong.toml" in fail("show", file)


def test_every_verify_code_of_the_catalogue_has_words():
    evidence = [load_scenario(name).openssl for name in scenario_ids()]
    codes = {one.code(strict=strict) for one in evidence for strict in (False, True)} - {None}
    assert codes <= set(VERIFY_CODES)


# Decoding


@pytest.mark.parametrize("name", CERTIFICATES)
def test_every_certificate_of_the_catalogue_is_decoded(authority, name):
    for issued in {issued.octets: issued for issued in authority.chain(load_scenario(name), HERE).path}.values():
        lines = list(decode.lines(issued.octets))
        labels = [line.partition(":")[0] for line in lines]
        assert labels[:8] == [
            *("Version", "Serial Number", "Signature Algorithm", "Issuer", "Not Before", "Not After", "Subject"),
            "Public Key",
        ]
        assert labels[-1] == "SHA256 Fingerprint"
        assert "\n".join(lines).replace("\n", "").isprintable()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # serial numbers that are not positive
            known = issued.certificate
            serial = known.serial_number
        assert f"Not After: {known.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC" in lines
        assert f"Version: {known.version.value + 1} (0x{known.version.value:x})" in lines
        if abs(serial) < 2**63:
            assert f"Serial Number: {serial} ({serial:#x})" in lines
        if known.signature_hash_algorithm is not None:
            (algorithm,) = (line for line in lines if line.startswith("Signature Algorithm: "))
            assert known.signature_hash_algorithm.name in algorithm.lower()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good", "X509v3 Basic Constraints: critical\n    CA:FALSE\n"),
        ("good", "X509v3 Key Usage: critical\n    Digital Signature\n"),
        ("good", "X509v3 Extended Key Usage:\n    TLS Web Server Authentication\n"),
        ("good", "IP Address:127.0.0.1, IP Address:::1, DNS:localhost, DNS:mx.smtpfix.test\n"),
        ("rsa2048", "Public Key: rsaEncryption, 2048 bit, exponent 65537\n"),
        ("rsa2048", "X509v3 Key Usage: critical\n    Digital Signature, Key Encipherment\n"),
        ("dsa", "Public Key: dsaEncryption, 2048 bit\n"),
        ("p521", "Public Key: id-ecPublicKey, secp521r1, 521 bit\n"),
        ("ed448", "Public Key: ED448\n"),
        ("leaf-v1", "Version: 1 (0x0)\n"),
        ("serial-negative", "Serial Number: -"),
        ("no-subject", "Subject: (empty)\n"),
        ("empty-san", "X509v3 Subject Alternative Name:\n    (no name)\n"),
        ("eku-any", "    Any Extended Key Usage\n"),
        ("email-san-only", "    email:"),
        ("uri-san-only", "    URI:"),
        ("srv-id-only", "    othername:SRVName:_"),
        ("must-staple-without-staple", "TLS Feature:\n    status_request\n"),
        ("unknown-critical", "1.3.6.1.4.1.32473.1: critical\n    0C:1B:"),
        ("unknown-noncritical", "1.3.6.1.4.1.32473.1:\n    0C:1B:"),
        ("san-10000", " more\n"),
        ("revoked-crl", "X509v3 CRL Distribution Points:\n    URI:http://127.0.0.1:"),
        ("revoked-crl", "Authority Information Access:\n    OCSP - URI:http://127.0.0.1:"),
        ("pathlen", "CA:TRUE, pathlen:0\n"),
        ("nc-permitted-violated", "X509v3 Name Constraints: critical\n    Permitted: DNS:"),
        ("nc-excluded-violated", "Excluded: DNS:"),
        ("idn-ulabel-san", "DNS:bücher."),
    ],
)
def test_what_a_scenario_differs_in_is_there_to_read(authority, name, expected):
    chain = authority.chain(load_scenario(name), HERE)
    assert expected in "\n".join(line for issued in chain.path for line in [*decode.lines(issued.octets), ""])


def test_an_extension_that_is_there_twice_is_shown_twice(authority):
    def count(name):
        (leaf, *_) = authority.chain(load_scenario(name), HERE).path
        return list(decode.lines(leaf.octets)).count("X509v3 Subject Alternative Name:")

    assert (count("dup-san"), count("good")) == (2, 1)


def forged(authority, changes):
    """Return the good leaf with other parts: 2 is the algorithm, 3 the issuer, 4 the validity, 7 the extensions."""
    tbs, algorithm, signature = der.sequence(authority.chain(load_scenario("good"), HERE).leaf.octets)
    parts = [part.whole for part in der.elements(tbs.content)]
    for place, octets in changes.items():
        parts[place] = octets
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *parts), algorithm.whole, signature.whole)


def name(tag, value):
    """Return a name with one attribute, a common name."""
    attribute = der.encode(der.SEQUENCE, bytes.fromhex("0603550403"), der.encode(tag, value))
    return der.encode(der.SEQUENCE, der.encode(0x31, attribute))


def alternative_names(*elements):
    extension = der.encode(
        der.SEQUENCE, bytes.fromhex("0603551d11"), der.encode(0x04, der.encode(der.SEQUENCE, *elements))
    )
    return der.encode(der.EXTENSIONS, der.encode(der.SEQUENCE, extension))


MD5 = bytes.fromhex("300d06092a864886f70d0101040500")
DAYS = der.encode(der.SEQUENCE, der.encode(0x17, b"500101000000Z"), der.encode(0x18, b"20500101000000+0100"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({2: MD5}, "Signature Algorithm: ecdsa-with-SHA256"),
        ({2: MD5}, "Signature Algorithm inside: md5WithRSAEncryption"),
        ({3: name(0x1E, "bücher\n".encode("utf-16-be"))}, "Issuer: CN = bücher\\n"),
        ({3: name(0x0C, b"\xff")}, "Issuer: CN = \\xff"),
        ({3: name(0x0C, b"")}, 'Issuer: CN = ""'),
        ({4: DAYS}, "Not Before: 1950-01-01 00:00:00 UTC"),
        ({4: DAYS}, 'Not After: "20500101000000+0100"'),
        ({7: alternative_names(der.encode(0x87, b"\x0a\0\0\0\xff\0\0\0"))}, "    IP Address:10.0.0.0/255.0.0.0"),
        ({7: alternative_names(der.encode(0x87, b"abc"))}, "    30:05:87:03:61:62:63"),
        ({7: alternative_names(der.encode(0x88, b"\x2a"))}, "    [8]:2A"),
    ],
)
def test_what_no_library_would_make_is_shown_too(authority, changes, expected):
    assert expected in list(decode.lines(forged(authority, changes)))


def test_what_is_no_certificate_is_shown_as_octets():
    assert next(decode.lines(b"\x30\x03\x02")) == "Not a certificate: 30:03:02"
    assert next(decode.lines(b"")) == "Not a certificate: "


def test_what_an_extension_must_not_hold_is_shown_as_octets(authority):
    octets = authority.chain(load_scenario("good"), HERE).leaf.octets
    tbs, algorithm, signature = der.sequence(octets)
    key_usage = bytes.fromhex("0603551d0f")
    broken = tbs.whole.replace(key_usage + bytes.fromhex("0101ff0404"), key_usage + bytes.fromhex("0101ff0404") + b"")
    place = broken.index(key_usage) + len(key_usage) + 5
    broken = broken[:place] + b"\x7f" + broken[place + 1 :]  # no BIT STRING any more, but its content is the same
    broken = broken[: place + 1] + b"\x7f" + broken[place + 2 :]  # longer than what holds it
    lines = list(decode.lines(der.encode(der.SEQUENCE, broken, algorithm.whole, signature.whole)))
    assert lines[lines.index("X509v3 Key Usage: critical") + 1].startswith("    7F:7F:")


@needs_openssl
@pytest.mark.parametrize("name", ["good", "rsa2048", "no-subject", "serial-negative", "year-3000", "leaf-v1"])
def test_openssl_reads_the_same(authority, name, tmp_path):
    leaf = authority.chain(load_scenario(name), HERE).leaf
    file = tmp_path / "leaf.pem"
    file.write_text(leaf.pem)
    command = ["x509", "-in", file, "-noout", "-issuer", "-dates", "-fingerprint", "-sha256", "-dateopt", "iso_8601"]
    _, printed = program(OPENSSL, *command)
    theirs = dict(line.split("=", 1) for line in printed.splitlines())
    ours = dict(line.split(": ", 1) for line in decode.lines(leaf.octets) if ": " in line)
    assert theirs["issuer"] == ours["Issuer"]
    assert theirs["notBefore"] == ours["Not Before"].replace(" UTC", "Z")
    assert theirs["notAfter"] == ours["Not After"].replace(" UTC", "Z")
    assert theirs["sha256 Fingerprint"] == ours["SHA256 Fingerprint"]


# write


def test_a_scenario_is_three_files_and_the_key_is_its_owner_s(run, tmp_path):
    out = tmp_path / "new" / "files"
    text = run("write", "expired", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["expired-ca.pem", "expired-chain.pem", "expired-key.pem"]
    assert permissions(out / "expired-key.pem") == 0o600
    assert permissions(out / "expired-chain.pem") & 0o444
    assert text.startswith("expired: refuse, a careful client refuses; clients connect to localhost\n")
    assert all(str(path) in text for path in out.iterdir())
    leaf, issuer = x509.load_pem_x509_certificates((out / "expired-chain.pem").read_bytes())
    key = load_pem_private_key((out / "expired-key.pem").read_bytes(), None)
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(x509.load_pem_x509_certificate((out / "expired-ca.pem").read_bytes()))


@pytest.mark.slow
def test_a_group_is_written_whole_and_what_openssl_loads_at_all_can_be_loaded_by_a_server(run, tmp_path):
    out = tmp_path / "all"
    run("write", "certificates", "good", "--out", out, "--pkcs12", "secret1", "--truststore", "secret2")
    assert len(list(out.iterdir())) == 5 * len(CERTIFICATES)
    for name in CERTIFICATES:
        if load_scenario(name).leaf.duplicate_names:
            continue  # OpenSSL loads no such certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:!aNULL:@SECLEVEL=0")
        context.load_cert_chain(out / f"{name}-chain.pem", out / f"{name}-key.pem")


def test_what_is_trusted_is_the_scenario_s(run, tmp_path):
    run("write", "self-signed-pinned", "good", "--out", tmp_path)
    pinned = tmp_path / "self-signed-pinned-ca.pem"
    assert pinned.read_bytes() == (tmp_path / "self-signed-pinned-chain.pem").read_bytes()
    assert pinned.read_bytes() != (tmp_path / "good-ca.pem").read_bytes()


def test_names_are_those_of_the_user_s_server(run, tmp_path):
    text = run("write", "good", "wildcard-ok", "--out", tmp_path, "--hostname", "mail.example.org", "--address", "::1")
    assert text.count("clients connect to mail.example.org\n") == 2

    def names(name):
        leaf = x509.load_pem_x509_certificates((tmp_path / f"{name}-chain.pem").read_bytes())[0]
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [str(one.value) for one in extension]

    assert names("good") == ["::1", "mail.example.org"]
    assert names("wildcard-ok") == ["*.example.org"]


def test_an_authority_in_a_directory_issues_all_of_them_and_its_root_can_be_had(run, tmp_path):
    kept = tmp_path / "kept"
    run("write", "good", "--out", tmp_path, "--authority", kept)
    text = run("ca", "--out", tmp_path / "root.pem", "--authority", kept)
    assert f"the root of the authority in {kept}" in text
    root = (tmp_path / "root.pem").read_bytes()
    assert root == (kept / "ca.pem").read_bytes() == (tmp_path / "good-ca.pem").read_bytes()
    run("ca", "--out", tmp_path / "other.pem")
    assert (tmp_path / "other.pem").read_bytes() != root


def key_of(certificate):
    return type(x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()).__name__


@pytest.mark.parametrize(
    ("options", "kind"), [(("--key-type", "rsa"), "RSAPublicKey"), ((), "ECPublicKey"), (("--key-type", "ecdsa"), "EC")]
)
def test_root_and_chain_have_keys_of_the_type_that_was_asked_for(run, tmp_path, options, kind):
    run("write", "good", "p256", "--out", tmp_path, *options)
    run("ca", "--out", tmp_path / "root.pem", *options)
    for name in ("good-chain.pem", "good-ca.pem", "p256-ca.pem", "root.pem"):
        assert kind in key_of(tmp_path / name)
    assert key_of(tmp_path / "p256-chain.pem") == "ECPublicKey"
    if OPENSSL is not None:
        files = ("-CAfile", tmp_path / "good-ca.pem", "-untrusted", tmp_path / "good-chain.pem")
        assert program(OPENSSL, "verify", *files, tmp_path / "good-chain.pem")[0] == 0


def test_the_root_is_written_in_the_form_that_the_file_s_name_asks_for(run, tmp_path):
    forms = {suffix: tmp_path / f"root.{suffix}" for suffix in ("pem", "der", "p12")}
    printed = [run("ca", "--authority", tmp_path / "ca", "--out", file) for file in forms.values()]
    root = x509.load_pem_x509_certificate(forms["pem"].read_bytes())
    assert x509.load_der_x509_certificate(forms["der"].read_bytes()) == root
    (stored,) = pkcs12.load_pkcs12(forms["p12"].read_bytes(), b"smtpfix").additional_certs
    assert stored.certificate == root
    assert [re.search(r", ([^,]*(, its .*)?)\n", text)[1] for text in printed] == [
        "PEM",
        "DER",
        "PKCS#12, its password is smtpfix",
    ]


def test_clients_get_certificates_with_their_names_from_a_kept_authority(run, tmp_path):
    run("client", "ann@example.org", "192.0.2.1", "--authority", tmp_path, "--out", tmp_path / "c", "--pkcs12", "pw")
    assert len(list((tmp_path / "c").iterdir())) == 6
    (root,) = x509.load_pem_x509_certificates((tmp_path / "ca.pem").read_bytes())
    leaf, issuer = x509.load_pem_x509_certificates((tmp_path / "c" / "ann@example.org-chain.pem").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(root)
    key = load_pem_private_key((tmp_path / "c" / "ann@example.org-key.pem").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    assert "CN=ann@example.org" in leaf.subject.rfc4514_string()
    store = pkcs12.load_pkcs12((tmp_path / "c" / "ann@example.org.p12").read_bytes(), b"pw")
    assert store.cert.certificate == leaf
    assert stat.S_IMODE((tmp_path / "c" / "ann@example.org-key.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a b"], "NAME: expected a host name, an e-mail address or an IP address"),
        (["..."], "leaves no name of its own for its files; leave it out"),
        (["fe80::1", "fe80-1"], "leaves no name of its own for its files; leave it out"),
        ([""], "NAME: '' leaves no name of its own for its files"),
    ],
)
def test_what_names_no_client_is_an_error_and_nothing_is_written(fail, tmp_path, names, expected):
    assert expected in fail("client", *names, "--authority", tmp_path / "ca", "--out", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_directory_s_authority_has_the_keys_that_it_has(run, fail, tmp_path):
    kept = tmp_path / "kept"
    run("ca", "--out", tmp_path / "root.pem", "--authority", kept, "--key-type", "rsa")
    run("write", "good", "--out", tmp_path, "--authority", kept)
    assert key_of(tmp_path / "good-chain.pem") == "RSAPublicKey"
    said = fail("write", "good", "--out", tmp_path / "out", "--authority", kept, "--key-type", "ecdsa")
    assert f"the authority in {kept} is of the key type 'rsa', and 'ecdsa' was asked for" in said
    assert not (tmp_path / "out").exists()


def test_an_unknown_key_type_is_an_error_before_anything_is_written(fail, tmp_path):
    expected = "--key-type: expected one of ecdsa, rsa (did you mean 'rsa'?), got 'RSA'"
    assert expected in fail("ca", "--out", tmp_path / "root.pem", "--key-type", "RSA")
    assert expected in fail("write", "good", "--out", tmp_path, "--authority", tmp_path / "kept", "--key-type", "RSA")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_without_force_and_nothing_is_written_then(run, fail, tmp_path):
    run("write", "good", "--out", tmp_path)
    before = (tmp_path / "good-key.pem").read_bytes()
    complaint = fail("write", "expired", "good", "--out", tmp_path)
    assert "good-chain.pem and 2 more files are there already; --force overwrites" in complaint
    assert (tmp_path / "good-key.pem").read_bytes() == before
    assert not (tmp_path / "expired-key.pem").exists()
    assert "is there already; --force overwrites" in fail("ca", "--out", tmp_path / "good-ca.pem")
    (tmp_path / "good-key.pem").chmod(0o644)
    run("write", "good", "--out", tmp_path, "--force")
    assert (tmp_path / "good-key.pem").read_bytes() != before
    assert permissions(tmp_path / "good-key.pem") == 0o600


def test_a_file_of_the_user_s_own_is_written_under_its_name(run, fail, tmp_path):
    file = tmp_path / "good.toml"
    file.write_text('summary = "s"\nexpected = "refuse"\nstandard = "x"\n[leaf]\nnot_after = -1\n')
    assert run("write", file, "--out", tmp_path).startswith("good: refuse")
    assert "another scenario has the name 'good' and" in fail("write", file, "good", "--out", tmp_path)


def test_urls_that_nobody_will_answer_are_pointed_out(run, tmp_path):
    assert "answered by smtpfix serve only" in run("write", "revoked-crl", "--out", tmp_path)
    assert "answered by smtpfix serve only" not in run("write", "good", "--out", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["handshake-stall"],
            "'smtpfix serve --scenario handshake-stall' plays it",
        ),
        (["tls"], "is no certificate's scenario; 'smtpfix serve"),
        (["expird"], "Did you mean 'expired'"),
        (["good", "--address", "1.2.3"], "--address: expected an IPv4 or IPv6 address, got '1.2.3'"),
        (["good", "--hostname", "a b"], "--hostname: expected a domain"),
        (["good", "--pkcs12", ""], "--pkcs12: the password is empty; give one"),
        (["good", "--truststore", ""], "--truststore: the password is empty; give one"),
        ([], "ID|GROUP|FILE.toml... is missing"),
    ],
)
def test_a_wrong_command_line_says_what_was_expected_and_writes_nothing(fail, tmp_path, arguments, expected):
    out = tmp_path / "out"
    assert expected in fail("write", *arguments, "--out", out)
    assert not out.exists()


def test_a_directory_that_cannot_be_written_is_an_error(fail, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert f"cannot write {file}: File exists" in fail("write", "good", "--out", file)
    assert f"cannot keep the authority in {file}" in fail("write", "good", "--out", tmp_path, "--authority", file)


def test_options_with_values_that_make_sense_are_taken():
    options = WriteOptions(("good",), Path("out"), "mail.example", "10.0.0.1")
    assert options.place.names("mail.example") == ("10.0.0.1", "mail.example")
    assert WriteOptions(("good",), Path("out"), address="10.0.0.1").place.host == "mx.smtpfix.test"


# Other programs


@needs_openssl
@pytest.mark.parametrize(
    ("name", "code"), [("good", 0), ("expired", 10), ("wrong-host", 62), ("missing-intermediate", 20)]
)
def test_openssl_verify_comes_to_the_same_end(run, tmp_path, name, code):
    run("write", name, "--out", tmp_path)
    chain = tmp_path / f"{name}-chain.pem"
    command = ["verify", "-verify_hostname", "localhost", "-CAfile", tmp_path / f"{name}-ca.pem", "-untrusted", chain]
    status, text = program(OPENSSL, *command, chain)
    assert (status == 0) == (code == 0)
    assert code == 0 or f"error {code} " in text


@needs_openssl
def test_openssl_reads_the_pkcs12_file_with_its_password_only(run, tmp_path):
    run("write", "expired", "--out", tmp_path, "--pkcs12", "secret1")
    file = tmp_path / "expired.p12"
    assert permissions(file) == 0o600
    status, text = program(OPENSSL, "pkcs12", "-in", file, "-passin", "pass:secret1", "-nodes")
    assert status == 0
    assert text.count("BEGIN CERTIFICATE") == 2
    assert text.count("BEGIN PRIVATE KEY") == 1
    assert "friendlyName: expired" in text
    status, _ = program(OPENSSL, "pkcs12", "-in", file, "-passin", "pass:secret2", "-nodes")
    assert status != 0


@pytest.mark.slow
@needs_keytool
def test_java_trusts_what_is_in_the_trust_store(run, tmp_path):
    run("write", "good", "--out", tmp_path, "--pkcs12", "secret1", "--truststore", "secret2")
    trusted, private = tmp_path / "good-truststore.p12", tmp_path / "good.p12"
    assert permissions(trusted) == 0o600
    assert "good, " in (text := program(KEYTOOL, "-list", "-keystore", trusted, "-storepass", "secret2")[1])
    assert "trustedCertEntry" in text
    assert "PrivateKeyEntry" in program(KEYTOOL, "-list", "-keystore", private, "-storepass", "secret1")[1]


def test_a_trust_store_has_the_trusted_certificate_and_no_key(authority):
    chain = authority.chain(load_scenario("good"), HERE)
    store = pkcs12.load_pkcs12(stores.trust_store(chain.trusted, "secret", "good"), b"secret")
    assert (store.key, store.cert) == (None, None)
    assert [one.certificate for one in store.additional_certs] == [chain.trusted.certificate]
    assert b"secret" not in stores.key_store(chain, "secret", "good")


def test_certificates_that_no_store_can_be_made_of_are_an_error_and_nothing_is_written(fail, tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise ValueError("odd")

    monkeypatch.setattr(stores, "key_store", refuse)
    out = tmp_path / "out"
    complaint = fail("write", "good", "--out", out, "--pkcs12", "secret")
    assert "ID: expected certificates that PKCS#12 files can be made of (odd), got 'good'" in complaint
    assert not out.exists()


def test_a_reader_that_has_read_enough_is_no_error(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    assert main(["certs", "list"]) == 0


def test_errors_are_values_that_name_the_option():
    with pytest.raises(InvalidValueError) as error:
        WriteOptions(("good",), Path("out"), address="here")
    assert error.value.field == "--address"


# scenarios


@pytest.mark.parametrize("command", [["certs", "show"], ["scenarios"]])
def test_a_scenario_of_rules_shows_them_and_no_certificates(command, capsys):
    assert main([*command, "rcpt-550"]) == 0
    text = capsys.readouterr().out
    assert "    Rules:        RCPT: 550 5.1.1 No such user here\n" in text
    assert "    Try it:       smtpfix serve --scenario rcpt-550\n" in text
    assert "Certificate 1" not in text


def test_scenarios_lists_all_or_a_group_and_shows_one(capsys):
    def printed(*arguments):
        assert main(["scenarios", *arguments]) == 0
        return capsys.readouterr().out

    assert [line.split()[0] for line in printed().splitlines()[1:]] == list(scenario_ids())
    assert [json.loads(line)["id"] for line in printed("tls", "--json").splitlines()] == list(scenario_ids("tls"))
    assert "Certificate 1: the leaf" in printed("expired")


def test_the_root_of_an_authority_that_is_not_kept_is_written_with_a_warning(tmp_path, capfd):
    assert main(["certs", "ca", "--out", str(tmp_path / "root.pem")]) == 0
    assert "since its authority was not kept; to keep one, add --authority DIR" in capfd.readouterr().err
    assert main(["certs", "ca", "--out", str(tmp_path / "kept.pem"), "--authority", str(tmp_path / "ca")]) == 0
    assert capfd.readouterr().err == ""
