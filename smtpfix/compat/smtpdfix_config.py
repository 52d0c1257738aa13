"""`Config`: the settings of the `smtpd` fixture as a `Policy`, from ``SMTPD_*`` variables and from the test."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, Self

from smtpfix.errors import InvalidValueError
from smtpfix.login.names import ANY_USER
from smtpfix.paths import is_file
from smtpfix.policy.mode import Mode
from smtpfix.rules.reply import Reply
from smtpfix.smtp.policy import Policy

from .hooked import HookedPolicy
from .hooks import Hooks

_TRUE: Final = ("y", "yes", "t", "true", "on", "1")
_FALSE: Final = ("n", "no", "f", "false", "off", "0")
_MECHANISMS: Final = ("CRAM-MD5", "LOGIN", "PLAIN")
_WITH_PASSWORD: Final = ("LOGIN", "PLAIN")
"""What an authenticator can decide on: these tell it the password."""
_REPLIES: Final = {"already_authenticated": Reply(503, None, "Already authenticated")}
"""What tests compare as a whole."""


def _to_bool(value: Any) -> bool:
    """Return the truth that a word of the environment stands for; of anything else its own."""
    if not isinstance(value, str):
        return bool(value)
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise InvalidValueError("Config", value, f"one of {', '.join((*_TRUE, *_FALSE))}")


def _to_files(value: Any) -> tuple[Any, Any]:
    """Return the files of a certificate and its key, which may be None: then one file has both.

    Raises `FileNotFoundError`.
    """
    found = (value[0], value[1]) if isinstance(value, tuple) else (value, None)
    for file in found:
        if file is not None and not is_file(file):
            raise FileNotFoundError(f"ssl_cert_files: there is no file {str(file)!r}")
    return found


def _setting(name: str, convert: Callable[[Any], Any], doc: str) -> property:
    """Return a property whose change is felt by a running server."""

    def read(self: Config) -> Any:
        return self._values[name]

    def write(self: Config, value: Any) -> None:
        self._values[name] = convert(value)
        self.OnChanged()

    return property(read, write, doc=doc)


class Listeners:
    """Callables that are called together; ``+=`` and ``-=`` change who."""

    def __init__(self) -> None:
        self._callables: list[Callable[[], object]] = []

    def __iadd__(self, one: Callable[[], object]) -> Self:
        self._callables.append(one)
        return self

    def __isub__(self, one: Callable[[], object]) -> Self:
        self._callables.remove(one)
        return self

    def __call__(self) -> None:
        """Call them."""
        for one in tuple(self._callables):
            one()


class Config:
    """What the server of `smtpd` does; a change is felt by the next client, and cuts off those that are connected."""

    def __init__(self) -> None:
        environment = os.environ
        certificate, key = environment.get("SMTPD_SSL_CERTIFICATE_FILE"), environment.get("SMTPD_SSL_KEY_FILE")
        self.OnChanged = Listeners()
        """Who is called after every change."""
        self._values: dict[str, Any] = {
            "host": environment.get("SMTPD_HOST", "localhost"),
            "port": int(environment.get("SMTPD_PORT", "0")),
            "ready_timeout": float(environment.get("SMTPD_READY_TIMEOUT", "10")),
            "login_username": environment.get("SMTPD_LOGIN_NAME", "user"),
            "login_password": environment.get("SMTPD_LOGIN_PASSWORD", "password"),
            "enforce_auth": _to_bool(environment.get("SMTPD_ENFORCE_AUTH", "false")),
            "auth_require_tls": _to_bool(environment.get("SMTPD_AUTH_REQUIRE_TLS", "true")),
            "use_starttls": _to_bool(environment.get("SMTPD_USE_STARTTLS", "false")),
            "use_ssl": any(_to_bool(environment.get(name, "false")) for name in ("SMTPD_USE_SSL", "SMTPD_USE_TLS")),
            "ssl_cert_files": _to_files((certificate, key)) if certificate else "issued",
        }

    host = _setting("host", str, "Where to listen.")
    port = _setting("port", int, "The port to listen on; 0 takes a free one, which stands here once it runs.")
    ready_timeout = _setting("ready_timeout", float, "Has no effect: the server is there as soon as it has started.")
    login_username = _setting("login_username", str, "Who may log in.")
    login_password = _setting("login_password", str, "By which password.")
    enforce_auth = _setting("enforce_auth", _to_bool, "Whether mail needs a login.")
    auth_require_tls = _setting("auth_require_tls", _to_bool, "Whether a login needs TLS.")
    use_starttls = _setting("use_starttls", _to_bool, "Whether mail needs STARTTLS; goes before `use_ssl`.")
    use_ssl = _setting("use_ssl", _to_bool, "Whether connections begin in TLS.")
    ssl_cert_files = _setting(
        "ssl_cert_files",
        _to_files,
        "The files of a certificate and its key, or one file of both; ``issued`` until set: smtpfix issues one.",
    )

    def policy(self, *, hooks: Hooks | None = None, **fields: Any) -> Policy:
        """Return what the server does by the settings as they are now, with other fields; `hooks` decide on logins.

        Raises `FileNotFoundError`.
        """
        mode = Mode.TLS_REQUIRED if self.use_starttls else Mode.IMPLICIT_TLS if self.use_ssl else Mode.PLAIN
        fields = {
            "host": self.host,
            "port": self.port,
            "users": {self.login_username: self.login_password},
            "mechanisms": _MECHANISMS,
            "auth_in_clear": not self.auth_require_tls,
            "require_auth": self.enforce_auth,
            "replies": _REPLIES,
            **fields,
        }
        if mode is not Mode.PLAIN and "certificate" not in fields and self.ssl_cert_files != "issued":
            certificate, key = self.ssl_cert_files
            if certificate is None:
                raise FileNotFoundError("ssl_cert_files: expected the file of a certificate, got None")
            fields["certificate"] = (certificate, key or certificate)
        if hooks is None:
            return Policy(mode, **fields)
        return HookedPolicy(mode, **{**fields, "hooks": hooks, "users": ANY_USER, "mechanisms": _WITH_PASSWORD})
