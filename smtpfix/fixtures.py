"""The types of the pytest plugin's fixtures that are functions, for annotations in tests: `StartServer` and others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Unpack

if TYPE_CHECKING:
    from pathlib import Path

    from .audit.call import Deliver
    from .audit.result import AuditResult, DeclaredMode, Grade, Trust
    from .audit.runner import Client
    from .mail.inbox import Inbox
    from .policy.mode import Mode, ModeName
    from .policy.server_policy import ServerPolicy
    from .server import Server
    from .smtp.policy import Policy
    from .smtp.policy_fields import PolicyFields


class StartServer(Protocol):
    """The type of the fixtures ``start_smtp_server`` and ``smtp_server_factory``."""

    def __call__(
        self,
        policy: Policy | Mode | ModeName | None = None,
        *,
        inbox: Inbox | None = None,
        like: str | None = None,
        **fields: Unpack[PolicyFields],
    ) -> Server:
        """Start a server and return it; the fixture closes it.

        `policy` is a whole policy or a mode, `like` is the name of a provider, and `fields` are those of `Policy`.
        Servers to which you pass the same `inbox` put their messages into it.

        Raises `InvalidValueError` for a value that a field cannot have, `TypeError` for an unknown field,
        `UnknownProvider` and `UnknownScenario` for unknown names, and `ListenError` if the server cannot listen.
        """


class StartReader(Protocol):
    """The type of the fixtures ``start_imap_server`` and ``start_pop3_server``."""

    def __call__(
        self, policy: ServerPolicy | Mode | ModeName | None = None, *, inbox: Inbox | None = None, **fields: Any
    ) -> Server[Any]:
        """Start a server and return it; the fixture closes it.

        `policy` is a whole policy or a mode, and `fields` are those of `ImapPolicy` or `Pop3Policy`. All servers of a
        test share one inbox, unless you pass another `inbox`.

        Raises `InvalidValueError` for a value that a field cannot have, `TypeError` for an unknown field,
        `UnknownScenario` for an unknown name, and `ListenError` if the server cannot listen.
        """


class RunAudit(Protocol):
    """The type of the fixtures ``smtp_audit``, ``imap_audit`` and ``pop3_audit``."""

    def __call__(
        self,
        deliver: Deliver | Client | str,
        *,
        grade: Grade | str | None = None,
        deviations: Collection[str] | None = None,
        mode: DeclaredMode | str = ...,
        trust: Trust | str = ...,
        credentials: tuple[str, str] | str | None = None,
        mechanisms: Sequence[str] | str = (),
        expect_staple: bool = False,
        protocol: str = "smtp",
        groups: Collection[str] = (),
        ids: Collection[str | Path] = (),
        jobs: int | None = None,
        timeout: float = ...,
    ) -> AuditResult:
        """Audit a client as `audit_client` does, and fail the test if it falls short of `grade` or `deviations`.

        `grade`, such as ``"A"``, is the lowest grade that passes, without any flag. `deviations` are the keys of the
        findings that may be anything but passed, such as ``"cn-only/starttls"``: every other scenario must pass, and
        each of these must not. With neither, the client must be as good as its declared mode can be, or pass everything
        that `ids` and `groups` select. If you leave out `protocol`, it is the fixture's.

        Raises what `audit_client` raises.
        """
