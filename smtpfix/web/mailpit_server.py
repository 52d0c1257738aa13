"""The part of Mailpit's API about the server: information, chaos, and the probes."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.rules.reply import Reply
from smtpfix.rules.rule import Rule

from .desk import Desk
from .exchange import (
    Answer,
    BadRequestError,
    Call,
    Route,
    as_json,
    lowered,
    said,
)
from .outgoing import Relay
from .statistics import Statistics

VERSION: Final = "v1.30.5"
"""What programs look at before they use what came with a version; ``X-Mailer`` of nothing."""


def info(desk: Desk, _: Call) -> Answer:
    """Tell of the server."""
    total, numbers = desk.totals(), numbers_of(desk)
    return as_json(
        {
            "Version": VERSION,
            "LatestVersion": "disabled",
            "Database": desk.store.where if desk.mailbox is None else "",
            "DatabaseSize": database_size(desk),
            "Messages": total.all,
            "Unread": total.unread,
            "Tags": dict(desk.store.tags()),
            "RuntimeStats": {
                "Uptime": int(desk.uptime),
                "Memory": memory(),
                "MessagesDeleted": numbers.deleted,
                "SMTPAccepted": numbers.accepted,
                "SMTPAcceptedSize": numbers.accepted_octets,
                "SMTPRejected": numbers.refused,
                "SMTPIgnored": 0,
            },
        }
    )


def numbers_of(desk: Desk) -> Statistics:
    """Return what has been counted; in one mailbox nothing, since it was counted for all of them."""
    return desk.statistics if desk.mailbox is None else Statistics()


def database_size(desk: Desk) -> int:
    """Return how many octets the store's file has; 0 where it is no file."""
    path = getattr(desk.store, "path", None)
    return path.stat().st_size if isinstance(path, Path) and path.exists() else 0


def memory() -> int:
    """Return how many octets of memory the process has; the most it ever had where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return 0
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def web_ui(desk: Desk, _: Call) -> Answer:
    """Tell a page what it may offer."""
    return as_json(
        {
            "Label": desk.settings.label,
            "MessageRelay": message_relay(desk.settings.outgoing.relay),
            "SpamAssassin": False,
            "ChaosEnabled": desk.settings.chaos,
            "DuplicatesIgnored": False,
            "HideDeleteAllButton": desk.settings.hide_delete_all,
        }
    )


def message_relay(relay: Relay | None) -> dict[str, Any]:
    """Return what Mailpit's API tells a page of the relay."""
    return {
        "Enabled": relay is not None,
        "SMTPServer": "" if relay is None else relay.where,
        "ReturnPath": "" if relay is None else relay.return_path,
        "AllowedRecipients": "" if relay is None else relay.allowed,
        "BlockedRecipients": "" if relay is None else relay.blocked,
        "OverrideFrom": "" if relay is None else relay.override_from,
        "PreserveMessageIDs": relay is not None and relay.keep_message_id,
        "RecipientAllowlist": "" if relay is None else relay.allowed,
    }


_TRIGGERS: Final = {
    "Sender": ("MAIL", "sender", 451),
    "Recipient": ("RCPT", "recipient", 451),
    "Authentication": ("AUTH", "authentication", 535),
}
"""Of each trigger of chaos: the stage, the word in its reply, and the code that it has by default."""


def chaos(desk: Desk, call: Call) -> Answer:
    """Tell how often servers fail by chance, or have them fail so."""
    if not desk.settings.chaos:
        return said("Chaos is not enabled", 400)
    if call.method == "PUT":
        if desk.settings.read_only:
            return said("Chaos cannot be changed: the server was started with --web-read-only", 403)
        asked = call.json()
        triggers = {name: _trigger(asked.get(name.lower(), {}), code) for name, (_, _, code) in _TRIGGERS.items()}
        with desk.lock:
            _use_chaos(desk, triggers)
            desk.chaos = triggers
    return as_json({name: desk.chaos.get(name) or _trigger({}, code) for name, (_, _, code) in _TRIGGERS.items()})


def begin_chaos(desk: Desk) -> None:
    """Have servers fail by chance from the start, as the settings say."""
    if asked := desk.settings.chaos_triggers:
        triggers = {name: _trigger(dict(asked.get(name, {})), code) for name, (_, _, code) in _TRIGGERS.items()}
        with desk.lock:
            _use_chaos(desk, triggers)
            desk.chaos = triggers


def _trigger(asked: Any, default: int) -> dict[str, int]:
    if not isinstance(asked, dict):
        raise BadRequestError("expected an object with ErrorCode and Probability")
    asked = lowered(asked)
    code, probability = asked.get("errorcode") or default, asked.get("probability", 0)
    if isinstance(code, bool) or not isinstance(code, int) or not 400 <= code <= 599:  # noqa: PLR2004 - a reply code
        raise BadRequestError("error code must be between 400 and 599")
    if isinstance(probability, bool) or not isinstance(probability, int) or not 0 <= probability <= 100:  # noqa: PLR2004
        raise BadRequestError("probability must be between 0 and 100")
    return {"ErrorCode": code, "Probability": probability}


def _use_chaos(desk: Desk, triggers: dict[str, dict[str, int]]) -> None:
    """Put rules in the place of those that chaos had before, and of no others; who only reads mail meets none."""
    taking = {name: one for name, one in desk.servers.items() if one.policy.spoken == DEFAULT_PROTOCOL}
    for name, server in taking.items():
        rules = tuple(
            Rule(
                stage,
                (Reply(triggers[trigger]["ErrorCode"], None, f"Chaos {word} error"),),
                probability=triggers[trigger]["Probability"] / 100,
            )
            for trigger, (stage, word, _) in _TRIGGERS.items()
            if triggers[trigger]["Probability"]
        )
        server.use_rules(rules, instead_of=desk.chaos_rules.get(name, ()))
        desk.chaos_rules[name] = rules


def alive(_desk: Desk, _call: Call) -> Answer:
    """Say that the web server is there."""
    return Answer()


def ready(desk: Desk, _: Call) -> Answer:
    """Say that the store answers."""
    try:
        desk.store.last_change()
    except OSError:
        return said("Service Unavailable", 503)
    return Answer()


ROUTES: Final = (
    Route("/api/v1/info", {"GET": info}),
    Route("/api/v1/webui", {"GET": web_ui}),
    Route("/api/v1/chaos", {"GET": chaos, "PUT": chaos}),
    Route("/livez", {"GET": alive}),
    Route("/readyz", {"GET": ready}),
)
