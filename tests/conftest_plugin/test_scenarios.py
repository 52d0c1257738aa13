"""The marker ``smtp_scenarios``: what it selects, and how whole clients fare with the whole catalogue."""

from __future__ import annotations

import importlib
import smtplib
import ssl
import textwrap

import pytest

from smtpfix import Outcome, ScenarioFailed
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.scenario import GROUPS

# A child session in this process forgets what it imported, and cryptography cannot be imported twice: so it is here.
for name in ("aiosmtplib", "smtpfix.pki.authority", "smtpfix.audit.check", "smtpfix.conftest_plugin.scenarios"):
    importlib.import_module(name)

PATIENCE = 0.3
"""Seconds that a client waits where the server never answers."""

STALLS = {"stall", "tls-first"}
"""Faults that leave a client waiting."""


# The whole catalogue, with whole clients


def deliver(server, context):
    """Log in and deliver as smtplib does it; `context` None is smtplib's own, which checks nothing."""
    stalls = server.policy.tls_profile.fault in STALLS or server.policy.scenario == "handshake-stall-mid"
    timeout = PATIENCE if stalls else 10
    if server.mode == "implicit-tls":
        client = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname="c.example", timeout=timeout, context=context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, local_hostname="c.example", timeout=timeout)
    with client:
        if server.mode != "implicit-tls":
            client.starttls(context=context)
        client.login("ann", "s3cret")
        client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: hi\r\n\r\nhello\r\n")


def careful(server):
    deliver(server, ssl.create_default_context(cafile=server.ca_file))


def careless(server):
    deliver(server, None)


TLS_GROUPS = ("certificates", "tls")
"""Those that turn on TLS alone; what rules make is test_rule_scenarios'."""


@pytest.mark.slow
@pytest.mark.smtp_scenarios(*TLS_GROUPS, users={"ann": "s3cret"})
@pytest.mark.smtp_scenarios("tls", users={"ann": "s3cret"}, mode="starttls")
def test_a_careful_smtplib_client_passes_every_scenario(smtp_scenario):
    """A certificate is the same one behind STARTTLS; how TLS begins and ends is not."""
    smtp_scenario.check(careful)


def is_seen_in_the_certificate(scenario_id):
    """Return whether only a client that looks at the certificate can know that it has to refuse."""
    scenario = load_scenario(scenario_id)
    return scenario.expected == "refuse" and scenario.openssl.error is None and scenario.openssl.verify_code != 0


@pytest.mark.slow
@pytest.mark.smtp_scenarios(*TLS_GROUPS, users={"ann": "s3cret"}, mode="starttls")
def test_smtplib_without_a_context_fails_where_the_certificate_is_to_be_refused_and_only_there(smtp_scenario):
    if is_seen_in_the_certificate(smtp_scenario.scenario.id):
        with pytest.raises(ScenarioFailed, match="the client should have refused, and delivered"):
            smtp_scenario.check(careless)
        assert smtp_scenario.outcome is Outcome.DELIVERED
    else:
        smtp_scenario.check(careless)


def test_that_is_nearly_every_scenario_to_be_refused_and_tls_itself_refuses_the_others():
    refused = [one for group in TLS_GROUPS for one in scenario_ids(group) if load_scenario(one).expected == "refuse"]
    seen = [one for one in refused if is_seen_in_the_certificate(one)]
    assert len(seen) > 40
    assert {load_scenario(one).group for one in set(refused) - set(seen)} == {"tls"}


# What the user writes, in child sessions

CLIENT = """
import smtplib, ssl
import pytest

def deliver(server, context=None):
    kind = smtplib.SMTP_SSL if server.mode == "implicit-tls" else smtplib.SMTP
    options = {"context": context} if server.mode == "implicit-tls" else {}
    with kind(server.host, server.port, local_hostname="c.example", timeout=10, **options) as client:
        if server.mode in ("starttls", "tls-required"):
            client.starttls(context=context)
        client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: hi\\r\\n\\r\\nhello\\r\\n")

def careful(server):
    deliver(server, ssl.create_default_context(cafile=server.ca_file))

def careless(server):
    deliver(server)
"""


