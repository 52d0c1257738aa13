"""`STYLES`: a table of how applications and frameworks name the settings of a mail server.

`settings` fills one in. Values are what stands in the table: a fact of the account, a choice between the ways into TLS,
a URL, something else where the fact is missing, a table of the same kind, or the value itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import did_you_mean

from .account import Account
from .choice import Choice
from .urls import url


class Form(Enum):
    """What a style's settings are put into."""

    ENVIRONMENT = "environment"
    """Variables of a process; every value is text."""
    PYTHON = "python"
    """Names of a Python module, or of a mapping."""
    JSON = "json"
    """An object of options."""
    RUBY = "ruby"
    """A hash of options."""
    PROPERTIES = "properties"
    """Java's properties; every value is text."""

    @property
    def is_text(self) -> bool:
        """Whether every value is text."""
        return self in (Form.ENVIRONMENT, Form.PROPERTIES)


class Fact(StrEnum):
    """What an account knows."""

    HOST = "host"
    PORT = "port"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - the name of a field
    CA_FILE = "ca_file"
    CA_PEM = "ca_pem"
    CA_URL = "ca_url"


@dataclass(frozen=True, slots=True)
class Or:
    """A fact, or something else where there is none."""

    fact: Fact
    otherwise: Any


@dataclass(frozen=True, slots=True)
class With:
    """A value where there is a fact, and no setting at all where there is none, or another one."""

    fact: Fact
    value: Any
    otherwise: Any = None


@dataclass(frozen=True, slots=True)
class URL:
    """The URL, in this spelling."""

    style: str


@dataclass(frozen=True, slots=True)
class Style:
    """How one project is configured."""

    form: Form
    table: Mapping[str, Any]
    aliases: tuple[str, ...] = ()
    """Other names of it."""


_STARTTLS: Final = Choice(clear=False, starttls=True, implicit=False)
_IMPLICIT: Final = Choice(clear=False, starttls=False, implicit=True)

TRUST: Final[Mapping[str, Any]] = {
    # OpenSSL, and so Python, PHP and Ruby; Go; Rust's rustls-native-certs. It is trusted instead of the system's.
    "SSL_CERT_FILE": Fact.CA_FILE,
    "REQUESTS_CA_BUNDLE": Fact.CA_FILE,
    "CURL_CA_BUNDLE": Fact.CA_FILE,
    "NODE_EXTRA_CA_CERTS": Fact.CA_FILE,  # beside what Node has
    "DENO_CERT": Fact.CA_FILE,
}
"""The variables that tell a process what to trust; none without TLS."""

_SMTP: Final[Mapping[str, Any]] = {
    "SMTP_HOST": Fact.HOST,
    "SMTP_PORT": Fact.PORT,
    "SMTP_USER": Fact.USER,
    "SMTP_USERNAME": Fact.USER,
    "SMTP_PASS": Fact.PASSWORD,
    "SMTP_PASSWORD": Fact.PASSWORD,
    "SMTP_STARTTLS": _STARTTLS,
    "SMTP_SSL": _IMPLICIT,
    "SMTP_URL": URL("smtp"),
}
_MAIL: Final[Mapping[str, Any]] = {
    "MAIL_HOST": Fact.HOST,
    "MAIL_SERVER": Fact.HOST,
    "MAIL_PORT": Fact.PORT,
    "MAIL_USERNAME": Fact.USER,
    "MAIL_PASSWORD": Fact.PASSWORD,
    "MAIL_USE_TLS": _STARTTLS,
    "MAIL_USE_SSL": _IMPLICIT,
    "MAIL_STARTTLS": _STARTTLS,
    "MAIL_SSL_TLS": _IMPLICIT,
    "MAIL_ENCRYPTION": Choice("none", "tls", "ssl"),
    "MAIL_URL": URL("smtp"),
}

