"""The plugin, in child test sessions of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from child_sessions import SEND

pytestmark = pytest.mark.slow


def test_the_fixture_alone_gives_a_plain_server_with_an_empty_inbox_to_every_test(child):
    result = child("""
    import pytest

    @pytest.mark.parametrize("run", range(3))
    def test_it(smtp_server, run):
        assert smtp_server.mode == "plain"
        assert len(smtp_server.inbox) == 0
        send(smtp_server)
        assert smtp_server.inbox.one(to="bob@example.org").subject == "hi"
    """)
    result.assert_outcomes(passed=3)


def test_the_marker_sets_the_policy_of_one_test(child):
    result = child("""
    import pytest

    @pytest.mark.smtp("tls-required", users={"ann": "s3cret"}, certificate="good")
    def test_marked(smtp_server):
        send(smtp_server)
        assert smtp_server.mode == "tls-required"
        assert smtp_server.sessions[-1].auth[0].accepted

    def test_unmarked(smtp_server):
        assert smtp_server.mode == "plain" and smtp_server.policy.users is None
    """)
    result.assert_outcomes(passed=2)


def test_the_nearest_marker_wins_field_by_field(child):
    result = child("""
    import pytest

    @pytest.mark.smtp("starttls", hostname="outer.example.org")
    class TestIt:
        @pytest.mark.smtp(hostname="inner.example.org")
        def test_inner(self, smtp_server):
            assert (smtp_server.mode, smtp_server.policy.hostname) == ("starttls", "inner.example.org")

        def test_outer(self, smtp_server):
            assert smtp_server.policy.hostname == "outer.example.org"
    """)
    result.assert_outcomes(passed=2)


def test_overriding_smtp_policy_sets_the_policy_of_a_whole_suite_and_a_marker_still_changes_it(child):
    result = child("""
    import pytest
    from smtpfix import Policy

    @pytest.fixture
    def smtp_policy():
        return Policy("implicit-tls", users={"ann": "s3cret"})

    def test_suite(smtp_server):
        send(smtp_server)
        assert smtp_server.inbox.one().session.tls.started_by == "connect"

    @pytest.mark.smtp(require_auth=True)
    def test_marked(smtp_server):
        assert smtp_server.mode == "implicit-tls" and smtp_server.policy.require_auth
    """)
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('"tls"', "*Policy.mode: 'tls' is no mode; a server with TLS from the first octet is 'implicit-tls'*"),
        ('certificate="god"', "*no scenario 'god' in the catalogue. Did you mean 'good'?*"),
        (
            'usres={"ann": "s3cret"}',
            "*smtp has no field 'usres' (did you mean 'users'?); * like, strict_rules*",
        ),
        ('"plain", "starttls"', "*the marker smtp takes one mode, got 2*"),
        ('strict_rules="no"', "*smtp(strict_rules): expected True or False, got 'no'*"),
    ],
)
def test_a_marker_that_makes_no_sense_is_an_error_that_says_what_is_allowed(child, marker, message):
    result = child(f"""
    import pytest

    @pytest.mark.smtp({marker})
    def test_it(smtp_server):
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(message)


def test_the_factory_starts_servers_of_different_policies_and_closes_them_all(child):
    result = child("""
    import socket
    import pytest
    from smtpfix import Policy

    addresses = []

    @pytest.mark.smtp("starttls", hostname="b.example.org")
    def test_it(smtp_server, start_smtp_server):
        servers = [smtp_server, start_smtp_server("implicit-tls"), start_smtp_server(Policy(hostname="a.example.org")),
                   start_smtp_server(size_limit=1000, hostname="c.example.org"), start_smtp_server(like="gmail")]
        assert [server.mode for server in servers] == ["starttls", "implicit-tls", "plain", "starttls", "tls-required"]
        names = [server.policy.hostname[:13] for server in servers]
        assert names[:4] == ["b.example.org", "b.example.org", "a.example.org", "c.example.org"]
        assert servers[3].policy.size_limit == 1000
        for server in servers:
            send(server)
            assert len(server.inbox) == 1
            addresses.extend(server.addresses)

    def test_they_are_closed():
        assert len(addresses) >= 4
        for address in addresses:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=5)
    """)
    result.assert_outcomes(passed=2)


def test_one_authority_serves_the_whole_run_and_its_file_is_gone_afterwards(child, pytester):
    result = child("""
    from pathlib import Path

    def test_first(smtp_authority, start_smtp_server):
        server = start_smtp_server("starttls")
        assert server.ca_file == smtp_authority.ca_file
        Path("where").write_text(f"{server.ca_file}")
        assert server.ca_file.exists()

    def test_second(start_smtp_server):
        assert Path("where").read_text() == str(start_smtp_server("implicit-tls").ca_file)
    """)
    result.assert_outcomes(passed=2)
    assert not Path((pytester.path / "where").read_text(encoding="utf-8")).exists()


