"""Clients that many people read their mail with, ready to be audited; `adapters` has those that send.

Each reads all messages there are. imaplib and poplib then delete what they have read; curl leaves it.
"""

from __future__ import annotations

import imaplib
import poplib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from .call import Call
from .command import Command
from .context import context_for
from .reading import MESSAGES
from .result import Declaration, DeclaredMode
from .runner import Client
from .target import Target


def by_imaplib(target: Target) -> None:
    """Read by imaplib, as its documentation has it, with a context that verifies; then expunge what was read."""
    client = (
        imaplib.IMAP4_SSL(target.host, target.port, ssl_context=context_for(target), timeout=target.patience)
        if target.mode is DeclaredMode.IMPLICIT
        else imaplib.IMAP4(target.host, target.port, timeout=target.patience)
    )
    try:
        if target.mode is DeclaredMode.STARTTLS_REQUIRED or (
            target.mode is DeclaredMode.OPPORTUNISTIC and "STARTTLS" in client.capabilities
        ):
            client.starttls(context_for(target))
        client.login(target.user or "", target.password or "")
        _checked(client.select("INBOX"))
        uids = (_checked(client.uid("SEARCH", "ALL"))[0] or b"").split()
        for uid in uids:
            _check_fetched(_checked(client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")))
        if uids:
            _checked(client.uid("STORE", b",".join(uids).decode(), "+FLAGS.SILENT", "(\\Deleted)"))
            _checked(client.expunge())
        with suppress(imaplib.IMAP4.error, OSError):  # all has been done, whatever comes of this
            client.logout()
    finally:
        with suppress(OSError):  # behind a logout it is closed already
            client.shutdown()


def _checked(answer: tuple[str, list[bytes | None]]) -> list[bytes | None]:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"the server said {status}: {data!r}")
    return data


def _check_fetched(data: list[bytes | None]) -> None:
    if not any(isinstance(one, tuple) for one in data):
        raise imaplib.IMAP4.error(f"there is no message in the answer: {data!r}")


def by_poplib(target: Target) -> None:
    """Read by poplib, as its documentation has it, with a context that verifies; then delete what was read."""
    client = (
        poplib.POP3_SSL(target.host, target.port, context=context_for(target), timeout=target.patience)
        if target.mode is DeclaredMode.IMPLICIT
        else poplib.POP3(target.host, target.port, timeout=target.patience)
    )
    try:
        if target.mode is DeclaredMode.STARTTLS_REQUIRED or (
            target.mode is DeclaredMode.OPPORTUNISTIC and "STLS" in client.capa()
        ):
            client.stls(context_for(target))
        client.user(target.user or "")
        client.pass_(target.password or "")
        numbers = [int(line.split()[0]) for line in client.list()[1]]
        for number in numbers:
            client.retr(number)
        for number in numbers:
            client.dele(number)
        client.quit()
    finally:
        client.close()


def _curl(declaration: Declaration) -> Client:
    """Return curl: ``imaps://`` or ``pop3s://``, or ``--ssl-reqd``, or ``--ssl`` where TLS is taken when offered."""
    mode, protocol = declaration.mode, declaration.protocol
    options = ["--disable", "--silent", "--show-error", "--fail-early", "--max-time", "{patience}"]
    options += ["--resolve", "{host}:{port}:{address}", "--user", "{user}:{password}"]
    if mode is not DeclaredMode.NONE:
        options += ["--cacert", "{cafile}"]
    if mode in (DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.OPPORTUNISTIC):
        options.append("--ssl-reqd" if mode is DeclaredMode.STARTTLS_REQUIRED else "--ssl")
    scheme = f"{protocol}s" if mode is DeclaredMode.IMPLICIT else protocol
    place = "INBOX;MAILINDEX=" if protocol == "imap" else ""
    urls = [f"{scheme}://{{host}}:{{port}}/{place}{number}" for number in range(1, MESSAGES + 1)]
    return Command(("curl", *options, *urls), name="curl", language="curl", finds_names=True, is_isolated=True)


READING_ADAPTERS: Final[Mapping[str, Mapping[str, Callable[[Declaration], Client]]]] = {
    "imap": {"imaplib": lambda _: Call(by_imaplib, "imaplib"), "curl": _curl},
    "pop3": {"poplib": lambda _: Call(by_poplib, "poplib"), "curl": _curl},
}
"""The built-in clients that read mail, by protocol and by name."""
