"""What the page shows in addition to mail: the address of each server, how many messages it got, and a sample."""

from __future__ import annotations

import itertools
import smtplib
from collections.abc import Mapping
from typing import Any, Final

from smtpfix.errors import SMTPFixError
from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.server import Server

from .accounts import readers
from .desk import Desk
from .exchange import BASE, Answer, Call, Route, as_json, error
from .sample import sample

MOST_MAILBOXES: Final = 100
"""That the page lists."""
SAMPLE_SECONDS: Final = 10.0
"""That a server has to take a sample."""


def overview(desk: Desk, _: Call) -> Answer:
    """Tell of the servers, and of what the page may offer."""
    from importlib.metadata import version  # noqa: PLC0415 - it takes long to import

    counts = desk.store.servers()
    running = [_server(name, server, counts) for name, server in desk.servers.items()]
    gone = [{"name": name, "messages": count} for name, count in counts.items() if name not in desk.servers]
    outgoing = desk.settings.outgoing
    return as_json(
        {
            "version": version("smtpfix"),
            "label": desk.settings.label,
            "may_delete_all": not desk.settings.hide_delete_all,
            "may_send_sample": desk.mailbox is None,
            "servers": [*running, *gone],
            "mailbox": desk.mailbox,
            "mailboxes": dict(itertools.islice(_mailboxes(desk).items(), MOST_MAILBOXES)),
            "has_accounts": bool(readers(desk)),
            "relay": None if outgoing.relay is None else outgoing.relay.where,
            "checks_links": outgoing.check_links,
        }
    )


def _mailboxes(desk: Desk) -> Mapping[str, int]:
    """Return the mailboxes, where there may be several: counting them takes a second look at every message."""
    may_be_several = desk.settings.mailbox_by is not None or not desk.servers
    return desk.store.mailboxes() if desk.mailbox is None and may_be_several else {}


def _server(name: str, server: Server, counts: Mapping[str, int]) -> dict[str, Any]:
    policy = server.policy
    return {
        "name": name,
        "messages": counts.get(name, 0),
        "protocol": _protocol(server),
        "mode": str(server.mode),
        "host": server.place.host if policy.unix_socket is None else server.host,
        "port": server.port or None,
        "has_ca": policy.uses_tls and not policy.has_own_certificate,
        "takes_mail": policy.spoken == DEFAULT_PROTOCOL,
        "requires_login": bool(getattr(policy, "require_auth", False)),
    }


def _protocol(server: Server) -> str:
    spoken = server.policy.spoken
    return str(getattr(server.policy, "protocol", spoken)) if spoken == DEFAULT_PROTOCOL else spoken


def send_sample(desk: Desk, call: Call) -> Answer:
    """Send a sample to one of the servers, as any client would; in TLS where the server knows TLS."""
    name = call.path["name"]
    server = desk.servers.get(name)
    if server is None or server.policy.spoken != DEFAULT_PROTOCOL:
        return error(404, f"expected a server that takes mail ({', '.join(_takers(desk))}); came {name[:100]!r}")
    if desk.mailbox is not None:  # it may log in as somebody, and be put into the mailbox of somebody else
        return error(403, "a sample comes by SMTP, to whatever mailbox it is for: ask for one without /m/ in the path")
    try:
        with server.client(timeout=SAMPLE_SECONDS) as client:
            client.ehlo_or_helo_if_needed()
            if client.has_extn("auth"):
                for user, password in _logins(server)[:1]:
                    client.login(user, password)
            client.send_message(sample(name, str(server.mode)))
    except (smtplib.SMTPException, OSError, SMTPFixError) as failure:  # a certificate that is wrong is an OSError
        return error(502, f"{name} did not take the sample: {_reason(failure)}")
    return as_json({"sent": True})


def _logins(server: Server) -> list[tuple[str, str]]:
    users = server.policy.users
    known = users.items() if isinstance(users, Mapping) else ()
    return [(name, password) for name, password in known if isinstance(password, str)]


def _takers(desk: Desk) -> list[str]:
    return [name for name, server in desk.servers.items() if server.policy.spoken == DEFAULT_PROTOCOL]


def _reason(failure: Exception) -> str:
    if isinstance(failure, smtplib.SMTPRecipientsRefused):
        replies = [f"{code} {said.decode('utf-8', 'replace')}" for code, said in failure.recipients.values()]
        return "; ".join(replies)
    if isinstance(failure, smtplib.SMTPResponseException):
        said = failure.smtp_error
        return f"{failure.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
    return str(failure)


ROUTES: Final = (
    Route(f"{BASE}/overview", {"GET": overview}),
    Route(f"{BASE}/servers/{{name}}/sample", {"POST": send_sample}),
)
