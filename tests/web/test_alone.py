"""`smtpfix web`, the page in a process of its own; and HTTPS, from the command line to an answer."""

import os
import smtplib
import urllib.error
from contextlib import closing

import pytest
from mails import mail
from web_programs import BOUND, run

from smtpfix import Policy
from smtpfix.cli import main
from smtpfix.cli.certs import HERE
from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.policy.mode import Mode
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of
from smtpfix.web.settings import WebSettings

pytestmark = pytest.mark.slow


def entry(subject):
    return entry_of(mail(f"Subject: {subject}\r\n\r\nHi\r\n".encode()), server="plain", run="run")


def test_the_page_alone_shows_and_changes_what_others_write(tmp_path):
    """HTTPS with a certificate of smtpfix's own, whose CA file is told behind the URL; by HTTP there is no answer."""
    where = str(tmp_path / "mail.db")
    with (
        closing(open_store(where)) as kept,
        run("web", "--store", where, "--listen", "localhost:0", "--web-tls") as page,
    ):
        kept.append([entry("kept")])
        assert page.fetch("api/v1/messages")["messages"][0]["Subject"] == "kept"
        page.fetch("api/v1/messages", "DELETE")
        assert kept.count().all == 0
        page.url = page.url.replace("https", "http")
        with pytest.raises((urllib.error.URLError, OSError)):
            page.fetch("livez")


def test_the_page_alone_says_when_there_was_no_store(tmp_path, capfd, monkeypatch):
    """It starts all the same: in a container it may come before the servers."""
    for name in [name for name in os.environ if name.startswith("MP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    show = ["web", "--store", "TYPO.db", "--listen", "localhost:0", "--timeout", "0.01"]
    assert main(show) == 0
    said = capfd.readouterr()
    assert f"there was no store at {tmp_path / 'TYPO.db'}" in said.err
    assert "accessible via" in said.out
    assert main(show) == 0
    assert capfd.readouterr().err == ""


def test_serve_speaks_https_with_the_user_s_certificate_which_has_mailpit_s_names(tmp_path):
    with Authority() as authority:
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        shown = authority.chain(Policy(Mode.IMPLICIT_TLS).chain_scenario, HERE)
        chain.write_text(shown.chain_pem)
        key.write_bytes(shown.key_pem)
        names = {"MP_UI_TLS_CERT": str(chain), "MP_UI_TLS_KEY": str(key)}
        with run("serve", "--listen", "plain:0", "--web", "localhost:0", environment=names) as program:
            program.ca_file = str(authority.ca_file)
            with smtplib.SMTP("localhost", program.port, timeout=BOUND) as client:
                client.sendmail("ann@example.org", "bob@example.org", b"Subject: hello\r\n\r\n")
            assert program.url.startswith("https:")
            assert program.fetch("api/v1/messages")["total"] == 1


def test_a_certificate_needs_its_key_and_files_that_can_be_read(tmp_path, capsys, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MP_")]:
        monkeypatch.delenv(name)
    with pytest.raises(InvalidValueError, match="MP_UI_TLS_KEY with it"):
        WebSettings.read("", {"MP_UI_TLS_CERT": "chain.pem"})
    (tmp_path / "none.pem").write_text("none")
    store, none = str(tmp_path / "mail.db"), str(tmp_path / "none.pem")
    for arguments, words in (
        (["web"], "--store: expected a file"),
        (["web", "--store", store, "--web-tls-key", "a"], "--web-tls-key: expected --web-tls-cert with it"),
        (
            ["web", "--store", store, "--listen", "0", "--web-tls-cert", none, "--web-tls-key", none],
            "a PEM chain and its",
        ),
        (["web", "--store", store, "--listen", "x"], "--listen: expected"),
        (["web", "--store", store, "--timeout", "0"], "seconds, more than 0"),
        (["web", "--store", str(tmp_path)], "choose a file that can be written"),
        (["serve", "--web-tls"], "add --web"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err, arguments
