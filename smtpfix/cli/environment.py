"""Mailpit's and MailHog's environment variables as options of `smtpfix serve --web`.

What the command line says counts before them. The names of the web server itself, `web.settings` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.paths import is_directory
from smtpfix.policy.mode import Mode

_ADDRESS: Final = "localhost:1025"
_NAMES: Final = "sans:"
_ON: Final = frozenset(("1", "true", "yes", "on"))
_WEB: Final = frozenset(
    (
        *("MP_UI_BIND_ADDR", "MP_WEBROOT", "MP_UI_AUTH", "MP_UI_AUTH_FILE", "MP_API_CORS", "MP_LABEL"),
        *("MP_DISABLE_HTTP_COMPRESSION", "MP_HIDE_DELETE_ALL_BUTTON", "MP_MAX_MESSAGE_SIZE"),
        *("MP_ENABLE_CHAOS", "MP_CHAOS_TRIGGERS"),
        *("MP_UI_TLS_CERT", "MP_UI_TLS_KEY", "MP_WEBHOOK_URL", "MP_ALLOW_INTERNAL_HTTP_REQUESTS"),
        *(
            f"MP_SMTP_RELAY_{name}"
            for name in (
                *("HOST", "PORT", "STARTTLS", "TLS", "ALLOW_INSECURE", "AUTH", "USERNAME", "PASSWORD", "SECRET"),
                *("RETURN_PATH", "OVERRIDE_FROM", "ALLOWED_RECIPIENTS", "BLOCKED_RECIPIENTS", "PRESERVE_MESSAGE_IDS"),
            )
        ),
        *("MP_SEND_API_AUTH", "MP_SEND_API_AUTH_FILE", "MP_SEND_API_AUTH_ACCEPT_ANY"),
        *("MH_UI_BIND_ADDR", "MH_API_BIND_ADDR", "MH_UI_WEB_PATH", "MH_CORS_ORIGIN", "MH_AUTH_FILE"),
    )
)
_SMTP: Final = frozenset(
    (
        *("MP_SMTP_BIND_ADDR", "MH_SMTP_BIND_ADDR", "MP_SMTP_AUTH", "MP_SMTP_AUTH_FILE", "MP_SMTP_AUTH_ACCEPT_ANY"),
        *("MP_SMTP_AUTH_ALLOW_INSECURE", "MP_DATABASE", "MP_MAX_MESSAGES", "MP_MAX_AGE", "MH_HOSTNAME"),
        *("MP_SMTP_TLS_CERT", "MP_SMTP_TLS_KEY", "MP_SMTP_REQUIRE_STARTTLS", "MP_SMTP_REQUIRE_TLS"),
    )
)
_HARMLESS: Final = frozenset(
    (
        *("MP_QUIET", "MP_VERBOSE", "MP_DISABLE_VERSION_CHECK", "MP_DISABLE_AUTO_VACUUM", "MP_DISABLE_WAL"),
        *("MP_ENABLE_PROMETHEUS", "MP_BLOCK_REMOTE_CSS_AND_FONTS"),
        *("MP_COMPRESSION", "MP_SMTP_DISABLE_RDNS", "MP_TENANT_ID", "MH_STORAGE"),
    )
)
"""Where what they ask for is so anyway, or nobody notices that it is not."""


def with_environment(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return options with what the environment says beside them. Raises `InvalidValueError`, which names its name."""
    found = dict(options)
    address = environment.get("MP_SMTP_BIND_ADDR") or environment.get("MH_SMTP_BIND_ADDR")
    mode = _mode(environment)
    if (address or mode != Mode.PLAIN) and not found.get("listen") and not found.get("conventional_ports"):
        found["listen"] = (_listener(address or _ADDRESS, mode),)
        _use_certificate(found, environment)
    if not found.get("user") and not found.get("token") and not found.get("any_user"):
        if _is_on(environment, "MP_SMTP_AUTH_ACCEPT_ANY"):
            found["any_user"] = True
        else:
            found["user"] = tuple(_users(environment))
    if not found.get("hostname") and environment.get("MH_HOSTNAME"):
        found["hostname"] = environment["MH_HOSTNAME"]
    if found.get("store") is None and (where := database(environment)):
        found["store"] = where
    most = environment.get("MP_MAX_MESSAGES", "")
    if found.get("keep") is None and most:
        if not most.isascii() or not most.isdecimal():
            raise InvalidValueError("MP_MAX_MESSAGES", most, "a number of messages, or 0 for all")
        found["keep"] = int(most[:9]) or None
    found["keep_for"] = found.get("keep_for") or environment.get("MP_MAX_AGE") or None
    return found


def database(environment: Mapping[str, str]) -> str | None:
    """Return where the environment has its store; None where it says nothing."""
    where = environment.get("MP_DATABASE")
    return str(Path(where) / "smtpfix.db") if where and is_directory(where) else where or None


def without_effect(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the other programs that are set, and change nothing here."""
    known = _WEB | _SMTP | _HARMLESS
    return tuple(sorted(name for name in environment if name.startswith(("MP_", "MH_")) and name not in known))


def _mode(environment: Mapping[str, str]) -> Mode:
    if _is_on(environment, "MP_SMTP_REQUIRE_TLS"):
        return Mode.IMPLICIT_TLS
    if _is_on(environment, "MP_SMTP_REQUIRE_STARTTLS"):
        return Mode.TLS_REQUIRED
    return Mode.STARTTLS if environment.get("MP_SMTP_TLS_CERT") else Mode.PLAIN


def _use_certificate(found: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Use the certificate that the environment names; ``sans:`` and names have one made for these."""
    certificate, key = environment.get("MP_SMTP_TLS_CERT", ""), environment.get("MP_SMTP_TLS_KEY", "")
    if certificate.startswith(_NAMES):
        found["hostname"] = found.get("hostname") or tuple(filter(None, certificate.removeprefix(_NAMES).split(",")))
    elif certificate and not found.get("certificate_file"):
        if not key:
            raise InvalidValueError("MP_SMTP_TLS_CERT", certificate, "MP_SMTP_TLS_KEY with it")
        found |= {"certificate_file": Path(certificate), "key_file": Path(key)}


def _listener(address: str, mode: Mode) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise InvalidValueError("MP_SMTP_BIND_ADDR", address, "ADDRESS:PORT, such as [::]:1025 or 0.0.0.0:1025")
    return f"{mode}@{host}:{port}" if host else f"{mode}@[::]:{port}"


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() in _ON


def _users(environment: Mapping[str, str]) -> list[str]:
    found = environment.get("MP_SMTP_AUTH", "").split()
    if path := environment.get("MP_SMTP_AUTH_FILE", ""):
        try:
            found += [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeError) as error:
            raise InvalidValueError(
                "MP_SMTP_AUTH_FILE", path, "a text file with a line NAME:PASSWORD a user"
            ) from error
    return found
