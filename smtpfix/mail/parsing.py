"""What is read out of a message's octets: headers, bodies, links; whatever comes, and by the standard library.

Knows octets and limits; what a test asks for is `message`'s.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as default_policy
from typing import Any, Final

MAX_PARTS: Final = 1000
"""Messages with more boundary lines than this are not taken apart: the parser would need seconds to minutes."""
LONGEST_VALUE: Final = 16_384
"""Header values longer than this are not decoded: the time that encoded words (RFC 2047) take grows with the square."""
_UNSTRUCTURED: Final = default_policy.clone(header_factory=HeaderRegistry(use_default_map=False))
"""Takes every header for plain text."""


def parse(octets: bytes, *, headers_only: bool) -> EmailMessage:
    """Parse a message; one that the standard library's parser fails on keeps its body in one piece.

    It fails on messages in messages in messages (RecursionError) and on hostile Content-Type headers (IndexError).
    """
    for policy, only in ((default_policy, headers_only), (default_policy, True)):
        with contextlib.suppress(Exception):
            return BytesParser(policy=policy).parsebytes(octets, headersonly=only)
    return BytesParser(policy=_UNSTRUCTURED).parsebytes(octets, headersonly=True)


_SUBJECT: Final = re.compile(
    rb"(?:[!-9;-~]+:[ !-~]*\r\n)*?[Ss][Uu][Bb][Jj][Ee][Cc][Tt]: ([!-~](?:[ !-~]*[!-~])?)\r\n(?![ \t])"
)
"""A subject on one line of plain ASCII, behind other such headers: what most test mail has."""


def plain_subject(content: bytes) -> str | None:
    """Return the subject where it can be seen without parsing, which costs thirty times as much; None otherwise."""
    match = _SUBJECT.match(content)
    if match is None or b"=?" in match[1] or len(match[1]) > LONGEST_VALUE:
        return None
    return match[1].decode("ascii")


_HREF: Final = re.compile(r"""<[^<>]*?\shref\s*=\s*(?:"([^"<>]*)|'([^'<>]*)|([^"'\s<>]+))""", re.IGNORECASE)
_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)


def links_in_html(text: str) -> Iterator[str]:
    """Yield the http, https and mailto links of an HTML body."""
    for quoted in _HREF.findall(text):
        href = _unescape("".join(quoted)).strip()
        if href.lower().startswith(("http:", "https:", "mailto:")):
            yield href


def urls_in_text(text: str) -> Iterator[str]:
    """Yield the http and https URLs of a plain text, without the punctuation behind them."""
    return (url.rstrip(".,;:!?)'\"") for url in _URL.findall(text))


def _unescape(text: str) -> str:
    import html  # noqa: PLC0415 - rarely needed

    return html.unescape(text)


def decoded(part: Any) -> str:
    """Return a text part's content; octets its charset cannot read are replaced, an unknown charset is UTF-8."""
    try:
        text = part.get_content()
    except (LookupError, ValueError):
        text = part.get_payload(decode=True).decode("utf-8", "replace")
    return str(text).replace("\r\n", "\n")
