"""Client families: what their files say, what is said of wrong files, and an audit's result beside them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from smtpfix import InvalidValueError, UnknownScenario
from smtpfix.audit.family import Family, compare, documented, family_names, load_family, read_family
from smtpfix.audit.result import (
    AuditResult,
    Declaration,
    DeclaredMode,
    Finding,
    Grade,
    Outcome,
    Trust,
    Verdict,
)
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids

ROOT = Path(__file__).parents[2]
VARIANTS = [(family, variant) for family in family_names() for variant in load_family(family).variants]


# The files


def test_there_are_the_four_families():
    assert family_names() == ("conzept16", "monitor", "niagara", "tmail-c")


@pytest.mark.parametrize(
    ("family", "variant", "mode", "trust", "port"),
    [
        ("tmail-c", "port-465", "implicit", "pki", 465),
        ("tmail-c", "other-port", "opportunistic", "pki", 587),
        ("niagara", "use-ssl", "implicit", "pki", 465),
        ("niagara", "use-start-tls", "starttls-required", "pki", 587),
        ("niagara", "use-ssl-older", "implicit", "pki", 465),
        ("niagara", "use-start-tls-older", "starttls-required", "pki", 587),
        ("niagara", "not-encrypted", "none", None, 25),
        ("niagara", "imap-use-ssl", "implicit", "pki", 993),
        ("niagara", "imap-use-start-tls", "starttls-required", "pki", 143),
        ("niagara", "imap-not-encrypted", "none", None, 143),
        ("niagara", "pop3-use-ssl", "implicit", "pki", 995),
        ("niagara", "pop3-use-start-tls", "starttls-required", "pki", 110),
        ("niagara", "pop3-not-encrypted", "none", None, 110),
        ("conzept16", "_MailSmtp", "none", None, 25),
        ("conzept16", "_MailSmtpTls", "opportunistic", "none", 587),
        ("conzept16", "_MailSmtpS", "implicit", "none", 465),
        ("monitor", "plain", "none", None, 25),
        ("monitor", "starttls", "starttls-required", None, 25),
        ("monitor", "ssl-tls", "implicit", None, 465),
    ],
)
def test_a_variant_says_what_its_client_declares(family, variant, mode, trust, port):
    one = load_family(family).variant(variant)
    assert (one.mode, one.trust, one.port) == (mode, trust, port)
    protocol = variant.partition("-")[0] if variant.startswith(("imap-", "pop3-")) else "smtp"
    assert one.declaration("ann", "s3cret") == Declaration(
        DeclaredMode(mode), Trust(trust or "pki"), "ann", "s3cret", protocol=protocol
    )
    assert one.title
    assert one.source.endswith(".")


def test_the_list_above_is_all_of_them():
    (mark,) = (mark for mark in test_a_variant_says_what_its_client_declares.pytestmark if mark.name == "parametrize")
    assert sorted(row[:2] for row in mark.args[1]) == sorted(VARIANTS)


@pytest.mark.parametrize(("family", "variant"), VARIANTS)
def test_an_expectation_can_be_met_in_the_mode_that_is_declared(family, variant):
    """What no audit of this variant shows would never be compared."""
    one = load_family(family).variant(variant)
    shown = {"implicit": "implicit-tls", "none": "plain"}.get(one.mode, "starttls")
    named = {scenario for expectation in one.expectations for scenario in expectation.scenarios} - {"good"}
    assert [scenario for scenario in sorted(named) if shown not in load_scenario(scenario).modes] == []


@pytest.mark.parametrize(("family", "variant"), VARIANTS)
@pytest.mark.parametrize("login", [False, True])
def test_what_a_manual_says_of_a_good_server_is_that_the_client_delivers_or_reads(family, variant, login):
    one = load_family(family).variant(variant)
    expectation = one.expectation("good", "certificates", login=login)
    done = Outcome.RETRIEVED if one.mode != "none" else Outcome.LEAKED_CREDENTIALS  # who reads has logged in
    assert (Outcome.DELIVERED if one.protocol == "smtp" else done) in expectation.outcomes


def test_conzept_16_takes_every_certificate_but_those_a_tls_library_may_not_be_able_to_read():
    variant = load_family("conzept16").variant("_MailSmtpS")
    found = {one: variant.expectation(one, "certificates", login=True) for one in scenario_ids("certificates")}
    unsaid = {one for one, expectation in found.items() if expectation is None}
    assert unsaid == {"brainpool", "dsa", "p192", "p224", "san-10000", "secp256k1"}
    assert {expectation.outcomes for expectation in found.values() if expectation} == {(Outcome.DELIVERED,)}


def test_tmail_c_on_another_port_gives_the_password_away_where_there_is_no_tls():
    variant = load_family("tmail-c").variant("other-port")
    with_login = variant.expectation("strip-ehlo", "stripping", login=True)
    without = variant.expectation("strip-ehlo", "stripping", login=False)
    assert with_login.outcomes == (Outcome.LEAKED_CREDENTIALS,)
    assert Outcome.LEAKED_CREDENTIALS not in without.outcomes
    assert variant.expectation("strip-454", "stripping", login=True) is None  # of which the manual says nothing


def test_families_are_frozen():
    family = load_family("tmail-c")
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.title = "another"
    with pytest.raises(TypeError):
        family.variants["port-25"] = family.variant("port-465")


def test_the_whole_folder_is_package_data():
    import tomllib  # noqa: PLC0415

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (pattern,) = settings["tool"]["setuptools"]["package-data"]["smtpfix.audit"]
    names = {path.stem for path in (ROOT / "smtpfix" / "audit").glob(pattern)}
    assert names == set(family_names())


# Errors


def test_an_unknown_family_or_variant_is_an_error_that_lists_all():
    with pytest.raises(InvalidValueError, match=r"family: expected one of conzept16, monitor, .*, got 'tmail'"):
        load_family("tmail")
    with pytest.raises(InvalidValueError, match="variant of tmail-c: expected one of port-465, other-port, got '25'"):
        load_family("tmail-c").variant("25")


GOOD = """\
title = "Own"
source = "Its page."
[variant.v]
title = "V"
source = "Its section."
mode = "opportunistic"
port = 587
[[variant.v.expect]]
scenarios = ["strip-ehlo"]
outcomes = ["downgraded"]
why = "it says so"
"""


def test_a_file_of_ones_own_is_read(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD, encoding="utf-8")
    family = read_family(path)
    assert (family.name, family.title, list(family.variants)) == ("own", "Own", ["v"])
    (expectation,) = family.variant("v").expectations
    assert (expectation.outcomes, expectation.why) == ((Outcome.DOWNGRADED,), "it says so")


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(InvalidValueError, match=r"own\.toml: expected UTF-8, got"):
        read_family(path)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('"Own"', "Own", r"^own\.toml: expected TOML, got "),
        ('title = "Own"\n', "", r"^own\.toml: title: expected a sentence, got None"),
        ('"Its page."', "7", r"^own\.toml: source: expected a sentence, got 7"),
        ('title = "Own"', "name = 1", r"^own\.toml: there is no key 'name'.*; there are title, source, variant"),
        (GOOD.partition("[variant.v]")[2], "", r"\[variant\.v\]: port: expected a number from 1 to 65535, got None"),
        ("[variant.v]", "[variant.'v w']", r"\[variant\.v w\]: expected a name of letters, digits"),
        ("port = 587", "port = 0", r"\[variant\.v\]: port: expected a number from 1 to 65535, got 0"),
        ("port = 587", "port = true", r"\[variant\.v\]: port: expected a number from 1 to 65535, got True"),
        (
            "port = 587",
            "ports = 587",
            r"\[variant\.v\]: there is no key 'ports' .did you mean 'port'.*title, ",
        ),
        ('"opportunistic"', '"starttls"', r"\[variant\.v\]: mode: expected one of implicit, .*, got 'starttls'"),
        ("port =", 'trust = "all"\nport =', r"\[variant\.v\]: trust: expected one of pki, pinned, none, got 'all'"),
        ("[[variant.v.expect]]", "[variant.v.expect]", r"\[variant\.v\]: expect: expected \[\[…expect\]\] tables, got"),
        ('"strip-ehlo"', "7", r"\[variant\.v\], expect 1: scenarios: expected a list of texts, got \[7\]"),
        ('scenarios = ["strip-ehlo"]', "", r"expect 1: expected scenarios, groups, or both, got"),
        (
            'scenarios = ["strip-ehlo"]',
            'groups = ["strip"]',
            r"expect 1: groups: expected one of .*, got 'strip'",
        ),
        ("outcomes", 'except = ["good"]\noutcomes', r"1: except: expected scenarios of the groups above, got 'good'"),
        ('"downgraded"', '"clear"', r"expect 1: outcomes: expected one of delivered, .*, got 'clear'"),
        ('"downgraded"', '"retrieved"', r"1: outcomes: expected delivered of who sends mail, .*, got 'retrieved'"),
        (
            '"strip-ehlo"',
            '"pop3-in-use"',
            r"1: scenarios: expected scenarios that servers of SMTP .*, got 'pop3-in-use'",
        ),
        ("port =", 'protocol = "imap"\nport =', r"1: scenarios: expected scenarios that servers of IMAP can show, got"),
        (
            "port =",
            'protocol = "nntp"\nport =',
            r"\[variant\.v\]: protocol: expected one of smtp, imap, pop3, got 'nntp'",
        ),
        ('"downgraded"', '"not-run"', r"expect 1: outcomes: expected one of delivered, .*, got 'not-run'"),
        ('["downgraded"]', "[]", r"expect 1: outcomes: expected one or more of delivered, .*, got \[\]"),
        ("outcomes", "login = 1\noutcomes", r"expect 1: login: expected true, false, or no such key, got 1"),
        ('why = "it says so"', "", r"expect 1: why: expected a sentence, got None"),
        ('why = "it says so"', 'because = "x"', r"expect 1: there is no key 'because'.*; there are scenarios, "),
        (
            '"strip-ehlo"]',
            '"strip-ehlo", "strip-ehlo"]',
            r"\[variant\.v\], expect 1: expected each scenario and each group once, got 'strip-ehlo'",
        ),
    ],
)
def test_an_error_names_file_table_key_and_what_is_allowed(old, new, error):
    assert Family.parse("own", GOOD)
    assert old in GOOD
    with pytest.raises(InvalidValueError, match=error):
        Family.parse("own", GOOD.replace(old, new))


@pytest.mark.parametrize("text", ['title = "a"\nsource = "b"\n', 'title = "a"\nsource = "b"\nvariant = 7'])
def test_a_family_has_a_variant(text):
    with pytest.raises(InvalidValueError, match=r"own\.toml: variant: expected one \[variant\.NAME\] table or more"):
        Family.parse("own", text)


def test_an_unknown_scenario_is_an_error_that_knows_the_nearest():
    where = r"own\.toml, \[variant\.v\], expect 1: scenarios: no scenario 'strip-helo'"
    with pytest.raises(UnknownScenario, match=where):
        Family.parse("own", GOOD.replace("strip-ehlo", "strip-helo"))
    text = GOOD.replace('scenarios = ["strip-ehlo"]', 'groups = ["stripping"]\nexcept = ["strip-hello"]')
    with pytest.raises(UnknownScenario, match=r"expect 1: except: no scenario 'strip-hello'.* Did you mean 'strip-"):
        Family.parse("own", text)


AGAIN = '[[variant.v.expect]]\nscenarios = ["strip-ehlo"]\nlogin = true\noutcomes = ["hung"]\nwhy = "x"\n'


def test_the_same_scenario_twice_is_an_error_unless_one_is_with_a_login_and_one_without():
    with pytest.raises(
        InvalidValueError, match=r"expect 2: expected each scenario and each group once, got 'strip-ehlo'"
    ):
        Family.parse("own", GOOD + AGAIN)
    both = Family.parse("own", GOOD.replace("outcomes", "login = false\noutcomes") + AGAIN).variant("v")
    assert both.expectation("strip-ehlo", "stripping", login=True).outcomes == (Outcome.HUNG,)
    assert both.expectation("strip-ehlo", "stripping", login=False).outcomes == (Outcome.DOWNGRADED,)


def test_a_scenario_s_own_expectation_goes_before_its_group_s():
    text = (
        GOOD + '[[variant.v.expect]]\ngroups = ["stripping"]\nexcept = ["strip-454"]\noutcomes = ["hung"]\nwhy = "x"\n'
    )
    variant = Family.parse("own", text).variant("v")
    assert variant.expectation("strip-ehlo", "stripping", login=True).outcomes == (Outcome.DOWNGRADED,)
    assert variant.expectation("strip-502", "stripping", login=True).outcomes == (Outcome.HUNG,)
    assert variant.expectation("strip-454", "stripping", login=True) is None
    assert variant.expectation("good", "certificates", login=True) is None


# Comparing


def result_of(variant, outcomes, *, also=(), login=False):
    """Return an audit's result with these outcomes by scenario."""
    findings = tuple(
        Finding(
            scenario=scenario,
            group=load_scenario(scenario).group,
            mode="starttls",
            summary="",
            expected="refuse",
            standard="",
            outcome=outcome,
            verdict=Verdict.PASSED,
            also=also,
        )
        for scenario, outcome in outcomes.items()
    )
    declaration = variant.declaration("ann", "s3cret") if login else variant.declaration()
    return AuditResult("client", declaration, findings, True, "", Grade.UNKNOWN, "")


