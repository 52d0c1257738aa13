"""The sample that the page sends to a server: text, HTML with an external picture, a code, and an attachment."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final

_TEXT: Final = """\
Hello Ann,

this is a sample. It came to the server {server} ({mode}), as a mail of your program would.

Your code is 493021. Sign in at https://shop.example/in?t=493021
"""
_HTML: Final = """\
<!doctype html>
<html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><style>
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 0; padding: 24px }}
  .card {{ max-width: 520px; margin: 0 auto; border: 1px solid #8884; border-radius: 12px; padding: 24px }}
  .code {{ font: 600 28px/1 ui-monospace, monospace; letter-spacing: .18em; margin: 20px 0 }}
  a {{ display: inline-block; background: #0f766e; color: #fff; border-radius: 8px; padding: 10px 18px }}
  small {{ display: block; margin-top: 20px; opacity: .7 }}
</style></head><body><div class="card">
  <h2>Hello Ann,</h2>
  <p>this is a sample. It came to the server <b>{server}</b> ({mode}), as a mail of your program would.</p>
  <p>Your code is</p><p class="code">493021</p>
  <p><a href="https://shop.example/in?t=493021">Sign in</a></p>
  <small>A picture from elsewhere is not fetched until you ask for it:
  <img src="https://shop.example/pixel.png" alt="(a picture)" width="80" height="20"></small>
</div></body></html>
"""


def sample(server: str, mode: str) -> EmailMessage:
    """Return a sample for a server."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.org>"
    message["To"] = "Ann <ann@example.org>"
    message["Subject"] = f"A sample for {server}"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain="shop.example")
    message["X-Tags"] = "sample"
    message.set_content(_TEXT.format(server=server, mode=mode))
    message.add_alternative(_HTML.format(server=server, mode=mode), subtype="html")
    message.add_attachment("day,orders\n2026-11-28,7\n", subtype="csv", filename="orders.csv")
    return message
