"""It sends one message on, to the one relay that the server's options name; off by default.

Host and port never come from a request, and what goes out has line ends that no server takes for another thing.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from smtpfix.erasing import Eraser
from smtpfix.safe_text import printable
from smtpfix.store.row import Row, new_id

from .desk import Desk
from .exchange import BASE, NOT_FOUND, OK, Answer, BadRequestError, Call, Route, as_json, error, said, text, texts
from .message_json import one_line
from .outgoing import Begin, Relay

SECONDS: Final = 10.0
"""For each of the relay's answers."""
MOST_RECIPIENTS: Final = 100
LONGEST_ANSWER: Final = 500
"""Characters of what the relay says."""
NOT_CONFIGURED: Final = "Message relaying is not configured: this server sends nothing on (--release-to)"


class NotSentError(Exception):
    """The relay has not taken the message, or the request asks for what may not be; the text is for the client."""


def released(desk: Desk, row: Row, recipients: Sequence[str]) -> tuple[str, ...]:
    """Send a message on; return who gets it. Raises `NotSentError`, and `LookupError` where it is gone."""
    relay = desk.settings.outgoing.relay
    if relay is None:
        raise NotSentError(NOT_CONFIGURED)
    addresses = tuple(dict.fromkeys(_bare(one) for one in recipients))
    if not addresses:
        raise NotSentError("No valid addresses found")
    if len(addresses) > MOST_RECIPIENTS:
        raise NotSentError(f"Failed: expected up to {MOST_RECIPIENTS} addresses, got {len(addresses)}")
    for one in addresses:
        if refusal := relay.refusal(one):
            raise NotSentError(refusal)
    sender = relay.return_path or row.reverse_path
    if sender and (refusal := _sender_refusal(sender)):
        raise NotSentError(refusal)
    content = changed(desk.store.content(row.seq), relay, sender)
    try:
        _send(relay, sender, addresses, content)
    except (smtplib.SMTPException, OSError) as failure:
        raise NotSentError(f"SMTP error: {_told(relay, failure)}") from failure
    return addresses


def _bare(recipient: str) -> str:
    """Return the address of ``Name <address>``; a text with a control character stays, and is refused as it is."""
    if not recipient.isprintable() or not recipient.endswith(">"):
        return recipient.strip(" ")
    return recipient.rpartition("<")[2].removesuffix(">")


def _sender_refusal(sender: str) -> str:
    is_plain = sender.isascii() and sender.isprintable() and not set(sender) & set(" <>")
    return "" if is_plain else f"Invalid email address: {printable(sender[:100])}"


def changed(content: bytes, relay: Relay, sender: str) -> bytes:
    """Return a message as it is sent on: a new Date, Return-Path and Message-ID, no Bcc, and each line end CRLF."""
    unified = _unified(content)
    head, _, body = (b"", b"", unified[1:]) if unified[:1] == b"\n" else unified.partition(b"\n\n")
    dropped = {b"bcc", b"date", b"return-path"} | (set() if relay.keep_message_id else {b"message-id"})
    added = [f"Return-Path: <{one_line(sender)}>", f"Date: {format_datetime(datetime.now(UTC))}"]
    if not relay.keep_message_id:
        added.append(f"Message-ID: <{new_id()}@smtpfix>")
    if relay.override_from:
        dropped.add(b"from")
        added.append(f"From: <{relay.override_from}>")
    kept = b"".join(line + b"\n" for line in _fields(head, dropped))
    whole = "".join(f"{line}\n" for line in added).encode() + kept + b"\n" + body
    return whole.replace(b"\n", b"\r\n")


def _fields(head: bytes, dropped: set[bytes]) -> Iterator[bytes]:
    """Yield the lines of a head but those of some fields."""
    is_dropped = False
    for line in head.split(b"\n"):
        if line[:1] not in (b" ", b"\t"):
            is_dropped = line.partition(b":")[0].strip().lower() in dropped
        if line and not is_dropped:
            yield line