@pytest.fixture
def tmail_c():
    return load_family("tmail-c").variant("other-port")


def test_a_client_that_behaves_as_documented_has_no_differences(tmail_c):
    done = {"good": Outcome.DELIVERED, "strip-ehlo": Outcome.DOWNGRADED, "untrusted-root": Outcome.REFUSED_CLEAN}
    assert compare(result_of(tmail_c, done), tmail_c) == ()


def test_a_difference_says_what_it_did_what_the_manual_has_it_do_and_why(tmail_c):
    done = {"good": Outcome.DELIVERED, "strip-ehlo": Outcome.REFUSED_CLEAN}
    (difference,) = compare(result_of(tmail_c, done), tmail_c)
    assert difference == (
        "under strip-ehlo in mode starttls it refused; the manual has it go on in clear or send the message in clear: "
        "with a server that has no TLS, client and server talk unsecured"
    )


def test_whether_it_logs_in_decides_what_is_documented(tmail_c):
    done = {"strip-ehlo": Outcome.DOWNGRADED}
    assert compare(result_of(tmail_c, done), tmail_c) == ()
    (difference,) = compare(result_of(tmail_c, done, login=True), tmail_c)
    assert "it went on in clear; the manual has it send the password in clear" in difference
    assert compare(result_of(tmail_c, {"strip-ehlo": Outcome.LEAKED_CREDENTIALS}, login=True), tmail_c) == ()


