"""`url`: the URL of a server, in the style of each project.

One scheme means STARTTLS here and implicit TLS there: ``smtps`` is STARTTLS to django-environ, and not to Symfony.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

from .account import Account
from .choice import Choice

URL_STYLES: Final[Mapping[str, Choice[str]]] = {
    # curl, Laravel, Nodemailer, Symfony, lettre: STARTTLS is not said, it is used where the server offers it.
    "smtp": Choice("smtp://{}", "smtp://{}", "smtps://{}"),
    # https://django-environ.readthedocs.io/en/latest/types.html: smtps is the same as smtp+tls, which is STARTTLS.
    "django-environ": Choice("smtp://{}", "smtp+tls://{}", "smtp+ssl://{}"),
    # https://pypi.org/project/dj-email-url/
    "dj-email-url": Choice("smtp://{}", "submission://{}", "smtp://{}?ssl=True"),
    # https://docs.rs/lettre/latest/lettre/transport/smtp/struct.SmtpTransport.html#method.from_url
    "lettre": Choice("smtp://{}", "smtp://{}?tls=required", "smtps://{}"),
    # https://nodemailer.com/smtp
    "nodemailer": Choice("smtp://{}?ignoreTLS=true", "smtp://{}?requireTLS=true", "smtps://{}"),
    # The gem mail, below ActionMailer: https://github.com/mikel/mail/blob/master/lib/mail/network/delivery_methods/smtp.rb
    "rails": Choice("smtp://{}?enable_starttls=false", "smtp://{}?enable_starttls=always", "smtps://{}"),
    # Authelia and others, by the names of the services (RFC 6409, RFC 8314).
    "submission": Choice("smtp://{}", "submission://{}", "submissions://{}"),
    # https://symfony.com/doc/current/mailer.html#tls-peer-verification
    "symfony": Choice("smtp://{}?auto_tls=false", "smtp://{}?require_tls=true", "smtps://{}"),
}
"""How a URL is spelt; the braces stand for user, password, host and port."""


def url(account: Account, style: str = "smtp") -> str:
    """Return a server's URL; user and password are percent-encoded (RFC 3986 section 3.2.1).

    LMTP has a scheme of its own, ``lmtp``, or ``lmtp+unix`` with the path of a socket, whatever the style. Raises
    `InvalidValueError` for a style that there is not.
    """
    spelling = URL_STYLES.get(style)
    if spelling is None:
        raise InvalidValueError("style", style, one_of(style, URL_STYLES))
    if account.is_local:
        return f"{account.protocol}+unix://{quote(account.host)}"
    authority = f"{_userinfo(account)}{_bracketed(account.host)}:{account.port}"
    if account.protocol == "lmtp":
        return f"lmtp://{authority}"
    return spelling.of(account.mode).replace("{}", authority)


def _userinfo(account: Account) -> str:
    if account.user is None:
        return ""
    user, password = (quote(text or "", safe="", errors="surrogateescape") for text in (account.user, account.password))
    return f"{user}:{password}@"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
