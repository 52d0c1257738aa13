"""A client with a known vulnerability is caught, and its repaired release is not: aiosmtplib before and after 5.1.2.

Up to 5.1.1 it kept what stood behind the reply to STARTTLS, and read it as the first reply inside TLS. Both releases
are installed in folders of their own and run as programs of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix import Policy, RunningScenario, ScenarioFailed
from smtpfix.audit.check import Outcome
from smtpfix.policy.catalogue_files import load_scenario

pytestmark = pytest.mark.slow

CLIENT = """
import asyncio, ssl, sys
import aiosmtplib

async def main(host, port, ca_file):
    context = ssl.create_default_context(cafile=ca_file)
    client = aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=True, tls_context=context, timeout=5,
                             username="ann", password="s3cret", local_hostname="client.example")
    async with client:
        await client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\\r\\n\\r\\nx\\r\\n")

asyncio.run(main(*sys.argv[1:]))
"""
VULNERABLE, REPAIRED = "5.1.1", "5.1.3"


@pytest.fixture(scope="module")
def deliver(tmp_path_factory):
    """Return a function that gives the client of a release; both are installed once."""
    folder = tmp_path_factory.mktemp("releases")
    (folder / "client.py").write_text(CLIENT)

    def client(release: str):
        target: Path = folder / release
        if not target.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
            done = subprocess.run(
                [*pip, "--target", target, f"aiosmtplib=={release}"],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"pip cannot install aiosmtplib {release} here: {done.stderr.strip()[-200:]}")

        def run(server):
            subprocess.run(
                [sys.executable, folder / "client.py", server.host, str(server.port), server.ca_file],
                env={**os.environ, "PYTHONPATH": str(target)},
                capture_output=True,
                timeout=30,
                check=True,
            )

        return run

    return client


@pytest.fixture
def scenario(start_smtp_server):
    def run(name):
        return RunningScenario(load_scenario(name), start_smtp_server(Policy("starttls", scenario=name)))

    return run


def test_the_vulnerable_release_acts_on_an_injected_reply(deliver, scenario):
    running = scenario("inject-differential")
    with pytest.raises(ScenarioFailed, match="took a reply that was injected in clear for the server's"):
        running.check(deliver(VULNERABLE))
    assert running.outcome is Outcome.ACTED_ON_INJECTION


def test_the_repaired_release_does_not(deliver, scenario):
    assert scenario("inject-differential").check(deliver(REPAIRED)) is not Outcome.ACTED_ON_INJECTION


@pytest.mark.parametrize("release", [VULNERABLE, REPAIRED])
def test_without_an_injection_both_go_by_what_is_offered(deliver, scenario, release):
    running = scenario("control-cram-only")
    running.check(deliver(release))
    assert {attempt.mechanism for session in running.server.sessions for attempt in session.auth} == {"CRAM-MD5"}