def test_what_it_did_beside_the_outcome_does_not_make_it_documented(tmail_c):
    """A message that arrived, but in clear, is not the delivery that the manual promises."""
    result = result_of(tmail_c, {"good": Outcome.LEAKED_MESSAGE}, also=(Outcome.DELIVERED,))
    (difference,) = compare(result, tmail_c)
    assert "it sent the message in clear; the manual has it deliver" in difference


def test_what_the_manual_does_not_say_is_not_compared(tmail_c):
    result = result_of(tmail_c, {"good": Outcome.DELIVERED, "strip-454": Outcome.HUNG, "wrong-host": Outcome.DELIVERED})
    assert compare(result, tmail_c) == ()
    assert [finding.scenario for finding in documented(result, tmail_c)] == ["good"]


def test_what_was_not_run_is_not_compared(tmail_c):
    result = result_of(tmail_c, {"good": Outcome.DELIVERED, "strip-ehlo": Outcome.NOT_RUN})
    assert compare(result, tmail_c) == ()
    assert [finding.scenario for finding in documented(result, tmail_c)] == ["good"]


@pytest.mark.parametrize("done", [{}, {"strip-454": Outcome.HUNG}, {"good": Outcome.NOT_RUN}])
def test_an_audit_that_ran_nothing_the_manual_speaks_of_does_not_say_as_documented(tmail_c, done):
    assert compare(result_of(tmail_c, done), tmail_c) == (
        "nothing that the manual speaks of was run, so nothing is known",
    )


