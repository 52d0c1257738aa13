"""How applications are told of a server: URLs and settings, per project and mode, as clients read them."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from smtpfix import ANY_USER, InvalidValueError, Mode, NotRunningError, Policy, Server, Token
from smtpfix.settings.styles import STYLES
from smtpfix.settings.urls import URL_STYLES

MODES = ("plain", "starttls", "tls-required", "implicit-tls")
ODD = ("ann@example.org", "p@ss/w:rd é%+")
TRUST = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DENO_CERT"}


def shape(text, server):
    """Return a URL with where it leads left out."""
    return text.replace(f"{server.host}:{server.port}", "…")


@pytest.mark.parametrize(
    ("style", "clear", "starttls", "implicit"),
    [
        ("smtp", "smtp://…", "smtp://…", "smtps://…"),
        ("django-environ", "smtp://…", "smtp+tls://…", "smtp+ssl://…"),  # where smtps is STARTTLS
        ("dj-email-url", "smtp://…", "submission://…", "smtp://…?ssl=True"),  # where smtps is STARTTLS too
        ("lettre", "smtp://…", "smtp://…?tls=required", "smtps://…"),
        ("nodemailer", "smtp://…?ignoreTLS=true", "smtp://…?requireTLS=true", "smtps://…"),
        ("rails", "smtp://…?enable_starttls=false", "smtp://…?enable_starttls=always", "smtps://…"),
        ("submission", "smtp://…", "submission://…", "submissions://…"),
        ("symfony", "smtp://…?auto_tls=false", "smtp://…?require_tls=true", "smtps://…"),
    ],
)
def test_a_url_is_spelt_as_each_project_documents_it(start_smtp_server, style, clear, starttls, implicit):
    servers = [start_smtp_server(mode) for mode in MODES]
    assert [shape(server.url(style), server) for server in servers] == [clear, starttls, starttls, implicit]


def test_every_spelling_of_a_url_is_tested():
    (mark,) = test_a_url_is_spelt_as_each_project_documents_it.pytestmark
    assert {row[0] for row in mark.args[1]} == set(URL_STYLES)


def test_user_and_password_of_a_url_are_percent_encoded(start_smtp_server):
    server = start_smtp_server(users=dict([ODD]))
    split = urlsplit(server.url())
    assert "é" not in split.netloc
    assert (unquote(split.username), unquote(split.password)) == ODD
    assert (split.hostname, split.port) == (server.host, server.port)


def test_an_ipv6_address_stands_in_brackets(start_smtp_server, ipv6):
    server = start_smtp_server(host="::1")
    assert server.url() == f"smtp://[::1]:{server.port}"


def test_lmtp_has_a_scheme_of_its_own(start_smtp_server):
    server = start_smtp_server(protocol="lmtp")
    assert server.url() == f"lmtp://localhost:{server.port}"


@pytest.mark.parametrize(
    ("users", "asked", "found"),
    [
        ({"ann": "s3cret", "bob": "hunter2"}, {}, ("ann", "s3cret")),
        ({"ann": "s3cret", "bob": "hunter2"}, {"user": "bob"}, ("bob", "hunter2")),
        ({"ann": "s3cret"}, {"user": "ann", "password": "wrong"}, ("ann", "wrong")),
        ({"ann": "s3cret"}, {"user": ""}, (None, None)),
        ({"ann": Token("abc"), "bob": (Token("def"), "hunter2")}, {}, ("bob", "hunter2")),
        ({"ann": Token("abc")}, {}, (None, None)),
        (None, {}, (None, None)),
        (None, {"user": "ann", "password": "s3cret"}, ("ann", "s3cret")),
        (ANY_USER, {}, (None, None)),
        (ANY_USER, {"user": "ann"}, ("ann", "password")),
    ],
)
def test_who_logs_in(start_smtp_server, users, asked, found):
    environ = start_smtp_server(users=users).environ("smtp", **asked)
    assert (environ.get("SMTP_USERNAME"), environ.get("SMTP_PASSWORD")) == found


def test_where_everybody_may_and_somebody_must_log_in_there_is_a_name(start_smtp_server):
    server = start_smtp_server(users=ANY_USER, require_auth=True)
    environ = server.environ()
    with smtplib.SMTP(environ["SMTP_HOST"], int(environ["SMTP_PORT"]), timeout=10) as client:
        client.login(environ["SMTP_USERNAME"], environ["SMTP_PASSWORD"])
    assert server.sessions[-1].auth[0].accepted


@pytest.mark.parametrize(
    ("users", "asked", "text"),
    [
        ({"ann": "s3cret"}, {"user": "bob"}, r"a user who has a password here \('ann'\)"),
        ({"ann": Token("abc")}, {"user": "ann"}, "nobody"),
        (None, {"user": "ann"}, "nobody can log in to this server"),
        ({"ann": "s3cret"}, {"password": "x"}, "a name with the password"),
    ],
)
def test_a_user_without_a_password_is_an_error_that_shows_none(start_smtp_server, users, asked, text):
    with pytest.raises(InvalidValueError, match=text) as raised:
        start_smtp_server(users=users).url(**asked)
    assert "s3cret" not in str(raised.value)


TLS_CHOICES = {
    "env": [("SMTP_STARTTLS", "false", "true", "false"), ("SMTP_SSL", "false", "false", "true")],
    "smtp": [("SMTP_STARTTLS", "false", "true", "false"), ("SMTP_SSL", "false", "false", "true")],
    "mail": [
        ("MAIL_USE_TLS", "false", "true", "false"),
        ("MAIL_USE_SSL", "false", "false", "true"),
        ("MAIL_ENCRYPTION", "none", "tls", "ssl"),
    ],
    "trust": [],
    "django": [("EMAIL_USE_TLS", False, True, False), ("EMAIL_USE_SSL", False, False, True)],
    "django-mailers": [
        ("MAILERS/default/OPTIONS/use_tls", False, True, False),
        ("MAILERS/default/OPTIONS/use_ssl", False, False, True),
    ],
    "django-environ": [],
    "dj-email-url": [],
    "flask-mail": [("MAIL_USE_TLS", False, True, False), ("MAIL_USE_SSL", False, False, True)],
    "fastapi-mail": [("MAIL_STARTTLS", False, True, False), ("MAIL_SSL_TLS", False, False, True)],
    "laravel": [("MAIL_SCHEME", "smtp", "smtp", "smtps"), ("MAIL_ENCRYPTION", "null", "tls", "ssl")],
    "nodemailer": [
        ("secure", False, False, True),
        ("ignoreTLS", True, False, False),
        ("requireTLS", False, True, False),
    ],
    "rails": [("enable_starttls", False, True, False), ("tls", False, False, True)],
    "spring": [
        ("spring.mail.properties.mail.smtp.starttls.required", "false", "true", "false"),
        ("spring.mail.properties.mail.smtp.ssl.enable", "false", "false", "true"),
    ],
    "symfony": [],
}
"""What each style says of TLS: in clear, with STARTTLS, with implicit TLS; those without have a URL."""


@pytest.mark.parametrize("style", STYLES)
def test_the_settings_of_each_project_choose_the_way_into_tls(start_smtp_server, style):
    found = [start_smtp_server(mode).environ(style) for mode in MODES]
    for name, clear, starttls, implicit in TLS_CHOICES[style]:
        assert [reduce(getitem, name.split("/"), settings) for settings in found] == [
            clear,
            starttls,
            starttls,
            implicit,
        ], name


@pytest.mark.parametrize("style", STYLES)
def test_settings_say_what_to_trust_where_there_is_tls_and_only_there(start_smtp_server, style):
    """As variables of the process, or as the framework's own setting; Django and Flask-Mail have none."""
    clear, secured = start_smtp_server(), start_smtp_server("starttls")
    pem = secured.ca_file.read_text()
    named = (str(secured.ca_file), json.dumps(pem)[1:-1], secured.ca_file.as_uri())
    text = json.dumps(secured.environ(style))
    assert any(name in text for name in named) == (style not in ("django", "django-mailers", "flask-mail"))
    assert "pem" not in json.dumps(clear.environ(style))
    if STYLES[style].form.value == "environment":
        assert set(secured.environ(style)) >= TRUST
        assert not TRUST & set(clear.environ(style))


