"""Which scenarios are run, in which mode, and what is expected under which declaration."""

from __future__ import annotations

import itertools

import pytest

from smtpfix.audit.case import PATIENCE
from smtpfix.audit.plan import DEFAULT, DEFAULT_GROUPS, EVERYTHING, plan
from smtpfix.audit.result import Declaration, DeclaredMode, Trust
from smtpfix.errors import InvalidValueError, UnknownScenario
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import GROUPS, OUTCOMES
from smtpfix.rules.actions import NoReply
from smtpfix.smtp.policy import Policy

DECLARATIONS = [Declaration(mode, trust) for mode, trust in itertools.product(DeclaredMode, Trust)]


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda one: f"{one.mode}-{one.trust}")
def test_every_scenario_is_run_or_counted_as_left_out(declaration):
    made = plan(declaration, groups=[EVERYTHING])
    run = [case.scenario.id for case in made.cases]
    ids = {one for one in scenario_ids() if not one.startswith("control-")}
    if declaration.mode is DeclaredMode.NONE:  # whose good server has no certificate to look at
        ids -= {"good"}
        assert run[0] == "good"
        run = run[1:]
    assert sorted([*run, *made.left_out]) == sorted(ids)
    for case in made.cases:
        assert case.expected in OUTCOMES
        assert Policy(case.mode) is not None
        assert case.mode in case.scenario.modes


def test_a_scenario_of_another_protocol_is_an_error_and_not_left_out():
    with pytest.raises(InvalidValueError, match="is a scenario of POP3, and the client is audited with SMTP"):
        plan(DECLARATIONS[0], ids=["pop3-in-use"])


def test_everything_is_all_groups():
    declaration = Declaration(DeclaredMode.IMPLICIT)
    assert plan(declaration, groups=[EVERYTHING]) == plan(declaration, groups=GROUPS)


def test_the_default_set_is_in_the_catalogue_and_quick():
    assert set(DEFAULT) <= set(scenario_ids())
    assert set(DEFAULT_GROUPS) <= set(GROUPS)
    made = plan(Declaration(DeclaredMode.STARTTLS_REQUIRED))
    groups = {case.scenario.group for case in made.cases}
    assert groups == set(GROUPS)
    assert len(made.cases) < len(plan(Declaration(DeclaredMode.STARTTLS_REQUIRED), groups=[EVERYTHING]).cases)


def test_the_good_scenario_is_first_and_always_there():
    for declaration in DECLARATIONS:
        assert plan(declaration, ids=["rcpt-550"]).cases[0].scenario.id == "good"


@pytest.mark.parametrize(
    ("mode", "scenario", "shown"),
    [
        (DeclaredMode.IMPLICIT, "expired", Mode.IMPLICIT_TLS),
        (DeclaredMode.STARTTLS_REQUIRED, "expired", Mode.STARTTLS),
        (DeclaredMode.OPPORTUNISTIC, "expired", Mode.STARTTLS),
        (DeclaredMode.STARTTLS_REQUIRED, "require-tls-unadvertised", Mode.TLS_REQUIRED),
        (DeclaredMode.NONE, "rcpt-550", Mode.PLAIN),
        (DeclaredMode.NONE, "expired", None),
        (DeclaredMode.IMPLICIT, "strip-ehlo", None),
        (DeclaredMode.STARTTLS_REQUIRED, "plain-on-tls-port", None),
    ],
)
def test_the_declared_mode_decides_what_the_server_is(mode, scenario, shown):
    made = plan(Declaration(mode), ids=[scenario])
    assert [case.mode for case in made.cases if case.scenario.id == scenario] == ([shown] if shown else [])
    assert made.left_out == (() if shown else (scenario,))


