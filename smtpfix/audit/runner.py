"""One run of a client against one scenario: a new server, a new working directory, and the server's evidence."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import ssl
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from smtpfix.clock import monotonic
from smtpfix.errors import CloseTimeoutError, ExtraMissing, NoSession, SMTPFixError
from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.scenario import Asked
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.smtp.policy import Policy

from .case import GOOD, PATIENCE, Case
from .command import Command
from .deployment import HERE, Deployment
from .device import Device
from .evidence import Evidence, gather
from .evidence_reading import gather as gather_reading
from .login import users_for
from .plan import mechanisms_of
from .process import Ended
from .protocols import policy_class
from .reading import count_read, put_messages
from .result import Declaration, Ending, Trust
from .run_time import START, RunTime
from .target import Target, write_message
from .verdict import Observed, unreadable
from .wire import WireServer

CLIENT_NAME: Final = "client.example"
SENDER: Final = "sender@client.example"
RECIPIENT: Final = "recipient@example.org"
_HANDSHAKE: Final = 10.0
"""Seconds a handshake may take: more than `PATIENCE`, so that it is the client that gives up."""
NAME: Final = Policy().hostname
"""The name that servers go by unless somebody chose one: of several labels, since some clients treat ``localhost``
otherwise, or send passwords there in clear."""
_SETTLE: Final = 3.0
"""Seconds that a server has to see that a client is gone; on a busy machine it may come late to it."""
_COMES: Final = 3.0
"""Seconds that a child has to connect which the client has left its work to."""
_QUIET: Final = 0.5
"""Seconds without a connection after which such a child has done what it does."""
_LOOK: Final = 0.02
"""Seconds between two looks at what has come."""
_NOT_STARTED: Final = Ended(Ending.NOT_STARTED)


class _NowhereError(Exception):
    """The server's name would not lead the client to it; this address does."""

    def __init__(self, reason: str, address: str) -> None:
        super().__init__(reason)
        self.address = address