@pytest.fixture
def child(pytester, monkeypatch):
    """Run a child session over a test file, with this plugin alone."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "BUILD_NUMBER"):  # with either, pytest says everything twice
        monkeypatch.delenv(name, raising=False)

    def run(code, *options):
        pytester.makepyfile(CLIENT + textwrap.dedent(code))
        return pytester.runpytest_inprocess("-p", "smtpfix.conftest_plugin", "-p", "no:cacheprovider", *options)

    return run


@pytest.fixture
def selected(child, request):
    """Return a function that gives the runs' ids which markers select."""

    def ids(*markers, options=()):
        lines = "\n".join(f"@pytest.mark.smtp_scenarios({marker})" for marker in markers)
        result = child(f"{lines}\ndef test_it(smtp_scenario): pass", "--collect-only", "-q", *options)
        assert result.ret == pytest.ExitCode.OK
        return [line.partition("[")[2].removesuffix("]") for line in result.outlines if "::test_it[" in line]

    return ids


def test_each_scenario_is_a_run_of_its_own_that_reads_well(child):
    result = child(
        """
        @pytest.mark.smtp_scenarios("good", "expired", "tls10-only")
        def test_client(smtp_scenario):
            smtp_scenario.check(careful)
        """,
        "-v",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*::test_client[[]good[]] PASSED *",
            "*::test_client[[]expired[]] PASSED *",
            "*::test_client[[]tls10-only[]] PASSED *",
        ]
    )


def test_a_run_has_its_scenario_its_expectation_and_a_server_that_shows_it(child):
    result = child("""
    @pytest.mark.smtp_scenarios("expired", "tls12-only", mode="starttls", users={"ann": "s3cret"}, size_limit=1000)
    def test_it(smtp_scenario):
        server = smtp_scenario.server
        assert smtp_scenario.scenario.id in ("expired", "tls12-only")
        assert smtp_scenario.expected == smtp_scenario.scenario.expected
        assert smtp_scenario.scenario.id == (server.policy.scenario or server.policy.certificate)
        assert (server.mode, server.policy.size_limit) == ("starttls", 1000)
        assert server.policy.users == {"ann": "s3cret"}
        assert smtp_scenario.outcome == "never connected"
        smtp_scenario.check(careful)
        assert smtp_scenario.outcome == ("refused" if smtp_scenario.expected == "refuse" else "delivered")
    """)
    result.assert_outcomes(passed=2)