STYLES: Final[Mapping[str, Style]] = {
    "env": Style(Form.ENVIRONMENT, {**_SMTP, **_MAIL, **TRUST}, ("plain",)),
    "smtp": Style(Form.ENVIRONMENT, {**_SMTP, **TRUST}),
    "mail": Style(Form.ENVIRONMENT, {**_MAIL, **TRUST}),
    "trust": Style(Form.ENVIRONMENT, TRUST),
    # https://docs.djangoproject.com/en/stable/ref/settings/#email-backend; its TLS reads SSL_CERT_FILE.
    "django": Style(
        Form.PYTHON,
        {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": Fact.HOST,
            "EMAIL_PORT": Fact.PORT,
            "EMAIL_HOST_USER": Or(Fact.USER, ""),
            "EMAIL_HOST_PASSWORD": Or(Fact.PASSWORD, ""),
            "EMAIL_USE_TLS": _STARTTLS,
            "EMAIL_USE_SSL": _IMPLICIT,
        },
    ),
    # https://docs.djangoproject.com/en/stable/ref/settings/#mailers: from Django 6.1 on, which deprecates those above.
    "django-mailers": Style(
        Form.PYTHON,
        {
            "MAILERS": {
                "default": {
                    "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                    "OPTIONS": {
                        "host": Fact.HOST,
                        "port": Fact.PORT,
                        "username": Or(Fact.USER, ""),
                        "password": Or(Fact.PASSWORD, ""),
                        "use_tls": _STARTTLS,
                        "use_ssl": _IMPLICIT,
                    },
                }
            }
        },
    ),
    "django-environ": Style(Form.ENVIRONMENT, {"EMAIL_URL": URL("django-environ"), **TRUST}),
    "dj-email-url": Style(Form.ENVIRONMENT, {"EMAIL_URL": URL("dj-email-url"), **TRUST}),
    # https://flask-mail.readthedocs.io/en/latest/#configuring; it sends nothing where app.testing is on.
    "flask-mail": Style(
        Form.PYTHON,
        {
            "MAIL_SERVER": Fact.HOST,
            "MAIL_PORT": Fact.PORT,
            "MAIL_USE_TLS": _STARTTLS,
            "MAIL_USE_SSL": _IMPLICIT,
            "MAIL_USERNAME": Or(Fact.USER, None),
            "MAIL_PASSWORD": Or(Fact.PASSWORD, None),
            "MAIL_SUPPRESS_SEND": False,
        },
        ("flask",),
    ),
    # https://sabuhish.github.io/fastapi-mail/getting-started/; without user and password both are empty, as they are
    # required.
    "fastapi-mail": Style(
        Form.PYTHON,
        {
            "MAIL_SERVER": Fact.HOST,
            "MAIL_PORT": Fact.PORT,
            "MAIL_STARTTLS": _STARTTLS,
            "MAIL_SSL_TLS": _IMPLICIT,
            "MAIL_USERNAME": Or(Fact.USER, ""),
            "MAIL_PASSWORD": Or(Fact.PASSWORD, ""),
            "USE_CREDENTIALS": With(Fact.USER, value=True, otherwise=False),
            "VALIDATE_CERTS": True,
            "CERT_BUNDLE": Or(Fact.CA_FILE, None),
        },
        ("fastapi",),
    ),
    # https://laravel.com/docs/mail: newer versions read MAIL_SCHEME, older ones MAIL_ENCRYPTION.
    "laravel": Style(
        Form.ENVIRONMENT,
        {
            "MAIL_MAILER": "smtp",
            "MAIL_SCHEME": Choice("smtp", "smtp", "smtps"),
            "MAIL_HOST": Fact.HOST,
            "MAIL_PORT": Fact.PORT,
            "MAIL_USERNAME": Or(Fact.USER, "null"),
            "MAIL_PASSWORD": Or(Fact.PASSWORD, "null"),
            "MAIL_ENCRYPTION": Choice("null", "tls", "ssl"),
            **TRUST,
        },
    ),
    # https://nodemailer.com/smtp
    "nodemailer": Style(
        Form.JSON,
        {
            "host": Fact.HOST,
            "port": Fact.PORT,
            "secure": _IMPLICIT,
            "ignoreTLS": Choice(clear=True, starttls=False, implicit=False),
            "requireTLS": _STARTTLS,
            "auth": With(Fact.USER, {"user": Fact.USER, "pass": Fact.PASSWORD}),
            "tls": With(Fact.CA_FILE, {"ca": Fact.CA_PEM}),
        },
        ("node",),
    ),
    # https://guides.rubyonrails.org/action_mailer_basics.html#action-mailer-configuration; the gem mail takes ca_file.
    "rails": Style(
        Form.RUBY,
        {
            "address": Fact.HOST,
            "port": Fact.PORT,
            "user_name": Fact.USER,
            "password": Fact.PASSWORD,
            "authentication": With(Fact.USER, "plain"),
            "enable_starttls": _STARTTLS,
            "enable_starttls_auto": False,
            "tls": _IMPLICIT,
            "ca_file": Fact.CA_FILE,
        },
        ("actionmailer", "action-mailer"),
    ),
    # https://docs.spring.io/spring-boot/appendix/application-properties/index.html#appendix.application-properties.mail
    "spring": Style(
        Form.PROPERTIES,
        {
            "spring.mail.host": Fact.HOST,
            "spring.mail.port": Fact.PORT,
            "spring.mail.username": Fact.USER,
            "spring.mail.password": Fact.PASSWORD,
            "spring.mail.properties.mail.smtp.auth": With(Fact.USER, value=True, otherwise=False),
            "spring.mail.properties.mail.smtp.starttls.enable": _STARTTLS,
            "spring.mail.properties.mail.smtp.starttls.required": _STARTTLS,
            "spring.mail.properties.mail.smtp.ssl.enable": _IMPLICIT,
            "spring.mail.properties.mail.smtp.ssl.checkserveridentity": With(Fact.CA_FILE, value=True),
            "spring.mail.ssl.bundle": With(Fact.CA_FILE, "smtpfix"),
            "spring.ssl.bundle.pem.smtpfix.truststore.certificate": With(Fact.CA_FILE, Fact.CA_URL),
        },
        ("spring-boot",),
    ),
    # https://symfony.com/doc/current/mailer.html#transport-setup
    "symfony": Style(Form.ENVIRONMENT, {"MAILER_DSN": URL("symfony"), **TRUST}),
}
"""What `Server.environ` and ``smtpfix serve --emit`` know."""


