"""How the fixtures start servers from a policy, markers and arguments, and how ``strict_rules`` is enforced.

Imported only when a test requests a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import pytest

from smtpfix.errors import InvalidValueError
from smtpfix.mail.inbox import Inbox
from smtpfix.policy.checks import MEANT
from smtpfix.server import Server
from smtpfix.smtp.policy import Policy
from smtpfix.suggesting import check_names

from . import PASSED, SERVERS

if TYPE_CHECKING:
    from smtpfix.fixtures import StartServer
    from smtpfix.policy.server_policy import ServerPolicy

    PolicyT = TypeVar("PolicyT", bound=ServerPolicy)

_INBOX: pytest.StashKey[Inbox | None] = pytest.StashKey()
"""The inbox that the servers of a test share."""
_IN_MODE: pytest.StashKey[tuple[ServerPolicy, str, ServerPolicy]] = pytest.StashKey()
"""The last policy that a marker has changed in its mode alone, the mode, and what came of it."""
_READERS: Final = frozenset(
    {"imap_server", "start_imap_server", "imap_scenario", "pop3_server", "start_pop3_server", "pop3_scenario"}
)
"""Fixtures with servers that mail is read from."""
_LIKE: Final = "Only SMTP has profiles of providers"
_STRICT = "strict_rules"
"""The marker's own keyword; all others are the policy's."""


class Starter:
    """Starts servers for fixtures. It is a plugin of pytest from the first one on, to know for which test.

    A fixture could request that by ``request``, but pytest then makes two objects that look at signatures, for each
    fixture of each test: that would be a fifth of what is left of a server's cost.
    """

    def __init__(self) -> None:
        self._request: pytest.FixtureRequest | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, request: pytest.FixtureRequest) -> None:
        """Note which fixture is set up next. All that it requests is there, so no other one comes between."""
        self._request = request

    @contextmanager
    def starting(self, protocol: str, policy: ServerPolicy) -> Iterator[Any]:
        """Yield a function that starts servers for the test whose fixture calls this, from a policy and its markers.

        With ``strict_rules=True``, a test that passed fails at its end if one of its rules never answered.
        """
        request, self._request = self._request, None
        assert request is not None  # noqa: S101 - only fixtures come here
        markers = tuple(request.node.iter_markers(protocol))
        base, is_strict = _marked(request.config, protocol, policy, markers), _has_strict_rules(protocol, markers)
        started: list[Server] = []
        with ExitStack() as stack:

            def start(policy: ServerPolicy | str | None = None, *, inbox: Inbox | None = None, **fields: Any) -> Server:
                server = _start_for_test(stack, request, _asked(base, policy, **fields), inbox)
                started.append(server)
                return server

            yield start
            if is_strict:
                _fail_for_unused_rules(request.node, started)


@contextmanager
def starting_for_all(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Yield a function that starts servers for many tests, from `Policy()`: `smtp_policy` may be one test's."""
    with ExitStack() as stack:

        def start(policy: Policy | str | None = None, *, inbox: Inbox | None = None, **fields: Any) -> Server:
            return _start(stack, request, _asked(Policy(), policy, **fields), inbox)

        yield start


@contextmanager
def running_for(request: pytest.FixtureRequest, policy: ServerPolicy) -> Iterator[Server]:
    """Run a server for a test and its report."""
    with ExitStack() as stack:
        yield _start_for_test(stack, request, policy)


