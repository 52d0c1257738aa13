"""Devices: set up once, told when to send, watched until they are gone, and judged by what the server saw."""

from __future__ import annotations

import contextlib
import poplib
import smtplib
import socket
import ssl
import threading
import types

import pytest

from smtpfix.audit import device, runner
from smtpfix.audit.auditing import Audit
from smtpfix.audit.deployment import Deployment
from smtpfix.audit.device import Answer, Device
from smtpfix.audit.result import Declaration, DeclaredMode, Flag, Grade, Outcome, Trust, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_logged")]

LONG = 60.0
"""Seconds that nothing here waits for."""
SHORT = 0.3


def send(context, target):
    """Deliver as a careful device does."""
    with smtplib.SMTP("127.0.0.1", target.port, "plc.local", timeout=10) as client:
        client._host = target.host  # whom the certificate has to name
        client.starttls(context=context)
        client.sendmail(target.sender, [target.recipient], "Subject: Tank empty\r\n\r\n")


def send_in_clear(_context, target):
    """Deliver without TLS."""
    with smtplib.SMTP("127.0.0.1", target.port, "plc.local", timeout=10) as client:
        client.sendmail(target.sender, [target.recipient], "Subject: Tank empty\r\n\r\n")


def nothing(_context, _target):
    """Do not even connect."""