def _unified(octets: bytes) -> bytes:
    """Return octets with LF for each line end, a lone CR included, so that no server reads another end into them."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _send(relay: Relay, sender: str, recipients: Sequence[str], content: bytes) -> None:
    context = ssl.create_default_context()
    if not relay.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    place: dict[str, Any] = {"host": relay.host, "port": relay.port, "local_hostname": "localhost", "timeout": SECONDS}
    is_implicit = relay.tls is Begin.IMPLICIT
    with closing(smtplib.SMTP_SSL(**place, context=context) if is_implicit else smtplib.SMTP(**place)) as client:
        client.ehlo_or_helo_if_needed()
        if relay.tls is Begin.STARTTLS:
            client.starttls(context=context)
        if relay.user:
            client.login(relay.user, relay.password)
        needs_8bit = not content.isascii() and client.has_extn("8bitmime")
        refused = client.sendmail(sender, recipients, content, ["BODY=8BITMIME"] if needs_8bit else [])
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)
        with suppress(smtplib.SMTPException, OSError):  # the relay has it already
            client.quit()


def _told(relay: Relay, failure: Exception) -> str:
    """Return what went wrong, in one line, without the relay's password."""
    match failure:
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=answer):
            words = f"{code} {_words(answer)}"
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            words = ", ".join(f"{one}: {code} {_words(answer)}" for one, (code, answer) in recipients.items())
        case _:
            words = str(failure)
    shown = printable(one_line(words[:LONGEST_ANSWER]))
    return Eraser(relay.password).erase(shown) if relay.password else shown


def _words(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


# Mailpit's, MailHog's and the own API


def release(desk: Desk, call: Call) -> Answer:
    """Send a message on, as Mailpit's clients ask for it."""
    if (row := desk.store.get(call.path["id"])) is None:
        return NOT_FOUND
    try:
        released(desk, row, texts(call.json(optional=True), "to"))
    except LookupError:
        return NOT_FOUND
    except NotSentError as failure:
        return said(str(failure), 400)
    return OK


def release_for_mailhog(desk: Desk, call: Call) -> Answer:
    """Send a message on, as MailHog's clients ask for it; another host or port than the relay's is refused."""
    nothing = said("", 400)  # clients read any body as JSON
    relay, row = desk.settings.outgoing.relay, desk.store.get(call.path["id"].partition("@")[0])
    if relay is None or row is None:
        return nothing
    asked = call.json(optional=True)
    place = (text(asked, "host"), str(asked.get("port", "")))
    if place not in (("", ""), (relay.host, str(relay.port))):
        return nothing
    try:
        released(desk, row, [text(asked, "email")])
    except (LookupError, NotSentError):
        return nothing
    return Answer()


def outgoing_servers(desk: Desk, _: Call) -> Answer:
    """List the relay, without its credentials, as MailHog lists the servers that it may send to."""
    relay = desk.settings.outgoing.relay
    servers: dict[str, Any] = {}
    if relay is not None:
        place = {"Name": "relay", "Host": relay.host, "Port": str(relay.port)}
        servers["relay"] = {**place, "Email": "", "Username": "", "Password": "", "Mechanism": ""}
    return as_json(servers, media_type="text/json")


def release_for_own(desk: Desk, call: Call) -> Answer:
    """Send a message on: `{"to": ["ann@example.org"]}`."""
    if desk.settings.outgoing.relay is None:
        return error(403, NOT_CONFIGURED)
    if (row := desk.find(call.path["id"])) is None:
        return error(404, "expected the id of a message that is there, or 'latest'")
    try:
        sent_to = released(desk, row, texts(call.json(), "to"))
    except LookupError:
        return error(404, "the message was deleted meanwhile")
    except (NotSentError, BadRequestError) as failure:
        return error(400, failure)
    return as_json({"released": list(sent_to), "relay": desk.settings.outgoing.relay.where})


ROUTES: Final = (
    Route("/api/v1/message/{id}/release", {"POST": release}),
    Route("/api/v1/messages/{id}/release", {"POST": release_for_mailhog}),
    Route("/api/v2/outgoing-smtp", {"GET": outgoing_servers}),
    Route(f"{BASE}/messages/{{id}}/release", {"POST": release_for_own}),
)
