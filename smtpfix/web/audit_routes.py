"""The part of the own API for audits of a built-in client, or of a device with a guide."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import wraps
from typing import Final

from smtpfix.errors import InvalidValueError, UnknownScenario

from .audit_asked import AskedAudit, choices
from .audits import PageAudit, TooManyError
from .control import READ_ONLY, changing
from .desk import Desk
from .exchange import BASE, Answer, Call, Route, as_json, error, text
from .switches import sentence

WORDS: Final = ("done", "again", "stop")
"""What may be answered to a step: on to the next, the run before once more, the end."""
REPORT_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""The Content-Security-Policy of a report, which has texts of clients in it, and no script."""


def _of_audit(handler: Callable[[Desk, PageAudit, Call], Answer]) -> Callable[[Desk, Call], Answer]:
    """Return a handler that is given the audit whose id is in the path."""

    @wraps(handler)
    def handled(desk: Desk, call: Call) -> Answer:
        name = call.path["id"]
        audit = None if desk.settings.read_only else desk.audits.get(name)
        if audit is None:
            return error(404, f"expected the id of an audit that was started here; came {name[:100]!r}")
        return handler(desk, audit, call)

    return handled


def audits(desk: Desk, _: Call) -> Answer:
    """List the audits that were started here, newest first, and what can be asked for."""
    is_on = not desk.settings.read_only
    return as_json(
        {
            "read_only": not is_on,
            "problem": None if is_on else READ_ONLY,
            "choices": choices() if is_on else None,
            "audits": [one.as_json(whole=False) for one in desk.audits.newest_first()] if is_on else [],
        }
    )


@changing
def start(desk: Desk, call: Call) -> Answer:
    """Start an audit; every value is one of those that are known, and none becomes a part of a command line."""
    try:
        audit = desk.audits.start(AskedAudit.read(call.json()))
    except (InvalidValueError, UnknownScenario) as what:
        return error(400, sentence(what))
    except TooManyError as what:
        return error(409, what)
    except OSError as what:
        return error(503, f"the audit's process could not be started: {what.strerror}")
    return as_json(audit.as_json(), status=201)


@_of_audit
def audit(_: Desk, shown: PageAudit, __: Call) -> Answer:
    """Return how an audit stands."""
    return as_json(shown.as_json())


@changing
@_of_audit
def remove(desk: Desk, removed: PageAudit, _: Call) -> Answer:
    """End an audit, and forget it."""
    desk.audits.remove(removed)
    return as_json(removed.as_json())


@changing
@_of_audit
def step(_: Desk, led: PageAudit, call: Call) -> Answer:
    """Answer what an audit of a device asks for; every audit can be told to stop."""
    word = text(call.json(), "answer")
    if word not in WORDS:
        return error(400, f"answer: expected one of {', '.join(WORDS)}; came {word[:40]!r}")
    led.answer(word)
    return as_json(led.as_json())


def _file(name: str, media_type: str, **headers: str) -> Callable[[Desk, Call], Answer]:
    @_of_audit
    def report(_: Desk, shown: PageAudit, __: Call) -> Answer:
        try:
            octets = (shown.folder / name).read_bytes()
        except OSError:
            return error(404, "there is no report: the audit has not ended, or came to no result")
        return Answer(octets, media_type, headers={key.replace("_", "-"): value for key, value in headers.items()})

    return report


def _ca(kind: str, media_type: str, written: Callable[[str], bytes]) -> Callable[[Desk, Call], Answer]:
    @_of_audit
    def certificate(_: Desk, shown: PageAudit, __: Call) -> Answer:
        if not shown.ca:
            return error(404, "there is nothing to trust: the audit is of no device, is not set up yet, or has no TLS")
        file = {"Content-Disposition": f'attachment; filename="smtpfix-audit-ca.{kind}"'}
        return Answer(written(shown.ca), media_type, headers=file)

    return certificate


def _der(pem: str) -> bytes:
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :].partition(end)[0] + end)


def _store(pem: str) -> bytes:
    from smtpfix.pki.stores import public_store  # noqa: PLC0415 - cryptography, which a plain server does without

    return public_store(pem)


ROUTES: Final = (
    Route(f"{BASE}/audits", {"GET": audits, "POST": start}),
    Route(f"{BASE}/audits/{{id}}", {"GET": audit, "DELETE": remove}),
    Route(f"{BASE}/audits/{{id}}/step", {"POST": step}),
    Route(
        f"{BASE}/audits/{{id}}/report",
        {"GET": _file("report.html", "text/html; charset=utf-8", Content_Security_Policy=REPORT_POLICY)},
    ),
    Route(
        f"{BASE}/audits/{{id}}/report.json",
        {"GET": _file("report.json", "application/json", Content_Disposition='attachment; filename="audit.json"')},
    ),
    Route(f"{BASE}/audits/{{id}}/ca.pem", {"GET": _ca("pem", "application/x-pem-file", str.encode)}),
    Route(f"{BASE}/audits/{{id}}/ca.der", {"GET": _ca("der", "application/pkix-cert", _der)}),
    Route(f"{BASE}/audits/{{id}}/ca.p12", {"GET": _ca("p12", "application/x-pkcs12", _store)}),
)
