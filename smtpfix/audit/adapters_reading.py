"""Popular clients that read mail, ready to be audited; `adapters` has the clients that send.

Each reads all messages there are. curl leaves them; all others delete what they have read.
"""

from __future__ import annotations

import imaplib
import poplib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from smtpfix.errors import InvalidValueError

from .call import Call
from .command import Command
from .context import context_for
from .login import has_token
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
        with suppress(OSError):  # after a logout it is closed already
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
    options += ["--resolve", "{host}:{port}:{address}"]
    by_token = ["--user", "{user}", "--oauth2-bearer", "{password}"]
    options += by_token if has_token(declaration) else ["--user", "{user}:{password}"]
    if mode is not DeclaredMode.NONE:
        options += ["--cacert", "{cafile}"]
    if mode in (DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.OPPORTUNISTIC):
        options.append("--ssl-reqd" if mode is DeclaredMode.STARTTLS_REQUIRED else "--ssl")
    scheme = f"{protocol}s" if mode is DeclaredMode.IMPLICIT else protocol
    place = "INBOX;MAILINDEX=" if protocol == "imap" else ""
    urls = [f"{scheme}://{{host}}:{{port}}/{place}{number}" for number in range(1, MESSAGES + 1)]
    return Command(("curl", *options, *urls), name="curl", language="curl", finds_names=True, is_isolated=True)


def _fetchmail(declaration: Declaration) -> Client:
    """Return fetchmail with a run control file of its own; what it reads it gives to a command.

    Since 6.4.22 it verifies by default, and then demands TLS; so where TLS is optional it verifies nothing.
    """
    mode = declaration.mode
    _check_login(declaration, "fetchmail")
    if has_token(declaration):
        raise InvalidValueError(
            "mechanisms", ",".join(declaration.mechanisms), "none that takes a token: fetchmail has no OAuth"
        )
    verifies = ["sslcertck", 'sslcertfile "{cafile}"', 'sslcommonname "{host}"']
    security = {
        DeclaredMode.IMPLICIT: ["ssl", 'sslproto "tls1.2+"', *verifies],
        DeclaredMode.STARTTLS_REQUIRED: ['sslproto "tls1.2+"', *verifies],
        DeclaredMode.OPPORTUNISTIC: ["no sslcertck"],
        DeclaredMode.NONE: ["no sslcertck", "sslproto ''"],
    }
    lines = [
        "set no bouncemail",
        "set softbounce",
        f"poll audit via {{address}} protocol {declaration.protocol} port {{port}} timeout {{patience}}",
        'user "{user}" password "{password}"',
        *security[mode],
        "fetchall nokeep",
        'mda "cat >>mail"',
    ]
    return Command(
        ("fetchmail", "--nosyslog", "--nodetach", "--pidfile={workdir}/pid", "--fetchmailrc={template}"),
        environment=(("FETCHMAILHOME", "{workdir}"),),
        template="\n".join([*lines, ""]),
        name="fetchmail",
        language="fetchmail",
        finds_names=True,
        is_isolated=True,
    )


def _getmail(declaration: Declaration) -> Client:
    """Return getmail 6 with a file of its own; what it reads it gives to a command, which may be root's here.

    It verifies where it has a file of authorities, and knows no STARTTLS.
    """
    mode, protocol = declaration.mode, declaration.protocol
    _check_login(declaration, "getmail")
    if mode not in (DeclaredMode.IMPLICIT, DeclaredMode.NONE):
        raise InvalidValueError("mode", str(mode), "implicit or none: getmail has no STARTTLS")
    is_implicit = mode is DeclaredMode.IMPLICIT
    retriever = f"Simple{protocol.upper()}{'SSL' if is_implicit else ''}Retriever"
    lines = ["[retriever]", f"type = {retriever}", "server = {host}", "port = {port}", "timeout = {patience}"]
    lines += ["username = {user}"]
    if has_token(declaration):
        if protocol != "imap":
            raise InvalidValueError(
                "mechanisms",
                ",".join(declaration.mechanisms),
                "none that takes a token: getmail has XOAUTH2 for IMAP only",
            )
        lines += ["use_xoauth2 = true", 'password_command = ("printf", "%s", "{password}")']
    else:
        lines += ["password = {password}"]
    if is_implicit:
        lines += ["ca_certs = {cafile}"]
    lines += ["[destination]", "type = MDA_external", "path = /bin/sh", 'arguments = ("-c", "cat >>mail")']
    lines += ["allow_root_commands = true", "[options]", "delete = true"]
    return Command(
        ("getmail", "--getmaildir={workdir}", "--rcfile={template}"),
        template="\n".join([*lines, ""]),
        name="getmail",
        language="getmail",
        is_isolated=True,
    )


def _check_login(declaration: Declaration, name: str) -> None:
    """Raise `InvalidValueError` for what its configuration file would read as something else."""
    for word in (declaration.user or "", declaration.password or ""):
        if not (word.isascii() and word.isprintable()) or word != word.strip() or any(one in word for one in "\"'\\"):
            expected = f"a user and a password in ASCII without quotes, backslashes and outer blanks, for {name}"
            raise InvalidValueError("credentials", "something else", expected)


READING_ADAPTERS: Final[Mapping[str, Mapping[str, Callable[[Declaration], Client]]]] = {
    "imap": {
        "imaplib": lambda _: Call(by_imaplib, "imaplib"),
        "curl": _curl,
        "fetchmail": _fetchmail,
        "getmail": _getmail,
    },
    "pop3": {
        "poplib": lambda _: Call(by_poplib, "poplib"),
        "curl": _curl,
        "fetchmail": _fetchmail,
        "getmail": _getmail,
    },
}
"""The built-in clients that read mail, by protocol and by name."""