def unverified():
    """Return a context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Person:
    """Sets a device up, and lets it send, in a thread, whenever a server stands.

    `answer` is what is said in a run: where `is_patient`, once the device is done.
    """

    def __init__(self, deliver, *, set_up=Answer.DONE, answer=None, is_patient=True, context=None):
        self.deliver, self.is_patient = deliver, is_patient
        self.context = context
        self.heard = []
        self.thread = None
        self.looks = threading.Semaphore(0)
        self._answers = {"set-up": set_up, "run": answer}
        self._stage = "set-up"

    def set_up(self, target, total):
        self.heard.append(("set-up", total))
        if self.context is None and target.ca_file:
            self.context = ssl.create_default_context(cafile=target.ca_file)

    def announce(self, case, target):
        self._stage = "run"
        self.heard.append(("announced", case.scenario.id))
        self.thread = threading.Thread(target=self._start, args=(target,))
        self.thread.start()

    def _start(self, target):
        with contextlib.suppress(OSError, smtplib.SMTPException, poplib.error_proto):
            self.deliver(self.context, target)

    def answer(self):
        self.looks.release()
        if self._stage == "run" and self.is_patient and self.thread.is_alive():
            return None
        return self._answers[self._stage]

    def conclude(self, finding):
        self.looks.release(2)
        if self.thread is not None:
            self.thread.join(10)
            assert not self.thread.is_alive()
        self.heard.append(("concluded", finding.scenario, finding.outcome))


@pytest.fixture
def audit():
    """Return a function that audits a device which somebody leads, and returns the result."""

    def audit(
        person,
        *ids,
        mode=DeclaredMode.STARTTLS_REQUIRED,
        trust=Trust.PKI,
        quiet=0.0,
        timeout=LONG,
        protocol="smtp",
        **fields,
    ):
        plc = Device(person, "the PLC", quiet)
        where = Deployment(host="127.0.0.1", **fields)
        user, password = (None, None) if protocol == "smtp" else ("ann", "s3cret")
        declaration = Declaration(mode, trust, user, password, protocol=protocol)
        return Audit(plc, declaration, ids=ids or ("good",), timeout=timeout, deployment=where).run()

    return audit


def outcomes(result):
    return {finding.scenario: str(finding.outcome) for finding in result.findings}


# Every scenario judged right


IDS = ("expired", "wrong-host", "untrusted-root", "strip-ehlo", "rcpt-550")


def test_a_careful_device_passes(audit):
    result = audit(Person(send), *IDS)
    assert outcomes(result) == {"good": "delivered", **dict.fromkeys(IDS, "refused-clean")}
    assert {finding.verdict for finding in result.findings} == {Verdict.PASSED}
    assert (result.client, result.grade, result.is_complete) == ("the PLC", Grade.UNKNOWN, True)
    assert {finding.run.ending for finding in result.findings} == {"elsewhere"}


def test_a_device_that_looks_at_no_certificate_fails(audit):
    result = audit(Person(send, context=unverified()), *IDS)
    taken = dict.fromkeys(("expired", "wrong-host", "untrusted-root"), "delivered")
    assert outcomes(result) == {
        "good": "delivered",
        **taken,
        "strip-ehlo": "refused-clean",
        "rcpt-550": "refused-clean",
    }
    assert result.grade is Grade.UNAUTHENTICATED


def test_a_device_that_goes_on_in_clear_fails(audit):
    assert outcomes(audit(Person(send_in_clear), "strip-ehlo"))["strip-ehlo"] == "leaked-message"


def test_a_device_without_tls_needs_no_certificate(audit):
    person = Person(send_in_clear)
    result = audit(person, "rcpt-550", mode=DeclaredMode.NONE)
    assert outcomes(result) == {"good": "delivered", "rcpt-550": "refused-clean"}
    assert person.context is None


@contextlib.contextmanager
def maildrop(context, target):
    """Log in by POP3, and quit in the end."""
    with contextlib.closing(poplib.POP3("127.0.0.1", target.port, timeout=10)) as client:
        client.host = target.host  # whom the certificate has to name
        client.stls(context)
        client.user(target.user)
        client.pass_(target.password)
        yield client
        client.quit()


def read(context, target):
    """Read all mail, and delete what has come whole."""
    with maildrop(context, target) as client:
        for number in range(1, client.stat()[0] + 1):
            client.retr(number)
            client.dele(number)


def delete(context, target):
    """Delete all mail, read or not."""
    with maildrop(context, target) as client:
        for number in range(1, client.stat()[0] + 1):
            with contextlib.suppress(poplib.error_proto):
                client.retr(number)
            client.dele(number)


def test_a_device_that_reads_mail_is_judged_by_what_it_read_and_deleted(audit):
    ids = ("untrusted-root", "pop3-retr-err")
    careful = audit(Person(read), *ids, protocol="pop3")
    assert outcomes(careful) == {"good": "retrieved", **dict.fromkeys(ids, "refused-clean")}
    assert careful.flags == ()
    careless = audit(Person(delete), *ids, protocol="pop3")
    assert outcomes(careless)["pop3-retr-err"] == "lost-mail"
    assert careless.flags == (Flag.LOSES_MAIL,)


def test_a_device_that_keeps_each_message_once_finds_others_at_the_next_server(audit):
    seen = []

    def note(context, target):
        with maildrop(context, target) as client:
            for number in range(1, client.stat()[0] + 1):
                seen.extend(line for line in client.top(number, 0)[1] if line.startswith(b"Message-ID:"))

    audit(Person(note), "good-intermediate", protocol="pop3")
    assert len(seen) == 6  # of the good server, and of this one
    assert len({*seen}) == 6


# How it is led


def test_it_is_set_up_first_and_hears_of_each_run_before_the_next_is_announced(audit):
    person = Person(send)
    audit(person, "inject-differential", "wrong-host")
    runs = [("good", "delivered"), ("control-cram-only", "delivered"), ("wrong-host", "refused-clean")]
    runs.append(("inject-differential", "delivered"))
    assert person.heard[0] == ("set-up", 4)
    assert person.heard[1::2] == [("announced", scenario) for scenario, _ in runs]
    assert person.heard[2::2] == [("concluded", *run) for run in runs]


def test_what_the_device_tries_while_it_is_set_up_counts_for_nothing(audit):
    class Trying(Person):
        def set_up(self, target, total):
            super().set_up(target, total)
            self._start(target)
            with pytest.raises(ssl.SSLError):
                send(ssl.create_default_context(), target)

    good = audit(Trying(send)).findings[0]
    assert (good.outcome, good.run.connections, good.run.delivered) == ("delivered", 1, 1)


def test_it_is_set_up_and_served_at_one_port_and_with_one_certificate_to_trust(audit, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
    seen = []

    class Noting(Person):
        def set_up(self, target, total):
            super().set_up(target, total)
            seen.append((target.port, target.ca_file))

        def announce(self, case, target):
            super().announce(case, target)
            seen.append((target.port, target.ca_file))

    audit(Noting(send), "wrong-host", ports=str(port), authority=tmp_path)
    assert seen == [(port, str(tmp_path / "ca.pem"))] * 3


def test_nobody_there_to_say_that_it_is_set_up_is_waited_for_until_the_time_is_over(audit):
    assert outcomes(audit(Person(send, set_up=None), timeout=SHORT)) == {"good": "delivered"}


# Who does not come, and who ends it


def test_nobody_connects_and_somebody_says_so(audit):
    result = audit(Person(nothing, answer=Answer.DONE), "wrong-host")
    assert [finding.verdict for finding in result.findings] == [Verdict.NOT_RUN] * 2
    assert [finding.reason for finding in result.findings] == [
        "nobody connected",
        "the client never connected to a server that does nothing wrong",
    ]
    assert (result.grade, result.is_complete) == (Grade.UNKNOWN, True)


def test_nobody_connects_until_the_time_is_over(audit):
    assert audit(Person(nothing), timeout=SHORT).findings[0].reason == "nobody connected"


def test_a_device_that_does_not_come_to_one_scenario_has_not_refused_it(audit):
    def deliver(context, target, sent=[]):  # noqa: B006 - how often it was called
        sent.append(target)
        if len(sent) == 1:
            send(context, target)

    result = audit(Person(deliver, answer=Answer.DONE), "wrong-host")
    assert outcomes(result) == {"good": "delivered", "wrong-host": "not-run"}
    assert result.findings[1].reason == "nobody connected"


def test_whoever_ends_it_has_what_is_known_by_then(audit):
    class Leaving(Person):
        def announce(self, case, target):
            if case.scenario.id == "wrong-host":
                self.deliver, self._answers["run"] = nothing, Answer.STOP
            super().announce(case, target)

    result = audit(Leaving(send), "wrong-host", "rcpt-550")
    assert not result.is_complete
    assert outcomes(result) == {"good": "delivered", "wrong-host": "not-run", "rcpt-550": "not-run"}
    assert result.findings[1].reason == "the audit was broken off before"


def test_it_can_be_ended_before_it_begins(audit):
    person = Person(send, set_up=Answer.STOP)
    result = audit(person, "wrong-host")
    assert not result.is_complete
    assert set(outcomes(result).values()) == {"not-run"}
    assert person.heard == [("set-up", 2)]


# When a run is over


@pytest.mark.parametrize(("quiet", "connections"), [(LONG, 2), (0.0, 1)])
def test_a_second_try_within_the_quiet_time_belongs_to_the_run(audit, quiet, connections):
    """It connects again two looks after the first session, or when the run is over."""

    def deliver(context, target):
        with contextlib.suppress(smtplib.SMTPException):
            send(context, target)
        while person.looks.acquire(blocking=False):
            pass
        for _ in range(2):
            person.looks.acquire(timeout=10)
        send_in_clear(context, target)

    person = Person(deliver, answer=Answer.DONE)
    result = audit(person, quiet=quiet)
    assert result.findings[0].run.connections == connections
    assert outcomes(result) == {"good": "leaked-message" if connections > 1 else "delivered"}


@pytest.fixture
def staying(monkeypatch):
    """Return a delivery that connects and stays until the test is over, and settle nothing: it would not."""
    monkeypatch.setattr(runner, "_SETTLE", SHORT)
    with contextlib.ExitStack() as stack:

        def deliver(_context, target):
            stack.enter_context(socket.create_connection(("127.0.0.1", target.port))).recv(100)

        yield deliver


@pytest.mark.parametrize(("answer", "timeout"), [(None, SHORT), (Answer.DONE, LONG)], ids=["time over", "Enter"])
def test_a_session_that_stays_open_hangs(audit, staying, answer, timeout):
    (good,) = audit(Person(staying, answer=answer), timeout=timeout, mode=DeclaredMode.NONE).findings
    assert (good.outcome, good.verdict) == (Outcome.HUNG, Verdict.FAILED)
    assert good.run.connections == 1


def test_a_session_that_ends_does_not_hang(audit):
    def deliver(_context, target):
        with socket.create_connection(("127.0.0.1", target.port)) as client:
            client.recv(100)

    (good,) = audit(Person(deliver), mode=DeclaredMode.NONE).findings
    assert good.outcome is Outcome.FALSE_REFUSAL


@pytest.mark.parametrize(("third", "connections"), [(12.0, 3), (17.0, 2)])
def test_the_quiet_time_counts_again_from_each_connection(audit, monkeypatch, third, connections):
    """The second connection is 6 s after the first; one 6 s later belongs to the run, one 11 s later not."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(device, "monotonic", lambda: clock.now)
    steps = iter([(0.0, True), (6.0, True), (third, False), (third, True), (99.0, False)])

    class Stepping(Person):
        def answer(self):
            if self._stage == "run":
                clock.now, comes = next(steps)
                if comes:
                    send_in_clear(None, self.target)
            return super().answer()

        def announce(self, case, target):
            self.target = target
            super().announce(case, target)

    (good,) = audit(Stepping(nothing), mode=DeclaredMode.NONE, quiet=10.0, timeout=1000.0).findings
    assert good.run.connections == connections


