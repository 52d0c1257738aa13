"""The catalogue's files, and a user's own: they are whole, and a broken one is named with its key."""

import ssl
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from smtpfix import Policy, Server
from smtpfix.audit.result import DeclaredMode
from smtpfix.errors import InvalidValueError, SMTPFixError, UnknownScenario
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario, read_scenario, scenario_ids
from smtpfix.policy.certificate_profile import PLACEHOLDERS, CertificateProfile
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import CLIENT_MODES, GROUPS, OUTCOMES, Evidence, Scenario
from smtpfix.smtp.violations import VIOLATIONS

WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'
PLACE = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1"))


def test_every_file_of_the_catalogue_reads_back_under_its_own_name():
    ids = scenario_ids()
    assert "good" in ids
    assert list(ids) == sorted(set(ids))
    for scenario_id in ids:
        scenario = load_scenario(scenario_id)
        assert scenario.id == scenario_id
        assert scenario.expected in OUTCOMES


def test_the_good_chain_has_to_be_accepted_and_has_an_intermediate():
    good = load_scenario("good")
    assert good.expected == "accept"
    assert good.intermediates == 1


def test_a_whole_file_is_read():
    scenario = Scenario.parse("some", WHOLE + "intermediates = 0\n")
    assert scenario == Scenario("some", "A chain", "accept", "RFC 5280", intermediates=0)
    assert Scenario.parse("some", WHOLE).intermediates == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("summary = ", "some.toml"),
        ("\x00", "some.toml"),
        (WHOLE + 'summary = "twice"\n', "some.toml"),
        (WHOLE + "colour = 1\n", "some.toml"),
        (WHOLE + 'id = "other"\n', "some.toml"),
        (WHOLE.replace("summary", "#"), "some.toml: summary"),
        (WHOLE.replace("expected", "#"), "some.toml: expected"),
        (WHOLE.replace("standard", "#"), "some.toml: standard"),
        (WHOLE.replace('"A chain"', '""'), "some.toml: summary"),
        (WHOLE.replace('"A chain"', "1"), "some.toml: summary"),
        (WHOLE.replace('"RFC 5280"', "[]"), "some.toml: standard"),
        (WHOLE.replace('"accept"', '"perhaps"'), "some.toml: expected"),
        (WHOLE.replace('"accept"', '["accept"]'), "some.toml: expected"),
        (WHOLE + "intermediates = -1\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = 201\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = 1.0\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = true\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = []\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = 1\n[[intermediate]]\n", "some.toml: intermediates"),
        (WHOLE + "[intermediate]\n", "some.toml: intermediate"),
        (WHOLE + "intermediate = 1\n", "some.toml: intermediate"),
        (WHOLE + "intermediate = [1]\n", "some.toml, [[intermediate]] 1"),
        (WHOLE + "[[intermediate]]\n[[intermediate]]\nkey = 1\n", "some.toml, [[intermediate]] 2: key"),
        (WHOLE + "[[intermediate]]\ncolour = 1\n", "some.toml, [[intermediate]] 1"),
        (WHOLE + 'group = "mine"\n', "some.toml: group"),
        (WHOLE + 'group = ["tls"]\n', "some.toml: group"),
        (WHOLE + 'connect = "{nobody}"\n', "some.toml: connect"),
        (WHOLE + "connect = 1\n", "some.toml: connect"),
        (WHOLE + 'trust = "nobody"\n', "some.toml: trust"),
        (WHOLE + "trust = true\n", "some.toml: trust"),
        (WHOLE + "modes = []\n", "some.toml: modes"),
        (WHOLE + 'modes = ["plain"]\n', "some.toml: modes"),
        (WHOLE + 'modes = "starttls"\n', "some.toml: modes"),
        (WHOLE + "send = []\n", "some.toml: send"),
        (WHOLE + 'send = ["key"]\n', "some.toml: send"),
        (WHOLE + "send = 1\n", "some.toml: send"),
        (WHOLE + "notes = 1\n", "some.toml: notes"),
        (WHOLE + "root = 1\n", "some.toml, [root]"),
        (WHOLE + "[root]\ncolour = 1\n", "some.toml, [root]"),
        (WHOLE + "[root]\nkey = 1\n", "some.toml, [root]: key"),
        (WHOLE + "[leaf]\nkey = 1\n", "some.toml, [leaf]: key"),
        (WHOLE + "[[leaf]]\n", "some.toml, [leaf]"),
        (WHOLE + "tls = 1\n", "some.toml, [tls]"),
        (WHOLE + "[tls]\nmin = 1\n", "some.toml, [tls]: min"),
        (WHOLE + "rules = 1\n", "some.toml: rules"),
        (WHOLE + "rules = [1]\n", "some.toml: rules"),
        (WHOLE + 'rules = ["MAIL 450"]\n', "some.toml: rules: rule"),
        (WHOLE + 'injected_mechanisms = ["plain"]\n', "some.toml: injected_mechanisms"),
        (WHOLE + "control = 1\n", "some.toml: control"),
        (WHOLE + 'forbids = "no-quit"\n', "some.toml: forbids"),
        (WHOLE + "forbids = [1]\n", "some.toml: forbids"),
        (WHOLE + "expected_by_mode = 1\n", "some.toml, [expected_by_mode]"),
        (WHOLE + '[expected_by_mode]\nplain = "accept"\n', "some.toml, [expected_by_mode]"),
        (WHOLE + '[expected_by_mode]\nnone = "perhaps"\n', "some.toml, [expected_by_mode]: none"),
        (WHOLE + "[expected_by_mode]\nnone = []\n", "some.toml, [expected_by_mode]: none"),
        (WHOLE + "asked = 1\n", "some.toml, [asked]"),
        (WHOLE + '[asked]\nsubject = "x"\n', "some.toml, [asked]"),
        (WHOLE + "[asked]\nrecipient = 1\n", "some.toml, [asked]: recipient"),
        (WHOLE + "policy = 1\n", "some.toml, [policy]"),
        (WHOLE + "[policy]\nport = 25\n", "some.toml, [policy]"),
        (WHOLE + "openssl = 1\n", "some.toml, [openssl]"),
        (WHOLE + "[openssl]\ncode = 1\n", "some.toml, [openssl]"),
        (WHOLE + '[openssl]\nverify_code = "10"\n', "some.toml, [openssl]: verify_code"),
        (WHOLE + "[openssl]\nverify_code = true\n", "some.toml, [openssl]: verify_code"),
        (WHOLE + "[openssl]\nstrict_verify_code = 1.0\n", "some.toml, [openssl]: strict_verify_code"),
        (WHOLE + "[openssl]\nerror = 1\n", "some.toml, [openssl]: error"),
    ],
)
def test_a_broken_file_is_an_error_that_names_file_and_key(text, field):
    with pytest.raises(InvalidValueError) as caught:
        Scenario.parse("some", text)
    assert caught.value.field == field