def test_a_client_that_is_not_careful_fails_and_reads_why_once(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good", "expired")
    def test_client(smtp_scenario):
        smtp_scenario.check(careless)
    """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*_ test_client[[]expired[]] _*",
            "*ScenarioFailed: scenario expired: the client should have refused, and delivered",
            "E * what it is: *",
            "E * expected: * refuse *",
            "E * happened: * delivered",
            "E * the client: raised nothing",
            "E * session 1 (implicit-tls): *",
            "E * C: mail *:<ann@example.org>*",
        ]
    )
    assert str(result.stdout).count(":<ann@example.org>") == 1
    assert "def _judge" not in str(result.stdout)


def test_another_failure_of_the_test_shows_the_sessions_in_its_report(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good")
    def test_client(smtp_scenario):
        smtp_scenario.check(careful)
        assert smtp_scenario.server.inbox.one().subject == "bye"
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- smtp session 1 (implicit-tls): *", "*C: mail *:<ann@example.org>*"])


def test_a_name_of_several_labels_leads_to_the_server_while_the_test_runs(child):
    result = child("""
    import socket

    look_up = socket.getaddrinfo

    @pytest.mark.smtp_scenarios("wildcard-ok", "wildcard-apex", "sni-required", "ip-san", hostname="mail.shop.example")
    def test_client(smtp_scenario):
        smtp_scenario.check(careful)
        assert smtp_scenario.server.host in ("mail.shop.example", "shop.example", "127.0.0.1")

    def test_afterwards():
        assert socket.getaddrinfo is look_up
    """)
    result.assert_outcomes(passed=5)


def test_smtp_policy_is_where_it_starts_from(child):
    result = child("""
    from smtpfix import Policy

    @pytest.fixture
    def smtp_policy():
        return Policy("plain", users={"ann": "s3cret"}, certificate="cn-only", hostname="a.example")

    @pytest.mark.smtp_scenarios("good", "expired", hostname="b.example")
    def test_client(smtp_scenario):
        policy = smtp_scenario.server.policy
        assert (policy.mode, policy.hostname) == ("implicit-tls", "b.example")
        assert policy.users == {"ann": "s3cret"}
        assert policy.certificate == smtp_scenario.scenario.id
    """)
    result.assert_outcomes(passed=2)


# Groups, modes, several markers


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in ("stripping", "injection")])
@pytest.mark.parametrize("mode", ["implicit-tls", "starttls", "tls-required"])
def test_a_group_is_every_scenario_of_it_that_the_mode_can_show(selected, group, mode):
    expected = [one for one in scenario_ids(group) if mode in load_scenario(one).modes]
    assert selected(f"{group!r}, mode={mode!r}") == expected
    assert len(expected) > 20 or group not in TLS_GROUPS


def test_modes_is_a_good_server_in_each_mode(child):
    result = child(
        """
        @pytest.mark.smtp_scenarios("modes")
        def test_client(smtp_scenario):
            smtp_scenario.check(careful)
            assert smtp_scenario.scenario.id == "good"
        """,
        "-v",
    )
    result.assert_outcomes(passed=4)
    for mode in ("plain", "starttls", "tls-required", "implicit-tls"):
        result.stdout.fnmatch_lines(f"*::test_client[[]{mode}[]] PASSED*")


@pytest.mark.parametrize(
    ("markers", "expected"),
    [
        (['"expired", "good"'], ["expired", "good"]),
        (['"good", "good"'], ["good"]),
        (['"good"', '"expired"'], ["expired", "good"]),  # the nearest first
        (['"good"', '"good", "expired"'], ["good", "expired"]),
        (['"good"', '"good", mode="starttls"'], ["good-starttls", "good-implicit-tls"]),
        (['"good"', '"modes"'], ["plain", "starttls", "tls-required", "implicit-tls", "good"]),
        (['"good"', 'accepts={"cn-only"}'], ["good"]),
    ],
)
def test_several_names_and_markers_add_up_without_repetition(selected, markers, expected):
    assert selected(*markers) == expected


def test_the_nearest_marker_s_fields_count_where_two_select_the_same(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good", "expired", hostname="outer.example")
    class TestIt:
        @pytest.mark.smtp_scenarios("good", hostname="inner.example")
        def test_it(self, smtp_scenario):
            expected = "inner.example" if smtp_scenario.scenario.id == "good" else "outer.example"
            assert smtp_scenario.server.policy.hostname == expected
    """)
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("expired", ["expired-intermediate", "expired-root", "expired"]),
        ("wildcard and not ok", None),
        ("tls10-only", ["tls10-only"]),
    ],
)
def test_runs_are_chosen_by_k_like_any_others(selected, expression, expected):
    found = selected('"certificates", "tls"', options=("-k", expression))
    if expected is None:
        expected = [one for one in scenario_ids() if "wildcard" in one and "ok" not in one]
    assert sorted(found) == sorted(expected)


def test_it_goes_with_other_parameters_and_through_other_fixtures(child):
    result = child("""
    @pytest.fixture
    def server(smtp_scenario):
        return smtp_scenario.server

    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.smtp_scenarios("good", "expired")
    def test_it(server, number):
        assert server.policy.certificate in ("good", "expired")
    """)
    result.assert_outcomes(passed=4)


