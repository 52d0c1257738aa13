"""A local SMTP test server and pytest fixture: every server policy and every certificate a mail client can meet."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers; `_HOMES` says the same to the running program
    from .audit.auditing import audit_client
    from .audit.check import Outcome, RunningScenario
    from .audit.result import AuditResult, Declaration, DeclaredMode, Finding, Flag, Grade, Trust, Verdict
    from .audit.target import Target
    from .conversation.turn import Turn
    from .errors import (
        AuthorityError,
        BlockingWaitError,
        CallbackFailed,
        CloseTimeoutError,
        ExtraMissing,
        InvalidValueError,
        ListenError,
        NoMessage,
        NoSession,
        NotRunningError,
        RemoteError,
        ScenarioFailed,
        SMTPFixError,
        UnexpectedMessage,
        UnknownProvider,
        UnknownScenario,
    )
    from .fixtures import RunAudit, StartReader, StartServer
    from .imap.literals import Literals
    from .imap.policy import ImapPolicy
    from .imap.status import Bad, Bye, GoOn, No, PreAuth
    from .login.mechanisms import Token
    from .login.names import ANY_USER
    from .mail.accounts import Account
    from .mail.attempts import Attempts
    from .mail.bodies import Attachment
    from .mail.envelope import Envelope, RefusedRecipient
    from .mail.inbox import Inbox
    from .mail.message import CapturedMessage
    from .mail.stored import Folder, Gone, StoredMessage
    from .pki.authority import Authority
    from .policy.limits import Limits, Rate
    from .policy.mode import Mode
    from .policy.scenario import Scenario
    from .pop3.policy import Pop3Policy
    from .pop3.replies import Err
    from .record.session import AuthAttempt, Retrieval, Session
    from .record.session_end import SessionEnd
    from .record.violation import Violation
    from .record.xclient import XClient
    from .redirecting import redirect
    from .remote import RemoteInbox, connect
    from .resolver import resolving
    from .ruled import Stage
    from .rules.actions import (
        Delay,
        Disconnect,
        Drip,
        Flight,
        KeepInjected,
        NoReply,
        Raw,
        Repeat,
        Reset,
        Stall,
        Throttle,
    )
    from .rules.decisions import Decide
    from .rules.edits import After, Before, Cut, Edit
    from .rules.elsewhere import Elsewhere
    from .rules.reply import Reply
    from .rules.rule import Rule
    from .rules.status import Ok
    from .server import Server
    from .smtp.edits import Advertise, Hide
    from .smtp.policy import Policy
    from .smtp.policy_fields import PolicyFields
    from .tls.facts import Alert, TLSFailure, TLSInfo
    from .wire.proxy_header import ProxyHeader, ProxyTLS

__all__ = [
    "ANY_USER",
    "Account",
    "Advertise",
    "After",
    "Alert",
    "Attachment",
    "Attempts",
    "AuditResult",
    "AuthAttempt",
    "Authority",
    "AuthorityError",
    "Bad",
    "Before",
    "BlockingWaitError",
    "Bye",
    "CallbackFailed",
    "CapturedMessage",
    "CloseTimeoutError",
    "Cut",
    "Decide",
    "Declaration",
    "DeclaredMode",
    "Delay",
    "Disconnect",
    "Drip",
    "Edit",
    "Elsewhere",
    "Envelope",
    "Err",
    "ExtraMissing",
    "Finding",
    "Flag",
    "Flight",
    "Folder",
    "GoOn",
    "Gone",
    "Grade",
    "Hide",
    "ImapPolicy",
    "Inbox",
    "InvalidValueError",
    "KeepInjected",
    "Limits",
    "ListenError",
    "Literals",
    "Mode",
    "No",
    "NoMessage",
    "NoReply",
    "NoSession",
    "NotRunningError",
    "Ok",
    "Outcome",
    "Policy",
    "PolicyFields",
    "Pop3Policy",
    "PreAuth",
    "ProxyHeader",
    "ProxyTLS",
    "Rate",
    "Raw",
    "RefusedRecipient",
    "RemoteError",
    "RemoteInbox",
    "Repeat",
    "Reply",
    "Reset",
    "Retrieval",
    "Rule",
    "RunAudit",
    "RunningScenario",
    "SMTPFixError",
    "Scenario",
    "ScenarioFailed",
    "Server",
    "Session",
    "SessionEnd",
    "Stage",
    "Stall",
    "StartReader",
    "StartServer",
    "StoredMessage",
    "TLSFailure",
    "TLSInfo",
    "Target",
    "Throttle",
    "Token",
    "Trust",
    "Turn",
    "UnexpectedMessage",
    "UnknownProvider",
    "UnknownScenario",
    "Verdict",
    "Violation",
    "XClient",
    "audit_client",
    "connect",
    "redirect",
    "resolving",
]

_HOMES = {
    "fixtures": {"RunAudit", "StartReader", "StartServer"},
    "mail.accounts": {"Account"},
    "mail.attempts": {"Attempts"},
    "audit.auditing": {"audit_client"},
    "audit.result": {
        *("AuditResult", "Declaration", "DeclaredMode", "Finding", "Flag", "Grade", "Trust", "Verdict"),
    },
    "audit.target": {"Target"},
    "pki.authority": {"Authority"},
    "record.violation": {"Violation"},
    "audit.check": {"Outcome", "RunningScenario"},
    "conversation.turn": {"Turn"},
    "mail.inbox": {"Inbox"},
    "policy.limits": {"Limits", "Rate"},
    "mail.envelope": {"Envelope", "RefusedRecipient"},
    "mail.bodies": {"Attachment"},
    "mail.message": {"CapturedMessage"},
    "mail.stored": {"Folder", "Gone", "StoredMessage"},
    "imap.literals": {"Literals"},
    "imap.policy": {"ImapPolicy"},
    "imap.status": {"Bad", "Bye", "GoOn", "No", "PreAuth"},
    "pop3.policy": {"Pop3Policy"},
    "pop3.replies": {"Err"},
    "policy.mode": {"Mode"},
    "wire.proxy_header": {"ProxyHeader", "ProxyTLS"},
    "rules.actions": {
        *("KeepInjected", "Delay", "Disconnect", "Drip", "Flight", "NoReply"),
        *("Raw", "Repeat", "Reset", "Stall", "Throttle"),
    },
    "rules.decisions": {"Decide"},
    "rules.edits": {"After", "Before", "Cut", "Edit"},
    "rules.elsewhere": {"Elsewhere"},
    "rules.reply": {"Reply"},
    "redirecting": {"redirect"},
    "remote": {"RemoteInbox", "connect"},
    "resolver": {"resolving"},
    "login.mechanisms": {"Token"},
    "login.names": {"ANY_USER"},
    "policy.scenario": {"Scenario"},
    "rules.rule": {"Rule"},
    "rules.status": {"Ok"},
    "server": {"Server"},
    "smtp.edits": {"Advertise", "Hide"},
    "smtp.policy": {"Policy"},
    "smtp.policy_fields": {"PolicyFields"},
    "ruled": {"Stage"},
    "record.session": {"AuthAttempt", "Retrieval", "Session"},
    "record.session_end": {"SessionEnd"},
    "tls.facts": {"Alert", "TLSFailure", "TLSInfo"},
    "record.xclient": {"XClient"},
}
"""Which module each public name is imported from when it is first used (PEP 562); the others are from `errors`."""

if not TYPE_CHECKING:  # type checkers would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next((module for module, names in _HOMES.items() if name in names), "errors")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        import_module(f"{__name__}.field_docs").show_in_help(value)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
