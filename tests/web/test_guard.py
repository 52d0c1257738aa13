"""Who is let in: Host, Origin, credentials and sizes, and what stands in the head of every response."""

import base64
import re
import socket
from urllib.parse import unquote

import pytest

from smtpfix.errors import InvalidValueError
from smtpfix.web.app import ROUTES
from smtpfix.web.exchange import is_own
from smtpfix.web.settings import WebSettings

pytestmark = pytest.mark.slow

BOUND = 10
"""Seconds after which an answer has failed to come."""
PATHS = sorted({re.sub(r"{[^}]*}", "x", route.path) for route in ROUTES} | {"/nowhere", "/static/x.js"})
"""One path of each route, and some of none."""


def basic(name, password):
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def upgrade(site, path="/api/events", **headers):
    """Ask for a WebSocket; return the first line of the answer."""
    lines = {
        "Host": f"127.0.0.1:{site.web.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    with socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        return connection.recv(4096).split(b"\r\n")[0].decode()


def test_without_credentials_only_names_that_nobody_can_lead_here_are_answered(site):
    """DNS rebinding ends at the Host."""
    for host in ("localhost:8025", "127.0.0.1", "[::1]:8025", "mail", "app.localhost", "192.0.2.7:80", "LOCALHOST"):
        assert site.ask("/api/v1/messages", Host=host).status == 200, host
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8025", "", "a,b", "[::1].evil"):
        assert site.ask("/api/v1/messages", Host=host).status == 421, host
    assert "403" in upgrade(site, Host="evil.example")
    assert "101" in upgrade(site)


def test_a_listed_host_and_every_host_with_credentials_are_answered(open_site):
    site = open_site(hosts=("mail.example.org",), users={"ann": "secret"})
    assert site.ask("/api/v1/tags", Host="evil.example", Authorization=basic("ann", "secret")).status == 200
    assert WebSettings(hosts=("a.example",)).hosts == ("a.example",)


def test_a_listed_host_is_answered(open_site):
    site = open_site(hosts=("mail.example.org",))
    assert site.ask("/api/v1/tags", Host="Mail.Example.org:8025").status == 200
    assert site.ask("/api/v1/tags", Host="other.example.org:8025").status == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "file://", "http://a@localhost"]
)
def test_pages_of_other_origins_change_nothing(site, origin):
    """Whatever the Content-Type, so that no form of a stranger's page gets through."""
    site.send()
    for kind in ("application/json", "text/plain", "multipart/form-data"):
        refused = site.ask("/api/v1/messages", "DELETE", Origin=origin, Content_Type=kind)
        assert (refused.status, refused.text) == (403, "Blocked due to CORS violation")
    assert site.ask("/api/v1/send", "POST", b"{}", Origin=origin).status == 403
    assert site.store.count().all == 1
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_the_own_page_may_do_everything(site):
    host = f"127.0.0.1:{site.web.port}"
    answer = site.ask("/api/v1/messages", "DELETE", Origin=f"http://{host}")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, f"http://{host}")


@pytest.mark.parametrize("path", ["/api/events", "/%61pi/events", "//api//events", "/api/v2/websocket"])
def test_a_web_socket_checks_the_origin_however_its_path_is_written(site, path):
    assert "403" in upgrade(site, path, Origin="http://evil.example")
    assert "403" in upgrade(site, path, Origin="null")
    assert "101" in upgrade(site, path, Origin=f"http://127.0.0.1:{site.web.port}")


def test_a_listed_origin_counts_with_scheme_host_and_port(open_site):
    site = open_site(origins=("https://ci.example.org", "dev.example.org:3000"))
    for origin in ("https://ci.example.org", "https://ci.example.org:443", "http://dev.example.org:3000"):
        assert site.ask("/api/v1/tags", Origin=origin).headers["Access-Control-Allow-Origin"] == origin
    for origin in (
        "http://ci.example.org",
        "https://ci.example.org:444",
        "https://x.ci.example.org",
        "http://dev.example.org",
    ):
        assert site.ask("/api/v1/tags", Origin=origin).status == 403, origin
    asked = site.ask("/api/v1/messages", "OPTIONS", Origin="https://ci.example.org")
    assert (asked.status, asked.body) == (200, b"")
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE, PUT, PATCH, OPTIONS"