def test_the_modes_of_clients_are_those_an_audit_declares():
    assert tuple(map(str, DeclaredMode)) == CLIENT_MODES


def test_what_is_expected_depends_on_what_the_client_means_to_do():
    stripped = load_scenario("strip-ehlo")
    expected = {mode: stripped.expected_for(mode) for mode in CLIENT_MODES}
    assert expected == {
        "implicit": "refuse",
        "starttls-required": "refuse",
        "opportunistic": "either",
        "none": "accept",
    }
    assert load_scenario("final-dot-550").expected_for("none") == "refuse"


@pytest.mark.parametrize("group", ["certificates", "tls"])
def test_a_client_that_never_uses_tls_meets_no_certificate_and_no_handshake(group):
    expected = {load_scenario(one).expected_for("none") for one in scenario_ids(group) if one != "tls-on-plain-port"}
    assert expected == {"accept"}
    assert load_scenario("tls-on-plain-port").expected_for("none") == "refuse"


def test_another_mode_is_an_error():
    with pytest.raises(InvalidValueError, match="mode: expected one of implicit, starttls-required, opportunistic, n"):
        load_scenario("good").expected_for("starttls")


def test_a_scenario_refers_only_to_what_there_is():
    for name in scenario_ids():
        scenario = load_scenario(name)
        assert scenario.control in ("", *scenario_ids()), name
        assert scenario.control != name
        assert set(scenario.forbids) <= set(VIOLATIONS), name
        assert scenario.control or not name.startswith("inject-"), name


