"""`WebSettings`: the options of the web server as a value, also from Mailpit's and MailHog's variables.

Checked when it is built. Credentials are in no text form.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from smtpfix.errors import InvalidValueError
from smtpfix.store.mailboxes import MailboxBy

from .outgoing import Outgoing

DEFAULT_PORT: Final = 8025
_MEBIBYTE: Final = 1_048_576
CHAOS: Final = ("Sender", "Recipient", "Authentication")
"""What Mailpit's chaos can make fail."""
_ON: Final = frozenset(("1", "true", "yes", "on"))
_SHA: Final = "{SHA}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Everything the web server needs to know. Raises `InvalidValueError`."""

    host: str = "localhost"
    port: int = DEFAULT_PORT
    """0 takes a free one."""
    webroot: str = "/"
    """What stands before every path; begins and ends with a slash."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Who may use it: passwords, or ``{SHA}`` and a digest as htpasswd writes it, by name; nobody: everybody may."""
    send_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Who may send, instead of these."""
    send_by_anybody: bool = False
    """Whether no credentials are needed to send, and any are taken."""
    mailbox_users: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Who may use one mailbox beside these, by its name; and nothing else."""
    hosts: tuple[str, ...] = ()
    """Names it may be reached by, beside those that nobody can lead somewhere else."""
    origins: tuple[str, ...] = ()
    """Other origins whose pages may use it, such as ``https://ci.example.org``; without a scheme, http and https."""
    tls: bool = False
    """Whether it speaks HTTPS, with `certificate` or one of smtpfix's own authority."""
    certificate: tuple[Path, Path] | None = None
    """Files with the certificate chain, leaf first, and its key, PEM."""
    outgoing: Outgoing = field(default_factory=Outgoing)
    """What it may send out."""
    label: str = ""
    compress: bool = True
    chaos: bool = False
    """Whether `PUT /api/v1/chaos` may make servers fail."""
    chaos_triggers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How they fail from the start, in the form of that request's body."""
    hide_delete_all: bool = False
    read_only: bool = False
    """Whether rules, scenarios and audits are left alone, as where many share a server; mail may be deleted."""
    mailbox_by: MailboxBy | None = None
    """What names the mailbox of a message that comes by HTTP."""
    max_message: int = 50 * _MEBIBYTE
    """Octets of a message that comes by HTTP."""
    max_body: int = 5 * _MEBIBYTE
    """Octets of every other request's body."""

    def __post_init__(self) -> None:
        if not self.webroot.startswith("/") or not self.webroot.endswith("/"):
            raise InvalidValueError("webroot", self.webroot, "a path that begins and ends with a slash")
        for origin in self.origins:
            parts = urlsplit(origin if "://" in origin else f"//{origin}")
            if "*" in origin or not parts.hostname or parts.path.strip("/"):
                raise InvalidValueError(
                    "origins", origin, "origins such as https://ci.example.org; none stands for all"
                )
        if self.mailbox_users and not self.users:
            raise InvalidValueError("--web-mailbox-auth", "nobody else", "MP_UI_AUTH too, for who may use all mail")
        for users in (self.users, self.send_users, *self.mailbox_users.values()):
            for password in users.values():
                if password.startswith("$"):
                    raise InvalidValueError("password", "a hash", "NAME:PASSWORD, or htpasswd's {SHA} (htpasswd -s)")

    @classmethod
    def read(
        cls,
        where: str | None,
        environment: Mapping[str, str],
        *,
        hosts: tuple[str, ...] = (),
        read_only: bool = False,
        mailbox_auth: Path | None = None,
        tls: bool = False,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        **outgoing: Any,
    ) -> WebSettings:
        """Read ``[HOST:]PORT`` and the environment; `outgoing` is as `Outgoing.read` takes it.

        Raises `InvalidValueError`, which names what is wrong.
        """
        name = next(
            (one for one in ("MP_UI_BIND_ADDR", "MH_UI_BIND_ADDR", "MH_API_BIND_ADDR") if environment.get(one)), ""
        )
        address = where or environment.get(name, "") or f"localhost:{DEFAULT_PORT}"
        try:
            host, port = _address(address)
        except ValueError as error:
            expected = "ADDRESS:PORT or PORT, such as localhost:8025, [::]:8025 or 8025"
            raise InvalidValueError("--web" if where else name, address, expected) from error
        certificate = _certificate(environment, tls_cert, tls_key)
        root = environment.get("MP_WEBROOT") or environment.get("MH_UI_WEB_PATH") or ""
        origins = environment.get("MP_API_CORS") or environment.get("MH_CORS_ORIGIN") or ""
        try:
            return cls(
                host=host,
                port=port,
                webroot=f"/{root.strip('/')}/" if root.strip("/") else "/",
                users=_users(environment, "MP_UI_AUTH", "MP_UI_AUTH_FILE", "MH_AUTH_FILE"),
                send_users=_users(environment, "MP_SEND_API_AUTH", "MP_SEND_API_AUTH_FILE"),
                send_by_anybody=_is_on(environment, "MP_SEND_API_AUTH_ACCEPT_ANY"),
                hosts=hosts,
                tls=tls or certificate is not None,
                certificate=certificate,
                outgoing=Outgoing.read(environment, **outgoing),
                origins=tuple(origin.rstrip("/") for origin in origins.replace(",", " ").split()),
                label=environment.get("MP_LABEL", ""),
                compress=not _is_on(environment, "MP_DISABLE_HTTP_COMPRESSION"),
                chaos=_is_on(environment, "MP_ENABLE_CHAOS") or bool(environment.get("MP_CHAOS_TRIGGERS")),
                chaos_triggers=_triggers(environment.get("MP_CHAOS_TRIGGERS", "")),
                read_only=read_only,
                mailbox_users={} if mailbox_auth is None else read_mailbox_users(mailbox_auth),
                hide_delete_all=_is_on(environment, "MP_HIDE_DELETE_ALL_BUTTON"),
                max_message=_mebibytes(environment, "MP_MAX_MESSAGE_SIZE", 50) * _MEBIBYTE,
            )
        except InvalidValueError as error:
            names = {"origins": "MP_API_CORS", "webroot": "MP_WEBROOT", "password": "MP_UI_AUTH"}
            raise error.renamed(names.get(error.field, error.field)) from error

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches it may use it."""
        return not self.users

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return self.host in ("localhost", "127.0.0.1", "::1")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port[:6]) > 65_535:  # noqa: PLR2004 - ports have 16 bits
        raise ValueError(text)
    if not colon:
        return "localhost", int(port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(text)
    return host or "::", int(port)  # as other programs do: no address is all of them


def _certificate(environment: Mapping[str, str], chain: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """Return the files of a certificate and its key: those of the options, else those of the environment."""
    names = ("--web-tls-cert", "--web-tls-key")
    if chain is None and key is None:
        names = ("MP_UI_TLS_CERT", "MP_UI_TLS_KEY")
        chain, key = (Path(found) if (found := environment.get(name)) else None for name in names)
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        there, missing = names if key is None else reversed(names)
        raise InvalidValueError(there, str(chain or key), f"{missing} with it")
    return chain, key


def _triggers(text: str) -> dict[str, dict[str, int]]:
    """Read ``Sender:451:50,Recipient:550:10``: what fails, with which code, and how often in per cent."""
    found = {}
    for one in filter(None, map(str.strip, text.split(","))):
        name, *numbers = one.split(":")
        are_numbers = len(numbers) == 2 and all(each.isascii() and each.isdecimal() for each in numbers)  # noqa: PLR2004
        code, chance = (int(each[:9]) for each in numbers) if are_numbers else (0, 0)
        if name not in CHAOS or not 400 <= code <= 599 or chance > 100:  # noqa: PLR2004 - a reply code, per cents
            expected = f"{', '.join(CHAOS)}, each with a code from 400 to 599 and per cents, such as Sender:451:50"
            raise InvalidValueError("MP_CHAOS_TRIGGERS", one, expected)
        found[name] = {"ErrorCode": code, "Probability": chance}
    return found


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() in _ON


def _mebibytes(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "") or str(default)
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:6]) < 10_000:  # noqa: PLR2004 - 10 GiB
        raise InvalidValueError(name, text, "MiB, 1 or more")
    return int(text)


def _users(environment: Mapping[str, str], name: str, *files: str) -> dict[str, str]:
    """Read users from a variable, between blanks, and from files that variables name, one a line."""
    lines = environment.get(name, "").split()
    for file in files:
        if path := environment.get(file, ""):
            try:
                lines += Path(path).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeError) as error:
                raise InvalidValueError(file, path, "a text file with a line NAME:PASSWORD for each user") from error
    users = {}
    for line in lines:
        user, colon, password = line.strip().partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not user or not colon or not password:  # the line is not shown, it may be a secret
            raise InvalidValueError(name, "a text without a name and a colon", "NAME:PASSWORD")
        users[user] = password
    return users


def read_mailbox_users(path: Path) -> dict[str, dict[str, str]]:
    """Read who may use which mailbox, a line ``MAILBOX/NAME:PASSWORD`` each. Raises `InvalidValueError`."""
    expected = "a text file with a line MAILBOX/NAME:PASSWORD for each user"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise InvalidValueError("--web-mailbox-auth", str(path), expected) from error
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 1):
        mailbox, slash, rest = line.strip().partition("/")
        user, _, password = rest.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not slash or not mailbox or not user or not password:  # the line is not shown, it may be a secret
            raise InvalidValueError(f"--web-mailbox-auth {path}", f"another line {number}", expected)
        found.setdefault(mailbox, {})[user] = password
    return found


def is_one_of(users: Mapping[str, str], name: str, password: str) -> bool:
    """Return whether these credentials are somebody's, in a time that tells nothing of them."""
    found = False
    for user, known in users.items():
        given = password
        if known.startswith(_SHA):
            digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()  # htpasswd's own
            given = _SHA + base64.b64encode(digest).decode()
        is_user = hmac.compare_digest(user.encode(), name.encode())
        found |= is_user & hmac.compare_digest(known.encode(), given.encode())
    return found
