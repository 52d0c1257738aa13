"""What a test pays for the fixture: real pytest runs of many tests, over the same number of empty ones."""

from __future__ import annotations

import json
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Final

from .peers import MODES, SUBJECT, Peer, Ring
from .processes import StepFailedError, run
from .results import Figure, Results, Sample, take_turns

TESTS: Final = 200

_CONFTEST: Final = """
    import json, os, time
    import pytest

    seconds = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(item):
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            seconds.append(time.perf_counter() - began)

    def pytest_sessionfinish(session, exitstatus):
        with open(os.environ["BENCHMARK_OUT"], "w") as file:
            json.dump(seconds, file)
"""

_BARE: Final = """
    import asyncio, threading

    class Answers(asyncio.Protocol):
        def __init__(self, messages):
            self.messages, self.received, self.in_content = messages, b"", False

        def connection_made(self, transport):
            self.transport = transport
            transport.write(b"220 bare\\r\\n")

        def data_received(self, data):
            self.received += data
            if self.in_content and self.received.endswith(b"\\r\\n.\\r\\n"):
                self.messages.append(self.received)
                self.in_content = False
                self.transport.write(b"250 kept\\r\\n")
            elif self.in_content or not self.received.endswith(b"\\r\\n"):
                return
            elif self.received.upper().startswith(b"DATA"):
                self.in_content = True
                self.transport.write(b"354 go\\r\\n")
            else:
                is_end = self.received.upper().startswith(b"QUIT")
                self.transport.write(b"221 bye\\r\\n" if is_end else b"250 ok\\r\\n")
            self.received = b""

    @pytest.fixture(scope="session")
    def bare_loop():
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield loop
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    @pytest.fixture
    def bare(bare_loop):
        async def begin():
            return await bare_loop.create_server(lambda: Answers(messages), "127.0.0.1", 0)

        async def end():
            server.close()

        messages = []
        server = asyncio.run_coroutine_threadsafe(begin(), bare_loop).result()
        yield server.sockets[0].getsockname()[1], messages
        asyncio.run_coroutine_threadsafe(end(), bare_loop).result()
"""
"""The least that a fixture with a server on a shared thread can be: it keeps content and knows nothing else."""

LEAST: Final = "the least"
"""Its name in the tables."""

_TESTS: Final = """
    import smtplib, ssl
    import pytest

    CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CONTEXT.check_hostname = False
    CONTEXT.verify_mode = ssl.CERT_NONE
    MESSAGE = "Subject: Welcome\\r\\n\\r\\nPlease confirm.\\r\\n"

    def send(host, port):
        if "{mode}" == "implicit-tls":
            client = smtplib.SMTP_SSL(host, port, local_hostname="localhost", context=CONTEXT)
        else:
            client = smtplib.SMTP(host, port, local_hostname="localhost")
        with client:
            if "{mode}" == "starttls":
                client.starttls(context=CONTEXT)
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)

    {mark}
    @pytest.mark.parametrize("number", range({tests}))
    def test(number{argument}):
        {body}
"""

_SENDS: Final = {
    "smtp_server": "send(smtp_server.host, smtp_server.port); assert len(smtp_server.inbox) == 1",
    "smtpd": "send(smtpd.hostname, smtpd.port); assert len(smtpd.messages) == 1",
    "smtpserver": "send(*smtpserver.addr); assert len(smtpserver.outbox) == 1",
    "bare": "send('127.0.0.1', bare[0]); assert len(bare[1]) == 1",
}
"""By fixture, a test that sends one message and sees it there."""


def write_suite(folder: Path, *, mode: str, fixture: str | None, body: str, tests: int) -> Path:
    """Write a suite of equal tests."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    more = textwrap.dedent(_BARE) if fixture == "bare" else ""
    (folder / "conftest.py").write_text(textwrap.dedent(_CONFTEST) + more)
    mark = f'@pytest.mark.smtp("{mode}")' if fixture == "smtp_server" else ""
    argument = f", {fixture}" if fixture else ""
    text = textwrap.dedent(_TESTS).format(mode=mode, mark=mark, tests=tests, argument=argument, body=body)
    (folder / "test_suite.py").write_text(text)
    return folder


def run_suite(python: Path, folder: Path, tests: int, more: dict[str, str]) -> tuple[list[float], float]:
    """Run a suite; return the seconds of each test, and of the whole run. Raises `StepFailedError`."""
    out = folder / "seconds.json"
    out.unlink(missing_ok=True)
    began = time.perf_counter()
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, more={**more, "BENCHMARK_OUT": str(out)})
    whole = time.perf_counter() - began
    seconds = json.loads(out.read_text())
    if len(seconds) != tests:
        raise StepFailedError(f"{len(seconds)} tests ran instead of {tests}")
    return seconds, whole


def turn(python: Path, suites: list[Path], tests: int, more: dict[str, str]) -> tuple[Sample, ...]:
    """Run an empty suite, one with the fixture and one that sends; return what each test pays, in milliseconds."""
    empty, with_fixture, with_send = (run_suite(python, suite, tests, more) for suite in suites)

    def over(suite: tuple[list[float], float]) -> Sample:
        return Sample((sum(suite[0]) - sum(empty[0])) / tests * 1e3)

    later = (sum(with_fixture[0][1:]) - sum(empty[0][1:])) / (tests - 1) * 1e3
    first = (with_fixture[0][0] - empty[0][0]) * 1e3
    return over(with_fixture), over(with_send), Sample(later), Sample(first), Sample(with_fixture[1] * 1e3)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every fixture in every mode."""
    tests = max(50, round(TESTS * factor))
    for mode in MODES:
        keys = ("fixture", "with a send", "after the first test", "the first test", "the whole run")
        figures = [Figure(f"fixture/{mode}, {key}", "ms", more_is_better=False) for key in keys]
        contestants = {}
        for peer in ring.peers.values():
            if peer.fixture is None:
                continue
            if mode not in peer.modes:
                for figure in figures:
                    figure.missing[peer.name] = f"has no {mode}"
                continue
            suites = _write_suites(ring, peer.name, peer.fixture, mode, tests)
            contestants[peer.name] = partial(turn, ring.python(peer), suites, tests, _settings(peer, mode))
        if mode == "plain" and (subject := ring.peers.get(SUBJECT)) is not None:
            suites = _write_suites(ring, LEAST, "bare", mode, tests)
            contestants[LEAST] = partial(turn, ring.python(subject), suites, tests, {})
        take_turns(figures, contestants, rounds)
        results.add(*figures)


def _write_suites(ring: Ring, name: str, fixture: str, mode: str, tests: int) -> list[Path]:
    folder = ring.scratch / "fixture" / f"{name.replace(' ', '-')}-{mode}"
    bodies = (("empty", None, "pass"), ("fixture", fixture, "pass"), ("send", fixture, _SENDS[fixture]))
    return [
        write_suite(folder / name, mode=mode, fixture=fixture, body=body, tests=tests) for name, fixture, body in bodies
    ]


def _settings(peer: Peer, mode: str) -> dict[str, str]:
    """Return the environment variables by which a fixture is told its mode."""
    if peer.is_ours or mode == "plain":
        return {}
    return {"SMTPD_USE_STARTTLS": "True"} if mode == "starttls" else {"SMTPD_USE_SSL": "True"}