def test_what_a_client_is_asked_to_deliver_is_read():
    assert load_scenario("no-smtputf8").asked.recipient == "bøb@example.org"
    assert "\r\n.\n" in (load_scenario("end-of-data").asked.message or "")
    assert load_scenario("good").asked.message is None


@pytest.mark.parametrize("scenario_id", ["", "Good", "good.toml", "../good", "good/", "\0", None, 1, ["good"]])
def test_an_id_that_is_not_in_the_catalogue_is_refused(scenario_id):
    with pytest.raises(
        UnknownScenario,
        match=r"no scenario .* in the catalogue\..* 'smtpfix scenarios' lists all for SMTP, ",
    ):
        check_scenario_id(scenario_id)


def test_an_unknown_id_is_answered_with_the_nearest_and_is_a_lookup_error():
    with pytest.raises(
        LookupError, match=r"certificate: no scenario 'god' in the catalogue\. Did you mean 'good'.*\?"
    ) as caught:
        check_scenario_id("god", "certificate")
    assert isinstance(caught.value, SMTPFixError)
    with pytest.raises(UnknownScenario) as caught:
        load_scenario("nothing-like-it-at-all-0000")
    assert "Did you mean" not in str(caught.value)


def test_a_known_id_is_fine():
    check_scenario_id("good")


# What a file may say


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('group = "tls"', "group", "tls"),
        ('connect = "deep.{hostname}"', "connect", "deep.{hostname}"),
        ('connect = "mx.example"', "connect", "mx.example"),
        ('modes = ["starttls"]', "modes", ("starttls",)),
        ('trust = "authority"', "trust", "authority"),
        ('trust = "leaf"', "trust", "leaf"),
        ('trust = "other-key"', "trust", "other-key"),
        ('send = ["leaf", "intermediates-reversed", "root", "stranger"]', "send", None),
        ("intermediates = 200", "intermediates", 200),
        ('notes = "Why."', "notes", "Why."),
        ("[openssl]\nverify_code = 10\nstrict_verify_code = 87", "openssl", Evidence(10, 87)),
        ('[openssl]\nerror = "DH_KEY_TOO_SMALL"', "openssl", Evidence(error="DH_KEY_TOO_SMALL")),
        ('[leaf]\nkey = "p384"', "leaf", CertificateProfile("some.toml, [leaf]", ca=False, key="p384")),
        ("[root]", "root", CertificateProfile("some.toml, [root]", ca=True)),
        ('[tls]\nfault = "stall"', "tls", None),
    ],
)
def test_every_key_of_a_file_is_kept(line, field, value):
    found = getattr(Scenario.parse("some", WHOLE + line), field)
    assert found != getattr(Scenario.parse("some", WHOLE), field)
    assert value is None or found == value


def test_intermediates_may_be_described_one_by_one():
    scenario = Scenario.parse("some", WHOLE + "[[intermediate]]\npath_length = 0\n[[intermediate]]\nca = false\n")
    first, second = scenario.intermediates
    assert (first.path_length, first.ca, first.where) == (0, True, "some.toml, [[intermediate]] 1")
    assert (second.path_length, second.ca, second.where) == (None, False, "some.toml, [[intermediate]] 2")
    assert scenario.profiles == (first, second, scenario.leaf)


def test_profiles_are_from_the_root_down_and_leave_out_what_is_plain():
    assert [profile.where for profile in Scenario.parse("some", WHOLE).profiles] == ["leaf"]
    scenario = Scenario.parse("some", WHOLE + "[leaf]\n[root]\n[[intermediate]]\n")
    assert [profile.where for profile in scenario.profiles] == [
        "some.toml, [root]",
        "some.toml, [[intermediate]] 1",
        "some.toml, [leaf]",
    ]


