"""`ADAPTERS`: popular mail clients, ready to be audited. To add one, write its settings for each mode.

The only importer of aiosmtplib, which need not be installed.
"""

from __future__ import annotations

import shutil
import smtplib
import ssl
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.paths import is_file
from smtpfix.suggesting import did_you_mean

from .adapters_reading import READING_ADAPTERS
from .call import Call, Deliver
from .command import Command
from .context import context_for
from .login import has_token
from .result import Declaration, DeclaredMode, Trust
from .runner import Client
from .target import Target

# Python's own


def by_smtplib(target: Target) -> None:
    """Deliver as smtplib's documentation has it, with a context that verifies."""
    _by_smtplib(target, lambda: context_for(target))


def by_smtplib_unverified(target: Target) -> None:
    """Deliver by smtplib without a context, which verifies nothing."""
    _by_smtplib(target, lambda: None)


def _by_smtplib(target: Target, context: Callable[[], ssl.SSLContext | None]) -> None:
    client = (
        smtplib.SMTP_SSL(target.host, target.port, target.client_name, timeout=target.patience, context=context())
        if target.mode is DeclaredMode.IMPLICIT
        else smtplib.SMTP(target.host, target.port, target.client_name, timeout=target.patience)
    )
    try:
        client.ehlo_or_helo_if_needed()
        if target.mode is DeclaredMode.STARTTLS_REQUIRED or (
            target.mode is DeclaredMode.OPPORTUNISTIC and client.has_extn("starttls")
        ):
            client.starttls(context=context())
        if target.user is not None:
            client.login(target.user, target.password or "")
        refused = client.sendmail(target.sender, target.recipients, Path(target.message).read_bytes())
        with suppress(smtplib.SMTPException, OSError):  # the message has been accepted, whatever comes of this
            client.quit()
    finally:
        client.close()
    if refused:  # some of several, which sendmail does not raise for
        raise smtplib.SMTPRecipientsRefused(refused)


async def by_aiosmtplib(target: Target) -> None:
    """Deliver by aiosmtplib's `send`, with a context that verifies."""
    import aiosmtplib  # noqa: PLC0415 - need not be installed

    start_tls = {DeclaredMode.STARTTLS_REQUIRED: True, DeclaredMode.OPPORTUNISTIC: None}
    refused, _ = await aiosmtplib.send(
        Path(target.message).read_bytes(),  # noqa: ASYNC240 - nothing else waits here
        sender=target.sender,
        recipients=target.recipients,
        hostname=target.host,
        port=target.port,
        local_hostname=target.client_name,
        timeout=target.patience,
        use_tls=target.mode is DeclaredMode.IMPLICIT,
        start_tls=start_tls.get(target.mode, False),
        tls_context=context_for(target) if target.mode is not DeclaredMode.NONE else None,
        username=target.user,
        password=target.password,
    )
    if refused:
        raise smtplib.SMTPRecipientsRefused(
            {one: (reply.code, reply.message.encode()) for one, reply in refused.items()}
        )


def _call(name: str, deliver: Deliver, module: str) -> Callable[[Declaration], Client]:
    def make(_declaration: Declaration) -> Client:
        try:
            __import__(module)
        except ImportError as error:
            raise ExtraMissing(f"the adapter {name} needs {module}: pip install {module}") from error
        return Call(deliver, name)

    return make


# Programs


def _curl(declaration: Declaration) -> Client:
    """Return curl: ``smtps://``, or ``--ssl-reqd``, or ``--ssl`` where TLS is taken when it is offered."""
    mode = declaration.mode
    scheme = "smtps" if mode is DeclaredMode.IMPLICIT else "smtp"
    options = ["--disable", "--silent", "--show-error", "--max-time", "{patience}", "--upload-file", "{message}"]
    options += ["--mail-from", "{sender}", "--resolve", "{host}:{port}:{address}"]
    if mode is not DeclaredMode.NONE:
        options += ["--cacert", "{cafile}"]
    if mode in (DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.OPPORTUNISTIC):
        options.append("--ssl-reqd" if mode is DeclaredMode.STARTTLS_REQUIRED else "--ssl")
    if declaration.user is not None:
        by_token = ["--user", "{user}", "--oauth2-bearer", "{password}"]
        options += by_token if has_token(declaration) else ["--user", "{user}:{password}"]
    url = f"{scheme}://{{host}}:{{port}}/{{name}}"
    return Command(
        ("curl", *options, url),
        for_each=("--mail-rcpt", "{recipient}"),
        name="curl",
        language="curl",
        finds_names=True,
        is_isolated=True,
    )


