"""`Server`: one policy on one port, served by the process's loop thread. It starts in a fraction of a millisecond."""

from __future__ import annotations

import contextlib
import errno
import ssl
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    NoReturn,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from .configuring import Configuring
from .conversation.failures import Failures
from .conversation.protocol import ServedProtocol
from .conversation.service import Done, Intake
from .conversation.serving import CLOSE_BOUND, Attach, Serving, Watch
from .errors import CloseTimeoutError, InvalidValueError, ListenError, NotRunningError
from .forked import tell_in_child
from .login.names import ANY_USER
from .mail.inbox import Inbox
from .policy.mode import Mode
from .policy.place import Place
from .policy.server_policy import ServerPolicy
from .record.history import History
from .ruled import Ruled
from .rules.rulebook import Rulebook
from .running import RUNNING
from .smtp.policy import Policy
from .wire.channel import Channel
from .wire.door import server_address
from .wire.listen import listen
from .wire.loop import LOOP_THREAD
from .with_accounts import WithAccounts

if TYPE_CHECKING:
    import imaplib
    import poplib
    import smtplib
    import socket

    import typing_extensions  # for PEP 696's default; type checkers know it, installed or not

    from .imap.policy import ImapPolicy
    from .mail.message import CapturedMessage
    from .pki.authority import Authority
    from .pop3.policy import Pop3Policy
    from .record.session import Session
    from .tls.side import TLSSide
    from .wire.unix_socket import SocketFile

