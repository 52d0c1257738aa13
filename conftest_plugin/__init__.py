"""The pytest plugin: fixtures, a marker for each protocol, and what clients did and sent in a failing test's report.

Every pytest run of every user loads it, so it imports pytest and nothing else until a test requests a fixture.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Generator, Iterator
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import EmailMessage
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from smtpfix.audit.check import RunningScenario
    from smtpfix.audit.check_reading import RunningReadingScenario
    from smtpfix.fixtures import RunAudit, StartReader, StartServer
    from smtpfix.imap.policy import ImapPolicy
    from smtpfix.pki.authority import Authority
    from smtpfix.pop3.policy import Pop3Policy
    from smtpfix.server import Server
    from smtpfix.smtp.policy import Policy

    from .servers import Starter

SERVERS: pytest.StashKey[list[Server]] = pytest.StashKey()
"""A test's own servers."""
PASSED: pytest.StashKey[bool] = pytest.StashKey()
"""Whether a test passed, apart from its teardown."""


class _AsItIs:
    """Finds this package's modules before pytest's import hook does.

    The hook rewrites assert statements in every package with a plugin, and makes a quarter of the cost of importing it.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path, target) if name.startswith("smtpfix.") else None


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and keep assertion rewriting away from this package."""
    finder = _AsItIs()
    sys.meta_path.insert(0, finder)
    config.add_cleanup(functools.partial(sys.meta_path.remove, finder))
    config.addinivalue_line(
        "markers",
        "smtp(mode, **fields): the policy of this test's smtp_server, and what start_smtp_server starts from; keyword "
        "arguments are smtpfix.Policy's fields, and what is not named stays as the smtp_policy fixture has it, or as "
        "the provider's profile has it where like='gmail' names one; strict_rules=True: "
        "a test that passed fails where a rule that it set with on() never answered",
    )
    config.addinivalue_line(
        "markers",
        "imap(mode, **fields): the policy of this test's imap_server; keyword arguments are smtpfix.ImapPolicy's "
        "fields, and what is not named stays as the imap_policy fixture has it; strict_rules=True as for smtp",
    )
    config.addinivalue_line(
        "markers",
        "pop3(mode, **fields): the policy of this test's pop3_server; keyword arguments are smtpfix.Pop3Policy's "
        "fields, and what is not named stays as the pop3_policy fixture has it; strict_rules=True as for smtp",
    )
    config.addinivalue_line(
        "markers",
        "smtp_scenarios(*names, mode='implicit-tls', accepts=(), refuses=(), **fields): run this test with its "
        "smtp_scenario once for each scenario: ids, groups such as certificates, or modes; accepts and refuses "
        "are ids of what this client is known to do otherwise, fields are smtpfix.Policy's; several markers add up, "
        "and one without names declares accepts and refuses for all of them",
    )
    config.addinivalue_line(
        "markers",
        "imap_scenarios(*names, mode='implicit-tls', accepts=(), refuses=(), **fields): the same for "
        "imap_scenario, with smtpfix.ImapPolicy's fields",
    )
    config.addinivalue_line(
        "markers",
        "pop3_scenarios(*names, mode='implicit-tls', accepts=(), refuses=(), **fields): the same for "
        "pop3_scenario, with smtpfix.Pop3Policy's fields",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that requests a scenario fixture once for each scenario that its markers name."""
    for protocol in ("smtp", "imap", "pop3"):
        if f"{protocol}_scenario" in metafunc.fixturenames:
            from .scenarios import parametrize  # noqa: PLC0415 - not before it is asked for

            parametrize(metafunc, protocol)


@pytest.fixture(scope="session")
def smtp_authority() -> Iterator[Authority]:
    """Return the certificate authority of this test run. Override it to keep one authority between runs."""
    from smtpfix.pki.authority import Authority  # noqa: PLC0415 - not before it is asked for

    with Authority() as authority:
        yield authority


@pytest.fixture(scope="session")
def _smtp_servers(pytestconfig: pytest.Config) -> Iterator[Starter]:
    """Return what starts servers for tests, and keep their thread: starting it costs more than starting a server."""
    from smtpfix.wire.loop import LOOP_THREAD  # noqa: PLC0415 - not before it is asked for

    from .servers import Starter  # noqa: PLC0415 - as above

    starter = Starter()
    pytestconfig.pluginmanager.register(starter)
    LOOP_THREAD.hold()
    yield starter
    LOOP_THREAD.release()
    pytestconfig.pluginmanager.unregister(starter)


@pytest.fixture(scope="session")
def smtp_policy() -> Policy:
    """Return the policy that the ``smtp`` marker starts from. Override it for a module or a whole suite, in any scope.

    Its scope is the session because setting up a fixture for each test costs as much as starting a server.
    """
    from smtpfix.smtp.policy import Policy  # noqa: PLC0415 - not before it is asked for

    return Policy()


@pytest.fixture(scope="session")
def smtp_server_factory(request: pytest.FixtureRequest, _smtp_servers: Starter) -> Iterator[StartServer]:
    """Return a function that starts a server for many tests. The server closes at the end of the run.

    Use it in fixtures of your own, in any scope: ``smtp_server_factory("implicit-tls", users={"ann": "s3cret"})`` or
    ``smtp_server_factory(Policy(...))``. Call `Server.reset` to make the server as good as new for the next test.
    """
    from .servers import starting_for_all  # noqa: PLC0415 - not before it is asked for

    with starting_for_all(request) as start:
        yield start


@pytest.fixture
def start_smtp_server(smtp_policy: Policy, _smtp_servers: Starter) -> Iterator[StartServer]:
    """Return a function that starts a server. The server closes after the test.

    ``start_smtp_server("implicit-tls", users={"ann": "s3cret"})`` starts from `smtp_policy` and the ``smtp`` marker,
    and changes these fields. ``start_smtp_server(like="gmail")`` starts from a provider's profile, and
    ``start_smtp_server(Policy(...))`` from the policy that you pass. To have several servers share one inbox, pass the
    same ``inbox=`` to each.
    """
    with _smtp_servers.starting("smtp", smtp_policy) as start:
        yield start


@pytest.fixture
def smtp_server(smtp_policy: Policy, _smtp_servers: Starter) -> Iterator[Server]:
    """Return a running server that belongs to this test alone: its inbox has no messages from other tests."""
    with _smtp_servers.starting("smtp", smtp_policy) as start:
        yield start()


@pytest.fixture(scope="session")
def pop3_policy() -> Pop3Policy:
    """Return the policy that the ``pop3`` marker starts from. Override it in the same way as `smtp_policy`."""
    from smtpfix.pop3.policy import Pop3Policy  # noqa: PLC0415 - not before it is asked for

    return Pop3Policy()


@pytest.fixture
def start_pop3_server(pop3_policy: Pop3Policy, _smtp_servers: Starter) -> Iterator[StartReader]:
    """Return a function that starts a POP3 server. The server closes after the test.

    ``start_pop3_server("implicit-tls", users={"ann": "s3cret"})`` changes fields of `pop3_policy`;
    ``start_pop3_server(Pop3Policy(...))`` replaces it. All servers of the test share one inbox and one authority.
    """
    with _smtp_servers.starting("pop3", pop3_policy) as start:
        yield start


@pytest.fixture
def pop3_server(pop3_policy: Pop3Policy, _smtp_servers: Starter) -> Iterator[Server]:
    """Return a running POP3 server, from which clients read what the test's other servers captured."""
    with _smtp_servers.starting("pop3", pop3_policy) as start:
        yield start()


@pytest.fixture(scope="session")
def imap_policy() -> ImapPolicy:
    """Return the policy that the ``imap`` marker starts from. Override it in the same way as `smtp_policy`."""
    from smtpfix.imap.policy import ImapPolicy  # noqa: PLC0415 - not before it is asked for

    return ImapPolicy()


@pytest.fixture
def start_imap_server(imap_policy: ImapPolicy, _smtp_servers: Starter) -> Iterator[StartReader]:
    """Return a function that starts an IMAP server. The server closes after the test.

    ``start_imap_server("implicit-tls", users={"ann": "s3cret"})`` changes fields of `imap_policy`;
    ``start_imap_server(ImapPolicy(...))`` replaces it. All servers of the test share one inbox and one authority.
    """
    with _smtp_servers.starting("imap", imap_policy) as start:
        yield start


@pytest.fixture
def imap_server(imap_policy: ImapPolicy, _smtp_servers: Starter) -> Iterator[Server]:
    """Return a running IMAP server, from which clients read what the test's other servers captured."""
    with _smtp_servers.starting("imap", imap_policy) as start:
        yield start()


@pytest.fixture
def smtp_scenario(
    request: pytest.FixtureRequest, smtp_policy: Policy, _smtp_servers: Starter
) -> Iterator[RunningScenario]:
    """Return a scenario and its server; the test runs once for each scenario of its ``smtp_scenarios`` markers."""
    from .scenarios import of_request  # noqa: PLC0415 - not before it is asked for

    with of_request(request, smtp_policy) as running:
        yield running


@pytest.fixture
def imap_scenario(
    request: pytest.FixtureRequest, imap_policy: ImapPolicy, _smtp_servers: Starter
) -> Iterator[RunningReadingScenario]:
    """Return a scenario and its server; the test runs once for each scenario of its ``imap_scenarios`` markers."""
    from .scenarios import of_request  # noqa: PLC0415 - not before it is asked for

    with of_request(request, imap_policy) as scenario:
        yield cast("RunningReadingScenario", scenario)


@pytest.fixture
def pop3_scenario(
    request: pytest.FixtureRequest, pop3_policy: Pop3Policy, _smtp_servers: Starter
) -> Iterator[RunningReadingScenario]:
    """Return a scenario and its server; the test runs once for each scenario of its ``pop3_scenarios`` markers."""
    from .scenarios import of_request  # noqa: PLC0415 - not before it is asked for

    with of_request(request, pop3_policy) as scenario:
        yield cast("RunningReadingScenario", scenario)


@pytest.fixture
def smtp_audit() -> RunAudit:
    """Return a function that audits a client, and fails the test if the client's grade is too low.

    ``smtp_audit(deliver, mode="implicit", grade="A")`` takes the options of `smtpfix.audit_client`.
    """
    from .auditing import audit  # noqa: PLC0415 - not before it is asked for

    return audit


@pytest.fixture
def imap_audit() -> RunAudit:
    """Return a function that audits a client that reads mail over IMAP.

    ``imap_audit(read, mode="implicit", grade="A")`` takes the options of `smtpfix.audit_client`.
    """
    from .auditing import audit  # noqa: PLC0415 - not before it is asked for

    return functools.partial(audit, protocol="imap")


@pytest.fixture
def pop3_audit() -> RunAudit:
    """Return a function that audits a client that reads mail over POP3.

    ``pop3_audit(read, mode="implicit", grade="A")`` takes the options of `smtpfix.audit_client`.
    """
    from .auditing import audit  # noqa: PLC0415 - not before it is asked for

    return functools.partial(audit, protocol="pop3")


@pytest.fixture
def smtp_message(request: pytest.FixtureRequest) -> EmailMessage:
    """Return a sample message with addresses in domains that RFC 2606 reserves.

    It is the same in every run. With the extra ``smtpfix[faker]``, faker generates it, with your locale and seed.
    """
    from .sample import sample_message  # noqa: PLC0415 - not before it is asked for

    return sample_message(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what the clients did and sent."""
    report = yield
    may_have_servers = "smtpfix.server" in sys.modules
    if may_have_servers and report.failed and call.excinfo is not None:
        from .reports import tell  # noqa: PLC0415 - only where there is something to tell

        tell(item, call.excinfo.value, report)
    item.stash[PASSED] = call.when == "call" and report.passed
    if call.when == "teardown" and may_have_servers:
        from .before import begin_next  # noqa: PLC0415 - as above

        if SERVERS in item.stash:
            del item.stash[SERVERS]
        begin_next(item.config)
    return report
