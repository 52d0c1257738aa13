"""Draws the picture of an audit in the docs, from a real run: ``python -m benchmarks.audit_picture``.

A small program that many have written is audited, and what a terminal shows of it becomes ``docs/pictures/audit.svg``.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from smtpfix.audit.auditing import Audit, declare
from smtpfix.audit.command import Command
from smtpfix.cli.audit_terminal import AuditTerminal

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "audit.svg"
WIDTH = 104
PROGRAM = """\
import smtplib, ssl, sys

host, port, user, password = sys.argv[1:]
with smtplib.SMTP(host, int(port), "shop.example", timeout=4) as client:
    client.ehlo()
    if client.has_extn("starttls"):
        client.starttls(context=ssl._create_unverified_context())
        client.ehlo()
    client.login(user, password)
    client.sendmail("shop@example.org", "ann@example.org", "Subject: Welcome\\r\\n\\r\\n")
"""
ARGUMENTS = "{host} {port} {user} {password}"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown() -> str:
    """Return what a terminal shows of the audit, with its colours."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "send.py"
        program.write_text(PROGRAM, encoding="utf-8")
        words = (sys.executable, str(program), *ARGUMENTS.split())
        client = Command(words, name=f"python send.py {ARGUMENTS}", language="python")
        result = Audit(client, declare("starttls-required", "pki", "ann:s3cret-word")).run()
    os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    stream = _Terminal()
    AuditTerminal(stream).show(result)
    return stream.getvalue()


def drawn(text: str) -> str:
    """Return a terminal's text as SVG that loads nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(text))
    picture = console.export_svg(title="smtpfix audit", unique_id="audit").replace("Fira Code, ", "")
    picture = picture.replace("    <!-- Generated with Rich https://www.textualize.io -->\n", "")
    while "@font-face" in picture:  # each loads a font from elsewhere
        before, _, rule = picture.partition("@font-face")
        picture = before.rstrip() + rule.partition("}")[2]
    return picture


def main() -> None:
    """Draw it."""
    picture = drawn(shown())
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"{PICTURE}: {len(picture) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