_SHOWN: Final = 5
"""Sessions that an error names."""
_ADVISED: Final = 100
"""Sessions that hints are about."""
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server that listens on every address is connected to."""


def _no_tls() -> NoReturn:
    raise AssertionError("the mode knows no TLS")


class _Issuing:
    """What makes the TLS sides of all connections that one policy is for."""

    def __init__(self) -> None:
        self.make: Callable[[], TLSSide] = _no_tls

    def new(self) -> TLSSide:
        return self.make()


class Observer(Protocol):
    """An object that is told about each session and message as it happens, in the server's thread. It must not block.

    If a method raises an exception, the client is answered 451, its session ends with `SessionEnd.ERROR`, and
    `Server.close` raises `CallbackFailed`.
    """

    def session_started(self, server: Server, session: Session) -> None:
        """Take note of a new client; behind a proxy (`Policy.proxy_protocol`), once the header has named the client."""

    def message_captured(self, server: Server, message: CapturedMessage) -> None:
        """Take note of a complete message before it is answered; see `CapturedMessage.accepted`.

        Raise `OSError` if you cannot keep the message: the server then disconnects the client instead of answering.
        """

    def session_ended(self, server: Server, session: Session) -> None:
        """Take note that a client has disconnected."""

    # One that has `said(server, session_number, event)` as well is told each `Event` of a session's transcript.


Keep: TypeAlias = Callable[["Server[Any]", "CapturedMessage", Done], "CapturedMessage | None"]
"""A function that starts to keep a message for good, and returns at once. When the message is kept, or cannot be kept,
call the `Done` that it was given, in the server's thread, with None or with the reason. Only then does the server
answer an accepted message: with its reply, or with 451 4.3.0. The function may return the message as it is kept, with
another positive reply; None keeps the message as it is."""


if TYPE_CHECKING:
    PolicyT_co = typing_extensions.TypeVar("PolicyT_co", bound=ServerPolicy, covariant=True, default=Policy)
else:
    PolicyT_co = TypeVar("PolicyT_co", covariant=True)


class Server(Ruled, Configuring, WithAccounts, Generic[PolicyT_co]):
    """A local server for SMTP, or for any other protocol that its policy speaks.

    Use ``with Server(Policy("starttls")) as server:`` or ``async with``, or call `start` and `close`. A server serves
    one policy until you `switch` it. Several servers may share an `authority` and an `inbox`. With `keep`, the server
    answers a message only after the message is kept for good.

    Raises `ExtraMissing` if the policy has mechanisms that need a package that is not installed, `TypeError` for a
    `policy` that is no policy, and `InvalidValueError` for an `authority` whose keys do not suit the policy.
    """

    is_reported: ClassVar[bool] = True
    """Whether the report of a failing test says what the clients of such a server did."""

    def __init__(
        self,
        policy: PolicyT_co | None = None,
        *,
        authority: Authority | None = None,
        inbox: Inbox | None = None,
        observer: Observer | None = None,
        keep: Keep | None = None,
    ) -> None:
        if policy is not None and not isinstance(policy, ServerPolicy):
            written = f"Policy({policy!r})" if isinstance(policy, str) else "Policy(...)"
            raise TypeError(f"a server takes a Policy, got {policy!r}; write Server({written})")
        self.policy: PolicyT_co = cast("PolicyT_co", policy or Policy())
        """What this server demands and offers."""
        for text in self.policy.without_effect():
            warnings.warn(text, stacklevel=2)
        self._first = self._given = self.policy
        protocol = self.policy.speaks()
        if not isinstance(protocol, ServedProtocol):
            raise TypeError(f"{protocol!r} can be spoken of, and not served")
        self._protocol = protocol
        self._authority = authority
        self._own_authority: Authority | None = None
        self._check(self.policy)
        self.inbox = inbox if inbox is not None else Inbox(self.policy.max_messages, self.policy.max_octets)
        """The captured messages."""
        self.sessions = History(self.policy.max_sessions, LOOP_THREAD.catch_up, self.policy.max_octets, self.hints)
        """What each client did: one session per connection, oldest first."""
        self._observer = observer
        self._keep = keep
        self._rulebook = Rulebook(protocol.language, self.policy.rules)
        self._issuing = _Issuing()
        self._serving: Serving | None = None
        self._addresses: tuple[tuple[str, int], ...] = ()
        self._names: tuple[str, ...] = ()
        self._socket_file: SocketFile | None = None
        self._is_closing = self._is_closed = self._is_switched = False
        self._failures = Failures()
        self._lock = threading.Lock()
        self._admit()
        self.inbox.attach(lambda: self.sessions, self.hints)
        tell_in_child(self)

    # Where it is

    @property
    def mode(self) -> Mode:
        """When TLS begins: the mode of the policy."""
        return Mode(self.policy.mode)

    @property
    def is_running(self) -> bool:
        """Whether the server runs: True from `start` to `close`."""
        return self._serving is not None and not self._is_closing

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The IP addresses and ports that the server listens on; for a UNIX socket, its path and 0.

        Raises `NotRunningError` before `start`.
        """
        if not self._addresses:
            raise NotRunningError("this server was not started: use it in a with statement, or call start()")
        return self._addresses

    @property
    def host(self) -> str:
        """The name to connect to: the host of the policy, or the name that the scenario needs; or a UNIX socket's path.

        Python finds names below ``smtpfix.test`` only while `smtpfix.resolving` is active; the pytest fixtures activate
        it. Raises `NotRunningError` before `start`.
        """
        if self.policy.unix_socket is not None:
            return self.addresses[0][0]
        if self.policy.is_good or not self.policy.uses_tls:
            return self.place.host
        return self.place.expand(self.policy.chain_scenario.connect)

    @property
    def reached_at(self) -> tuple[str, ...]:
        """The IP addresses to connect to. Raises `NotRunningError` before `start`."""
        return tuple(_REACHED_AT.get(address, address) for address, _ in self.addresses)

    @property
    def place(self) -> Place:
        """The names and addresses of the server. Raises `NotRunningError` before `start`."""
        return Place(
            host=_REACHED_AT.get(self.addresses[0][0], self.policy.host),
            hostname=self.policy.hostname,
            address=self.reached_at[0],
            others=("localhost", *self.reached_at[1:], *self.policy.other_names, *self._names),
        )

    @property
    def port(self) -> int:
        """The port to connect to; 0 on a UNIX socket. Raises `NotRunningError` before `start`."""
        return self.addresses[0][1]

    # What clients need

    @property
    def authority(self) -> Authority:
        """The certificate authority that issues this server's certificate."""
        if self._authority is not None:
            return self._authority
        if self._own_authority is None:
            from .pki.authority import Authority  # noqa: PLC0415 - its imports cost more than a plain server needs

            self._own_authority = Authority(key_type="rsa" if self.policy.old_ciphers else None)
        return self._own_authority

    @property
    def ca_file(self) -> Path:
        """A PEM file with the certificate that a careful client trusts in this scenario.

        The file exists until the server closes; if you passed an `authority`, until that authority closes.
        """
        return self.authority.ca_file if self.policy.is_good else self.authority.trusted_file(self.policy, self.place)

    def ssl_context(self, name: str | None = None) -> ssl.SSLContext:
        """Return a new client context that trusts `ca_file`; with `name`, it presents a client certificate for it."""
        trusted = None if self.policy.is_good else self.authority.trusted_pem(self.policy, self.place)
        return self.authority.client_context(name, trusted_pem=trusted)

    @overload
    def client(self: Server[Policy], *, timeout: float = ...) -> smtplib.SMTP: ...
    @overload
    def client(self: Server[ImapPolicy], *, timeout: float = ...) -> imaplib.IMAP4: ...
    @overload
    def client(self: Server[Pop3Policy], *, timeout: float = ...) -> poplib.POP3: ...
    @overload
    def client(self: Server[Any], *, timeout: float = ...) -> Any: ...
    def client(self, *, timeout: float = 10.0) -> Any:
        """Return a connected `smtplib.SMTP` that trusts this server, inside TLS if the mode has TLS.

        For IMAP and POP3 it is an `imaplib.IMAP4` or a `poplib.POP3` that has not logged in yet. Type checkers know
        which one if the server is ``Server(ImapPolicy())`` or annotated ``Server[ImapPolicy]``.

        `timeout` is in seconds. The client connects to the name that the scenario needs, and checks that name. For LMTP
        it says LHLO; smtplib reads only one reply per message, so send each message to one recipient. Raises
        `InvalidValueError` if the server expects a PROXY protocol header, which smtplib cannot send, and
        `NotRunningError` before `start`.
        """
        with self._resolving():
            return self._protocol.client(self, timeout=timeout)

    def _resolving(self) -> contextlib.AbstractContextManager[object]:
        """Let this process find the server by the name that its scenario needs."""
        if not self.policy.uses_tls or self.policy.is_good:
            return contextlib.nullcontext()
        from .resolver import resolving  # noqa: PLC0415 - few scenarios need it

        return resolving(self.host, to=self.place.host)

    # Names and certificate

    @contextlib.contextmanager
    def also_named(self, *names: str) -> Iterator[None]:
        """Add names to the server's certificate, for clients that connect while this context lasts.

        Your own certificate stays as it is, and so does one that has a fault of its scenario.
        """
        policy = self.policy
        is_ours = policy.is_good or (not policy.has_own_certificate and policy.chain_scenario.is_plain)
        if not policy.uses_tls or not is_ours:
            yield
            return
        self._rename(add=names)
        try:
            yield
        finally:
            self._rename(remove=names)

    def _rename(self, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        with self._lock:
            names = [*self._names, *add]
            for name in remove:
                names.remove(name)
            self._names = tuple(names)
            self._renew()

    def _renew(self) -> None:
        if self.policy.uses_tls:
            self._issuing.make = self.authority.tls_factory(self.policy, self.place)

    # Another policy

    def switch(self, to: ServerPolicy | str | Path) -> None:
        """Serve another policy or scenario from now on: ``switch("expired")``, ``switch(Policy("starttls", ...))``.

        Clients that connect from now on get the new policy; running sessions keep the old one. The id of a scenario of
        any kind, or a `Path` to a file of your own, changes the policy that you gave last; ``good`` returns to that
        policy without its scenarios. You can call this from any thread, before and after `start`.

        The server keeps its address and port, the inbox with its limits, the rules that you set with `on`, and
        everything it has recorded. `policy`, `mode`, `host` and `ca_file` change. The server forgets what clients have
        used up of `Policy.limits` and `Policy.greylist`.

        Raises `TypeError` for a policy of another protocol, and `InvalidValueError` or `UnknownScenario` for what this
        server cannot serve; nothing has changed then. Warns if a setting of the new policy has no effect.
        """
        if not isinstance(to, ServerPolicy | str | Path):
            raise TypeError(f"a server switches to a Policy or to a scenario's id or Path, got {to!r}")
        given = cast("PolicyT_co", to) if isinstance(to, ServerPolicy) else self._given
        if given.speaks() is not self._protocol:
            raise TypeError(f"this server speaks {self.policy.spoken.upper()}, got {to!r}")
        asked = given if isinstance(to, ServerPolicy) else given.showing(to)
        with self._lock:
            old = self.policy
            new = asked.replace(host=old.host, port=old.port, unix_socket=old.unix_socket)
            self._check(new)
            for text in set(new.without_effect()).difference(self._first.without_effect()):
                warnings.warn(text, stacklevel=2)
            issuing, before = _Issuing(), (old, self._issuing)
            self.policy, self._issuing = new, issuing
            try:
                if self._addresses:
                    self._renew()
                rulebook = self._rulebook.successor(new.rules)
            except BaseException:
                self.policy, self._issuing = before
                raise
            self._rulebook, self._given, self._is_switched = rulebook, given, True
            self._admit()
            if self._serving is not None and not self._is_closing:
                service = self._serving.service
                self._serving.switch(
                    self._protocol.service(
                        new, rulebook, service.loop, issuing.new, service.intake, service.closing, service.failures
                    )
                )

    def _check(self, policy: ServerPolicy) -> None:
        """Raise an error for a policy that cannot be served here."""
        if policy.users is not None:
            from .login.exchange import check_installed  # noqa: PLC0415 - many servers have no users

            check_installed((*policy.mechanisms, *(policy.mechanisms_in_clear or ())))
        authority = self._authority or self._own_authority
        if authority is not None and policy.old_ciphers and policy.uses_tls and authority.key_type != "rsa":
            expected = "an authority with RSA keys, Authority(key_type='rsa'), where Policy.old_ciphers is True"
            raise InvalidValueError("Server.authority", authority.key_type, expected)

    def _admit(self) -> None:
        """Have accounts for the policy's users."""
        if self.policy.reads_mail:
            users = self.policy.users
            known = None if users is ANY_USER or callable(users) else tuple(users or ())
            self.inbox.accounts.admit(known, self.policy.account_folders)

    # Time

    def advance(self, seconds: float) -> None:
        """Move the clock of `Policy.limits` and `Policy.greylist` forward by some seconds, at once.

        `Pop3Policy.login_delay` uses the same clock; nothing else does. Warns if nothing in the policy uses it. Raises
        `NotRunningError` before `start`, and `InvalidValueError` for a negative number.
        """
        if self._serving is None:
            raise NotRunningError("this server was not started: use it in a with statement, or call start()")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise InvalidValueError("Server.advance", seconds, "seconds, 0 or more: time does not go back")
        if (ledger := self._serving.service.ledger) is not None:
            ledger.advance(seconds)
        elif seconds:
            waits = {"smtp": "neither limits nor greylist", "pop3": "no login_delay"}.get(self.policy.spoken)
            text = (
                f"this server's policy has {waits}" if waits else f"nothing in {self.policy.spoken.upper()} goes by it"
            )
            warnings.warn(f"advance() changes nothing: {text}", stacklevel=2)

    # Where clients fail

    def hints(self, sessions: Iterable[Session] | None = None) -> tuple[str, ...]:
        """Return hints on why clients failed, one sentence each; empty if no known reason fits.

        They are about `sessions`, or about the newest 100. Failed waits and the reports of failed tests show them.
        """
        from .record.hints import hints, where_to_connect  # noqa: PLC0415 - only where something has failed

        sessions = self.sessions[-_ADVISED:] if sessions is None else tuple(sessions)
        if sessions:
            return hints(sessions, self.policy, self._protocol.reading)
        if not self._addresses:
            return ("the server was never started",)
        return where_to_connect(self.host, self.port, self.place.address)

    # Used by many

    def reset(self) -> None:
        """Forget messages, ended sessions and the rules that you set with `on`; every rule counts from zero again.

        Use it to make a server that many tests share as good as new. The server returns to the policy that it was
        created with, and to the rules of its scenario. It forgets what clients have used up of `Policy.limits` and
        `Policy.greylist`. Clients stay connected, and the numbers of messages and sessions continue. A shared inbox is
        emptied as a whole.
        """
        if self._is_switched:
            self.switch(self._first)
            self._is_switched = False
        sessions = self.sessions.clear()
        self.inbox.clear()
        self._rulebook.reset(sessions)
        if self._serving is not None and (ledger := self._serving.service.ledger) is not None:
            ledger.forget()

    # Start and close

    def start(self) -> Self:
        """Listen and serve. Raises `ListenError`, and `RuntimeError` if the server already runs.

        If you start a server again after `close`, it keeps its port, inbox, sessions, rules and certificate authority.
        It forgets what clients have used up of `Policy.limits` and `Policy.greylist`.
        """
        if self._serving is not None and not self._is_closed:
            raise RuntimeError("this server was started already; close it first, or make another one")
        before = self._addresses
        sockets = self._listen()
        try:
            self._addresses = tuple(server_address(opened.getsockname()) for opened in sockets)
            self._renew()
        except BaseException:
            self._addresses = before
            for opened in sockets:
                opened.close()
            self._clean_up()
            raise
        loop = LOOP_THREAD.hold()
        intake = Intake(
            self.inbox.next_number,
            self._capture,
            lambda: self.inbox.accounts,
            self.inbox.turn_away,
            self.inbox.take_back,
            self.inbox.withdraw,
            None if self._keep is None else partial(self._keep, self),
        )
        service = self._protocol.service(
            self.policy, self._rulebook, loop, self._issuing.new, intake, failures=self._failures
        )
        self._is_closing = self._is_closed = False
        self._serving = Serving(self._protocol, service, self.sessions, self._watch)
        self._serving.listen(sockets, LOOP_THREAD.doorkeeper, self._channel)
        if self.is_reported:
            RUNNING.add(self)
        return self

    def _listen(self) -> list[socket.socket]:
        if (path := self.policy.unix_socket) is None:
            port = self.port if self._addresses else self.policy.port
            try:
                return listen(self.policy.host, port)
            except ListenError as error:
                is_ours = any(one.is_running and one.port == port for one in RUNNING.servers)
                if error.errno == errno.EADDRINUSE and is_ours:
                    text = (
                        f"cannot listen on {self.policy.host} port {port}: another server of this process does; "
                        "close it first, or choose another port (0 takes a free one)"
                    )
                    raise ListenError(error.errno, text) from error
                raise
        from .wire.unix_socket import SocketFile  # noqa: PLC0415 - few servers have one

        self._socket_file = SocketFile(Path(path))
        return [self._socket_file.listen()]

    def close(self, *, graceful: bool = False) -> None:
        """Stop listening, end every session, and release all resources; the inbox and the sessions stay readable.

        With `graceful`, idle clients are told ``421 4.3.2`` (RFC 5321 section 3.8); without it, all clients are
        disconnected at once. You can close a server twice. Raises `CloseTimeoutError`, which names the open sessions,
        if this takes longer than a second, and, after the server has closed, `CallbackFailed` if a function or an
        observer raised an exception.
        """
        if (serving := self._begin_close(graceful=graceful)) is not None:
            with self._given_back(serving):
                serving.close(graceful=graceful)

    async def aclose(self, *, graceful: bool = False) -> None:
        """Close the server as `close` does, without blocking the event loop."""
        if (serving := self._begin_close(graceful=graceful)) is not None:
            with self._given_back(serving):
                await serving.aclose(graceful=graceful)

    def disconnect_idle(self) -> int:
        """Send ``421 4.3.2`` to every idle client and close its connection; the server goes on running.

        Returns the number of these clients. Raises `NotRunningError` before `start` and after `close`.
        """
        if self._serving is None or self._is_closing:
            raise NotRunningError("this server does not run: use it in a with statement, or call start()")
        if LOOP_THREAD.is_current:
            raise RuntimeError("a server cannot disconnect clients from its own thread, where observers run")
        LOOP_THREAD.catch_up()
        return self._serving.disconnect_idle()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._failures.explain(error)
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._failures.explain(error)
        await self.aclose()

    def __repr__(self) -> str:
        where = f"{self.host}:{self.port}".removesuffix(":0") if self._addresses else "not started"
        return f"<Server {self.mode} {where}{', closed' if self._is_closing else ''}>"

    @property
    def _watch(self) -> Watch | None:
        if (observer := self._observer) is None:
            return None
        told, said = self._failures.tell, getattr(observer, "said", None)
        return Watch(
            partial(told, observer.session_started, self),
            partial(told, observer.session_ended, self),
            partial(self._failures.tell_of_event, said, self) if callable(said) else None,
        )

    def _begin_close(self, *, graceful: bool) -> Serving | None:
        """Return what is to be closed, to the first who asks."""
        if LOOP_THREAD.is_current:
            raise RuntimeError("a server cannot be closed from its own thread, where observers run")
        if graceful:  # who has just said something has its answer first
            LOOP_THREAD.catch_up()
        with self._lock:
            if self._is_closing:
                return None
            self._is_closing = self._serving is not None
        if self._serving is None:
            self._clean_up()
        return self._serving

    @contextlib.contextmanager
    def _given_back(self, serving: Serving) -> Iterator[None]:
        """Give everything back once it is closed, or say what hangs."""
        try:
            yield
        except TimeoutError as error:
            hanging = serving.open_sessions
            sessions = "; ".join(map(str, hanging[:_SHOWN])) or "nothing"
            if len(hanging) > _SHOWN:
                sessions += f"; and {len(hanging) - _SHOWN} more"
            raise CloseTimeoutError(
                f"{self!r} did not close within {CLOSE_BOUND:g} s; still open: {sessions}"
            ) from error
        finally:
            LOOP_THREAD.release()
            self._clean_up()
            self._is_closed = serving.is_closed
        self._failures.tell_all()

    def _clean_up(self) -> None:
        if self._socket_file is not None:
            self._socket_file.remove()
        if self._own_authority is not None:
            self._own_authority.close()

    def forked(self) -> None:
        """Close this server in a forked child, which lacks its thread. The parent goes on serving; its files stay."""
        self._lock = threading.Lock()
        self._failures.forked()
        if self._serving is not None:
            self._is_closing = True
            self._serving.abandon()

    # In the loop thread

    def _channel(self, attach: Attach) -> Channel:
        return Channel(LOOP_THREAD.reads, attach)

    def _capture(self, message: CapturedMessage) -> None:
        self.inbox.add(message)
        if self._observer is not None:
            self._failures.tell_of_message(self._observer.message_captured, self, message)
