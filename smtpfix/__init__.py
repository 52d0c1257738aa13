"""A local SMTP test server and pytest fixture: every server policy and every certificate a mail client can meet."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers; `_HOMES` says the same to the running program
    from .audit.auditing import audit_client
    from .audit.check import Outcome, RunningScenario
    from .audit.result import AuditResult, Declaration, DeclaredMode, Finding, Flag, Grade, Trust, Verdict
    from .audit.target import Target
    from .errors import (
        AuthorityError,
        BlockingWaitError,
        CloseTimeoutError,
        ExtraMissing,
        InvalidValueError,
        ListenError,
        NoMessage,
        NoSession,
        NotRunningError,
        ScenarioFailed,
        SMTPFixError,
        UnexpectedMessage,
        UnknownProvider,
        UnknownScenario,
    )
    from .fixtures import RunAudit, StartServer
    from .login.mechanisms import ANY_USER, Token
    from .mail.attempts import Attempts
    from .mail.envelope import Envelope
    from .mail.inbox import Inbox
    from .mail.message import Attachment, CapturedMessage
    from .pki.authority import Authority
    from .policy.limits import Limits, Rate
    from .policy.mode import Mode
    from .policy.scenario import Scenario
    from .record.session import AuthAttempt, Session, SessionEnd
    from .record.violation import Violation
    from .record.xclient import XClient
    from .resolver import resolving
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
    from .rules.reply import Reply
    from .rules.rule import Rule
    from .server import Server
    from .smtp.edits import Advertise, Hide
    from .smtp.policy import Policy
    from .smtp.policy_fields import PolicyFields
    from .smtp.ruled import Stage
    from .tls.facts import Alert, TLSFailure, TLSInfo
    from .wire.proxy_header import ProxyHeader, ProxyTLS

__all__ = [
    "ANY_USER",
    "Advertise",
    "Alert",
    "Attachment",
    "Attempts",
    "AuditResult",
    "AuthAttempt",
    "Authority",
    "AuthorityError",
    "BlockingWaitError",
    "CapturedMessage",
    "CloseTimeoutError",
    "Declaration",
    "DeclaredMode",
    "Delay",
    "Disconnect",
    "Drip",
    "Envelope",
    "ExtraMissing",
    "Finding",
    "Flag",
    "Flight",
    "Grade",
    "Hide",
    "Inbox",
    "InvalidValueError",
    "KeepInjected",
    "Limits",
    "ListenError",
    "Mode",
    "NoMessage",
    "NoReply",
    "NoSession",
    "NotRunningError",
    "Outcome",
    "Policy",
    "PolicyFields",
    "ProxyHeader",
    "ProxyTLS",
    "Rate",
    "Raw",
    "Repeat",
    "Reply",
    "Reset",
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
    "StartServer",
    "TLSFailure",
    "TLSInfo",
    "Target",
    "Throttle",
    "Token",
    "Trust",
    "UnexpectedMessage",
    "UnknownProvider",
    "UnknownScenario",
    "Verdict",
    "Violation",
    "XClient",
    "audit_client",
    "resolving",
]

_HOMES = {
    "fixtures": {"RunAudit", "StartServer"},
    "mail.attempts": {"Attempts"},
    "audit.auditing": {"audit_client"},
    "audit.result": {
        *("AuditResult", "Declaration", "DeclaredMode", "Finding", "Flag", "Grade", "Trust", "Verdict"),
    },
    "audit.target": {"Target"},
    "pki.authority": {"Authority"},
    "record.violation": {"Violation"},
    "audit.check": {"Outcome", "RunningScenario"},
    "mail.inbox": {"Inbox"},
    "policy.limits": {"Limits", "Rate"},
    "mail.envelope": {"Envelope"},
    "mail.message": {"Attachment", "CapturedMessage"},
    "policy.mode": {"Mode"},
    "wire.proxy_header": {"ProxyHeader", "ProxyTLS"},
    "rules.actions": {
        *("KeepInjected", "Delay", "Disconnect", "Drip", "Flight", "NoReply"),
        *("Raw", "Repeat", "Reset", "Stall", "Throttle"),
    },
    "rules.reply": {"Reply"},
    "resolver": {"resolving"},
    "login.mechanisms": {"ANY_USER", "Token"},
    "policy.scenario": {"Scenario"},
    "rules.rule": {"Rule"},
    "server": {"Server"},
    "smtp.edits": {"Advertise", "Hide"},
    "smtp.policy": {"Policy"},
    "smtp.policy_fields": {"PolicyFields"},
    "smtp.ruled": {"Stage"},
    "record.session": {"AuthAttempt", "Session", "SessionEnd"},
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