@pytest.mark.parametrize(
    ("scenario", "mode", "trust", "outcome"),
    [
        ("untrusted-root", "implicit", "pki", "refuse"),
        ("untrusted-root", "implicit", "none", "either"),
        ("untrusted-root", "implicit", "pinned", "either"),
        ("expired", "opportunistic", "pki", "refuse"),
        ("cn-only", "implicit", "none", "either"),
        ("cn-only", "implicit", "pki", "lax"),
        ("pin-other-key", "implicit", "pinned", "refuse"),
        ("pin-other-key", "implicit", "none", "either"),
        ("key-rotated", "implicit", "pki", "accept"),
        ("key-rotated", "implicit", "pinned", "refuse"),
        ("tls10-only", "implicit", "none", "refuse"),
        ("anonymous", "implicit", "none", "either"),
        ("null-cipher", "implicit", "none", "refuse"),
        ("strip-ehlo", "starttls-required", "pki", "refuse"),
        ("strip-ehlo", "starttls-required", "none", "refuse"),
        ("strip-ehlo", "opportunistic", "pki", "either"),
        ("bad-cert-then-plain", "opportunistic", "pki", "refuse"),
        ("inject-greeting-ehlo", "opportunistic", "pki", "either"),
        ("inject-greeting-ehlo", "starttls-required", "pki", "either"),
        ("inject-ignored-ehlo", "opportunistic", "pki", "refuse"),
        ("handshake-close", "opportunistic", "pki", "either"),
        ("handshake-close", "starttls-required", "none", "refuse"),
        ("bad-cert-then-plain", "starttls-required", "none", "either"),
        ("good", "implicit", "none", "accept"),
        ("rcpt-550", "none", "none", "refuse"),
    ],
)
def test_what_is_expected_depends_on_the_declaration(scenario, mode, trust, outcome):
    made = plan(Declaration(DeclaredMode(mode), Trust(trust)), ids=[scenario])
    assert [case.expected for case in made.cases if case.scenario.id == scenario] == [outcome]


@pytest.mark.parametrize("mode", DeclaredMode)
def test_what_is_expected_of_a_client_that_verifies_is_what_the_catalogue_says(mode):
    for case in plan(Declaration(mode), groups=[EVERYTHING]).cases[1:]:
        assert case.expected == load_scenario(case.scenario.id).expected_for(mode)


def test_whoever_looks_at_no_certificate_is_not_blamed_for_those_that_no_library_takes():
    made = plan(Declaration(DeclaredMode.IMPLICIT, Trust.NONE), groups=["certificates"])
    refused = [case for case in made.cases if case.scenario.openssl.error is not None]
    assert {"brainpool", "dsa", "p192", "p224", "secp256k1", "san-10000"} <= {case.scenario.id for case in refused}
    assert {case.expected for case in refused} == {"either"}
    assert "accept" in {case.expected for case in made.cases}


def test_every_injection_into_tls_has_the_control_run_that_the_catalogue_names():
    made = plan(Declaration(DeclaredMode.STARTTLS_REQUIRED), groups=["injection"])
    injected = {case.scenario.id: case for case in made.cases if case.scenario.id.startswith("inject-")}
    assert injected
    for one in ("inject-greeting-ehlo", "inject-greeting-ehlo-answered"):  # before TLS all is in clear, and seen
        assert injected.pop(one).control is None
    controls = {case.scenario.id for case in made.controls} | {"good"}
    assert all(case.control == case.scenario.control and case.control in controls for case in injected.values())
    assert not [case for case in made.cases if case.scenario.id.startswith("control-")]
    assert {"control-cram-only", "control-ignored-ehlo"} <= controls


def test_every_injection_comes_where_ehlo_is_answered_and_where_it_is_not():
    """A client that glues what was injected to a reply shows it in the one, one that takes it for a reply in the other.

    What breaks the handshake has no reply behind it.
    """
    unanswered = {"ignored-ehlo", "greeting-ehlo", "extra-220-ignored-ehlo", "fragment-ignored-ehlo"}
    answered = {"differential", "greeting-ehlo-answered", "extra-220", "fragment"}
    ids = {one.removeprefix("inject-") for one in scenario_ids("injection") if not one.startswith("control-")}
    assert ids == unanswered | answered | {"late"}
    for one in ids:
        rules = load_scenario(f"inject-{one}").rules
        is_silent = any(isinstance(action, NoReply) for rule in rules for action in rule.actions)
        assert is_silent is (one in unanswered), one


