"""Which clients are audited, each as its documentation has it: `CLIENTS`."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.processes import run
from smtpfix.audit.adapters import adapter, context_for
from smtpfix.audit.call import Call
from smtpfix.audit.command import Command
from smtpfix.audit.result import Declaration, DeclaredMode
from smtpfix.audit.runner import Client
from smtpfix.audit.target import Target

from .workshop import PROGRAMS, Workshop

_ALL: Final = tuple(DeclaredMode)
_TLS: Final = (DeclaredMode.IMPLICIT, DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.OPPORTUNISTIC)
_REQUIRED: Final = (DeclaredMode.IMPLICIT, DeclaredMode.STARTTLS_REQUIRED)
_ENVELOPE: Final = ("{name}", "{sender}", "{recipient}")


@dataclass(frozen=True, slots=True)
class AuditedClient:
    """A client, how it is made for a declaration, and how it says its version."""

    name: str
    make: Callable[[Workshop, Declaration], Client]
    """Raises `StepFailedError` where what it needs is not installed."""
    version: Callable[[Workshop], str]
    modes: tuple[DeclaredMode, ...] = _TLS
    is_slow: bool = False
    """Whether it takes much longer than others to start, and so more than the usual time."""


def _built_in(name: str, version: Callable[[Workshop], str], modes: tuple[DeclaredMode, ...] = _TLS) -> AuditedClient:
    return AuditedClient(name, lambda _, declaration: adapter(name, declaration), version, modes)


def _says(*command: str, word: int = 0) -> Callable[[Workshop], str]:
    """Return how to ask a program for its version: a word of the first line it prints."""
    return lambda shop: run([shop.program(command[0]), *command[1:]]).split("\n")[0].split()[word].strip("v,")


def _python(_: Workshop) -> str:
    import platform  # noqa: PLC0415 - nobody else asks

    return platform.python_version()


def _login(declaration: Declaration) -> tuple[str, ...]:
    return ("{user}", "{password}") if declaration.user is not None else ()


# Python


def _by_strict_smtplib(target: Target) -> None:
    context = context_for(target)
    context.hostname_checks_common_name = False
    if target.mode is DeclaredMode.IMPLICIT:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            target.host, target.port, target.client_name, timeout=target.patience, context=context
        )
    else:
        client = smtplib.SMTP(target.host, target.port, target.client_name, timeout=target.patience)
    with closing(client):
        client.ehlo_or_helo_if_needed()
        is_offered = client.has_extn("starttls")
        if target.mode is DeclaredMode.STARTTLS_REQUIRED or (target.mode is DeclaredMode.OPPORTUNISTIC and is_offered):
            client.starttls(context=context)
        if target.user is not None:
            client.login(target.user, target.password or "")
        client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())
        with suppress(smtplib.SMTPException, OSError):  # the message has been accepted, whatever comes of this
            client.quit()


def _aiosmtplib_then(shop: Workshop, declaration: Declaration) -> Client:
    python = shop.python("aiosmtplib==5.1.1")
    arguments = ("{mode}", "{host}", "{port}", "{cafile}", *_ENVELOPE, "{message}", "{patience}", *_login(declaration))
    return Command((python, str(PROGRAMS / "by_aiosmtplib.py"), *arguments), name="aiosmtplib", language="python")


# Others


def _s_nail(shop: Workshop, declaration: Declaration) -> Client:
    login = "{user}:{password}@" if declaration.user is not None else ""
    scheme = "smtps" if declaration.mode is DeclaredMode.IMPLICIT else "smtp"
    settings = ["v15-compat", "sendwait", f"mta={scheme}://{login}{{host}}:{{port}}", "hostname={name}"]
    settings += ["smtp-hostname=", "tls-verify=strict", "tls-ca-file={cafile}", "tls-ca-no-defaults"]
    settings += ["socket-connect-timeout={patience}", f"smtp-auth={'plain' if login else 'none'}"]
    if declaration.mode is DeclaredMode.STARTTLS_REQUIRED:
        settings.append("smtp-use-starttls")
    options = [f"-S{setting}" for setting in settings]
    return Command(
        (shop.program("s-nail"), "-:/", *options, "-r", "{sender}", "-s", "{subject}", "-.", "{recipient}"),
        stdin="{message}",
        name="s-nail",
        language="c",
        is_isolated=True,
    )


def _script(language: str, file: str, name: str, what: str = "{message}") -> Callable[[Workshop, Declaration], Client]:
    """Return what makes a client of a script, whose language is called as its interpreter is."""

    def make(shop: Workshop, declaration: Declaration) -> Client:
        arguments = ("{mode}", "{host}", "{port}", "{cafile}", *_ENVELOPE, what, "{patience}", *_login(declaration))
        return Command((shop.program(language), str(PROGRAMS / file), *arguments), name=name, language=language)

    return make


def _go(how: str) -> Callable[[Workshop, Declaration], Client]:
    def make(shop: Workshop, declaration: Declaration) -> Client:
        arguments = (how, "{mode}", "{host}", "{port}", *_ENVELOPE, "{message}", "{patience}", *_login(declaration))
        environment = (("SSL_CERT_FILE", "{cafile}"), ("SSL_CERT_DIR", "{workdir}"))
        command = (shop.go("net_smtp.go"), *arguments)
        return Command(command, environment=environment, name="net/smtp", language="go")

    return make


def _javamail(identity: str) -> Callable[[Workshop, Declaration], Client]:
    def make(shop: Workshop, declaration: Declaration) -> Client:
        arguments = (identity, "{mode}", "{host}", "{port}", "{cafile}", *_ENVELOPE, "{message}", "{patience}")
        java = (shop.program("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", shop.java("JavaMail.java"))
        return Command((*java, "JavaMail", *arguments, *_login(declaration)), name="JavaMail", language="java")

    return make


def _nodemailer(package: str) -> Callable[[Workshop, Declaration], Client]:
    def make(shop: Workshop, declaration: Declaration) -> Client:
        arguments = ("{mode}", "{host}", "{port}", "{cafile}", *_ENVELOPE, "{message}", "{patience}")
        command = (shop.program("node"), str(PROGRAMS / "nodemailer.js"), *arguments, *_login(declaration))
        environment = (("NODE_PATH", shop.node_path(package)),)
        return Command(command, environment=environment, name=package, language="node")

    return make


def _nodemailer_version(package: str) -> Callable[[Workshop], str]:
    print_version = 'process.stdout.write(require(process.argv[1] + "/nodemailer/package.json").version)'
    return lambda shop: run([shop.program("node"), "-e", print_version, shop.node_path(package)])


def _phpmailer_version(shop: Workshop) -> str:
    return run([shop.program("php"), PROGRAMS / "phpmailer.php", "version"])


def _javamail_version(shop: Workshop) -> str:
    return run([shop.program("java"), "-cp", shop.java("JavaMail.java"), "JavaMail", "version"])


CLIENTS: Final = (
    AuditedClient("smtplib, strict", lambda _, __: Call(_by_strict_smtplib, "smtplib"), _python),
    _built_in("smtplib", _python),
    _built_in("smtplib-unverified", _python),
    _built_in("aiosmtplib", lambda _: metadata.version("aiosmtplib")),
    AuditedClient("aiosmtplib 5.1.1", _aiosmtplib_then, lambda _: "5.1.1"),
    _built_in("curl", _says("curl", "--version", word=1)),
    _built_in("msmtp", _says("msmtp", "--version", word=2), _REQUIRED),
    _built_in("swaks", _says("swaks", "--version", word=2)),
    AuditedClient("s-nail", _s_nail, _says("s-nail", "--version", word=1), _REQUIRED),
    AuditedClient(
        "Perl Net::SMTP",
        _script("perl", "net_smtp.pl", "Net::SMTP"),
        _says("perl", "-MNet::SMTP", "-e", "print Net::SMTP->VERSION"),
    ),
    AuditedClient(
        "Ruby net-smtp",
        _script("ruby", "net_smtp.rb", "net-smtp"),
        _says("ruby", "-rnet/smtp", "-e", "print Net::SMTP::VERSION"),
    ),
    AuditedClient("Go smtp.SendMail", _go("sendmail"), _says("go", "version", word=2), (DeclaredMode.OPPORTUNISTIC,)),
    AuditedClient("Go smtp.Client", _go("client"), _says("go", "version", word=2), _REQUIRED),
    AuditedClient("PHPMailer", _script("php", "phpmailer.php", "PHPMailer", "{subject}"), _phpmailer_version),
    AuditedClient("JavaMail", _javamail("false"), _javamail_version, is_slow=True),
    AuditedClient("JavaMail, checkserveridentity", _javamail("true"), _javamail_version, is_slow=True),
    AuditedClient("nodemailer 7.0.13", _nodemailer("nodemailer@7.0.13"), _nodemailer_version("nodemailer@7.0.13")),
    AuditedClient("nodemailer", _nodemailer("nodemailer@latest"), _nodemailer_version("nodemailer@latest")),
)
"""The clients, in the order of the table."""
