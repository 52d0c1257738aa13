"""Programs that show mail on a page, run as people run them: `smtpfix serve --web` and `smtpfix web`."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

BOUND = 30
"""Seconds after which a program hangs."""


@dataclass
class Program:
    """One that runs: its URL, and the port where it takes mail."""

    process: subprocess.Popen[str]
    url: str
    port: int = 0
    ca_file: str = ""

    def fetch(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Return the JSON of an answer; its text where it is none. Raises `urllib.error.URLError`."""
        octets = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, octets, method=method)  # noqa: S310 - the program's own
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        with urllib.request.urlopen(request, timeout=BOUND, context=context) as answer:  # noqa: S310 - as above
            said = answer.read().decode()
        return json.loads(said) if answer.headers["Content-Type"] == "application/json" else said


@contextmanager
def run(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Program]:
    """Run a program until the test is through; it is through once it has said all that its start says."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("MP_", "MH_"))}
    command = [sys.executable, "-W", "error", "-m", "smtpfix", *map(str, arguments), "--timeout", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**names, **(environment or {})}) as process:
        try:
            yield _started(process, is_serving=arguments[0] == "serve")
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=BOUND)
            assert process.returncode in (0, 2)  # 2: on a busy machine its end may take longer than its second
        finally:
            process.kill()


def _started(process: subprocess.Popen[str], *, is_serving: bool) -> Program:
    lines: list[str] = []
    while not lines or not (lines[-1].startswith("Ctrl-C") if is_serving else _URL.match(lines[-1])):
        assert process.stdout is not None
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    if not is_serving and "https" in lines[-1]:
        lines.append(process.stdout.readline())
    said = "".join(lines)
    found, place, ca_file = _URL.search(said), _PLACE.search(said), _CA.search(said)
    assert found is not None, said
    return Program(process, found[1], int(place[1]) if place else 0, ca_file[1] if ca_file else "")


_URL = re.compile(r"^\[http\] accessible via (https?://localhost:[0-9]+/)$", re.MULTILINE)
_PLACE = re.compile(r"^plain +localhost:([0-9]+)", re.MULTILINE)
_CA = re.compile(r"^CA file for clients to trust: (.*?)(?: \(.*)?$", re.MULTILINE)
