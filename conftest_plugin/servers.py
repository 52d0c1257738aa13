"""Running servers for the fixtures: what a test's markers say, and one inbox where mail is read.

Imported only where a test asks for a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from . import PASSED, SERVERS

if TYPE_CHECKING:
    from smtpfix.mail.inbox import Inbox
    from smtpfix.policy.server_policy import ServerPolicy
    from smtpfix.server import Server

    PolicyT = TypeVar("PolicyT", bound=ServerPolicy)

INBOX: pytest.StashKey[Inbox | None] = pytest.StashKey()
"""The inbox that the servers of a test share."""
STRICT: Final = "strict_rules"
"""The markers' own keyword; all others are the policy's."""
_READERS: Final = frozenset(
    {"imap_server", "start_imap_server", "imap_scenario", "pop3_server", "start_pop3_server", "pop3_scenario"}
)
"""Fixtures with servers that mail is read from."""


def marked(request: pytest.FixtureRequest, marker: str, policy: PolicyT) -> PolicyT:
    """Return a policy as the test's markers change it, the nearest last."""
    for found in reversed(list(request.node.iter_markers(marker))):
        policy = changed(policy, *found.args, **{key: found.kwargs[key] for key in found.kwargs if key != STRICT})
    return policy


@contextmanager
def starting(request: pytest.FixtureRequest, marker: str, policy: PolicyT) -> Iterator[Any]:
    """Give a function that starts servers, closed at the end: with a policy, or with changes of this one."""
    with ExitStack() as servers:

        def start(other: Any = None, **fields: Any) -> Server:
            base, mode = (policy, filter(None, [other])) if other is None or isinstance(other, str) else (other, ())
            server = servers.enter_context(running(request, changed(base, *mode, **fields)))
            started.append(server)
            return server

        started: list[Server] = []
        is_strict = has_strict_rules(request, marker)
        yield start
        if is_strict:
            fail_for_unused_rules(request, started)


@contextmanager
def running_marked(request: pytest.FixtureRequest, marker: str, policy: PolicyT) -> Iterator[Server]:
    """Run the server of a test that its markers describe."""
    is_strict = has_strict_rules(request, marker)
    with running(request, marked(request, marker, policy)) as server:
        yield server
        if is_strict:
            fail_for_unused_rules(request, [server])


def changed(policy: PolicyT, *mode: str, **fields: Any) -> PolicyT:
    """Return a policy with other fields; with `like`, a provider's profile takes the place of SMTP's first."""
    if hasattr(policy, "like") and (provider := fields.pop("like", None)) is not None:
        liked: PolicyT = policy.like(provider, *mode, **fields)
        return liked
    return policy.replace(*mode, **fields)


def has_strict_rules(request: pytest.FixtureRequest, marker: str) -> bool:
    """Return what the nearest marker that has it says of rules that never answer."""
    values = [found.kwargs[STRICT] for found in request.node.iter_markers(marker) if STRICT in found.kwargs]
    if values and not isinstance(values[0], bool):
        from smtpfix.errors import InvalidValueError  # noqa: PLC0415 - not before it is asked for

        raise InvalidValueError(f"{marker}({STRICT})", values[0], "True or False")
    return bool(values and values[0])


def fail_for_unused_rules(request: pytest.FixtureRequest, servers: list[Server]) -> None:
    """Fail a test that passed and that set rules which never answered; those of a scenario are not the test's."""
    if not request.node.stash.get(PASSED, False):
        return
    for server in servers:
        len(server.sessions)  # the server catches up with what clients said last
    unused = [f"  {rule}" for server in servers for rule in server.unused_rules if rule not in server.policy.rules]
    if unused:
        head = "1 rule never answered" if len(unused) == 1 else f"{len(unused)} rules never answered"
        text = f"{head}, so nothing of this test shows what they are for ({STRICT}=True):"
        pytest.fail("\n".join([text, *unused, "Let the client come to them, or take them out."]), pytrace=False)


@contextmanager
def running(request: pytest.FixtureRequest, policy: ServerPolicy) -> Iterator[Server]:
    """Run a server that the test's report tells of; the test, which outlives it, does not keep what it captured."""
    from smtpfix.server import Server  # noqa: PLC0415 - not before it is asked for

    # A plain server never needs the authority, whose imports cost more than the server itself.
    authority = request.getfixturevalue("smtp_authority") if policy.uses_tls else None
    servers = request.node.stash.setdefault(SERVERS, [])
    with ExitStack() as stack:
        server = stack.enter_context(Server(policy, authority=authority, inbox=_inbox(request)))
        if policy.uses_tls and not policy.is_good:
            from smtpfix.resolver import DOMAIN, resolving  # noqa: PLC0415 - few scenarios need it

            stack.enter_context(resolving(DOMAIN, server.host, to=server.place.host))
        servers.append(server)
        yield server
        servers.remove(server)  # after a failure at teardown the report lets go of it
        if not servers:
            request.node.stash[INBOX] = None


def _inbox(request: pytest.FixtureRequest) -> Inbox | None:
    """Return the inbox that all servers of a test share where mail is read; None: each has one of its own."""
    if _READERS.isdisjoint(request.fixturenames):
        return None
    inbox: Inbox | None = request.node.stash.get(INBOX, None)
    if inbox is None:
        from smtpfix.mail.inbox import Inbox  # noqa: PLC0415 - not before it is asked for

        inbox = request.node.stash[INBOX] = Inbox()
    return inbox