# Known deviations


def test_known_deviations_are_declared_at_the_marker(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good", "expired", "cn-only", accepts={"expired", "cn-only"})
    def test_client(smtp_scenario):
        smtp_scenario.check(careless)
    """)
    result.assert_outcomes(passed=3)


def test_a_declared_deviation_that_no_longer_holds_fails(child):
    result = child("""
    @pytest.mark.smtp_scenarios("expired", "wildcard-ok", accepts={"expired"}, refuses={"wildcard-ok"})
    def test_client(smtp_scenario):
        smtp_scenario.check(careful)
    """)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*scenario expired: accepts= names expired, but the client refuses it: take it out",
            "*scenario wildcard-ok: refuses= names wildcard-ok, but the client accepts it: take it out",
        ]
    )


def test_a_marker_without_names_declares_for_a_whole_module_also_what_a_test_does_not_select(child):
    result = child("""
    pytestmark = pytest.mark.smtp_scenarios(accepts={"expired", "not-yet-valid"})

    @pytest.mark.smtp_scenarios("good", "expired")
    def test_one(smtp_scenario):
        smtp_scenario.check(careless)

    @pytest.mark.smtp_scenarios("not-yet-valid", "wrong-host", accepts={"wrong-host"})
    def test_other(smtp_scenario):
        smtp_scenario.check(careless)

    def test_without():
        pass
    """)
    result.assert_outcomes(passed=5)


def test_a_mode_is_declared_by_its_name(child):
    result = child("""
    def in_tls_only(server):
        if server.mode == "plain":
            with smtplib.SMTP(server.host, server.port, local_hostname="c.example", timeout=10) as client:
                client.starttls()  # raises
        careful(server)

    @pytest.mark.smtp_scenarios("modes", refuses={"plain"})
    def test_client(smtp_scenario):
        smtp_scenario.check(in_tls_only)
    """)
    result.assert_outcomes(passed=4)


# Markers that make no sense


NO_SENSE = (
    ('"expird"', "smtp_scenarios: expected ids of scenarios or groups, got 'expird'; did you mean 'expired'?"),
    ('"certificate"', "*or groups, got 'certificate'; did you mean 'certificates'?"),
    ('["good"]', "*expected ids of scenarios or groups, got ?'good'?"),
    ("5", "*expected ids of scenarios or groups, got 5"),
    (
        '"good", mode="startls"',
        "*mode: expected one of plain, * (did you mean 'starttls'?), got 'startls'",
    ),
    (
        '"plain-on-tls-port", mode="starttls"',
        "*'plain-on-tls-port' cannot be shown in mode starttls, only in implicit-tls; set mode=",
    ),
    (
        '"tls", mode="plain"',
        "*'tls' cannot be shown in mode plain, only in starttls, tls-required, implicit-tls; *",
    ),
    ('"cn-only", accepts="cn-only"', """*accepts: expected a set of ids, such as {"cn-only"}, got 'cn-only'"""),
    ('"cn-only", refuses=None', "*refuses: expected a set of ids, such as *, got None"),
    ('"cn-only", accepts={"cn-onl"}', "*accepts: expected ids of scenarios, got 'cn-onl'; did you mean 'cn-only'?"),
    ('"cn-only", accepts={"lax", "cn-only"}', "*accepts: expected ids of scenarios, got 'lax'*"),
    ('"expired", refuses={"expired"}', "*refuses: every careful client refuses 'expired'; take it out"),
    ('"good", accepts={"good"}', "*accepts: every careful client accepts 'good'; take it out"),
    ('"modes", accepts={"plain"}', "*accepts: every careful client accepts 'plain'; take it out"),
    (
        '"cn-only", accepts={"cn-only"}, refuses={"cn-only"}',
        "*'cn-only' is in both accepts and refuses; take it out of one",
    ),
    (
        '"good", accepts={"expired"}',
        "*accepts: this marker does not select expired; take it out, or declare it for a whole class or module *",
    ),
    (
        '"tls", mode="implicit-tls", accepts={"tls-on-plain-port"}',
        "*accepts: this marker does not select tls-on-plain-port; *",
    ),
    ('"good", certificate="expired"', "*certificate is what the scenarios set, got 'expired'; name the scenario *"),
    ('"good", scenario="tls10-only"', "*scenario is what the scenarios set, got 'tls10-only'; name the scenario *"),
    (
        '"good", usres={"ann": "s3cret"}',
        "*Policy has no field 'usres' (did you mean *); there are mode, users, *",
    ),
    ("", "a test with smtp_scenario needs the marker smtp_scenarios(...) with ids of scenarios, or with groups: *"),
)
"""Markers that make no sense, each with what its error says."""


def test_a_marker_that_makes_no_sense_is_a_collection_error_that_names_the_test_and_what_is_right(child, pytester):
    for number, (marker, _) in enumerate(NO_SENSE):
        code = f"import pytest\n@pytest.mark.smtp_scenarios({marker})\ndef test_it(smtp_scenario): pass\n"
        pytester.path.joinpath(f"test_{number}.py").write_text(code, encoding="utf-8")
    result = child("")
    result.assert_outcomes(errors=len(NO_SENSE))
    for number, (_, message) in enumerate(NO_SENSE):
        result.stdout.fnmatch_lines([f"*ERROR collecting test_{number}.py*", f"test_{number}.py::test_it: {message}"])
    assert "Traceback" not in str(result.stdout)
    assert "scenarios.py" not in str(result.stdout)


def test_a_test_without_a_marker_is_a_collection_error(child):
    result = child("""
    def test_it(smtp_scenario):
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*.py::test_it: a test with smtp_scenario needs the marker smtp_scenarios(...)*")


def test_two_markers_that_contradict_each_other_are_a_collection_error(child):
    result = child("""
    @pytest.mark.smtp_scenarios(refuses={"cn-only"})
    @pytest.mark.smtp_scenarios("cn-only", accepts={"cn-only"})
    def test_it(smtp_scenario):
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*.py::test_it: smtp_scenarios: 'cn-only' is in both accepts and refuses; *")


def test_asking_for_the_scenario_while_the_test_runs_is_an_error_that_says_so(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good")
    def test_it(request):
        request.getfixturevalue("smtp_scenario")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*::test_it: smtp_scenario has to be an argument of the test, or of a fixture that is*")


def test_a_value_that_makes_no_sense_together_with_smtp_policy_is_an_error_of_the_test(child):
    result = child("""
    @pytest.mark.smtp_scenarios("good", require_auth=True)
    def test_it(smtp_scenario):
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*Policy.require_auth: True, but Policy.users names nobody*")


# Extras

WITHOUT_EXTRA = """
from smtpfix import ExtraMissing, Server

@pytest.fixture(autouse=True)
def without_extra(monkeypatch):
    start = Server.start
    def fail(server):
        if server.policy.certificate == "expired":
            raise ExtraMissing("expired needs a package: pip install 'smtpfix[clock]'")
        return start(server)
    monkeypatch.setattr(Server, "start", fail)
"""


def test_a_scenario_that_needs_a_missing_extra_is_skipped_with_the_reason_where_its_group_was_named(child):
    result = child(
        WITHOUT_EXTRA
        + """
@pytest.mark.smtp_scenarios("certificates")
def test_it(smtp_scenario):
    pass
""",
        *("-rs", "-k", "expired and not root"),
    )
    result.assert_outcomes(passed=1, skipped=1, deselected=len(scenario_ids("certificates")) - 2)
    result.stdout.fnmatch_lines("SKIPPED*: expired needs a package: pip install 'smtpfix?clock?'")


@pytest.mark.parametrize("names", ['"expired"', '"certificates", "expired"', '"expired", "certificates"'])
def test_a_scenario_that_needs_a_missing_extra_is_an_error_where_it_was_named_itself(child, names):
    result = child(
        WITHOUT_EXTRA
        + f"""
@pytest.mark.smtp_scenarios({names})
def test_it(smtp_scenario):
    pass
""",
        *("-k", "[expired]"),
    )
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines("*ExtraMissing: expired needs a package: pip install 'smtpfix?clock?'*")


# Policies that cannot show a scenario

ANYBODY = """
from smtpfix import ANY_USER, Policy

@pytest.fixture
def smtp_policy():
    return Policy(users=ANY_USER)

@pytest.mark.smtp_scenarios(MARKER, mode="starttls")
def test_it(smtp_scenario):
    pass
"""


def test_a_scenario_that_does_not_go_with_the_policy_is_skipped_with_the_reason_where_its_group_was_named(child):
    result = child(ANYBODY.replace("MARKER", '"auth"'), *("-rs", "-k", "auth-scram or auth-535"))
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["skipped"]) == (1, len([x for x in scenario_ids("auth") if "scram" in x]))
    result.stdout.fnmatch_lines("SKIPPED*: auth-scram cannot be shown with this policy: Policy.mechanisms: SCRAM *")


def test_a_scenario_that_does_not_go_with_the_policy_is_an_error_where_it_was_named_itself(child):
    result = child(ANYBODY.replace("MARKER", '"auth", "auth-scram"'), *("-k", "[auth-scram] or [auth-535]"))
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["errors"]) == (1, 1)
    result.stdout.fnmatch_lines("*InvalidValueError: Policy.mechanisms: SCRAM verifies a password*")


