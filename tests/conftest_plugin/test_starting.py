"""How servers are started for one test and for many: markers, arguments, a shared inbox, and the session's factory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from smtpfix import Policy
from smtpfix.conftest_plugin.servers import _in_mode


def test_the_factory_s_servers_serve_a_whole_run_and_are_reset_between_tests(child):
    result = child("""
    import socket
    import pytest
    from smtpfix import Policy, Reply

    addresses = []

    @pytest.fixture(scope="session")
    def shared(smtp_server_factory):
        return smtp_server_factory("starttls", users={"ann": "s3cret"})

    @pytest.fixture(scope="class")
    def lists(smtp_server_factory):
        return smtp_server_factory(Policy("implicit-tls", hostname="lists.example.org"), size_limit=1000)

    @pytest.fixture
    def server(shared):
        shared.reset()
        return shared

    class TestIt:
        @pytest.mark.parametrize("run", range(3))
        def test_it(self, server, lists, run):
            addresses.append(server.port)
            assert (len(server.inbox), len(server.sessions), server.rules) == (0, 0, ())
            send(server, f"bob{run}@example.org")
            send(lists)
            assert server.inbox.one().to == (f"bob{run}@example.org",)
            assert server.inbox[0].user == "ann"
            assert len(lists.inbox) == run + 1
            assert (lists.policy.hostname, lists.policy.size_limit) == ("lists.example.org", 1000)
            server.on("RCPT", Reply(450))

    def test_there_was_one_that_runs_on():
        assert len(set(addresses)) == 1
        socket.create_connection(("127.0.0.1", addresses[0]), timeout=5).close()
    """)
    result.assert_outcomes(passed=4)


def test_the_factory_s_servers_are_closed_when_the_run_is_over(child, pytester):
    pytester.makeconftest("""
    import socket

    def pytest_unconfigure(config):
        address = ("127.0.0.1", config.port)
        with socket.socket() as probe:
            print("REFUSED", probe.connect_ex(address) != 0)
    """)
    result = child("""
    import pytest

    @pytest.fixture(scope="session")
    def shared(smtp_server_factory, request):
        server = smtp_server_factory("implicit-tls")
        request.config.port = server.port
        return server

    def test_it(shared):
        send(shared)
    """)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["REFUSED True"])


def test_the_factory_asks_for_no_policy_of_one_test_and_its_scenarios_names_lead_to_it(child):
    result = child("""
    import socket
    import pytest
    from smtpfix import Policy

    @pytest.fixture
    def smtp_policy():
        return Policy("implicit-tls")

    @pytest.fixture(scope="module")
    def shared(smtp_server_factory):
        return smtp_server_factory("starttls", certificate="wildcard-ok")

    @pytest.mark.parametrize("run", range(2))
    @pytest.mark.smtp(certificate="wildcard-ok")
    def test_it(shared, smtp_server, run):
        assert (shared.mode, smtp_server.mode) == ("starttls", "implicit-tls")
        for server in (shared, smtp_server):
            socket.create_connection((server.host, server.port), timeout=5).close()
    """)
    result.assert_outcomes(passed=2)


def test_the_marker_says_what_start_smtp_server_starts_from_and_an_argument_wins(child):
    result = child("""
    import pytest
    from smtpfix import Policy

    pytestmark = pytest.mark.smtp("starttls", users={"ann": "s3cret"}, hostname="module.example.org")

    @pytest.mark.smtp(hostname="test.example.org", strict_rules=True)
    def test_it(start_smtp_server):
        first, second = start_smtp_server(), start_smtp_server("implicit-tls", hostname="argument.example.org")
        assert [server.mode for server in (first, second)] == ["starttls", "implicit-tls"]
        assert [server.policy.hostname for server in (first, second)] == ["test.example.org", "argument.example.org"]
        assert [server.policy.users for server in (first, second)] == [{"ann": "s3cret"}] * 2
        whole = start_smtp_server(Policy("plain"), size_limit=7)
        assert (whole.policy.users, whole.policy.size_limit) == (None, 7)
    """)
    result.assert_outcomes(passed=1)


def test_several_servers_put_their_messages_into_one_inbox(child):
    result = child("""
    from smtpfix import Inbox

    def test_it(start_smtp_server, smtp_server_factory):
        inbox = Inbox()
        servers = [start_smtp_server(inbox=inbox), start_smtp_server("starttls", inbox=inbox),
                   smtp_server_factory("implicit-tls", inbox=inbox)]
        for number, server in enumerate(servers):
            send(server, f"bob{number}@example.org")
        assert [message.to[0] for message in inbox] == [f"bob{number}@example.org" for number in range(3)]
        assert all(server.inbox is inbox for server in servers)
    """)
    result.assert_outcomes(passed=1)


def test_tests_in_a_row_that_ask_for_one_mode_share_a_policy_and_no_others_do():
    config, policy = SimpleNamespace(stash=pytest.Stash()), Policy(size_limit=1000)
    shared = _in_mode(config, policy, "starttls")
    assert shared == Policy("starttls", size_limit=1000)
    assert _in_mode(config, policy, "starttls") is shared
    assert _in_mode(config, policy, "plain") is policy
    assert _in_mode(config, Policy(size_limit=2000), "starttls") == Policy("starttls", size_limit=2000)


def test_a_server_is_started_for_the_test_whose_fixture_requests_it_whatever_is_set_up_before_and_after(child):
    """The fixtures do not name ``request``: pytest tells them which fixture it sets up."""
    result = child("""
    import pytest

    @pytest.fixture
    def before(): pass

    @pytest.fixture
    def smtp_server(before, smtp_server):
        return smtp_server

    @pytest.fixture
    def after(request): return request.node.name

    @pytest.mark.smtp("starttls")
    def test_marked(before, start_smtp_server, smtp_server, after):
        assert (smtp_server.mode, start_smtp_server().mode, after) == ("starttls", "starttls", "test_marked")

    def test_unmarked(request, start_smtp_server, before):
        started = request.getfixturevalue("smtp_server")
        assert (started.mode, start_smtp_server().mode) == ("plain", "plain")

    @pytest.mark.smtp(max_recipients=1)
    @pytest.mark.imap(users={"ann": "s3cret"})
    def test_of_two_protocols(smtp_server, imap_server):
        assert smtp_server.policy.max_recipients == 1
        assert imap_server.inbox is smtp_server.inbox
        assert imap_server.policy.users == {"ann": "s3cret"}
    """)
    result.assert_outcomes(passed=3)
