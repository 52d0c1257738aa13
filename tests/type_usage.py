"""The public API as users write it. Never run: mypy and pyright, both strict, check that it has the types it should."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import assert_type

import pytest

from smtpfix import (
    ANY_USER,
    Account,
    After,
    Alert,
    Attachment,
    Attempts,
    AuthAttempt,
    Authority,
    Bad,
    Before,
    Bye,
    CallbackFailed,
    CapturedMessage,
    Cut,
    Decide,
    DeclaredMode,
    Delay,
    Disconnect,
    Edit,
    Elsewhere,
    Envelope,
    Err,
    Flight,
    Folder,
    Gone,
    GoOn,
    Grade,
    ImapPolicy,
    Inbox,
    InvalidValueError,
    Limits,
    Literals,
    Mode,
    No,
    NoMessage,
    Ok,
    Outcome,
    Policy,
    PolicyFields,
    Pop3Policy,
    PreAuth,
    ProxyHeader,
    ProxyTLS,
    Rate,
    RefusedRecipient,
    RemoteInbox,
    Repeat,
    Reply,
    Retrieval,
    Rule,
    RunAudit,
    RunningScenario,
    Scenario,
    ScenarioFailed,
    Server,
    Session,
    SessionEnd,
    SMTPFixError,
    Stage,
    StartReader,
    StartServer,
    StoredMessage,
    Target,
    TLSFailure,
    TLSInfo,
    Token,
    Trust,
    Turn,
    UnknownProvider,
    UnknownScenario,
    Verdict,
    Violation,
    XClient,
    audit_client,
    connect,
    redirect,
    resolving,
)
from smtpfix.audit.baseline import Changes, compare
from smtpfix.audit.command import Command
from smtpfix.audit.report import from_json, to_html, to_json, to_junit, to_sarif
from smtpfix.audit.result import AuditResult, Finding, Flag


def send_welcome(to: str, *, host: str, port: int) -> None:
    """Stand for the user's own code."""


async def deliver(host: str, port: int) -> None:
    """Stand for the user's own code."""


# 1  the fixture


def test_welcome(smtp_server: Server) -> None:
    send_welcome("ann@example.org", host=smtp_server.host, port=smtp_server.port)
    message = smtp_server.inbox.one(to="ann@example.org")
    assert_type(message, CapturedMessage)
    assert message.subject == "Welcome"
    assert "confirm" in message.text


# 2  another policy for one test