def test_a_field_that_makes_no_sense_without_the_scenario_either_is_an_error_in_a_group_too(child):
    result = child(ANYBODY.replace("MARKER", '"auth", size_limit=0'), *("-k", "[auth-scram] or [auth-535]"))
    assert result.parseoutcomes()["errors"] == 2
    result.stdout.fnmatch_lines("*InvalidValueError: Policy.size_limit: expected a whole number from 1 up*")


# Other runners


@pytest.mark.parametrize("mode", ["implicit-tls", "starttls"])
def test_async_tests_await_the_check(pytester, mode):
    pytester.makepyfile(f"""
    import ssl
    import aiosmtplib
    import pytest

    async def deliver(server, message):
        implicit = server.mode == "implicit-tls"
        await aiosmtplib.send(
            message, hostname=server.host, port=server.port, use_tls=implicit, start_tls=not implicit,
            tls_context=ssl.create_default_context(cafile=server.ca_file),
        )

    @pytest.mark.asyncio
    @pytest.mark.smtp_scenarios("good", "wildcard-ok", "wildcard-apex", mode="{mode}")
    async def test_it(smtp_scenario, smtp_message):
        await smtp_scenario.acheck(lambda server: deliver(server, smtp_message))
    """)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "-o", "asyncio_mode=strict"
    )
    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_it_survives_xdist_failures_and_skips_included(pytester, monkeypatch):
    pytester.makepyfile(
        CLIENT
        + """
@pytest.mark.smtp_scenarios("good", "expired", "not-yet-valid", "wildcard-ok", accepts={"expired"})
def test_client(smtp_scenario):
    smtp_scenario.check(careless)
"""
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading all others takes most of three processes' time
    result = pytester.runpytest_subprocess("-p", "xdist.plugin", "-p", "smtpfix.conftest_plugin", "-n", "2")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines("*scenario not-yet-valid: the client should have refused, and delivered")


def test_the_marker_explains_itself(child):
    result = child("", "--markers")
    result.stdout.fnmatch_lines("@pytest.mark.smtp_scenarios([*]names, mode='implicit-tls', *")