@runtime_checkable
class Client(Protocol):
    """A client under test: `Command` and `Call` are."""

    @property
    def language(self) -> str:
        """What it is written in, or is, one of `fixes.LANGUAGES`; empty where that is not known."""

    def start(self, slots: int) -> None:
        """Get ready for so many runs at a time."""

    def close(self) -> None:
        """Give back what `start` has taken."""

    def cannot_reach(self, target: Target) -> str | None:
        """Return why the target's name would not lead there; None if it does."""

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Let it deliver one message, and end it when its time is over or the audit is stopped."""


class Runner:
    """What the runs of one audit share."""

    def __init__(
        self,
        client: Client,
        declaration: Declaration,
        *,
        timeout: float,
        authority: Authority,
        deployment: Deployment = HERE,
    ) -> None:
        self._client = client
        self._declaration = declaration
        self._timeout = timeout
        self._authority = authority
        self._deployment = deployment
        self._known_as = NAME if deployment.is_open and not isinstance(client, Device) else deployment.hostname
        self._leaves_a_child = False
        """Whether the client reports success before a child of its own has delivered; the good run shows it."""
        self.stop = threading.Event()
        """Set to end what is going on."""

    def set_up(self, device: Device, good: Case, total: int) -> None:
        """Let a device be set up for so many runs. What it tries meanwhile counts for nothing: its server goes away."""
        try:
            server = self._server(good)
        except (SMTPFixError, ssl.SSLError, OSError):  # the first run says so
            return
        with contextlib.closing(server), tempfile.TemporaryDirectory(prefix="smtpfix-audit-") as folder:
            device.set_up(self._target(server, Path(folder), good), total, timeout=self._timeout, stop=self.stop)

    def run(self, case: Case) -> Observed:
        """Run one case. Never raises for what cannot be shown, run or read: `Observed.reason` says so.

        Where the name that servers go by unless somebody chose one leads the client nowhere, they go by an address: so
        the good case has to be the first.
        """
        try:
            return self._run(case)
        except _NowhereError as error:
            if case.scenario.id != GOOD or self._known_as != NAME:
                return Observed(_NOT_STARTED, reason=str(error))
            self._known_as = error.address
        return self.run(case)

    def _run(self, case: Case) -> Observed:
        """Run one case. Raises `_NowhereError` where the client would not find the server."""
        try:
            server = self._server(case)
        except ExtraMissing as error:
            return Observed(_NOT_STARTED, reason=str(error), extra=error.extra)
        except (SMTPFixError, ssl.SSLError, OSError) as error:
            return Observed(_NOT_STARTED, reason=str(error))
        folder = Path(tempfile.mkdtemp(prefix="smtpfix-audit-"))
        over = None
        try:
            target = self._target(server, folder, case)
            if (reason := self._client.cannot_reach(target)) is not None:
                raise _NowhereError(reason, target.address)
            if isinstance(self._client, Device) and case.scenario.asked != Asked():
                return Observed(
                    _NOT_STARTED, reason="the device would have to write something else than it is set up for"
                )
            if isinstance(self._client, Device):
                ended = self._client.watch(server, case, target, timeout=self._timeout, stop=self.stop)
            else:
                timeout = self._timeout + case.patience - PATIENCE
                if isinstance(self._client, Command):
                    time = RunTime(timeout, self.stop, lambda: server.first_connected)
                    ended = self._client.run(target, timeout=START + timeout, stop=time)
                    over = time.over
                else:  # it starts at once
                    over = monotonic() + timeout
                    ended = self._client.run(target, timeout=timeout, stop=self.stop)
                ended = self._with_its_child(server, case, ended, over)
            settle(server)
            try:
                return Observed(ended, self._gather(server, case, over))
            except Exception as error:  # noqa: BLE001 - whatever a client sent, it does not end its own audit
                return unreadable(ended, error)
        finally:
            with contextlib.suppress(CloseTimeoutError):  # what was seen is known; a busy machine may need longer
                server.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _with_its_child(self, server: WireServer, case: Case, ended: Ended, over: float) -> Ended:
        """Wait for what a client has left to a child of its own, which only its connections tell of.

        That it does so shows in the good run, where the message comes after it has reported success: only then the
        other runs wait. Its status says nothing any more.
        """
        is_good = case.scenario.id == GOOD
        if ended.ending is not Ending.SUCCEEDED or not (is_good or self._leaves_a_child):
            return ended
        if is_good and self._has_arrived(server):  # it did so itself
            return ended
        is_open = _wait_for_connections(server, over, self.stop)
        self._leaves_a_child = self._leaves_a_child or self._has_arrived(server)
        if not self._leaves_a_child:
            return ended
        return replace(ended, ending=Ending.TIMED_OUT if is_open else Ending.ELSEWHERE, status=None)

    def _gather(self, server: WireServer, case: Case, over: float | None) -> Evidence:
        """Return what the server has seen, as it matters for who sends mail or for who reads it."""
        look = gather_reading if self._declaration.reads_mail else gather
        return look(server, self._declaration, case.scenario, over)

    def _has_arrived(self, server: WireServer) -> bool:
        """Return whether a message was delivered, or one was read."""
        sessions = tuple(server.sessions)  # for whose reading the server catches up
        return bool(count_read(sessions) if self._declaration.reads_mail else sessions and len(server.inbox))

    def _server(self, case: Case) -> WireServer:
        server = WireServer(self._policy(case), authority=self._authority, known_as=self._known_as)
        server.start()
        if self._declaration.reads_mail:
            put_messages(server)
        return server

    def _policy(self, case: Case) -> ServerPolicy:
        declaration, scenario = self._declaration, case.scenario
        mechanisms = () if mechanisms_of(scenario) else declaration.mechanisms
        offered = {"mechanisms": mechanisms} if mechanisms else {}
        policy = self._deployment.at(
            policy_class(declaration.protocol)(
                case.mode, users=users_for(declaration), handshake_timeout=_HANDSHAKE
            ).replace(**offered)
        )
        return policy if scenario.id == GOOD else policy.replace(**{scenario.policy_field: case.source})

    def _target(self, server: WireServer, folder: Path, case: Case) -> Target:
        declaration, asked = self._declaration, case.scenario.asked
        sender, recipient = asked.sender or SENDER, asked.recipient or RECIPIENT
        workdir = folder / "work"
        workdir.mkdir()
        subject = f"audit-{secrets.token_hex(6)}"
        message = write_message(folder, sender=sender, recipient=RECIPIENT, subject=subject, asked=asked.message)
        return Target(
            host=server.host,
            port=server.port,
            address=server.place.address,
            ca_file=str(self._trusted(server, folder)) if server.policy.uses_tls else "",
            sender=sender,
            recipient=recipient,
            subject=subject,
            mode=declaration.mode,
            trust=declaration.trust,
            more_recipients=tuple(f"recipient{number}@example.org" for number in range(2, asked.recipients + 1)),
            workdir=str(workdir),
            message=str(message),
            user=declaration.user,
            password=declaration.password,
            patience=case.patience,
            client_name=asked.client_name or CLIENT_NAME,
        )

    def _trusted(self, server: WireServer, folder: Path) -> Path:
        """Return a file with what to trust: what is pinned, where that is declared."""
        policy = server.policy
        if self._declaration.trust is not Trust.PINNED or policy.chain_scenario.trust in ("leaf", "other-key"):
            return server.ca_file
        scenario = policy.chain_scenario
        if policy.is_good or (scenario.trust == "authority" and scenario.policy_field == "scenario"):
            scenario = load_scenario(GOOD)  # what such a server shows is not its own
        file = folder / "pinned.pem"
        file.write_text(self._authority.chain(scenario, server.place).leaf.pem, encoding="ascii")
        return file


def _wait_for_connections(server: WireServer, over: float, stop: threading.Event) -> bool:
    """Wait until somebody has come and gone, or nobody comes; return whether a connection is open when time is over."""
    since = monotonic()
    while not stop.is_set():
        sessions, now = tuple(server.sessions), monotonic()
        is_open = not all(session.is_over for session in sessions)
        if now > over or (not is_open and now - since > (_QUIET if sessions else _COMES)):
            return is_open
        since = now if is_open else since
        stop.wait(_LOOK)
    return False


def settle(server: WireServer) -> None:
    """Wait until the server has worked through all that clients left behind which are gone: their sessions end."""
    deadline = monotonic() + _SETTLE
    seen = -1
    while (count := len(server.sessions)) != seen and monotonic() < deadline:
        seen = count
        with contextlib.suppress(NoSession):
            server.sessions.wait(count, timeout=max(0.0, deadline - monotonic()))
