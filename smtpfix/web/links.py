"""The check of a message's links, if switched on: in public networks, each redirect checked, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin

from smtpfix.mail.links import tags_in_html, urls_in_text
from smtpfix.mail.mime import split
from smtpfix.safe_text import printable
from smtpfix.store.parts import Role, listed

from .desk import Desk
from .exchange import NOT_FOUND, Answer, Call, Route, as_json, said
from .fetch import BlockedAddressError, MayConnect, Reached, Request, Resolve, anywhere, ask, is_public, resolved
from .message_json import said_by

MOST: Final = 100
"""Links of one message that are asked for."""
AT_ONCE: Final = 4
MOST_REDIRECTS: Final = 3
SECONDS: Final = 5.0
"""That each server has."""
LONGEST_LINK: Final = 4_096
_BLOCKED: Final = {"StatusCode": 451, "Status": "Blocked private/reserved address"}
_ONE: Final = threading.Semaphore(1)
"""One message at a time, whoever asks."""


def links_of(content: bytes) -> tuple[str, ...]:
    """Return what a message makes a reader or a browser ask for by HTTP: links, style sheets, pictures; each once."""
    parts = tuple(listed(split(content)[0]))
    found: dict[str, None] = {}
    for link in (*_in_html(said_by(parts, Role.HTML)), *urls_in_text(said_by(parts, Role.TEXT))):
        if len(found) == MOST:
            break
        if len(link) <= LONGEST_LINK and link.lower().startswith(("http://", "https://")):
            found[link] = None
    return tuple(found)


def _in_html(html: str) -> Iterator[str]:
    for tag in tags_in_html(html):
        is_sheet = tag.name == "link" and "stylesheet" in tag.value("rel").lower().split()
        attribute = "href" if tag.name in ("a", "area") or is_sheet else "src" if tag.name == "img" else ""
        if attribute:
            yield tag.value(attribute).strip()


def checked(
    link: str, *, follow: bool, may_connect: MayConnect = is_public, resolve: Resolve = resolved
) -> dict[str, Any]:
    """Ask for a link, and where that is wanted for what it redirects to; each hop is resolved and checked anew."""
    url = link
    try:
        reached = _asked(url, may_connect, resolve)
        for _ in range(MOST_REDIRECTS if follow else 0):
            if not reached.location or reached.status // 100 != HTTPStatus.MULTIPLE_CHOICES // 100:
                break
            url = urljoin(url, reached.location)
            reached = _asked(url, may_connect, resolve)
    except BlockedAddressError:
        return {"URL": link, **_BLOCKED}
    except ValueError:
        return {"URL": link, "StatusCode": 0, "Status": "invalid URL"}
    except OSError as error:
        reason = printable(str(error.strerror or error))[:100]
        return {"URL": link, "StatusCode": 0, "Status": reason}
    return {"URL": link, "StatusCode": reached.status, "Status": printable(reached.reason)}


def _asked(url: str, may_connect: MayConnect, resolve: Resolve) -> Reached:
    request = Request(url, "HEAD", headers={"User-Agent": "smtpfix", "Connection": "close"}, seconds=SECONDS)
    return ask(request, may_connect=may_connect, resolve=resolve)


def link_check(desk: Desk, call: Call) -> Answer:
    """Ask for a message's links, as Mailpit's clients want it."""
    row = desk.find(call.path["id"], call.query.get("query", ""), call.query.get("tz", ""))
    if row is None:
        return NOT_FOUND
    if not desk.settings.outgoing.check_links:
        return said("Links are not checked: this server sends no requests (--link-check)", 501)
    try:
        links = links_of(desk.store.content(row.seq))
    except LookupError:
        return NOT_FOUND
    if not _ONE.acquire(blocking=False):
        return said("expected one link check at a time; another one is under way, try again later", 429)
    try:
        may_connect = anywhere if desk.settings.outgoing.check_internal else is_public
        one = partial(checked, follow=call.query.get("follow") == "true", may_connect=may_connect)
        with ThreadPoolExecutor(AT_ONCE, "smtpfix links") as threads:
            found = list(threads.map(one, links))
    finally:
        _ONE.release()
    failed = sum(one["StatusCode"] == 0 or one["StatusCode"] >= HTTPStatus.BAD_REQUEST for one in found)
    return as_json({"Errors": failed, "Links": found})


ROUTES: Final = (Route("/api/v1/message/{id}/link-check", {"GET": link_check}),)