@pytest.mark.parametrize("style", STYLES)
def test_variables_and_properties_are_text_and_settings_have_their_types(start_smtp_server, style):
    values = start_smtp_server("starttls", users={"ann": "s3cret"}).environ(style).values()
    is_text = STYLES[style].form.value in ("environment", "properties")
    assert all(isinstance(value, str) for value in values) == is_text


def test_styles_have_other_names_too(start_smtp_server):
    server = start_smtp_server()
    for one, other in (("flask-mail", "Flask_Mail"), ("nodemailer", "node"), ("spring", "spring-boot")):
        assert server.environ(one) == server.environ(other)


def test_an_unknown_style_is_an_error_that_lists_them(start_smtp_server):
    server = start_smtp_server()
    with pytest.raises(InvalidValueError, match=r"style: expected one of env, .*, got 'pyramid'"):
        server.environ("pyramid")
    with pytest.raises(InvalidValueError, match=r"style: expected one of smtp, .*, got 'pyramid'"):
        server.url("pyramid")


def test_another_name_for_the_same_server(start_smtp_server):
    server = start_smtp_server(users={"ann": "s3cret"})
    assert server.url(host="host.docker.internal") == f"smtp://ann:s3cret@host.docker.internal:{server.port}"
    assert server.environ("django", host="host.docker.internal")["EMAIL_HOST"] == "host.docker.internal"


