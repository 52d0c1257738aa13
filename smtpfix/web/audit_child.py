"""The process of an audit from the page: ``python -m smtpfix.web.audit_child``, without arguments.

A line of JSON in says what is asked for, each further one is an answer; each line out is an object that says what has
happened. The end of what comes in ends the audit, so that nothing is left where the web server is gone.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from smtpfix.audit.digest import changes
from smtpfix.audit.report.as_html import to_html
from smtpfix.audit.report.as_json import to_json
from smtpfix.audit.report.words import clipped
from smtpfix.audit.result import AuditResult
from smtpfix.errors import InvalidValueError, SMTPFixError

from .audit_asked import AskedAudit
from .audit_guide import ANSWERS, PageGuide, as_row


def main() -> int:
    """Run the audit that is asked for."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints does not say it to the web server
    lock = threading.Lock()

    def say(kind: str, **values: Any) -> None:
        octets = json.dumps({"kind": kind, **values}).encode() + b"\n"
        with lock:
            output.write(octets)

    source = sys.stdin.buffer
    words: queue.SimpleQueue[str] = queue.SimpleQueue()
    try:
        asked = json.loads(source.readline())
        folder = Path(asked.pop("folder"))
        wanted = AskedAudit.read(asked)
        guide = PageGuide(say, words, wanted.declaration) if wanted.is_device else None
        audit = wanted.audit(guide)
    except (InvalidValueError, SMTPFixError, ValueError) as error:
        say("failed", error=str(error))
        return 1
    threading.Thread(target=_hear, args=(source, words), daemon=True).start()
    try:
        result = audit.run(
            lambda done, total, scenario: say("progress", done=done, total=total, scenario=scenario),
            lambda finding: say("finding", **as_row(finding)),
        )
        (folder / "report.html").write_text(to_html(result), encoding="utf-8")
        (folder / "report.json").write_text(to_json(result), encoding="utf-8")
        say("ended", **_told(result))
    except BrokenPipeError:  # the web server is gone
        return 1
    except KeyboardInterrupt:
        say("failed", error="it was broken off before anything was known")
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would say it
        say("failed", error=clipped(f"{type(error).__name__}: {error}"))
        return 1
    return 0


def _hear(source: BinaryIO, words: queue.SimpleQueue[str]) -> None:
    """Take in answers; to stop, and the end of them, end the audit as Ctrl-C does."""
    for line in source:
        word = line.decode("ascii", "replace").strip()
        if word == "stop":
            break
        if word in ANSWERS:
            words.put(word)
    os.kill(os.getpid(), signal.SIGINT)


def _told(result: AuditResult) -> dict[str, Any]:
    """Return what the page shows of a result; the report has everything."""
    return {
        "client": clipped(result.client),
        "is_complete": result.is_complete,
        "letter": result.grade.letter,
        "heading": result.grade.heading,
        "worth": clipped(result.worth),
        "promise": clipped(result.promise),
        "flags": [str(flag) for flag in result.flags],
        "reasons": [clipped(reason) for reason in result.reasons],
        "changes": [
            {"what": one.meaning, "fix": one.fix, "needs": one.needs, "seen": one.seen} for one in changes(result)
        ],
        "findings": [as_row(finding) for finding in result.findings],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    sys.exit(main())
