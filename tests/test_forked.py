"""A process that forks while it serves: the parent goes on, and the child neither hangs nor breaks what is not its."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")]

BEGINNING = """
import multiprocessing, os, smtplib, socket, sys, threading, warnings
from smtpfix import Policy, Server
warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)  # Python 3.12 and later, where there are threads

def send(server):
    with server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\\r\\n\\r\\nx")

def forked(child, *arguments):
    pid = os.fork()
    if pid == 0:
        child(*arguments)
        sys.exit(0)
    return pid

def ended(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""

IN_CHILDREN = """
def close(server):
    server.close()

def use_in_a_with_statement(server):
    with Server() as own:
        send(own)
        assert len(own.inbox) == len(own.sessions.wait()) == 1
    assert len(server.inbox) == count
    assert "closed" in repr(server)

def use_files(server):
    assert server.ca_file.read_bytes() == ca_file.read_bytes()
    server.authority.close()
    assert ca_file.exists()

def serve_no_more(server):
    send(server)  # as every client: it is the parent that serves

def look_while_a_lock_is_held(server):
    assert len(server.inbox.messages) == count

def do_nothing(server):
    pass

count = 0
with Server(Policy("starttls", host="127.0.0.1")) as server:
    ca_file = server.ca_file
    staying = server.client()
    for child in (close, use_in_a_with_statement, use_files, serve_no_more, do_nothing):
        count = len(server.inbox)
        ended(forked(child, server))
        assert ca_file.exists()
        assert staying.noop()[0] == 250
        send(server)
    with server.inbox._bell.lock, server.sessions._bell.lock, server._lock, server.authority._lock:
        count = len(server.inbox)
        pid = []
        thread = threading.Thread(target=lambda: pid.append(forked(close, server)))
        thread.start()
        thread.join()
        ended(pid[0])
        thread = threading.Thread(target=lambda: pid.append(forked(look_while_a_lock_is_held, server)))
        thread.start()
        thread.join()
        ended(pid[1])
    with Server() as just_started:
        ended(forked(close, just_started))
        send(just_started)
    process = multiprocessing.get_context("fork").Process(target=close, args=(server,))
    process.start()
    process.join()
    assert process.exitcode == 0
    send(server)
    staying.quit()
    assert len(server.inbox) == 7
assert not ca_file.exists()
print("the parent served on")
"""

BESIDE_A_CHILD = """
def wait_for_the_end(reading, writing):
    os.close(writing)
    os.read(reading, 1)

reading, writing = os.pipe()
server = Server(Policy(host="127.0.0.1")).start()
client = socket.create_connection(("127.0.0.1", server.port), 10)
assert client.recv(1000).startswith(b"220 ")
pid = forked(wait_for_the_end, reading, writing)
client.sendall(b"QUIT\\r\\n")
octets = b""
while more := client.recv(1000):  # ends: the child does not keep the connection open
    octets += more
assert octets.startswith(b"221 ")
client.close()
server.close()
try:
    socket.create_connection(("127.0.0.1", server.port), 10)
except ConnectionRefusedError:
    print("nobody listens any more")
os.close(writing)
ended(pid)
"""


@pytest.mark.parametrize(
    ("code", "said"), [(IN_CHILDREN, "the parent served on"), (BESIDE_A_CHILD, "nobody listens any more")]
)
def test_a_parent_serves_on_whatever_its_children_do_and_ends_whole_while_they_live(code, said):
    command = [sys.executable, "-c", BEGINNING + code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", said + "\n")