def _start_for_test(
    stack: ExitStack, request: pytest.FixtureRequest, policy: ServerPolicy, inbox: Inbox | None = None
) -> Server:
    """Start a server for a test and its report. The test outlives the server, but does not keep what it captured."""
    stash = request.node.stash
    servers = stash.setdefault(SERVERS, [])
    server = _start(stack, request, policy, _shared(request) if inbox is None else inbox)
    servers.append(server)

    def let_go(failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:  # otherwise the report needs it, and lets go of it
            servers.remove(server)
            if not servers:
                stash[_INBOX] = None

    stack.push(let_go)
    return server


def _shared(request: pytest.FixtureRequest) -> Inbox | None:
    """Return the inbox that all servers of a test share where mail is read; None: each has one of its own."""
    if _READERS.isdisjoint(request.fixturenames):
        return None
    inbox: Inbox | None = request.node.stash.get(_INBOX, None)
    if inbox is None:
        inbox = request.node.stash[_INBOX] = Inbox()
    return inbox


def _start(stack: ExitStack, request: pytest.FixtureRequest, policy: ServerPolicy, inbox: Inbox | None) -> Server:
    """Start a server that closes with the stack."""
    # A plain server never needs the authority, whose imports cost more than the server itself.
    authority = request.getfixturevalue("smtp_authority") if policy.uses_tls else None
    if authority is not None and isinstance(policy, Policy) and policy.old_ciphers and authority.key_type != "rsa":
        authority = None  # the server makes one of its own, with RSA keys
    server: Server[Any] = stack.enter_context(Server(policy, authority=authority, inbox=inbox))
    if policy.uses_tls and not policy.is_good:
        from smtpfix.resolver import DOMAIN, resolving  # noqa: PLC0415 - few scenarios need it

        stack.enter_context(resolving(DOMAIN, server.host, to=server.place.host))
    return server


def _asked(base: PolicyT, policy: PolicyT | str | None, **fields: Any) -> PolicyT:
    """Return the policy that a whole one, or else a mode, and fields ask for; `base` says what they do not."""
    if policy is not None and not isinstance(policy, str):
        return _changed(policy, **fields)
    return _changed(base, *filter(None, [policy]), **fields)


def _changed(policy: PolicyT, *mode: str, **fields: Any) -> PolicyT:
    """Return a policy with other fields; with `like`, a provider's profile takes the place of SMTP's first."""
    if isinstance(policy, Policy) and (provider := fields.pop("like", None)) is not None:
        return cast("PolicyT", policy.like(provider, *mode, **fields))
    return policy.replace(*mode, **fields)


def _marked(config: pytest.Config, protocol: str, policy: PolicyT, markers: Sequence[pytest.Mark]) -> PolicyT:
    """Return a policy with what a test's markers say; the nearest one, which comes first, has the last word."""
    for marker in reversed(markers):
        _check_keywords(protocol, policy, marker)
        if not marker.kwargs and marker.args:
            policy = cast("PolicyT", _in_mode(config, policy, marker.args[0]))
            continue
        policy = _changed(policy, *marker.args, **{key: marker.kwargs[key] for key in marker.kwargs if key != _STRICT})
    return policy


def _in_mode(config: pytest.Config, policy: ServerPolicy, mode: str) -> ServerPolicy:
    """Return a policy in another mode; tests in a row that ask for the same are given the same, which is built once."""
    kept = config.stash.get(_IN_MODE, None)
    if kept is None or kept[0] is not policy or kept[1] != mode:
        kept = config.stash[_IN_MODE] = (policy, mode, policy.replace(mode))
    return kept[2]


def _check_keywords(protocol: str, policy: ServerPolicy, marker: pytest.Mark) -> None:
    """Raise `TypeError` for what a marker has no place for, with what it has and what may have been meant."""
    if marker.kwargs:
        names = [item.name for item in fields(policy) if item.init]
        known = [*names, *(["like"] if isinstance(policy, Policy) else []), _STRICT]
        check_names(f"the marker {protocol}", marker.kwargs, known, {**MEANT, "like": _LIKE})
    if len(marker.args) > 1:
        raise TypeError(f"the marker {protocol} takes one mode, got {len(marker.args)}: {marker.args!r}")


def _has_strict_rules(protocol: str, markers: Sequence[pytest.Mark]) -> bool:
    """Return what the nearest marker that has it says of rules that never answer."""
    values = [marker.kwargs[_STRICT] for marker in markers if _STRICT in marker.kwargs]
    if values and not isinstance(values[0], bool):
        raise InvalidValueError(f"{protocol}({_STRICT})", values[0], "True or False")
    return bool(values and values[0])


def _fail_for_unused_rules(item: pytest.Item, servers: list[Server]) -> None:
    """Fail a test that passed and that set rules which never answered; those of a scenario are not the test's."""
    if not item.stash.get(PASSED, False):
        return
    for server in servers:
        len(server.sessions)  # the server catches up with what clients said last
    unused = [f"  {rule}" for server in servers for rule in server.unused_rules if rule not in server.policy.rules]
    if unused:
        head = "1 rule never answered" if len(unused) == 1 else f"{len(unused)} rules never answered"
        text = f"{head}, so nothing of this test shows what they are for ({_STRICT}=True):"
        pytest.fail("\n".join([text, *unused, "Let the client come to them, or take them out."]), pytrace=False)