@pytest.mark.parametrize(("later", "outcome"), [(150.0, "delivered"), (250.0, "hung")])
def test_the_time_counts_again_from_the_first_connection(audit, monkeypatch, later, outcome):
    """It comes after 90 of 100 s; by another clock than the real one it is there for 60 s, or for 160 s."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(device, "monotonic", lambda: clock.now)
    monkeypatch.setattr(runner, "_SETTLE", SHORT)
    comes, is_there, goes = (threading.Event() for _ in range(3))

    def deliver(_context, target):
        comes.wait(10)
        with smtplib.SMTP("127.0.0.1", target.port, "plc.local", timeout=10) as client:
            is_there.set()
            goes.wait(10)
            client.sendmail(target.sender, [target.recipient], "Subject: Tank empty\r\n\r\n")

    class Late(Person):
        run_looks = 0

        def answer(self):
            self.run_looks += self._stage == "run"
            if self.run_looks == 1:
                clock.now = 90.0
                comes.set()
                is_there.wait(10)
            elif self.run_looks == 2:
                clock.now = later
            elif self.run_looks > 3:
                goes.set()
            return super().answer()

        def conclude(self, finding):
            goes.set()
            super().conclude(finding)

    assert outcomes(audit(Late(deliver), mode=DeclaredMode.NONE, timeout=100.0)) == {"good": outcome}


# What it cannot be shown


def test_a_scenario_under_another_name_is_not_run(audit):
    person = Person(send)
    finding = audit(person, "wildcard-ok").findings[1]
    assert finding.verdict is Verdict.NOT_RUN
    assert finding.reason.startswith("the device would have to connect to ")
    assert finding.reason.endswith(", and is set up for 127.0.0.1")
    assert person.heard[-1] == ("concluded", "wildcard-ok", "not-run")
    assert ("announced", "wildcard-ok") not in person.heard


@pytest.mark.parametrize("scenario", ["crlf-in-address", "end-of-data"])
def test_a_scenario_that_asks_for_something_else_to_be_written_is_not_run(audit, scenario):
    person = Person(send)
    finding = audit(person, scenario).findings[1]
    assert finding.verdict is Verdict.NOT_RUN
    assert finding.reason == "the device would have to write something else than it is set up for"
    assert ("announced", scenario) not in person.heard


def test_a_scenario_with_another_certificate_to_trust_is_not_run(audit):
    finding = audit(Person(send), "self-signed-pinned").findings[1]
    assert finding.verdict is Verdict.NOT_RUN
    assert finding.reason == "the device would have to trust a certificate other than the one it was given"


def test_a_device_that_trusts_anybody_was_given_none_and_meets_it(audit):
    person = Person(send, context=unverified())
    assert outcomes(audit(person, "self-signed-pinned", trust=Trust.NONE))["self-signed-pinned"] == "delivered"
