"""Programs that read mail, run as somebody would, and what curl is told wrongly about how a server begins TLS."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from smtpfix import SessionEnd


def run(command, folder):
    """Run a program with a home of its own, and return what it says."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    environment = {**os.environ, "HOME": str(folder), "FETCHMAILHOME": str(folder), "TERM": "xterm"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False, stdin=subprocess.DEVNULL
    )


def configure(folder, text, name="rc"):
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


def wrong_ways(word):
    """List modes, what curl is told instead, how the session ends, and what the hints say; `word` begins TLS."""
    return [
        ("plain", "starttls", SessionEnd.CLIENT_CLOSED, "in mode plain there is none"),
        ("plain", "implicit", SessionEnd.TLS_ON_CLEAR_PORT, "the client began TLS at once"),
        ("starttls", "implicit", SessionEnd.TLS_ON_CLEAR_PORT, "and say STARTTLS"),
        ("tls-required", "clear", SessionEnd.CLIENT_CLOSED, f"have the client say {word} first"),
        ("tls-required", "implicit", SessionEnd.TLS_ON_CLEAR_PORT, "and say STARTTLS"),
        ("implicit-tls", "clear", SessionEnd.HANDSHAKE_FAILED, "a client that waits for a greeting in clear"),
        ("implicit-tls", "starttls", SessionEnd.HANDSHAKE_FAILED, "a client that waits for a greeting in clear"),
    ]


def assert_curl_fails(server, folder, way, path, end, why):
    """Have curl read a message as ann, in the wrong way: it fails, and the record says how and the hints why."""
    scheme = f"{server.policy.spoken}s" if way == "implicit" else server.policy.spoken
    options = ["--cacert", str(server.ca_file)] if server.policy.uses_tls else []
    options += ["--ssl-reqd"] if way == "starttls" else []
    url = f"{scheme}://ann:s3cret@{server.host}:{server.port}{path}"
    done = run(["curl", "-sS", *options, url], folder)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert [session.end in (end, SessionEnd.QUIT) for session in server.sessions] == [True]
    assert why in " ".join(server.hints())
