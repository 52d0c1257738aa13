"""What the report of a failed test tells: of every server that ran, of messages, and of what may help."""

from __future__ import annotations

import pytest


def sections(result):
    """Return the names of the sections of the reports, in order."""
    return [line.strip("- ") for line in result.outlines if line.startswith("--") and " smtp " in line]


def test_of_a_server_that_many_tests_share_a_report_has_what_was_since_the_test_began(child):
    result = child("""
    import pytest

    @pytest.fixture(scope="module")
    def shared(smtp_server_factory):
        return smtp_server_factory()

    @pytest.fixture(scope="module")
    def unused(smtp_server_factory):
        return smtp_server_factory("starttls")

    @pytest.fixture(scope="module")
    def pool(shared):
        with shared.client() as client:
            yield client

    def test_passes(shared, unused, pool):
        send(shared, text="from the first test")
        pool.docmd("NOOP", "in-the-first-test")

    def test_fails(shared, pool):
        send(shared, text="from the second test")
        pool.docmd("NOOP", "in-the-second-test")
        assert False
    """)
    result.assert_outcomes(passed=1, failed=1)
    assert sections(result) == [
        "smtp session 1 (plain): in clear; 0 messages; still connected",
        "smtp session 3 (plain): in clear; 1 message; quit",
        "smtp message 2: from ann@example.org to bob@example.org, subject 'hi'",
    ]
    text = result.stdout.str()
    assert "NOOP in-the-second-test" in text
    assert "-- 3 earlier events" in text
    for absent in ("in-the-first-test", "from the first test"):
        assert absent not in text


def test_a_report_tells_of_servers_that_no_fixture_started(child):
    result = child("""
    import unittest
    from smtpfix import Policy, Server

    class TestIt(unittest.TestCase):
        def setUp(self):
            self.server = self.enterContext(Server())

        def test_it(self):
            send(self.server)
            self.assertEqual(len(self.server.inbox), 2)

    def test_own(smtp_server):
        with Server() as server, Server() as other:
            send(server)
            smtp_server.inbox.one()

    def test_another():
        assert False
    """)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*1 != 2*"])
    one, two = (f"smtp session 1 (plain): in clear; 1 message; quit{at}" for at in ("", " at localhost:*"))
    message = "smtp message 1: from ann@example.org to bob@example.org, subject 'hi'"
    nobody = "smtp server localhost:* (plain)"
    names = sections(result)
    assert names[:2] == [one, message]
    assert len(names) == 6
    result.stdout.fnmatch_lines([f"*- {name} -*" for name in (one, message, two, nobody, nobody, message)])


def test_an_audit_s_servers_are_told_of_by_the_audit_alone(child):
    result = child("""
    from smtpfix.audit.wire import WireServer

    def test_it():
        with WireServer() as server:
            send(server)
            assert False
    """)
    result.assert_outcomes(failed=1)
    assert sections(result) == []


def test_a_message_has_its_headers_and_first_lines_and_none_of_its_secrets(child):
    result = child("""
    import base64
    import pytest
    from smtpfix import Policy, Reply, Token

    @pytest.mark.smtp(users={"ann": "s3cret", "bob": ("anoth3r", Token("t0ken-of-bob"))})
    def test_it(smtp_server):
        in_base64 = base64.b64encode(b"user=ann password=s3cret").decode()
        lines = [f"line {number}" for number in range(100)]
        text = "\\r\\n".join(["\\x1b[31mred s3cret", "t0ken-of-bob and anoth3r", in_base64, "x" * 5000, *lines])
        for number in range(7):
            send(smtp_server)
        smtp_server.on("END-OF-DATA", Reply(452))
        with pytest.raises(Exception):
            send(smtp_server, text=text)
        assert False
    """)
    result.assert_outcomes(failed=1)
    text = "\n".join(line for line in result.outlines if not line.startswith(("E ", ">", " ")))
    for secret in ("s3cret", "anoth3r", "t0ken-of-bob", "cGFzc3dvcmQ9czNjcmV0"):
        assert secret not in text
    assert [name.partition(":")[0] for name in sections(result)[-5:]] == [f"smtp message {n}" for n in range(4, 9)]
    assert "x" * 300 not in text
    result.stdout.fnmatch_lines(["\\x1b[[]31mred …(6 characters)", "…(12 characters) and …(7 characters)", "line 0"])


@pytest.mark.parametrize(
    ("body", "is_told"),
    [("log_in(smtp_server)", True), ("log_in(smtp_server)\n    except Exception: smtp_server.inbox.one()", False)],
)
def test_a_report_says_what_may_help_unless_the_failure_does(child, body, is_told):
    prefix = "try: " if "except" in body else ""
    result = child(f"""
import smtplib

def log_in(server):
    with smtplib.SMTP(server.host, server.port) as client:
        client.login("ann", "s3cret")

def test_it(smtp_server):
    {prefix}{body}
""")
    result.assert_outcomes(failed=1)
    assert sum("there is none without users" in line for line in result.outlines) == 1
    assert ("smtp hints" in sections(result)) is is_told