def test_another_declaration_cannot_be_compared(tmail_c):
    required = Declaration(DeclaredMode.STARTTLS_REQUIRED, Trust.PKI)
    result = dataclasses.replace(result_of(tmail_c, {"good": Outcome.DELIVERED}), declaration=required)
    (difference,) = compare(result, tmail_c)
    assert difference == (
        "it was audited as starttls-required with trust pki and cannot be compared; "
        "other-port is documented as opportunistic with trust pki"
    )


def test_a_client_of_another_protocol_cannot_be_compared():
    sent = result_of(load_family("niagara").variant("use-ssl"), {"good": Outcome.DELIVERED})
    assert compare(sent, load_family("niagara").variant("pop3-use-ssl")) == (
        "it was audited as a client of SMTP and cannot be compared; pop3-use-ssl is documented as one of POP3",
    )


def test_trust_that_the_manual_does_not_speak_of_may_be_declared_as_one_likes():
    monitor = load_family("monitor").variant("starttls")
    careless = Declaration(DeclaredMode.STARTTLS_REQUIRED, Trust.NONE)
    result = result_of(monitor, {"good": Outcome.DELIVERED})
    assert compare(dataclasses.replace(result, declaration=careless), monitor) == ()
    plain = dataclasses.replace(result, declaration=Declaration(DeclaredMode.NONE))
    (difference,) = compare(plain, monitor)
    assert difference.endswith("starttls is documented as starttls-required")


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.NOT_RUN])
def test_every_outcome_can_be_said(tmail_c, outcome):
    result = result_of(tmail_c, {"good-intermediate": outcome})
    differences = compare(result, tmail_c)
    assert len(differences) == (outcome is not Outcome.DELIVERED)
