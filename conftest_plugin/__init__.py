"""The pytest plugin: fixtures, the marker ``smtp``, and a failing test's SMTP sessions in its report.

Loaded in every pytest run of every user, so it imports pytest and nothing else until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from email.message import EmailMessage

    from smtpfix.audit.check import RunningScenario
    from smtpfix.audit.result import AuditResult
    from smtpfix.pki.authority import Authority
    from smtpfix.server import Server
    from smtpfix.smtp.policy import Policy

    StartServer: TypeAlias = Callable[..., Server]
    """Type of the `start_smtp_server` fixture."""

_SERVERS: pytest.StashKey[list[Server]] = pytest.StashKey()
_PASSED: pytest.StashKey[bool] = pytest.StashKey()
_SESSIONS_SHOWN = 10
_SHOWN_LINES = 200
"""Lines of a transcript that a report has, from its beginning and from its end."""
_STRICT = "strict_rules"
"""The marker's own keyword; all others are the policy's."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line(
        "markers",
        "smtp(mode, **fields): the policy of this test's smtp_server; keyword arguments are smtpfix.Policy's fields, "
        "and what is not named stays as the smtp_policy fixture has it, or as the provider's profile has it where "
        "like='gmail' names one; strict_rules=True, also for start_smtp_server: "
        "a test that passed fails where a rule that it set with on() never answered",
    )
    config.addinivalue_line(
        "markers",
        "smtp_scenarios(*names, mode='implicit-tls', accepts=(), refuses=(), **fields): run this test with its "
        "smtp_scenario once for each scenario: ids, groups such as certificates, or modes; accepts and refuses "
        "are ids of what this client is known to do otherwise, fields are smtpfix.Policy's; several markers add up, "
        "and one without names declares accepts and refuses for all of them",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants a scenario once for each that its markers name."""
    if "smtp_scenario" in metafunc.fixturenames:
        from .scenarios import parametrize  # noqa: PLC0415 - not before it is asked for

        parametrize(metafunc)


@pytest.fixture(scope="session")
def smtp_authority() -> Iterator[Authority]:
    """Return the certificate authority of this test run. Override it to keep one between runs."""
    from smtpfix.pki.authority import Authority  # noqa: PLC0415 - not before it is asked for

    with Authority() as authority:
        yield authority


@pytest.fixture(scope="session")
def _smtp_loop_thread() -> Iterator[None]:
    """Keep the servers' thread between tests: starting it costs more than starting a server."""
    from smtpfix.wire.loop import LOOP_THREAD  # noqa: PLC0415 - not before it is asked for

    LOOP_THREAD.hold()
    yield
    LOOP_THREAD.release()


@pytest.fixture(scope="session")
def smtp_policy() -> Policy:
    """Return the policy that the ``smtp`` marker starts from. Override it for a module or a whole suite, in any scope.

    Of session scope because a fixture that is set up for each test costs as much as starting a server.
    """
    from smtpfix.smtp.policy import Policy  # noqa: PLC0415 - not before it is asked for

    return Policy()


@pytest.fixture
def start_smtp_server(
    request: pytest.FixtureRequest, smtp_policy: Policy, _smtp_loop_thread: None
) -> Iterator[StartServer]:
    """Return a function that starts a server, closed after the test.

    ``start_smtp_server("implicit-tls", users={"ann": "s3cret"})`` changes fields of `smtp_policy`, and
    ``start_smtp_server(like="gmail")`` those of a provider's profile;
    ``start_smtp_server(Policy(...))`` replaces it.
    """
    from smtpfix.smtp.policy import Policy  # noqa: PLC0415 - not before it is asked for

    with ExitStack() as servers:

        def start(policy: Policy | str | None = None, **fields: Any) -> Server:
            base, mode = (policy, ()) if isinstance(policy, Policy) else (smtp_policy, filter(None, [policy]))
            server = servers.enter_context(_running(request, _changed(base, *mode, **fields)))
            started.append(server)
            return server

        started: list[Server] = []
        is_strict = _has_strict_rules(request)
        yield start
        if is_strict:
            _fail_for_unused_rules(request, started)


@pytest.fixture
def smtp_server(request: pytest.FixtureRequest, smtp_policy: Policy, _smtp_loop_thread: None) -> Iterator[Server]:
    """Return a running server of the test's own: nothing of another test is in its inbox."""
    policy = smtp_policy
    for marker in reversed(list(request.node.iter_markers("smtp"))):
        policy = _changed(policy, *marker.args, **{key: marker.kwargs[key] for key in marker.kwargs if key != _STRICT})
    is_strict = _has_strict_rules(request)
    with _running(request, policy) as server:
        yield server
        if is_strict:
            _fail_for_unused_rules(request, [server])


def _changed(policy: Policy, *mode: str, like: str | None = None, **fields: Any) -> Policy:
    """Return a policy with other fields; with `like`, a provider's profile takes the policy's place first."""
    return policy.replace(*mode, **fields) if like is None else policy.like(like, *mode, **fields)


def _has_strict_rules(request: pytest.FixtureRequest) -> bool:
    """Return what the nearest marker that has it says of rules that never answer."""
    values = [marker.kwargs[_STRICT] for marker in request.node.iter_markers("smtp") if _STRICT in marker.kwargs]
    if values and not isinstance(values[0], bool):
        from smtpfix.errors import InvalidValueError  # noqa: PLC0415 - not before it is asked for

        raise InvalidValueError(f"smtp({_STRICT})", values[0], "True or False")
    return bool(values and values[0])


def _fail_for_unused_rules(request: pytest.FixtureRequest, servers: list[Server]) -> None:
    """Fail a test that passed and that set rules which never answered; those of a scenario are not the test's."""
    if not request.node.stash.get(_PASSED, False):
        return
    for server in servers:
        len(server.sessions)  # the server catches up with what clients said last
    unused = [f"  {rule}" for server in servers for rule in server.unused_rules if rule not in server.policy.rules]
    if unused:
        head = "1 rule never answered" if len(unused) == 1 else f"{len(unused)} rules never answered"
        text = f"{head}, so nothing of this test shows what they are for ({_STRICT}=True):"
        pytest.fail("\n".join([text, *unused, "Let the client come to them, or take them out."]), pytrace=False)


@contextmanager
def _running(request: pytest.FixtureRequest, policy: Policy) -> Iterator[Server]:
    """Run a server that the test's report tells of; the test, which outlives it, does not keep what it captured."""
    from smtpfix.server import Server  # noqa: PLC0415 - not before it is asked for

    # A plain server never needs the authority, whose imports cost more than the server itself.
    authority = request.getfixturevalue("smtp_authority") if policy.uses_tls else None
    if authority is not None and policy.old_ciphers and authority.key_type != "rsa":
        authority = None  # the server makes one of its own, with RSA keys
    servers = request.node.stash.setdefault(_SERVERS, [])
    with ExitStack() as stack:
        server = stack.enter_context(Server(policy, authority=authority))
        if policy.uses_tls and not policy.is_good:
            from smtpfix.resolver import DOMAIN, resolving  # noqa: PLC0415 - few scenarios need it

            stack.enter_context(resolving(DOMAIN, server.host, to=server.place.host))
        servers.append(server)
        yield server
        servers.remove(server)  # after a failure at teardown the report lets go of it


@pytest.fixture
def smtp_scenario(
    request: pytest.FixtureRequest, smtp_policy: Policy, _smtp_loop_thread: None
) -> Iterator[RunningScenario]:
    """Return a scenario and a server that shows it, once for each that the marker ``smtp_scenarios`` names."""
    from .scenarios import fail_unmarked, run  # noqa: PLC0415 - not before it is asked for

    if not hasattr(request, "param"):
        fail_unmarked(request)
    with run(request.param, smtp_policy, lambda policy: _running(request, policy)) as running:
        yield running


@pytest.fixture
def smtp_audit() -> Callable[..., AuditResult]:
    """Return a function that audits a client, and fails the test where it is worth less than it should be.

    ``smtp_audit(deliver, mode="implicit", grade="A")``; options are those of `smtpfix.audit_client`.
    """
    from .auditing import audit  # noqa: PLC0415 - not before it is asked for

    return audit


@pytest.fixture
def smtp_message(request: pytest.FixtureRequest) -> EmailMessage:
    """Return a sample message, the same in every run, to and from domains reserved by RFC 2606."""
    from .sample import sample_message  # noqa: PLC0415 - not before it is asked for

    return sample_message(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the clients did in the report of a test that failed."""
    report = yield
    servers = item.stash.get(_SERVERS, ()) if report.failed else ()
    if servers and call.excinfo is not None and not _tells_all(call.excinfo.value):
        for server in servers:
            sessions = server.sessions[-_SESSIONS_SHOWN:]
            for session in sessions:
                report.sections.append((f"smtp {session}", _shortened(str(session.transcript))))
            if not sessions:
                report.sections.append(
                    (f"smtp server {server.host}:{server.port} ({server.mode})", "no client connected")
                )
    item.stash[_PASSED] = call.when == "call" and report.passed
    if call.when == "teardown" and _SERVERS in item.stash:
        del item.stash[_SERVERS]
    return report


def _shortened(transcript: str) -> str:
    """Return a transcript as a report has it: of a long one how it began and how it ended."""
    lines = transcript.split("\n")
    left_out = len(lines) - 2 * _SHOWN_LINES
    if left_out <= 0:
        return transcript
    note = f"… {left_out} lines left out; print(server.sessions[…].transcript) shows them all"
    return "\n".join([*lines[:_SHOWN_LINES], note, *lines[-_SHOWN_LINES:]])


def _tells_all(error: BaseException) -> bool:
    """Return whether a failure's own text has the transcripts already."""
    from smtpfix.errors import ScenarioFailed  # noqa: PLC0415 - only where a server was in a failure

    return isinstance(error, ScenarioFailed)