@pytest.mark.parametrize("line", ["", "intermediates = 3", 'send = ["leaf"]', "[leaf]", '[tls]\nfault = "stall"'])
def test_a_scenario_is_plain_whose_certificates_are_those_of_every_good_server(line):
    assert Scenario.parse("some", WHOLE + line).is_plain


@pytest.mark.parametrize("line", ["[root]", "[[intermediate]]", '[leaf]\nkey = "p384"', 'trust = "authority"'])
def test_a_scenario_is_not_plain_if_a_certificate_or_the_trust_differs(line):
    assert not Scenario.parse("some", WHOLE + line).is_plain


def test_scenarios_are_values():
    scenario = load_scenario("good")
    assert load_scenario("good") is scenario
    assert hash(scenario) == hash(Scenario.parse("good", (_folder() / "good.toml").read_text(encoding="utf-8")))
    with pytest.raises(FrozenInstanceError):
        scenario.expected = "refuse"


def _folder():
    return Path(__file__).parents[2] / "certs"


def test_the_groups_make_up_the_catalogue():
    assert sorted(one for group in GROUPS for one in scenario_ids(group)) == list(scenario_ids())
    assert scenario_ids("nothing") == ()


@pytest.mark.parametrize(
    ("evidence", "lenient", "strict", "accepts"),
    [
        (Evidence(0), 0, 0, True),
        (Evidence(0, 87), 0, 87, True),
        (Evidence(26, 82), 26, 82, False),
        (Evidence(10), 10, 10, False),
        (Evidence(error="DH_KEY_TOO_SMALL"), None, None, False),
        (Evidence(0, error="TimeoutError"), 0, 0, False),
    ],
)
def test_evidence_has_a_code_for_lenient_and_strict_verifiers(evidence, lenient, strict, accepts):
    assert (evidence.code(strict=False), evidence.code(strict=True)) == (lenient, strict)
    assert evidence.accepts is accepts


# Where a server is


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{name}", "asked.example"),
        ("{host}", "localhost"),
        ("{hostname}", "mx.smtpfix.test"),
        ("{label}", "mx"),
        ("{initial}", "m"),
        ("{domain}", "smtpfix.test"),
        ("{tld}", "test"),
        ("{address}", "127.0.0.1"),
        ("{names}", "127.0.0.1,::1,asked.example,localhost,mx.smtpfix.test"),
        ("dns:{initial}*.{domain}", "dns:m*.smtpfix.test"),
        ("no braces", "no braces"),
        ("", ""),
    ],
)
def test_placeholders_are_filled_in(template, text):
    assert PLACE.expand(template, "asked.example") == text


def test_every_placeholder_has_a_meaning():
    assert all(PLACE.expand(f"{{{name}}}", "asked.example") for name in PLACEHOLDERS)


def test_a_host_name_of_one_label_is_its_own_domain():
    place = Place("localhost", "mx", "127.0.0.1")
    assert [place.expand(f"{{{name}}}") for name in ("label", "domain", "tld")] == ["mx", "mx", "mx"]


def test_names_are_all_that_a_certificate_can_hold_once_each_and_sorted():
    place = Place("localhost", "[127.0.0.1]", "0.0.0.0", ("::", "localhost", "mx.example"))
    assert place.names("") == ("localhost", "mx.example")
    assert place.names("asked.example") == ("asked.example", "localhost", "mx.example")


# A user's own files


@pytest.fixture
def mine(tmp_path):
    """Return a function that writes a scenario's file and returns its path."""

    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_file_of_ones_own_is_shown_by_a_server(mine):
    path = mine(WHOLE + 'connect = "{hostname}"\n[leaf]\ncommon_name = "mine"\nnames = ["dns:{name}"]\n')
    policy = Policy("implicit-tls", certificate=path)
    assert policy.chain_scenario == read_scenario(path)
    with Server(policy) as server:
        assert server.host == "mx.smtpfix.test"
        context = server.authority.server_context(policy, server.place)
        certificate = first_certificate(context, server.ssl_context(), server.host)
    assert certificate["subjectAltName"] == (("DNS", "mx.smtpfix.test"),)
    assert (("commonName", "mine"),) in certificate["subject"]


