"""`Controller`: a server whose handler decides, through the hooks of aiosmtpd's handlers.

``from smtpfix.compat.aiosmtpd import Controller`` takes the place of ``from aiosmtpd.controller import Controller``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from smtpfix.login.names import ANY_USER
from smtpfix.policy.mode import Mode
from smtpfix.server import Server

from .hooked import HookedPolicy
from .hooks import AuthResult, Envelope, Hooks, LoginPassword, Session
from .workers import Workers

if TYPE_CHECKING:
    import asyncio
    import ssl

__all__ = ("AuthResult", "Controller", "Envelope", "LoginPassword", "Session")


class Controller:
    """A server in a thread of its own, whose handler runs in others: it may raise, wait and sleep.

    The parameters are aiosmtpd's; `loop` is the event loop of the first thread in which hooks run. Raises
    `InvalidValueError` for a handler with hooks that are never called.
    """

    def __init__(
        self,
        handler: Any,
        hostname: str | None = None,
        port: int = 8025,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        ready_timeout: float | None = None,  # noqa: ARG002 - it is there as soon as it has started
        ssl_context: ssl.SSLContext | None = None,
        tls_context: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        server_hostname: str | None = None,
        ident: str | None = None,
        data_size_limit: int | None = 33_554_432,
        enable_SMTPUTF8: bool = True,  # noqa: N803 - its name
        decode_data: bool = False,
        timeout: float = 300,
        auth_required: bool = False,
        auth_require_tls: bool = True,
        auth_exclude_mechanism: Iterable[str] | None = None,
        auth_callback: Callable[[str, bytes, bytes], bool] | None = None,
        authenticator: Callable[..., Any] | None = None,
    ) -> None:
        self.handler = handler
        """Whose hooks decide."""
        self.hostname = hostname or "localhost"
        """Where it listens."""
        self.port = port
        """The port it listens on, once it runs; 0 takes a free one."""
        self._given_loop = loop
        self._context = ssl_context or tls_context
        self._decode_data = decode_data
        if authenticator is None and auth_callback is not None:
            authenticator = _by_callback(auth_callback)
        self._authenticator = authenticator or (_nobody if auth_required else None)
        starttls = Mode.TLS_REQUIRED if require_starttls else Mode.STARTTLS
        without = {name.upper() for name in auth_exclude_mechanism or ()}
        words: dict[str, Any] = {} if server_hostname is None else {"hostname": server_hostname}
        if ident is not None:
            words["greeting"] = f"{{hostname}} {ident}"
        self._policy = HookedPolicy(
            Mode.IMPLICIT_TLS if ssl_context is not None else starttls if tls_context is not None else Mode.PLAIN,
            host=self.hostname,
            port=port,
            size_limit=data_size_limit or None,
            hide=() if enable_SMTPUTF8 else ("SMTPUTF8",),
            timeout=timeout,
            users=None if self._authenticator is None else ANY_USER,
            mechanisms=tuple(name for name in ("LOGIN", "PLAIN") if name not in without),
            auth_in_clear=not auth_require_tls,
            require_auth=auth_required,
            **words,
        )
        self._hooks = Hooks(handler)
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The server as smtpfix has it, with inbox, sessions, rules and all. Raises `RuntimeError` before `start`."""
        if self._server is None:
            raise RuntimeError("this server does not run: call start()")
        return self._server

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop in which hooks run, as long as they do not overlap. Raises `RuntimeError` before `start`."""
        if self._server is None:
            raise RuntimeError("hooks have no event loop before the server runs: call start()")
        return self._hooks.workers.loop

    def start(self) -> None:
        """Listen. Raises `smtpfix.ListenError`, and `RuntimeError` while it runs."""
        if self._server is not None:
            raise RuntimeError("this server was started already; stop it first, or make another one")
        self._hooks = Hooks(self.handler, self._authenticator, self._decode_data, Workers(self._given_loop))
        policy = self._policy.replace(hooks=self._hooks)
        if self._context is not None:
            policy = policy.replace(certificate=self._context)
        server = Server(policy)
        self._server = server.start()
        self.port = server.port

    def stop(self, no_assert: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as it is called
        """Close, and give hooks that still run a second; stopping twice is fine."""
        if self._server is not None:
            server, self._server = self._server, None
            try:
                server.close()
            finally:
                self._hooks.workers.close()

    def __repr__(self) -> str:
        return f"<Controller {self.hostname}:{self.port}{'' if self._server is not None else ', not running'}>"


def _by_callback(callback: Callable[[str, bytes, bytes], bool]) -> Callable[..., bool]:
    def authenticator(_server: Any, _session: Any, _envelope: Any, mechanism: str, login: LoginPassword) -> bool:
        return callback(mechanism, login.login, login.password)

    return authenticator


def _nobody(*_: Any) -> bool:
    return False
