"""A local SMTP test server and pytest fixture: every server policy and every certificate a mail client can meet."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .authority import Authority as Authority
    from .errors import (
        AuthorityError as AuthorityError,
    )
    from .errors import (
        BlockingWaitError as BlockingWaitError,
    )
    from .errors import (
        CloseTimeoutError as CloseTimeoutError,
    )
    from .errors import (
        InvalidValueError as InvalidValueError,
    )
    from .errors import (
        ListenError as ListenError,
    )
    from .errors import (
        NoMessage as NoMessage,
    )
    from .errors import (
        NoSession as NoSession,
    )
    from .errors import (
        NotRunningError as NotRunningError,
    )
    from .errors import (
        SMTPFixError as SMTPFixError,
    )
    from .errors import (
        UnexpectedMessage as UnexpectedMessage,
    )
    from .errors import (
        UnknownScenario as UnknownScenario,
    )
    from .inbox import Inbox as Inbox
    from .message import Attachment as Attachment
    from .message import CapturedMessage as CapturedMessage
    from .message import Envelope as Envelope
    from .policy import Mode as Mode
    from .policy import Policy as Policy
    from .reply import Delay as Delay
    from .reply import Disconnect as Disconnect
    from .reply import Reply as Reply
    from .sasl import ANY_USER as ANY_USER
    from .script import Rule as Rule
    from .server import Server as Server
    from .session import Alert as Alert
    from .session import AuthAttempt as AuthAttempt
    from .session import Session as Session
    from .session import SessionEnd as SessionEnd
    from .session import TLSFailure as TLSFailure
    from .session import TLSInfo as TLSInfo

_HOMES = {
    "authority": ("Authority",),
    "errors": (
        "AuthorityError",
        "BlockingWaitError",
        "CloseTimeoutError",
        "InvalidValueError",
        "ListenError",
        "NoMessage",
        "NoSession",
        "NotRunningError",
        "SMTPFixError",
        "UnexpectedMessage",
        "UnknownScenario",
    ),
    "inbox": ("Inbox",),
    "message": ("Attachment", "CapturedMessage", "Envelope"),
    "policy": ("Mode", "Policy"),
    "reply": ("Delay", "Disconnect", "Reply"),
    "sasl": ("ANY_USER",),
    "script": ("Rule",),
    "server": ("Server",),
    "session": ("Alert", "AuthAttempt", "Session", "SessionEnd", "TLSFailure", "TLSInfo"),
}
"""Which module each public name is imported from when it is first used (PEP 562)."""

__all__ = [
    "ANY_USER",
    "Alert",
    "Attachment",
    "AuthAttempt",
    "Authority",
    "AuthorityError",
    "BlockingWaitError",
    "CapturedMessage",
    "CloseTimeoutError",
    "Delay",
    "Disconnect",
    "Envelope",
    "Inbox",
    "InvalidValueError",
    "ListenError",
    "Mode",
    "NoMessage",
    "NoSession",
    "NotRunningError",
    "Policy",
    "Reply",
    "Rule",
    "SMTPFixError",
    "Server",
    "Session",
    "SessionEnd",
    "TLSFailure",
    "TLSInfo",
    "UnexpectedMessage",
    "UnknownScenario",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
