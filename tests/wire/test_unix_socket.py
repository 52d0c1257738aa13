"""LMTP on a UNIX socket: a real client delivers, and the socket's file is its owner's, while there is a server."""

from __future__ import annotations

import errno
import os
import smtplib
import socket
import stat
import subprocess
import sys

import pytest

from smtpfix import InvalidValueError, ListenError, Policy, Server, redirect

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system's Python has no UNIX sockets")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lmtp"


def deliver(path):
    with smtplib.LMTP(str(path), timeout=10) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\r\n\r\nx")


def test_smtplib_delivers_to_a_path(start_smtp_server, path):
    server = start_smtp_server(protocol="lmtp", unix_socket=path)
    assert (server.host, server.port, server.addresses) == (str(path), 0, ((str(path), 0),))
    deliver(path)
    with server.client() as client:
        client.noop()
    assert server.inbox.one().to == ("bob@example.org",)
    (session, _) = server.sessions
    assert (session.client, session.server) == (("local", 0), (str(path), 0))
    assert server.url() == f"lmtp+unix://{path}"
    assert repr(server) == f"<Server plain {path}>"


def test_a_password_and_a_proxy_s_header_work_as_on_a_port(start_smtp_server, path):
    server = start_smtp_server(protocol="lmtp", unix_socket=str(path), users={"ann": "s3cret"}, proxy_protocol=True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 24\r\n")
        assert client.recv(3) == b"220"
    assert server.sessions[0].client == ("192.0.2.1", 1234)


def test_the_socket_is_its_owner_s_and_gone_at_the_end(path):
    with Server(Policy(protocol="lmtp", unix_socket=path)) as server:
        mode = path.lstat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not path.exists()
    with server:
        deliver(path)
    assert (len(server.inbox), path.exists()) == (1, False)


LEFT_BEHIND = "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); os._exit(0)"


def test_a_socket_that_nobody_listens_on_is_replaced(start_smtp_server, path):
    subprocess.run([sys.executable, "-c", LEFT_BEHIND, str(path)], check=True, timeout=60)
    assert path.exists()
    server = start_smtp_server(protocol="lmtp", unix_socket=path)
    deliver(path)
    assert len(server.inbox) == 1


def test_a_socket_that_somebody_listens_on_stays(start_smtp_server, path):
    first = start_smtp_server(protocol="lmtp", unix_socket=path)
    second = Server(Policy(protocol="lmtp", unix_socket=path))
    with pytest.raises(ListenError, match="another program does; stop it") as raised:
        second.start()
    assert raised.value.errno == errno.EADDRINUSE
    second.close()
    deliver(path)
    assert len(first.inbox) == 1


def test_another_file_in_its_place_stays(path):
    path.write_text("precious")
    with pytest.raises(ListenError, match="there is something else than a socket"):
        Server(Policy(protocol="lmtp", unix_socket=path)).start()
    assert path.read_text() == "precious"


def test_whoever_has_taken_its_place_meanwhile_stays(path):
    with Server(Policy(protocol="lmtp", unix_socket=path)):
        path.unlink()
        path.write_text("precious")
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "text"),
    [("missing/lmtp", "there is no directory .*missing; make it"), ("x" * 200, "choose a shorter path")],
)
def test_a_path_that_cannot_be_is_an_error_that_says_why(tmp_path, name, text):
    with pytest.raises(ListenError, match=text):
        Server(Policy(protocol="lmtp", unix_socket=tmp_path / name)).start()


def test_a_relative_path_is_meant_from_where_the_policy_was_made(start_smtp_server, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert Policy(protocol="lmtp", unix_socket="lmtp").unix_socket == path


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"unix_socket": "lmtp"}, "protocol='lmtp'"),
        (
            {"unix_socket": "lmtp", "protocol": "lmtp", "mode": "starttls"},
            "a UNIX socket has no TLS",
        ),
        ({"unix_socket": "lmtp", "protocol": "lmtp", "port": 24}, "not on both"),
        ({"unix_socket": "", "protocol": "lmtp"}, "the path of a socket"),
        ({"unix_socket": "a\0b", "protocol": "lmtp"}, "the path of a socket"),
        ({"unix_socket": 25, "protocol": "lmtp"}, "the path of a socket"),
    ],
)
def test_what_does_not_go_with_a_unix_socket_is_an_error(fields, text):
    with pytest.raises(InvalidValueError, match=f"Policy.unix_socket: .*{text}"):
        Policy(**fields)


def test_settings_and_places_need_a_port(start_smtp_server, path):
    server = start_smtp_server(protocol="lmtp", unix_socket=path)
    with pytest.raises(InvalidValueError, match="no application's settings know UNIX sockets"):
        server.environ()
    with pytest.raises(InvalidValueError, match="a server with a port"):
        redirect("smtp.gmail.com:587", to=server).__enter__()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_the_socket_to_its_parent(start_smtp_server, path):
    server = start_smtp_server(protocol="lmtp", unix_socket=path)
    child = os.fork()
    if child == 0:
        server.close()
        os._exit(0)
    os.waitpid(child, 0)
    deliver(path)
    assert len(server.inbox) == 1
