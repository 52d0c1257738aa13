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
    """The fixtures ``start_smtp_server`` and ``smtp_server_factory``."""

    def __call__(
        self,
        policy: Policy | Mode | ModeName | None = None,
        *,
        inbox: Inbox | None = None,
        like: str | None = None,
        **fields: Unpack[PolicyFields],
    ) -> Server:
        """Start a server and return it; the fixture closes it.

        `policy` is a whole policy or a mode, `like` a provider's name, `fields` are those of `Policy`. Servers that
        are given the same `inbox` put their messages into it.
        """


class StartReader(Protocol):
    """The fixtures ``start_imap_server`` and ``start_pop3_server``."""

    def __call__(
        self, policy: ServerPolicy | Mode | ModeName | None = None, *, inbox: Inbox | None = None, **fields: Any
    ) -> Server[Any]:
        """Start a server and return it; the fixture closes it.

        `policy` is a whole policy or a mode, `fields` are those of `ImapPolicy` or `Pop3Policy`. All servers of a test
        share one inbox, unless one is given.
        """


class RunAudit(Protocol):
    """The fixtures ``smtp_audit``, ``imap_audit`` and ``pop3_audit``."""

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
        """Audit a client as `audit_client` does; fail the test where it falls short of `grade` or of `deviations`.

        `protocol` is the fixture's where it is left out.
        """
