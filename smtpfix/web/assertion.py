"""A message as a test to copy, for pytest, Mailpit's client, Cypress, or curl.

Everything of the message is quoted as the language has it, so that nothing in it is code; what no one sees is escaped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smtpfix.mail.message import unsent
from smtpfix.safe_text import printable
from smtpfix.store.row import Row, searchable

from .desk import Desk
from .exchange import BASE, PLAIN, Answer, Call, Route, error
from .extract import codes

_LONGEST: Final = 200
"""Characters of a text that a test names."""
_MOST: Final = 5
"""Recipients, links and attachments that a test names."""
_LONGEST_BASE: Final = 300


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a test asserts."""

    base: str
    subject: str
    sender: str
    recipients: tuple[str, ...]
    line: str
    """A line of its text; ``""``: it has none that says enough."""
    links: tuple[str, ...]
    code: str
    attachments: tuple[str, ...]
    in_tls: bool

    @property
    def query(self) -> str:
        """A search that finds it."""
        words = [("to", one) for one in self.recipients[:1]] + [("subject", self.subject)]
        return " ".join(f'{place}:"{searchable(text)}"' for place, text in words if searchable(text))

    @property
    def name(self) -> str:
        """Words of the subject, as a function's name."""
        kept = "".join(one if one.isascii() and one.isalnum() else " " for one in self.subject.lower())
        return "_".join(kept.split()[:6])[:60] or "mail"


def _shown(row: Row, content: bytes, base: str) -> _Shown:
    message = unsent(content, row.received)
    lines = (line.strip() for line in message.text[:10_000].splitlines())
    return _Shown(
        base,
        row.subject[:_LONGEST],
        row.sender.address,
        row.recipients[:_MOST],
        next((line[:_LONGEST] for line in lines if len(line) >= _ENOUGH and line.isprintable()), ""),
        tuple(link for link in message.links[:_MOST] if len(link) <= _LONGEST),
        next(iter(codes(row.subject, content)), ""),
        tuple(one.filename for one in message.attachments[:_MOST] if one.filename),
        row.in_tls,
    )


_ENOUGH: Final = 8
"""Characters of a line that says something."""


def _pytest(shown: _Shown) -> str:
    to = f"to={shown.recipients[0]!r}, " if shown.recipients else ""
    lines = [
        f"def test_{shown.name}(smtp_server):",
        "    ...  # your program sends to smtp_server.host and smtp_server.port",
        "",
        f"    message = smtp_server.inbox.one({to}subject={shown.subject!r}, timeout=10)",
        f"    assert message.sender == {shown.sender!r}",
        f"    assert message.to == {shown.recipients!r}",
    ]
    if shown.line:
        lines.append(f"    assert {shown.line!r} in message.text")
    lines += [f"    assert {link!r} in message.links" for link in shown.links]
    if shown.attachments:
        lines.append(f"    assert [one.filename for one in message.attachments] == {list(shown.attachments)!r}")
    if shown.in_tls:
        lines.append("    assert message.in_tls")
    return "\n".join(lines)


def _mailpit(shown: _Shown) -> str:
    lines = [
        'import { MailpitClient } from "mailpit-api";',
        "",
        f"const mailpit = new MailpitClient({_js(shown.base.rstrip('/'))});",
        f"const found = await mailpit.searchMessages({{ query: {_js(shown.query)} }});",
        "const message = await mailpit.getMessageSummary(found.messages[0].ID);",
        f"expect(message.Subject).toBe({_js(shown.subject)});",
        f"expect(message.From.Address).toBe({_js(shown.sender)});",
    ]
    if shown.line:
        lines.append(f"expect(message.Text).toContain({_js(shown.line)});")
    if shown.attachments:
        named = ", ".join(map(_js, shown.attachments))
        lines.append(f"expect(message.Attachments.map((one) => one.FileName)).toEqual([{named}]);")
    return "\n".join(lines)


def _cypress(shown: _Shown) -> str:
    lines = [
        f"it({_js(f'sends {shown.subject}')}, () => {{",
        "  // what your page does",
        f"  const query = encodeURIComponent({_js(shown.query)});",
        f"  const wait = {_js(f'{shown.base}{BASE[1:]}/messages/wait?timeout=10&query=')};",
        "  cy.request(wait + query).then(({ body }) => {",
        "    const [{ message, links, codes }] = body.messages;",
        f"    expect(message.Subject).to.equal({_js(shown.subject)});",
        f"    expect(message.From.Address).to.equal({_js(shown.sender)});",
    ]
    lines += [f"    expect(links).to.include({_js(link)});" for link in shown.links]
    if shown.code:
        lines.append(f"    expect(codes[0]).to.have.length({len(shown.code)}); // such as {shown.code}")
    return "\n".join([*lines, "  });", "});"])


def _curl(shown: _Shown) -> str:
    expected = f".Subject == {_js(shown.subject)} and .From.Address == {_js(shown.sender)}"
    return "\n".join(
        [
            "# waits for the message; the exit status is 0 where it has come, and is the one",
            f"curl --silent --get {_sh(f'{shown.base}{BASE[1:]}/messages/wait')} \\",
            f"  --data-urlencode {_sh(f'query={shown.query}')} \\",
            "  --data timeout=10 |",
            f"  jq --exit-status {_sh(f'.messages[0].message | {expected}')}",
        ]
    )


def _js(text: str) -> str:
    """Return a text as JavaScript has it, with what cannot be seen escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted)


def _sh(text: str) -> str:
    """Return a text as a shell has it."""
    return shlex.quote("".join(one if one.isprintable() else " " for one in text))


STYLES: Final[dict[str, Callable[[_Shown], str]]] = {
    "pytest": _pytest,
    "mailpit": _mailpit,
    "cypress": _cypress,
    "curl": _curl,
}
"""How a test is written."""


def as_test(desk: Desk, call: Call) -> Answer:
    """Return a message as a test; `style` is one of `STYLES`, `base` where the API is, as the test reaches it."""
    style, base = call.query.get("style", "pytest"), call.query.get("base", "")
    if style not in STYLES:
        return error(400, f"style: expected one of {', '.join(STYLES)}; came {style[:100]!r}")
    if not base:
        base = f"http://{call.headers.get('host', 'localhost')}{desk.settings.webroot}"
    if not base.startswith(("http://", "https://")) or not base.endswith("/") or len(base) > _LONGEST_BASE:
        return error(400, f"base: expected a URL such as http://localhost:8025/; came {printable(base[:100])!r}")
    row = desk.find(call.path["id"], call.query.get("query", ""), call.query.get("tz", ""))
    try:
        content = None if row is None else desk.store.content(row.seq)
    except LookupError:
        content = None
    if row is None or content is None:
        return error(404, f"expected the id of a message that is there, or 'latest'; came {call.path['id'][:100]!r}")
    return Answer(f"{STYLES[style](_shown(row, content, base))}\n".encode("utf-8", "backslashreplace"), PLAIN)


ROUTES: Final = (Route(f"{BASE}/messages/{{id}}/test", {"GET": as_test}),)