def test_what_is_about_a_login_is_left_out_for_whoever_has_none():
    ids = ["auth-535", "auth-235-early", "auth-cram-first", "tls-ehlo-fails", "plain-auth-530"]
    without = plan(Declaration(DeclaredMode.STARTTLS_REQUIRED), ids=ids)
    assert sorted(without.left_out) == ["auth-235-early", "auth-535", "auth-cram-first"]
    assert plan(Declaration(DeclaredMode.STARTTLS_REQUIRED, user="ann", password="s3cret"), ids=ids).left_out == ()


@pytest.mark.parametrize(
    ("scenario", "stalls", "loses", "old"),
    [
        ("good", False, False, False),
        ("handshake-stall", True, False, False),
        ("tls-on-plain-port", True, False, False),
        ("greeting-none", True, False, False),
        ("control-ignored-ehlo", True, False, False),
        ("final-dot-stall", True, True, False),
        ("final-dot-close", False, True, False),
        ("final-dot-451", False, False, False),
        ("truncated-after-reply", False, True, False),
        ("quit-hang", True, False, False),
        ("reply-endless", True, False, False),
        ("reply-1m", False, False, False),
        ("reply-bare-cr", True, False, False),
        ("inject-fragment", False, True, False),
        ("mixed-codes", True, False, False),
        ("reply-999", False, False, False),
        ("fake220-silent-continue", True, False, False),
        ("final-dot-lost-reply", True, True, False),
        ("content-close", False, False, False),
        ("tls11-only", False, False, True),
        ("ssl30", False, False, True),
        ("tls12-only", False, False, False),
    ],
)
def test_what_a_scenario_does_to_whoever_waits_is_known(scenario, stalls, loses, old):
    made = plan(Declaration(DeclaredMode.STARTTLS_REQUIRED), ids=[scenario])
    case = next(case for case in made.cases if case.scenario.id == scenario)
    assert (case.stalls, case.loses_the_reply, case.is_old_tls) == (stalls, loses, old)


@pytest.mark.parametrize(("scenario", "is_slow"), [("slow-drip-octet", True), ("slow-drip", False), ("tarpit", False)])
def test_a_slow_server_is_waited_for(scenario, is_slow):
    case = plan(Declaration(DeclaredMode.NONE), ids=[scenario]).cases[1]
    assert (case.is_slow, case.patience > PATIENCE) == (is_slow, is_slow)


def own_file(folder, name="mine", text="", *, group="delivery"):
    file = folder / f"{name}.toml"
    head = f'summary = "Mine"\nexpected = "accept"\nstandard = "RFC 5321"\ngroup = "{group}"\n'
    file.write_text(head + text, encoding="utf-8")
    return file


def test_a_file_of_ones_own_is_run_beside_the_catalogues(tmp_path):
    file = own_file(tmp_path)
    made = plan(Declaration(DeclaredMode.IMPLICIT), ids=["rcpt-550", file])
    assert [(case.scenario.id, case.source) for case in made.cases[1:]] == [("rcpt-550", "rcpt-550"), ("mine", file)]
    assert plan(Declaration(DeclaredMode.NONE), ids=[str(own_file(tmp_path, group="tls"))]).left_out == ("mine",)


def test_a_file_of_ones_own_that_is_wrong_is_named_before_anything_is_run(tmp_path):
    declaration = Declaration(DeclaredMode.IMPLICIT)
    (tmp_path / "sub").mkdir()
    mine = own_file(tmp_path)
    for files, expected in (
        ([own_file(tmp_path, "key", 'colour = "red"')], "key.toml: .*colour"),
        ([own_file(tmp_path, "setting", "[policy]\nsize_limit = -1")], "setting.toml: .*size_limit"),
        ([own_file(tmp_path, "expired")], "the catalogue has a scenario .expired. already"),
        ([mine, own_file(tmp_path / "sub")], "have one name; rename one of them"),
        ([tmp_path / "missing.toml"], "No such file.*missing.toml"),
    ):
        with pytest.raises(InvalidValueError, match=expected):
            plan(declaration, ids=files)
    with pytest.raises(UnknownScenario, match=r"control\.toml: control"):
        plan(declaration, ids=[own_file(tmp_path, "control", 'control = "nothing"')])