def first_certificate(server_context, client_context, name):
    """Return the certificate that a client gets, decoded."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(up, down, server_side=True)
    client = client_context.wrap_bio(down, up, server_hostname=name)
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"\xff\xfe", "mine.toml"),
        (WHOLE + "colour = 1", "mine.toml"),
        (WHOLE + "[leaf]\nkey = 1", "mine.toml, [leaf]: key"),
        ("", "mine.toml: summary"),
    ],
)
def test_a_broken_file_of_ones_own_is_named_when_the_policy_is_made(mine, text, field):
    with pytest.raises(InvalidValueError) as caught:
        Policy("implicit-tls", certificate=mine(text))
    assert caught.value.field == field


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InvalidValueError, match=r"Policy\.certificate: there is no file '"):
            Policy(certificate=path)
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        read_scenario(tmp_path / "absent.toml")


def test_a_file_of_ones_own_cannot_be_a_tls_scenario_and_its_tls_table_is_played(mine):
    path = mine(WHOLE + '[tls]\nmax = "TLSv1.2"\n')
    policy = Policy("implicit-tls", certificate=path)
    assert policy.tls_profile.max == "TLSv1.2"
    with Server(policy) as server, server.client() as client:
        assert client.sock.version() == "TLSv1.2"


# PEM files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with PEM files: a chain with its root, its key, another key, and things that are neither."""
    from smtpfix.pki.authority import Authority  # noqa: PLC0415 - as its users do

    folder = tmp_path_factory.mktemp("pem")
    with Authority() as authority:
        chain = authority.chain(load_scenario("good"), PLACE)
        other = authority.chain(load_scenario("p256"), PLACE)
    (folder / "chain.pem").write_text(chain.chain_pem + chain.trusted.pem)
    (folder / "key.pem").write_bytes(chain.key_pem)
    (folder / "other.pem").write_bytes(other.key_pem)
    (folder / "empty.pem").write_bytes(b"")
    (folder / "binary.pem").write_bytes(b"\0\xff" * 99)
    return folder


def test_a_chain_of_ones_own_is_shown_and_its_last_certificate_is_what_clients_trust(files):
    policy = Policy("implicit-tls", certificate=(str(files / "chain.pem"), files / "key.pem"))
    assert policy.certificate == (files / "chain.pem", files / "key.pem")
    with Server(policy) as server:
        assert server.ca_file.read_text() == server.authority.trusted_pem(policy, server.place)
        assert (files / "chain.pem").read_text().endswith(server.ca_file.read_text())
        with server.client() as client:
            assert client.noop()[0] == 250


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        ("chain.pem", "other.pem"),
        ("chain.pem", "absent.pem"),
        ("absent.pem", "key.pem"),
        ("key.pem", "chain.pem"),
        ("chain.pem", "chain.pem"),
        ("chain.pem", "empty.pem"),
        ("empty.pem", "key.pem"),
        ("chain.pem", "binary.pem"),
        ("binary.pem", "key.pem"),
    ],
)
def test_files_that_are_no_chain_and_its_key_are_named_when_the_server_starts(files, chain, key):
    policy = Policy("implicit-tls", certificate=(files / chain, files / key))
    with pytest.raises(InvalidValueError, match=r"expected a PEM chain and its unencrypted key") as caught:
        Server(policy).start()
    assert caught.value.field == "Policy.certificate"
    assert str(files / chain) in str(caught.value)
    assert str(files / key) in str(caught.value)


@pytest.mark.parametrize("value", [("chain.pem",), ("a", "b", "c"), (), ("chain.pem", None), (1, 2), None, 1])
def test_anything_but_two_files_a_path_or_an_id_is_refused(value):
    with pytest.raises(InvalidValueError, match=r"^Policy\.certificate: expected "):
        Policy(certificate=value)
