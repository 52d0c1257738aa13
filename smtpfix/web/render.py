"""A message's HTML for a frame: unchanged, under a policy that lets it run nothing and fetch nothing.

Nothing is taken out: the browser is told what the document may do, by a Content-Security-Policy that stands in the
response's head, where no message reaches. Only `cid:` is replaced, literally.
"""

from __future__ import annotations

import re
from typing import Final

from smtpfix.mail.bodies import content_id_of
from smtpfix.mail.header_values import sound
from smtpfix.mail.mime import split
from smtpfix.mail.stepwise import replaced
from smtpfix.store.parts import Role, listed

from .message_json import said_by

PICTURES: Final = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"))
"""What a browser shows and runs nothing in."""
MAIL_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self' data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""Of the HTML of a message: no script, no form, no plugin, and nothing from elsewhere."""
REMOTE_MAIL_POLICY: Final = MAIL_POLICY.replace("'unsafe-inline';", "'unsafe-inline' http: https:;").replace(
    "img-src 'self' data:; font-src data:", "img-src 'self' data: http: https:; font-src data: http: https:"
)
"""The same where somebody has asked for what the message refers to."""
_CID: Final = re.compile(r"cid:([^\s\"'<>()]++)", re.IGNORECASE)
_LINK: Final = re.compile(r"<(a|area)(?=[\s/])", re.IGNORECASE)


def html_of(content: bytes, prefix: str, *, in_frame: bool) -> str:
    """Return the HTML that a message has, `cid:` of its parts replaced by their URLs; ``""`` without any.

    In a frame, links open elsewhere, and neither with an opener nor with a referrer.
    """
    parts = tuple(listed(split(content)[0]))
    html = said_by(parts, Role.HTML)
    urls = {sound(content_id_of(one.part) or ""): f"{prefix}{one.part_id}" for one in parts}
    html = replaced(_CID, lambda match: urls.get(match[1], match[0]), html)
    # Of two attributes of one name the first counts, and these are the first.
    return _LINK.sub(r'<\1 target="_blank" rel="noreferrer noopener"', html) if in_frame else html


def text_of_message(content: bytes) -> str:
    """Return the text that a message has."""
    return said_by(tuple(listed(split(content)[0])), Role.TEXT)