def test_a_server_that_does_not_run_has_no_url():
    with pytest.raises(NotRunningError):
        Server(Policy()).url()


APPLICATION = """
import os, smtplib
host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
import ssl
if os.environ["SMTP_SSL"] == "true":
    client = smtplib.SMTP_SSL(host, port, timeout=10, context=ssl.create_default_context())
else:
    client = smtplib.SMTP(host, port, timeout=10)
    if os.environ["SMTP_STARTTLS"] == "true":
        client.starttls(context=ssl.create_default_context())
client.login(os.environ["SMTP_USERNAME"], os.environ["SMTP_PASSWORD"])
client.sendmail("app@example.org", "ann@example.org", "Subject: ready\\r\\n\\r\\nx")
client.quit()
"""


@pytest.mark.parametrize("mode", MODES)
def test_an_application_in_another_process_delivers_by_its_environment(start_smtp_server, mode):
    server = start_smtp_server(mode, users={"ann": "s3cret"}, require_auth=True)
    environment = {"PATH": os.environ["PATH"], **server.environ()}
    subprocess.run([sys.executable, "-c", APPLICATION], env=environment, check=True, timeout=60)
    message = server.inbox.one(subject="ready")
    assert (message.user, message.in_tls) == ("ann", mode != Mode.PLAIN)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_curl_delivers_to_the_url_and_trusts_by_the_environment(start_smtp_server, mode, tmp_path):
    server = start_smtp_server(mode, users={"ann": "s3cret"}, require_auth=True)
    content = tmp_path / "mail"
    content.write_text("Subject: ready\r\n\r\nx")
    command = ["curl", "--silent", "--show-error", "--ssl-reqd", server.url(), "--upload-file", str(content)]
    subprocess.run(
        [*command, "--mail-from", "app@example.org", "--mail-rcpt", "ann@example.org"],
        env={"PATH": os.environ["PATH"], **server.environ("trust")},
        check=True,
        timeout=60,
    )
    assert server.inbox.one().user == "ann"


def test_what_is_trusted_is_in_a_file_that_is_there(start_smtp_server):
    server = start_smtp_server("implicit-tls")
    assert Path(server.environ("trust")["SSL_CERT_FILE"]) == server.ca_file
    assert server.ca_file.is_file()
