"""Each flaw of a client is found by the row that is about it, and a careful client beside it passes that row.

The clients are functions; what they share is here, so that each one shows its flaw and nothing else.
"""

from __future__ import annotations

import smtplib
import ssl
from pathlib import Path

from smtpfix import Verdict, audit_client


def results(deliver, ids, **declared):
    """Return the findings by scenario, the good one among them."""
    result = audit_client(deliver, ids=ids, **{"mode": "starttls-required", **declared})
    return {finding.scenario: finding for finding in result.findings}


def verdicts(deliver, ids, **declared):
    """Return what became of each scenario."""
    return {one: finding.verdict for one, finding in results(deliver, ids, **declared).items()}


def failed(deliver, ids, **declared):
    """Return which rows a client fails; the good one it passes."""
    found = verdicts(deliver, ids, **declared)
    assert found.pop("good") is Verdict.PASSED
    return {one for one, verdict in found.items() if verdict is Verdict.FAILED}


def send(client, target):
    """Log in where that is declared, and send the message."""
    if target.user is not None:
        client.login(target.user, target.password)
    client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


# Names


def comparing(agrees):
    """Return a client that verifies the chain, and compares names of its own accord."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.check_hostname = False
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.starttls(context=context)
            names = [name for kind, name in client.sock.getpeercert().get("subjectAltName", ()) if kind == "DNS"]
            if not any(agrees(name, target.host) for name in names):
                raise ssl.SSLError("another host's certificate")
            send(client, target)

    return deliver


NAMES = ("case-insensitive", "prefix-san", "suffix-san", "parent-san", "cn-only", "prefix-cn", "suffix-cn")


def test_a_client_that_compares_only_beginnings_fails_where_the_name_begins_like_the_host():
    assert failed(comparing(lambda name, host: name.lower().startswith(host)), NAMES) == {"prefix-san"}


def test_a_client_that_compares_only_ends_fails_where_the_name_ends_like_the_host():
    assert failed(comparing(lambda name, host: name.lower().endswith(host)), NAMES) == {"suffix-san"}


def test_a_client_that_minds_the_case_refuses_a_good_certificate():
    assert failed(comparing(lambda name, host: name == host), NAMES) == {"case-insensitive"}


def test_a_client_that_compares_whole_names_passes():
    assert failed(comparing(lambda name, host: name.lower() == host), NAMES) == set()