@pytest.mark.smtp("tls-required", users={"ann": "s3cret"}, certificate="good")
def test_upgrades(smtp_server: Server) -> None:
    assert_type(smtp_server.mode, Mode)
    assert_type(smtp_server.policy, Policy)
    assert_type(smtp_server.ca_file, Path)
    smtp_server.switch("expired")
    smtp_server.switch(Policy("starttls"))
    smtp_server.switch(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(smtp_server.ssl_context(), ssl.SSLContext)
    assert_type(smtp_server.ssl_context("ann@example.org"), ssl.SSLContext)


# 3  a whole suite: override one layer


@pytest.fixture
def smtp_policy() -> Policy:
    return Policy("implicit-tls", users={"ann": "s3cret"})


@pytest.fixture(scope="session")
def smtp_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_two_servers(start_smtp_server: Callable[..., Server], smtp_message: EmailMessage) -> None:
    first, second = start_smtp_server(), start_smtp_server("starttls", users=ANY_USER)
    assert_type(second, Server)
    with first.client() as client:
        client.send_message(smtp_message)


@pytest.fixture(scope="session")
def shared(smtp_server_factory: StartServer) -> Server:
    return smtp_server_factory(Policy("starttls"), users={"ann": "s3cret"})


@pytest.fixture
def clean(shared: Server) -> Iterator[Server]:
    shared.reset()
    yield shared
    assert_type(shared.hints(), tuple[str, ...])


# What makes no sense is no sense to type checkers either: here pyright and mypy have to find each fault.


def test_arguments_are_checked(start_smtp_server: StartServer) -> None:
    inbox = Inbox()
    assert_type(start_smtp_server(inbox=inbox, size_limit=1000, hide={"SIZE"}), Server)
    assert_type(start_smtp_server(Mode.IMPLICIT_TLS, like="gmail", limits=Limits(connections=1)), Server)
    start_smtp_server("tls")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    start_smtp_server(usres={"ann": "s3cret"})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    start_smtp_server(size_limit="1000")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    start_smtp_server(syntax="strickt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Policy.like("gmail", usres=ANY_USER)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_fields_can_be_handed_on(start_smtp_server: StartServer) -> None:
    fields: PolicyFields = {"users": ANY_USER, "require_auth": True}
    assert_type(start_smtp_server("starttls", **fields), Server)


def test_stages_are_checked(smtp_server: Server) -> None:
    stages: list[Stage] = ["MAIL", "END-OF-DATA", "*"]
    for stage in stages:
        smtp_server.on(stage, Reply(450))
    smtp_server.on("RCTP", Reply(450))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# 4  every scenario, each with the outcome it calls for


@pytest.mark.smtp_scenarios("certificates", "tls", mode="starttls", accepts={"cn-only"})
def test_client_is_careful(smtp_scenario: RunningScenario) -> None:
    outcome = smtp_scenario.check(lambda server: send_welcome("ann@example.org", host=server.host, port=server.port))
    assert_type(outcome, Outcome)
    assert_type(smtp_scenario.outcome, Outcome)
    assert_type(smtp_scenario.server, Server)
    assert_type(smtp_scenario.expected, str)
    assert_type(smtp_scenario.scenario, Scenario)
    assert_type(smtp_scenario.scenario.standard, str)
    assert_type(smtp_scenario.scenario.expected_for("opportunistic"), str)
    assert_type(smtp_scenario.scenario.control, str)


@pytest.mark.smtp_scenarios("modes")
async def test_async_client_is_careful(smtp_scenario: RunningScenario) -> None:
    assert_type(await smtp_scenario.acheck(lambda server: deliver(server.host, server.port)), Outcome)


def run_with_names() -> None:
    own, pem = Path("mine.toml"), ("chain.pem", "key.pem")
    with resolving(), resolving("mail.example", "shop.example", to="127.0.0.1"):
        for policy in (Policy("starttls", certificate=own, scenario="tls12-only"), Policy("starttls", certificate=pem)):
            with Server(policy) as server, server.client() as client:
                client.noop()


# 5  rules: an action is a value


def test_applications_are_told_of_a_server(smtp_server: Server, pem: bytes, context: ssl.SSLContext) -> None:
    assert_type(smtp_server.url("symfony", user="ann", password="s3cret", host="mail.example"), str)
    environ: dict[str, str] = smtp_server.environ()
    assert environ["SMTP_HOST"] == smtp_server.environ("django", user="")["EMAIL_HOST"]
    with redirect("smtp.gmail.com:587", "192.0.2.25", to=smtp_server):
        pass
    Policy("starttls", certificate=pem)
    Policy("starttls", certificate=(pem, pem))
    Policy("starttls", certificate=context)
    Policy(protocol="lmtp", unix_socket=Path("lmtp"))


def test_rules(smtp_server: Server) -> None:
    rule = smtp_server.on("RCPT", Reply(450, "4.2.1", "Greylisted"), times=1, argument="*@slow.example")
    smtp_server.on("DATA", Disconnect())
    smtp_server.on("MAIL", Delay(0.1), Reply(250), argument=re.compile("ann", re.IGNORECASE))
    assert_type(rule, Rule)
    assert_type(smtp_server.fired(rule), int)
    assert_type(smtp_server.on("RCPT", decide, times=1), Rule)
    assert_type(Rule("RCPT", (Decide(decide),)), Rule)
    assert_type(smtp_server.fired_at(rule), tuple[datetime, ...])
    smtp_server.on("HANDSHAKE", Flight(600), Disconnect(), argument="mail.example")
    smtp_server.on("CONTENT", Repeat(b"x", 3), Disconnect(), octets=1000)
    smtp_server.use_rules([rule], instead_of=smtp_server.rules)
    assert_type(smtp_server.rules, tuple[Rule, ...])
    smtp_server.off(rule)
    smtp_server.off()


def test_within_auth(smtp_server: Server) -> None:
    smtp_server.on("AUTH-ANSWER", Reply(454, "4.7.0", "Later"), after=1, argument="LOGIN 2")


def run_with_tokens() -> None:
    token = Token("ya29.abc", expires=datetime.now(UTC))
    assert_type(token.is_valid(), bool)
    policy = Policy(
        "starttls",
        users={"ann": ("s3cret", token), "bob": "s3cret", "eve": [token]},
        mechanisms=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "XOAUTH2"),
        mechanisms_in_clear=["SCRAM-SHA-1"],
    )
    assert_type(policy.mechanisms_in_clear, Sequence[str] | None)


# 6  in code


def run(message: EmailMessage) -> None:
    with Server(Policy("starttls")) as server, server.client() as client:
        assert_type(server, Server)
        assert_type(client, smtplib.SMTP)
        client.send_message(message)


async def run_async() -> None:
    assert_type(Server().client(), smtplib.SMTP)
    async with Server() as server:
        await deliver(server.host, server.port)
        (message,) = await server.inbox.received(1)
        assert_type(message, CapturedMessage)


def run_several() -> None:
    with Authority() as authority:
        inbox = Inbox()
        servers = [Server(Policy(mode), authority=authority, inbox=inbox).start() for mode in Mode]
        for server in servers:
            assert_type(server.addresses, tuple[tuple[str, int], ...])
            server.close()


# 7  waiting, and proving absence


def test_waiting(smtp_server: Server) -> None:
    (first, _second) = smtp_server.inbox.wait(2, timeout=5, subject=re.compile("invoice", re.IGNORECASE))
    smtp_server.inbox.expect_none(within=0.2, to="bob@example.org")
    assert_type(first, CapturedMessage)
    assert_type(smtp_server.inbox.find(headers={"X-Id": "1"}), tuple[CapturedMessage, ...])
    assert_type(smtp_server.inbox[0], CapturedMessage)
    assert_type(smtp_server.inbox[:2], tuple[CapturedMessage, ...])
    assert_type(smtp_server.inbox.refused, tuple[CapturedMessage, ...])
    assert_type(smtp_server.sessions.wait(), tuple[Session, ...])


async def test_waiting_async(smtp_server: Server) -> None:
    await smtp_server.inbox.received_none(within=0.2, to="bob@example.org")
    assert_type(await smtp_server.sessions.ended(), tuple[Session, ...])


# 8  what the client did


def test_session(smtp_server: Server) -> None:
    session = smtp_server.sessions[-1]
    assert_type(session, Session)
    assert session.tls
    assert_type(session.tls, TLSInfo)
    assert session.tls.version == "TLSv1.3"
    assert_type(session.auth, tuple[AuthAttempt, ...])
    assert session.auth[0].mechanism == "PLAIN"
    assert not session.auth[0].in_clear
    assert session.tls_failure
    assert_type(session.tls_failure, TLSFailure)
    assert session.tls_failure.alert == "unknown_ca"
    assert_type(session.alerts, tuple[Alert, ...])
    assert_type(session.truncated, tuple[str, ...])
    assert_type(session.end, SessionEnd | None)
    assert_type(session.transcript.commands, tuple[str, ...])
    assert_type(session.pipelined, tuple[tuple[str, ...], ...])
    assert_type(session.violations, tuple[Violation, ...])
    print(session.transcript)  # noqa: T201 - as users do


def test_message(smtp_server: Server) -> None:
    message = smtp_server.inbox.one(timeout=1)
    assert_type(message.content, bytes)
    assert_type(message.envelope, Envelope)
    assert_type(message.envelope.parameter("NOTIFY", "bob@example.org"), str | None)
    assert_type(message.chunks, tuple[int, ...])
    assert_type(CapturedMessage.from_file("message.eml"), CapturedMessage)
    assert_type(message.parsed, EmailMessage)
    assert_type(message.header("X-Id"), str | None)
    assert_type(message.recommendations, tuple[Violation, ...])
    assert_type(message.raw_header("X-Id"), str | None)
    assert_type(message.one_click_unsubscribe, str | None)
    assert_type(message.attachments, tuple[Attachment, ...])
    assert_type(message.inlines, tuple[Attachment, ...])
    assert_type(message.part("text/calendar"), Attachment | None)
    assert_type(message.attachments[0].text, str)
    assert_type(message.links, tuple[str, ...])
    assert_type(message.truncated, tuple[str, ...])
    assert_type(message.received, datetime)
    assert_type(message.reply, Reply | None)
    assert_type(message.session, Session)
    assert_type(message.violations, tuple[Violation, ...])
    assert_type(message.violations[0].standard, str)
    assert_type(message.blind_recipients, tuple[str, ...])
    assert_type(message.unstuffed_lines, int)
    assert_type(message.end_like_sequences, tuple[str, ...])


def test_attempts(smtp_server: Server) -> None:
    attempts = smtp_server.inbox.attempts("<7@shop.example>", subject="Invoice")
    assert_type(attempts, Attempts)
    assert_type(attempts[0], CapturedMessage)
    assert_type(attempts.spacing, tuple[float, ...])
    assert_type(attempts.session_numbers, tuple[int, ...])


def test_audit_reports(result: AuditResult) -> None:
    for text in (to_json(result), to_junit(result), to_html(result), to_sarif(result, artifact="src/send.py")):
        assert_type(text, str)
    assert_type(from_json(to_json(result)), AuditResult)
    changes = compare(result, result)
    assert_type(changes, Changes)
    assert_type(changes.worse[0].after, Finding | None)
    assert_type(changes.new_flags, tuple[Flag, ...])
    assert_type(changes.is_worse, bool)


def test_limits_and_providers() -> None:
    policy = Policy.like("gmail", "implicit-tls", limits=Limits(connections=1, message_rate=Rate(30, 60)))
    assert_type(policy, Policy)
    assert_type(policy.limits, Limits | None)
    with Server(Policy(greylist=300, replies={"bye": "See you"}, capabilities=["SIZE"])) as server:
        server.advance(300)


def decide(turn: Turn) -> Reply | None:
    assert_type(turn.session, Session)
    assert_type(turn.envelope, Envelope)
    assert_type(turn.message, CapturedMessage | None)
    assert_type(turn.content, bytes | None)
    return Reply(550) if turn.address == "eve@example.org" else None


def is_known(user: str, password: str) -> bool:
    return (user, password) == ("ann", "s3cret")


def test_functions() -> None:
    assert_type(Policy(users=is_known), Policy)
    assert issubclass(CallbackFailed, SMTPFixError)


def test_errors() -> None:
    with pytest.raises(InvalidValueError) as caught:
        Policy("plain", port=70_000)
    assert_type(caught.value.field, str)
    for error in (InvalidValueError, NoMessage, ScenarioFailed, UnknownProvider, UnknownScenario):
        assert issubclass(error, SMTPFixError)


# LMTP, and servers behind a proxy


@pytest.mark.smtp(protocol="lmtp", proxy_protocol=True, xclient=True)
def test_in_front(smtp_server: Server) -> None:
    message = smtp_server.inbox.one()
    assert_type(message.replies, tuple[Reply | None, ...])
    assert_type(message.accepted_recipients, tuple[str, ...])
    assert_type(message.refused_recipients, tuple[RefusedRecipient, ...])
    for address, reply in message.refused_recipients:
        assert_type(address, str)
        assert_type(reply, Reply | None)
    session = message.session
    assert_type(session.peer, tuple[str, int])
    assert_type(session.proxy, ProxyHeader | None)
    assert_type(session.xclient, XClient | None)
    if session.proxy is not None:
        assert_type(session.proxy.source, tuple[str, int] | None)
        assert_type(session.proxy.tls, ProxyTLS | None)
        assert_type(session.proxy.authority, str | None)
    if session.xclient is not None:
        assert_type(session.xclient.login, str | None)


def policies() -> list[Policy]:
    return [Policy("starttls", protocol="lmtp"), Policy(proxy_protocol=True), Policy(xclient=True)]


def deliver_to(target: Target) -> None:
    assert_type(target.host, str)
    assert_type(target.port, int)
    assert_type(target.password, str | None)


async def adeliver_to(target: Target) -> None:
    """Stand for the user's own coroutine function."""


def audits(smtp_audit: RunAudit) -> None:
    result = audit_client(deliver_to, mode="implicit", trust="pki", credentials=("ann", "s3cret"), ids=["expired"])
    assert_type(result, AuditResult)
    assert_type(result.grade, Grade)
    assert_type(result.findings[0].verdict, Verdict)
    audit_client(adeliver_to, mode=DeclaredMode.NONE, trust=Trust.NONE, jobs=1, timeout=5)
    audit_client(Command(("send", "{host}", "{port}")), groups={"stripping"})
    audit_client("curl")
    audit_client("poplib", protocol="pop3")
    assert_type(smtp_audit(deliver_to, grade=Grade.AUTHENTICATED, deviations={"cn-only/starttls"}), AuditResult)
    smtp_audit("curl", mode="implicit", timeuot=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# reading mail


@pytest.mark.imap("tls-required", users={"ann": "s3cret"})
def test_reader(smtp_server: Server, imap_server: Server[ImapPolicy], start_imap_server: StartReader) -> None:
    assert_type(imap_server.client(timeout=5), imaplib.IMAP4)
    assert_type(imap_server.policy.folders, Sequence[str])
    assert_type(smtp_server.client(), smtplib.SMTP)
    other: Server[ImapPolicy] = start_imap_server("starttls", folders=["Done"])
    with other.client() as client:
        client.login("ann", "s3cret")
    _of_smtp: Server = imap_server  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    imap_server.on("LOGIN", No("later", "UNAVAILABLE"), times=1)
    imap_server.on("GREETING", PreAuth("hello"))
    imap_server.on("STARTTLS", Bad("what?"))
    imap_server.on("STORE", Bye("bye"))
    imap_server.on("FETCH", Literals())
    imap_server.on("IDLE", GoOn("go on"))
    policy = ImapPolicy("starttls", folders=["Done"], hide=["MOVE"], quota=1_000, append_limit=10, read_only=True)
    with Server(policy, inbox=smtp_server.inbox) as server:
        assert_type(server, Server[ImapPolicy])
        assert_type(server.client(), imaplib.IMAP4)
        assert_type(server.policy.quota, int | None)


@pytest.mark.pop3("tls-required", users={"ann": "s3cret"})
def test_importer(smtp_server: Server, pop3_server: Server[Pop3Policy]) -> None:
    assert_type(pop3_server.client(), poplib.POP3)
    assert_type(pop3_server.put(b"Subject: Hi\r\n\r\n", to="ann"), tuple[StoredMessage, ...])
    account = pop3_server.account("ann")
    assert_type(account, Account)
    assert_type(account.inbox, Folder)
    stored = account.one(folder="INBOX", subject="Hi", timeout=1)
    assert_type(stored, StoredMessage)
    assert_type(stored.captured, CapturedMessage | None)
    assert_type(stored.flags, frozenset[str])
    assert_type(account.lost, tuple[Gone, ...])
    assert_type(account.gone[0].session, Session | None)
    assert_type(pop3_server.sessions[0].retrievals, tuple[Retrieval, ...])
    pop3_server.on("RETR", Before(b"x"), Edit(rb"\d", b"7"), After(b"y"), Cut(300), Disconnect())
    pop3_server.on("PASS", Err("locked", "IN-USE"), times=1)
    pop3_server.on("STAT", Elsewhere("deliver"), Ok("1 2"))
    policy = Pop3Policy("starttls", apop=True, hide=["UIDL"], login_delay=5)
    assert_type(Server(policy, inbox=smtp_server.inbox).client(), poplib.POP3)


@pytest.mark.pop3_scenarios("pop3-strip-capa", mode="starttls")
def test_importer_is_careful(pop3_scenario: RunningScenario) -> None:
    assert_type(pop3_scenario.check(lambda server: server.port), Outcome)
    assert_type(pop3_scenario.check(fetch), Outcome)


def fetch(server: Server[Pop3Policy]) -> None:
    with contextlib.closing(server.client()) as client:
        assert_type(client, poplib.POP3)


# mail somewhere else


def test_of_another_machine() -> None:
    inbox = connect("http://localhost:8025/m/suite-1")
    assert_type(inbox, RemoteInbox)
    shared: Inbox = inbox
    assert_type(shared.one(to="ann@example.org", timeout=5), CapturedMessage)
    assert_type(inbox.wait(2, subject="Welcome"), tuple[CapturedMessage, ...])
    inbox.expect_none(to="else@example.org", within=1)
    inbox.clear()
    connect(8025)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
