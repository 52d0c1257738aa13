"""Every scenario made of rules catches a naive client: one that reports success whatever comes, one that gives up."""

import contextlib
import smtplib
from pathlib import Path

import pytest

from smtpfix import Verdict, audit_client
from smtpfix.audit.result import Outcome
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.scenario import GROUPS

pytestmark = [pytest.mark.slow, pytest.mark.once]  # how audits run is test_auditing's, under every Python

OF_RULES = GROUPS[2:]
CREDENTIALS = ("ann", "s3cret-word")


def careless(target):
    """Deliver to whoever answers, in clear if need be, and report success."""
    with contextlib.suppress(OSError, smtplib.SMTPException, ValueError):
        client = smtplib.SMTP(target.host, target.port, "client.example", timeout=1)
        with contextlib.closing(client):
            client.ehlo_or_helo_if_needed()
            if client.has_extn("starttls"):
                client.starttls()  # which verifies nothing
                client.ehlo_or_helo_if_needed()
            with contextlib.suppress(smtplib.SMTPException):
                client.login(target.user, target.password)
            client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


def timid(target):
    """Say hello, and report that it did not work."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=1) as client:
        client.ehlo_or_helo_if_needed()
    raise RuntimeError("not today")


@pytest.fixture(scope="module", params=["none", "starttls-required"])
def audits(request):
    """Return the mode, and by scenario what became of the two clients."""
    found = {}
    for client in (careless, timid):
        result = audit_client(client, mode=request.param, credentials=CREDENTIALS, groups=OF_RULES, timeout=8, jobs=6)
        for finding in result.findings:
            found.setdefault(finding.scenario, []).append(finding)
    return request.param, found


def is_caught(finding):
    """Return whether it did wrong; who refuses everywhere is seen to refuse, and blamed for it once."""
    seen = {finding.outcome, *finding.also}
    return finding.verdict is Verdict.FAILED or bool(seen & {Outcome.HUNG, Outcome.FALSE_REFUSAL})


def test_a_naive_client_is_caught_wherever_there_is_something_to_do_wrong(audits):
    """What neither of them does wrong is where both accepting and refusing are right, or refusing is lax."""
    mode, found = audits
    shown = {name: both for name, both in found.items() if both[0].verdict is not Verdict.NOT_RUN}
    assert len(shown) > 40
    spared = {name for name, both in shown.items() if not any(map(is_caught, both))} - {"slow-drip-octet"}
    assert {load_scenario(name).expected_for(mode) for name in spared} == {"either"}


def test_success_that_was_none_is_caught(audits):
    _, found = audits
    lies = [
        careless_one
        for careless_one, _ in (both for both in found.values() if len(both) == 2)
        if careless_one.run is not None and careless_one.run.connections and not careless_one.run.delivered
    ]
    told = [one for one in lies if Outcome.HUNG not in (one.outcome, *one.also)]
    assert len(told) > 10
    assert all(Outcome.MISREPORTED in (one.outcome, *one.also) for one in told if one.verdict is not Verdict.NOT_RUN)