def test_a_failing_test_shows_what_each_client_did_with_secrets_shortened(child):
    result = child("""
    import pytest

    @pytest.mark.smtp("starttls", users={"ann": "s3cret"})
    def test_it(smtp_server):
        send(smtp_server)
        assert smtp_server.inbox.one(to="carol@example.org")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*expected 1 message (to='carol@example.org'), got 0 of 1 captured*",
            "*to: wanted 'carol@example.org', got ('bob@example.org',)*",
            "*- smtp session 1 (starttls): TLSv1.3 by STARTTLS; AUTH PLAIN as *, password …(6 characters), *",
            "*S: 220 *",
            "*C: STARTTLS",
            "*-- TLS begins: TLSv1.3*",
            "*C: AUTH PLAIN …(16 octets)",
            "*S: 250 2.0.0 *",
            "*-- end: quit",
        ]
    )
    result.stdout.no_fnmatch_line("*AGFubgBzM2NyZXQ=*")
    result.stdout.no_fnmatch_line("*C: *s3cret*")


SET_A_RULE = """
    import pytest
    from smtpfix import Reply

    @pytest.mark.smtp(strict_rules={strict})
    def test_it(smtp_server):
        smtp_server.on("MAIL", Reply(452), argument="*@never.example")
        smtp_server.on("RCPT", Reply(250, None, "Fine"))
        send(smtp_server)
"""


def test_a_function_that_raises_fails_the_test_at_teardown(child):
    result = child("""
    import pytest, smtplib

    @pytest.mark.parametrize("fails", [False, True])
    def test_it(smtp_server, start_smtp_server, fails):
        smtp_server.on("MAIL", lambda turn: {}["a bug"])
        other = start_smtp_server()
        with pytest.raises((smtplib.SMTPException, OSError)):
            send(smtp_server)
        assert smtp_server.inbox.attempts()[0].reply.code == 451
        assert not fails

    def test_told(smtp_server):
        smtp_server.on("EHLO", lambda turn: {}["a bug"])
        with pytest.raises((smtplib.SMTPException, OSError)):
            send(smtp_server)
        with pytest.raises(Exception, match="a bug"):
            smtp_server.close()
    """)
    result.assert_outcomes(passed=2, failed=1, errors=2)
    result.stdout.fnmatch_lines(["E * the function at MAIL raised KeyError: 'a bug' (test_*.py:*, session 1)"])


def test_strict_rules_fail_a_test_whose_rule_never_answered_and_name_it_with_what_the_client_did(child):
    result = child(SET_A_RULE.format(strict=True))
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "1 rule never answered, so nothing of this test *(strict_rules=True):",
            "  MAIL: Reply(*452*argument '[*]@never.example'*",
            "Let the client *",
            "*- smtp session 1 *",
            "*C: mail *:<ann@example.org>*",
        ]
    )
    result.stdout.no_fnmatch_line("  RCPT: Reply*")


def test_without_strict_rules_a_rule_may_stay_unused(child):
    child(SET_A_RULE.format(strict=False)).assert_outcomes(passed=1)


def test_strict_rules_are_met_by_a_rule_that_answered_one_that_was_taken_out_and_those_of_a_scenario(child):
    result = child("""
    import pytest
    from smtpfix import Reply

    pytestmark = pytest.mark.smtp("plain", strict_rules=True)

    def test_answered(smtp_server):
        smtp_server.on("RCPT", Reply(250, None, "Fine"), times=1)
        send(smtp_server)

    def test_taken_out(smtp_server):
        smtp_server.off(smtp_server.on("RCPT", Reply(452)))

    @pytest.mark.smtp(scenario="mail-452")
    def test_scenario(smtp_server):
        assert smtp_server.unused_rules

    @pytest.mark.smtp(strict_rules=False)
    def test_the_nearest_marker_wins(smtp_server):
        smtp_server.on("RCPT", Reply(452))
    """)
    result.assert_outcomes(passed=4)


def test_strict_rules_count_what_a_client_said_last_before_it_hung_up(child):
    result = child("""
    import pytest
    import socket
    from smtpfix import NoReply

    @pytest.mark.parametrize("run", range(20))
    @pytest.mark.smtp(strict_rules=True)
    def test_it(smtp_server, run):
        smtp_server.on("NOOP", NoReply())
        with socket.create_connection((smtp_server.host, smtp_server.port), 5) as client:
            client.recv(100)
            client.sendall(b"NOOP\\r\\n")
    """)
    result.assert_outcomes(passed=20)


def test_strict_rules_say_nothing_of_a_test_that_failed_or_was_skipped_anyway(child):
    result = child("""
    import pytest
    from smtpfix import Reply

    pytestmark = pytest.mark.smtp(strict_rules=True)

    @pytest.fixture(autouse=True)
    def rule(smtp_server):
        smtp_server.on("RCPT", Reply(452))

    def test_failed():
        assert False

    def test_skipped():
        pytest.skip("no client")
    """)
    result.assert_outcomes(failed=1, skipped=1)


def test_strict_rules_are_those_of_every_started_server(child):
    result = child("""
    import pytest
    from smtpfix import Reply

    @pytest.mark.smtp(strict_rules=True)
    def test_it(start_smtp_server):
        for stage in ("DATA", "VRFY", "RCPT"):
            server = start_smtp_server()
            server.on(stage, Reply(450))
        try:
            send(server)
        except Exception:
            pass
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["2 rules never answered*", "  DATA: *", "  VRFY: *", "Let the client*"])