def _msmtp(declaration: Declaration) -> Client:
    """Return msmtp with a configuration file of its own."""
    mode = declaration.mode
    if mode is DeclaredMode.OPPORTUNISTIC:
        raise InvalidValueError("mode", str(mode), "implicit, starttls-required or none: msmtp has TLS on or off")
    lines = ["defaults", "account default", "host {address}", "port {port}", "timeout {patience}"]
    lines.append(f"tls {'off' if mode is DeclaredMode.NONE else 'on'}")
    if mode is not DeclaredMode.NONE:
        lines += [f"tls_starttls {'off' if mode is DeclaredMode.IMPLICIT else 'on'}"]
        is_pinned = declaration.trust is Trust.PINNED
        lines += ["tls_trust_file", "tls_fingerprint {fingerprint}"] if is_pinned else ["tls_trust_file {cafile}"]
        lines += ["tls_host_override {host}"]
    if declaration.user is not None:
        lines += [f"auth {'plain' if mode is DeclaredMode.NONE else 'on'}", "user {user}", 'password "{password}"']
    return Command(
        ("msmtp", "--file={template}", "--domain={name}", "--from={sender}", "--"),
        for_each=("{recipient}",),
        template="\n".join([*lines, ""]),
        stdin="{message}",
        name="msmtp",
        language="msmtp",
        finds_names=True,
        is_isolated=True,
    )


def _swaks(declaration: Declaration) -> Client:
    """Return swaks, told to verify."""
    mode = declaration.mode
    options = ["--server", "{address}", "--port", "{port}", "--timeout", "{patience}", "--helo", "{name}"]
    options += ["--from", "{sender}", "--to", "{recipients}", "--data", "@{message}"]
    tls = {
        DeclaredMode.IMPLICIT: "--tls-on-connect",
        DeclaredMode.STARTTLS_REQUIRED: "--tls",
        DeclaredMode.OPPORTUNISTIC: "--tls-optional-strict",
    }
    if mode in tls:
        options += [tls[mode], "--tls-verify", "--tls-ca-path", "{cafile}", "--tls-sni", "{host}"]
    if declaration.user is not None:
        options += [
            "--auth",
            ",".join(declaration.mechanisms) or "PLAIN,LOGIN",
            "--auth-user",
            "{user}",
            "--auth-password",
            "{password}",
        ]
    return Command(("swaks", *options), name="swaks", language="swaks", finds_names=True, is_isolated=True)


ADAPTERS: Final[Mapping[str, Callable[[Declaration], Client]]] = {
    "smtplib": _call("smtplib", by_smtplib, "smtplib"),
    "smtplib-unverified": _call("smtplib-unverified", by_smtplib_unverified, "smtplib"),
    "aiosmtplib": _call("aiosmtplib", by_aiosmtplib, "aiosmtplib"),
    "curl": _curl,
    "msmtp": _msmtp,
    "swaks": _swaks,
}
"""The built-in clients that send mail by name; each is made for a declaration."""


def _unknown_client(name: str, known: Collection[str], protocol: str) -> InvalidValueError:
    """Return what to say where a client is none of the built-in ones: it may well be a program of the user's own."""
    others = next((one for one in ("smtp", *READING_ADAPTERS) if name in READING_ADAPTERS.get(one, ADAPTERS)), None)
    if others is not None:
        advice = f"it speaks {others.upper()} (protocol {others!r}), and here the protocol is {protocol!r}"
    elif "/" in name or is_file(name) or shutil.which(name):
        advice = f"to audit a program of your own, write -- before it: smtpfix audit -- {name}"
    else:
        near = did_you_mean(name, known)
        advice = f"there are {', '.join(known)}{near}; write a program of your own after --: smtpfix audit -- {name}"
    return InvalidValueError.saying("adapter", name, f"{name!r} is no built-in client for {protocol.upper()}; {advice}")


def adapter(name: str, declaration: Declaration) -> Client:
    """Return a built-in client. Raises `InvalidValueError` for an unknown name or a mode it has not."""
    adapters = READING_ADAPTERS.get(declaration.protocol, ADAPTERS)
    if name not in adapters:
        raise _unknown_client(name, adapters, declaration.protocol)
    return adapters[name](declaration)