@pytest.mark.parametrize("origin", ["*", "https://*.example.org", "https://a.example/path"])
def test_no_wildcard_stands_for_origins(origin):
    with pytest.raises(InvalidValueError, match="MP_API_CORS"):
        WebSettings.read(None, {"MP_API_CORS": origin})


def test_with_credentials_every_path_needs_them(open_site):
    """All routes there are, by every spelling, for every method; the probes alone do not."""
    site = open_site(users={"ann": "secret"})
    spelled = [
        *PATHS,
        *(f"/{path}" for path in PATHS),
        *(path.replace("a", "%61", 1) for path in PATHS if path != "/readyz"),
        "/livez/",
        "/x/../livez",
    ]
    for path in spelled:
        if path.lstrip("/") in ("livez", "readyz"):
            continue
        answer = site.ask(path)
        said = "expected the name" if is_own(re.sub("/+", "/", unquote(path))) else "Unauthorized.\n"
        assert (answer.status, said in answer.text) == (401, True), path
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Login"'
    for route in ROUTES:
        for method in route.methods:
            path = re.sub(r"{[^}]*}", "x", route.path)
            assert (site.ask(path, method).status == 401) is (path not in ("/livez", "/readyz")), path
    assert [site.ask(path).status for path in ("/livez", "/readyz")] == [200, 200]
    assert "403" in upgrade(site)
    assert "101" in upgrade(site, Authorization=basic("ann", "secret"))


@pytest.mark.parametrize("given", [("ann", "wrong"), ("", ""), ("ann", ""), ("bob", "secret"), ("ann", "secret\0")])
def test_wrong_credentials_are_none(open_site, given):
    site = open_site(users={"ann": "secret", "sha": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="})
    assert site.ask("/api/v1/tags", Authorization=basic(*given)).status == 401
    for malformed in ("Basic", "Basic !!!", "Bearer secret", "Basic /w=="):
        assert site.ask("/api/v1/tags", Authorization=malformed).status == 401
    assert site.ask("/api/v1/tags", Authorization=basic("sha", "secret")).status == 200


def test_sending_may_have_credentials_of_its_own(open_site):
    message = {"From": {"Email": "a@example.org"}, "To": [{"Email": "b@example.org"}]}
    site = open_site(users={"ann": "secret"}, send_users={"app": "key"})
    assert site.ask("/api/v1/send", "POST", message, Authorization=basic("ann", "secret")).status == 401
    sent = site.ask("/api/v1/send", "POST", message, Authorization=basic("app", "key"))
    assert site.store.get(sent.json["ID"]).username == "app"


def test_credentials_are_in_no_text():
    settings = WebSettings.read(None, {"MP_UI_AUTH": "ann:tops3cret", "MP_SEND_API_AUTH": "app:tops3cret"})
    assert "tops3cret" not in repr(settings)
    with pytest.raises(InvalidValueError) as caught:
        WebSettings.read(None, {"MP_UI_AUTH": "tops3cret"})
    assert "tops3cret" not in str(caught.value)


def test_every_response_has_the_headers_that_keep_a_browser_safe(site):
    site.send()
    for path in [*PATHS, "/view/latest.txt", "/api/v1/message/latest/raw"]:
        if "events" in path:
            continue
        head = site.ask(path).headers
        assert head["Referrer-Policy"] == "no-referrer", path
        assert head["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in head["Content-Security-Policy"], path
        assert "unsafe" not in head["Content-Security-Policy"], path
        assert "Access-Control-Allow-Origin" not in head, path


def test_a_body_that_is_too_large_is_refused_while_it_comes(open_site):
    site = open_site(max_body=1000, max_message=2000)
    assert site.ask("/api/v1/messages", "PUT", b"x" * 1001).status == 413
    assert site.ask("/api/v1/messages", "PUT", iter([b"x" * 600] * 2)).status == 413
    refused = site.ask("/api/v1/send", "POST", b"x" * 4001)
    assert (refused.status, refused.json) == (413, {"Error": "http: request body too large"})
    with socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND) as connection:
        connection.sendall(b"PUT /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n")
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_everything_may_stand_below_a_webroot(open_site):
    site = open_site(webroot="/mail/")
    assert site.ask("/mail/api/v1/messages").json["total"] == 0
    assert site.ask("/api/v1/messages").status == 404
    moved = site.ask("/mail")
    assert (moved.status, moved.headers["Location"]) == (302, "/mail/")
    assert site.ask("/livez").status == site.ask("/mail/livez").status == 200