def test_a_passing_test_shows_nothing(child):
    result = child(
        """
    def test_it(smtp_server):
        send(smtp_server)
    """,
        "-rA",
    )
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*smtp session*")


def test_a_failing_test_that_nobody_connected_in_says_so(child):
    result = child("""
    def test_it(smtp_server):
        smtp_server.inbox.one()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*what the clients did: 0 sessions*", "*- smtp server localhost:* (plain) -*", "no client connected"]
    )


@pytest.mark.parametrize(("commands", "left_out"), [(100, False), (3000, True)])
def test_a_report_has_a_long_transcript_s_beginning_and_end(child, commands, left_out):
    result = child(f"""
    import smtplib

    def test_it(smtp_server):
        with smtplib.SMTP(smtp_server.host, smtp_server.port, local_hostname="first.example") as client:
            client.ehlo()
            for number in range({commands}):
                client.docmd("NOOP", f"number-{{number}}")
        assert False
    """)
    lines = "\n".join(result.outlines)
    assert "first.example" in lines
    assert f"number-{commands - 1}" in lines
    assert ("lines left out; print(server.sessions[…].transcript) shows them all" in lines) is left_out
    assert len(result.outlines) < 500
    assert "number-1500" not in lines


def test_a_report_escapes_what_would_move_the_cursor(child):
    result = child("""
    def test_it(smtp_server):
        with smtp_server.client() as client:
            client.command_encoding = "utf-8"
            client.docmd("NOOP \\x1b[31mred\\u202e")
        assert False
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*C: NOOP \\x1b[[]31mred\\u202e*"])


def test_sample_mail_is_the_same_in_every_run_and_uses_reserved_domains(child):
    code = """
    from email.utils import parseaddr

    def test_it(smtp_message, smtp_server):
        for header in ("From", "To"):
            assert parseaddr(smtp_message[header])[1].split("@")[1] in ("example.org", "example.com", "example.net")
        with smtp_server.client() as client:
            client.send_message(smtp_message)
        message = smtp_server.inbox.one()
        assert message.subject == smtp_message["Subject"] and message.text.strip()
        print("SUBJECT", message.subject, message.sender)
    """

    def subjects(*options):
        result = child(code, "-s", *options)
        result.assert_outcomes(passed=1)
        return [line for line in result.outlines if "SUBJECT" in line]

    assert subjects() == subjects()
    with_fakers_plugin = ("-p", "faker.contrib.pytest.plugin")
    assert subjects(*with_fakers_plugin) == subjects(*with_fakers_plugin)


def test_switched_off_the_plugin_leaves_no_fixture_and_no_marker(pytester):
    pytester.makepyfile("def test_it(smtp_server): pass")
    result = pytester.runpytest_subprocess("-p", "no:smtpfix", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*fixture 'smtp_server' not found*")


def test_named_by_hand_it_works_without_any_autoloaded_plugin(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        SEND
        + """
def test_it(smtp_server, smtp_message):
    send(smtp_server)
    assert smtp_server.inbox.one() and smtp_message["To"]
"""
    )
    pytester.runpytest_subprocess("-p", "smtpfix.conftest_plugin").assert_outcomes(passed=1)
    pytester.runpytest_subprocess().assert_outcomes(errors=1)


def test_it_survives_xdist_reports_included(pytester, monkeypatch):
    pytester.makepyfile(
        SEND
        + """
import pytest

@pytest.mark.parametrize("run", range(6))
@pytest.mark.smtp("starttls")
def test_it(smtp_server, run):
    send(smtp_server)
    assert smtp_server.inbox.one()
    assert run != 5
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "-n", "2")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*- smtp session 1 (starttls): TLSv1.3 by STARTTLS*", "*-- TLS begins*"])


@pytest.mark.parametrize("scope", ["function", "class", "module", "session"])
def test_async_tests_work_in_every_loop_scope(pytester, scope):
    pytester.makepyfile(f"""
    import asyncio
    import aiosmtplib
    import pytest

    @pytest.mark.asyncio(loop_scope="{scope}")
    class TestIt:
        @pytest.mark.smtp("starttls")
        @pytest.mark.parametrize("run", range(3))
        async def test_it(self, smtp_server, smtp_message, run):
            waiting = asyncio.create_task(smtp_server.inbox.received(1))
            await aiosmtplib.send(smtp_message, hostname=smtp_server.host, port=smtp_server.port,
                                  tls_context=smtp_server.ssl_context(), start_tls=True)
            (message,) = await waiting
            assert message.in_tls and message.subject == smtp_message["Subject"]
            (session,) = await smtp_server.sessions.ended(1)
            assert session.end == "quit"
    """)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "-o", "asyncio_mode=strict"
    )
    result.assert_outcomes(passed=3)


def test_an_unused_plugin_imports_nothing_but_pytest():
    code = (
        "import sys, pytest; before = set(sys.modules); import smtpfix.conftest_plugin; "
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["smtpfix", "smtpfix.conftest_plugin"]


def test_a_run_that_uses_no_fixture_imports_nothing_more_also_when_tests_fail(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("""
    import sys

    def pytest_unconfigure(config):
        print("IMPORTED", *sorted(name for name in sys.modules if name.partition(".")[0] == "smtpfix"))
    """)
    pytester.makepyfile("""
    import pytest

    pytestmark = pytest.mark.smtp_scenarios("good")

    def test_passes():
        pass

    def test_fails():
        assert False
    """)
    result = pytester.runpytest_subprocess("-p", "smtpfix.conftest_plugin")
    result.assert_outcomes(passed=1, failed=1)
    assert [line for line in result.outlines if "IMPORTED" in line] == ["IMPORTED smtpfix smtpfix.conftest_plugin"]


def test_a_scenario_s_name_leads_to_the_server_while_its_test_runs(child):
    result = child("""
    import socket
    import pytest

    look_up = socket.getaddrinfo

    @pytest.mark.smtp("starttls", certificate="wildcard-ok")
    def test_ours(smtp_server):
        assert smtp_server.host == "mx.smtpfix.test"
        assert socket.getaddrinfo is not look_up
        socket.create_connection((smtp_server.host, smtp_server.port), timeout=5).close()

    def test_another(start_smtp_server):
        server = start_smtp_server("implicit-tls", certificate="wildcard-ok", hostname="mail.shop.example")
        assert server.host == "mail.shop.example"
        socket.create_connection((server.host, server.port), timeout=5).close()

    @pytest.mark.smtp("starttls")
    def test_good_servers_leave_look_ups_alone(smtp_server):
        assert socket.getaddrinfo is look_up
    """)
    result.assert_outcomes(passed=3)


def test_no_thread_and_no_temporary_file_outlives_a_run(pytester, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pytester.makeconftest("""
    import threading

    def pytest_unconfigure(config):
        print("THREADS", *[thread.name for thread in threading.enumerate()])
    """)
    pytester.makepyfile(
        SEND
        + """
import pytest

@pytest.mark.smtp("implicit-tls")
def test_it(smtp_server):
    send(smtp_server)
    assert smtp_server.ca_file.exists()
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--basetemp", str(pytester.path / "base"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("THREADS MainThread")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("smtpfix")] == []


def test_assertion_rewriting_passes_this_package_over(pytester):
    """All of a package is rewritten that brings a plugin and is installed as users have it."""
    pytester.makeconftest("import pytest; pytest.register_assert_rewrite('smtpfix')")
    pytester.makepyfile("""
    import sys
    from _pytest.assertion.rewrite import AssertionRewritingHook

    def test_it(smtp_server):
        ours = {name: module for name, module in sys.modules.items() if name.startswith("smtpfix.")}
        assert "smtpfix.server" in ours
        rewritten = {name for name in ours if isinstance(ours[name].__loader__, AssertionRewritingHook)}
        assert rewritten <= {"smtpfix.conftest_plugin"}  # itself, which is there before it can have a say
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