def find_style(name: str) -> Style:
    """Return a style by its name, or another name of it. Raises `InvalidValueError`, which lists them."""
    wanted = name.lower().replace("_", "-") if isinstance(name, str) else name
    for known, style in STYLES.items():
        if wanted == known or wanted in style.aliases:
            return style
    names = [*STYLES, *(alias for style in STYLES.values() for alias in style.aliases)]
    raise InvalidValueError("style", name, f"one of {', '.join(STYLES)}{did_you_mean(name, names)}")


def settings(account: Account, style: Style) -> dict[str, Any]:
    """Return the settings of an application. Raises `InvalidValueError` for a server on a UNIX socket."""
    if account.is_local:
        raise InvalidValueError("Policy.unix_socket", account.host, "None: no application's settings know UNIX sockets")
    return _filled(style.table, account, as_text=style.form.is_text)


def _filled(table: Mapping[str, Any], account: Account, *, as_text: bool) -> dict[str, Any]:
    found = {}
    for name, item in table.items():
        value = _value(item, account)
        if value is not None or isinstance(item, Or):
            found[name] = _text(value) if as_text else value
    return found


def _value(item: Any, account: Account) -> Any:
    match item:
        case Fact.CA_PEM:
            return None if account.ca_file is None else account.ca_file.read_text(encoding="ascii")
        case Fact.CA_URL:
            return None if account.ca_file is None else account.ca_file.absolute().as_uri()
        case Fact.CA_FILE:
            return None if account.ca_file is None else str(account.ca_file)
        case Fact():
            return getattr(account, item)
        case Choice():
            return item.of(account.mode)
        case Or(fact, otherwise):
            value = _value(fact, account)
            return otherwise if value is None else value
        case With(fact, value, otherwise):
            return _value(otherwise if _value(fact, account) is None else value, account)
        case URL(style):
            return url(account, style)
        case Mapping():
            return _filled(item, account, as_text=False)
        case _:
            return item


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
