"""Scenarios and certificates of a user's own: files that make no sense say where, and those that do are served."""

import pytest

from smtpfix import Policy, Server
from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place

WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))


@pytest.fixture
def mine(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[leaf]\nnames = ["ip:mx.example"]', "mine.toml, [leaf]"),
        ('[[intermediate]]\npermitted = ["ip:10.0.0.1/8"]', "mine.toml, [[intermediate]] 1"),
        ('[[intermediate]]\nexcluded = ["dns:bücher.example"]', "mine.toml, [[intermediate]] 1"),
        ("[leaf]\nnot_before = 5\nnot_after = 1", "mine.toml, [leaf]"),
        ("[root]\nnot_before = 1900-01-01", "mine.toml, [root]"),
        ("[leaf]\npath_length = 0", "mine.toml, [leaf]"),
        ('[leaf]\nsignature = "md5"', "mine.toml, [leaf]: signature"),
        ('[[intermediate]]\nkey = "ed25519"\n[leaf]\nsignature = "sha1"', "mine.toml, [leaf]: signature"),
        ('[[intermediate]]\nkey = "dsa2048"\n[leaf]\nsignature = "sha1"', "mine.toml, [leaf]: signature"),
        ('[tls]\nmin = "TLSv1.3"\nmax = "TLSv1.2"', "mine.toml, [tls]: min"),
        ('[tls]\nmax = "TLSv1.1"', "mine.toml, [tls]: min"),
    ],
)
def test_what_cannot_be_issued_or_shown_is_an_error_that_names_the_table(mine, text, field):
    policy = Policy("implicit-tls", certificate=mine(WHOLE + text))
    with pytest.raises(InvalidValueError) as caught:
        Server(policy).start()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('connect = ""', "connect"),
        ('connect = "{name}"', "connect"),
        ('connect = "{names}"', "connect"),
        ('send = ["intermediates", "leaf"]', "send"),
        ('send = ["root"]', "send"),
    ],
)
def test_what_no_client_could_connect_to_or_no_key_fits_is_refused(mine, line, field):
    with pytest.raises(InvalidValueError) as caught:
        Policy(certificate=mine(WHOLE + line))
    assert caught.value.field == f"mine.toml: {field}"


def test_a_chain_without_its_root_is_trusted_by_its_last_certificate(tmp_path):
    with Authority() as authority:
        chain = authority.chain(load_scenario("good"), PLACE)
    (tmp_path / "chain.pem").write_text(chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    files = (tmp_path / "chain.pem", tmp_path / "key.pem")
    with Server(Policy("implicit-tls", certificate=files)) as server, server.client() as client:
        assert client.noop()[0] == 250


def test_a_key_with_a_password_is_an_error_and_not_a_question_on_the_terminal(tmp_path):
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415, TID251 - to write such a key

    with Authority() as authority:
        chain = authority.chain(load_scenario("good"), PLACE)
    locked = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "chain.pem").write_text(chain.chain_pem)
    (tmp_path / "key.pem").write_bytes(chain.leaf.key.private_bytes(serialization.Encoding.PEM, form, locked))
    with pytest.raises(InvalidValueError, match=r"its unencrypted key .*key\.pem"):
        Server(Policy("implicit-tls", certificate=(tmp_path / "chain.pem", tmp_path / "key.pem"))).start()


def test_a_scenario_of_ones_own_has_its_rules_in_force(mine):
    text = 'group = "replies"\nrules = ["NOOP: 451 4.3.0 not now x1"]\n[policy]\nsize_limit = 1000\n'
    with Server(Policy("plain", scenario=mine(WHOLE + text))) as server, server.client() as client:
        assert [client.noop()[0], client.noop()[0]] == [451, 250]
        assert server.policy.size_limit == 1000


def test_a_tls_scenario_of_ones_own_is_played(mine):
    text = 'group = "tls"\n[tls]\nmax = "TLSv1.2"\n'
    with Server(Policy("implicit-tls", scenario=mine(WHOLE + text))) as server, server.client() as client:
        client.noop()
        assert server.sessions[0].tls.version == "TLSv1.2"
    with pytest.raises(InvalidValueError, match=r"Policy\.scenario: there is no file "):
        Policy(scenario=mine(WHOLE).with_name("other.toml"))
