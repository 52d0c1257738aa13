"""The own API in OpenAPI 3.1, written by hand: what each path takes and returns. A test compares it with the routes.

To describe a route, add an `_Operation` to `OPERATIONS`, and the shapes that it has of its own to `SCHEMAS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from smtpfix.suggesting import either

from .assertion import STYLES
from .desk import Desk
from .exchange import BASE, Answer, Call, Route, as_json
from .own import MOST_AWAITED, MOST_LISTED

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "integer"}
_FLAG: Final[Schema] = {"type": "boolean"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    """Return the schema of an object with these keys; it may have others as well."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), **more}


_SEQ: Final[Schema] = {"type": "integer", "description": "The journal's number that this stands for; see `since`."}
_ADDRESS: Final = _object({"Name": _TEXT, "Address": _TEXT})

_AUDIT: Final = {
    **dict.fromkeys(("id", "client", "protocol", "mode", "trust", "began"), _TEXT),
    **dict.fromkeys(("done", "total"), _NUMBER),
    "device": _FLAG,
    "state": {"enum": ["starting", "set-up", "waiting", "running", "ended", "failed"]},
    "ended": _or_null("string"),
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": _object({"error": _TEXT}, description="What was expected and what came."),
    "Address": _ADDRESS,
    "Smtp": _object(
        {
            "server": _TEXT,
            "mailbox": _TEXT,
            "session": _or_null("string"),
            "in_tls": _FLAG,
            "accepted": _FLAG,
            "reply": _or_null("string"),
            "user": _or_null("string"),
            "reverse_path": _TEXT,
            "recipients": _list(_TEXT),
            "received": {"type": "string", "format": "date-time"},
        },
        description="How a message came.",
    ),
    "Summary": _object(
        {
            **dict.fromkeys(("ID", "MessageID", "Subject", "Created", "Username", "Snippet"), _TEXT),
            **dict.fromkeys(("To", "Cc", "Bcc", "ReplyTo"), _list(_ref("Address"))),
            **dict.fromkeys(("Size", "Attachments"), _NUMBER),
            "Read": _FLAG,
            "From": _ref("Address"),
            "Tags": _list(_TEXT),
            "smtp": _ref("Smtp"),
        },
        description="A message as lists have it: Mailpit's keys, and `smtp`.",
    ),
    "Messages": _object(
        {
            "seq": _SEQ,
            **dict.fromkeys(("total", "unread", "matching", "start"), _NUMBER),
            "tags": {"type": "object", "additionalProperties": _NUMBER},
            "messages": _list(_ref("Summary")),
        }
    ),
    "Found": _object(
        {
            "message": _object({"ID": _TEXT, "Subject": _TEXT, "Text": _TEXT, "HTML": _TEXT}),
            "smtp": _ref("Smtp"),
            "links": _list(_TEXT),
            "codes": {**_list(_TEXT), "description": "One-time codes, the likeliest first."},
        },
        description="A message, with its links and codes.",
    ),
    "Awaited": _object({"seq": _SEQ, "messages": _list(_ref("Found"))}),
    "Unmet": _object(
        {"error": _TEXT, "since": _NUMBER, "found": _list(_ref("Summary")), "newest": _list(_ref("Summary"))},
        description="What was awaited, and what has come instead.",
    ),
    "Part": _object(
        {"id": _TEXT, "type": _TEXT, "name": _or_null("string"), "encoding": _or_null("string"), "size": _NUMBER}
        | {"parts": _list(_ref("Part"))}
    ),
    "Message": {
        "allOf": [
            _ref("Found"),
            _object(
                {
                    "session": {"anyOf": [_ref("Session"), {"type": "null"}]},
                    "headers": _list({**_list(_TEXT), "minItems": 2, "maxItems": 2}),
                    "parts": _ref("Part"),
                }
            ),
        ]
    },
    "Changed": _object({"seq": _SEQ}, {"changed": _NUMBER, "deleted": _NUMBER}),
    "Session": _object(
        {
            "id": _TEXT,
            "server": _TEXT,
            "began": {"type": "string", "format": "date-time"},
            "has_mail": _FLAG,
            "has_failed": _FLAG,
            "facts": {"type": "object"},
            "dialogue": {"description": "Null in lists."},
        }
    ),
    "Sessions": _object(
        {"seq": _SEQ, "start": _NUMBER, **dict.fromkeys(("lasting", "sessions"), _list(_ref("Session")))}
    ),
    "Release": _object({"to": _list(_TEXT)}),
    "Released": _object({"released": _list(_TEXT), "relay": _TEXT}),
    "Overview": _object(
        {
            "version": _TEXT,
            "label": _TEXT,
            "may_delete_all": _FLAG,
            "may_send_sample": _FLAG,
            "servers": _list({"type": "object", "required": ["name", "messages"]}),
            **dict.fromkeys(("mailbox", "relay"), _or_null("string")),
            "mailboxes": {
                "type": "object",
                "additionalProperties": _NUMBER,
                "description": "Of all mail, where something names them.",
            },
            **dict.fromkeys(("has_accounts", "checks_links"), _FLAG),
        }
    ),
    "Sent": _object({"sent": _FLAG}),
    "Mailboxes": _object({"seq": _SEQ, "mailboxes": _list(_object({"name": _TEXT, "messages": _NUMBER}))}),
    "Rule": _object(
        {
            "id": {**_or_null("string"), "description": "Null where it was not given here."},
            "text": _TEXT,
            "from": {"enum": ["page", "scenario", "start"]},
            "fired": {"type": "integer", "description": "How often it has answered, in this process."},
            "times": {**_or_null("integer"), "description": "How often it answers; null: for ever."},
        }
    ),
    "Rules": _object({"server": _TEXT, "rules": _list(_ref("Rule"))}),
    "CheckedRule": _object(dict.fromkeys(("text", "stage", "protocol", "shown"), _TEXT)),
    "Server": _object(
        {
            **dict.fromkeys(("name", "protocol", "mode", "host", "connect", "certificate"), _TEXT),
            "port": _NUMBER,
            "addresses": _list({"type": "array"}),
            "is_running": _FLAG,
            "is_switched": _FLAG,
            **dict.fromkeys(("scenario", "problem", "ca_file", "ca_pem"), _or_null("string")),
            "rules": _list(_ref("Rule")),
        }
    ),
    "Servers": _object({"seq": _SEQ, "read_only": _FLAG, "servers": _list(_ref("Server"))}),
    "Scenario": _object(
        {
            **dict.fromkeys(("id", "group", "field", "summary", "standard", "expected", "notes"), _TEXT),
            "protocol": _or_null("string"),
            "modes": _list(_TEXT),
        }
    ),
    "Mail": _object(
        {
            **dict.fromkeys(("uid", "size", "retrievals"), _NUMBER),
            "subject": _TEXT,
            "date": {"type": "string", "format": "date-time"},
            "flags": _list(_TEXT),
            "is_captured": {"type": "boolean", "description": "False for one that a reader appended."},
        },
        {"how": _TEXT, "folder": _TEXT, "session": _or_null("string")},
    ),
    "Folder": _object(
        {
            "name": _TEXT,
            "special_use": _or_null("string"),
            **dict.fromkeys(("count", "seen", "deleted"), _NUMBER),
            "messages": _list(_ref("Mail")),
        }
    ),
    "Account": _object(
        {
            "user": _TEXT,
            **dict.fromkeys(("messages", "folder_count", "gone_count"), _NUMBER),
            "lost_count": {"type": "integer", "description": "Taken out unread, and in no other place."},
            "folders": _list(_ref("Folder")),
            "gone": {**_list(_ref("Mail")), "description": "What readers took out, the newest first."},
        }
    ),
    "Accounts": _object({"seq": _SEQ, "count": _NUMBER, "servers": _list(_TEXT), "accounts": _list(_ref("Account"))}),
    "Scenarios": _object({"scenarios": _list(_ref("Scenario"))}),
    "Which": _object(
        {},
        {
            "ids": {**_list(_TEXT), "description": "These; an empty list is none."},
            "query": {**_TEXT, "description": "Those that match, if there are no ids."},
        },
        description="Without ids and query: all.",
    ),
    "Change": {"allOf": [_ref("Which"), _object({}, {"read": _FLAG, "tags": _list(_TEXT)})]},
    "Switch": _object({}, {"scenario": _or_null("string"), "certificate": _or_null("string")}),
    "RuleText": _object({"text": _TEXT}),
    "RuleTexts": _object({"rules": _list(_TEXT)}),
    "RuleToCheck": _object({"text": _TEXT}, {"server": _TEXT, "protocol": _TEXT}),
    "Audits": _object(
        {
            "read_only": _FLAG,
            "problem": _or_null("string"),
            "choices": {"type": ["object", "null"], "description": "Clients by protocol, modes, trust, groups."},
            "audits": _list(_ref("AuditSummary")),
        }
    ),
    "AuditSummary": _object(_AUDIT, {"letter": _or_null("string")}),
    "Audit": _object(
        {
            **_AUDIT,
            "setup": {"type": ["object", "null"], "description": "What to set on a device."},
            "step": {"type": ["object", "null"], "description": "What to do on a device, and what was seen since."},
            "problem": _or_null("string"),
            "result": {"type": ["object", "null"], "description": "The grade, and what to change."},
            "findings": _list(_object(dict.fromkeys(("key", "scenario", "group", "mode", "verdict", "did"), _TEXT))),
        }
    ),
    "AskedAudit": _object(
        {},
        {
            "device": _FLAG,
            "port": _NUMBER,
            **dict.fromkeys(
                ("client", "protocol", "mode", "trust", "user", "password", "host", "hostname", "name"), _TEXT
            ),
            **dict.fromkeys(("groups", "scenarios"), _list(_TEXT)),
        },
        description="Either `client`, the name of a built-in one, or `device`, with where it finds its servers.",
    ),
    "AuditAnswer": _object({"answer": {"enum": ["done", "again", "stop"]}}),
}
"""The shapes, by their names."""

_PARAMETERS: Final[Mapping[str, tuple[Schema, str]]] = {
    "query": (
        _TEXT,
        "A search in Mailpit's syntax: words, `subject:`, `from:`, `to:`, `tag:`; `-` before one is not.",
    ),
    "tz": (_TEXT, "The time zone of dates in the search."),
    "mailbox": (_TEXT, "Only of this mailbox."),
    "start": (_NUMBER, "How many newer ones to leave out."),
    "limit": (_NUMBER, f"How many to list; {MOST_LISTED} at most."),
    "count": (_NUMBER, f"How many messages to wait for; {MOST_AWAITED} at most."),
    "timeout": ({"type": "number"}, "Seconds, up to 60."),
    "since": (_NUMBER, "Counts what came after this `seq`."),
    "style": ({"enum": list(STYLES)}, "What the test is written for."),
    "base": (_TEXT, "The URL at which tests reach this server."),
    "peek": ({"enum": ["1"]}, "Leaves it unread."),
    "failed": ({"enum": ["1"]}, "Only those that failed."),
    "without_mail": ({"enum": ["1"]}, "Only those that brought no mail."),
    "server": (_TEXT, "What this server can show."),
    "protocol": ({"enum": ["smtp", "imap", "pop3"]}, "What servers of this protocol can show."),
}
"""What stands in queries."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """What a method does at a path."""

    summary: str
    answer: str
    """The name of a shape, or a media type."""
    query: tuple[str, ...] = ()
    body: str = ""
    """The name of a shape; empty takes none."""
    status: int = 200
    others: Mapping[int, str] = field(default_factory=dict)
    """Other answers that have a shape of their own; all errors have `Error`."""


OPERATIONS: Final[Mapping[tuple[str, str], _Operation]] = {
    ("GET", "/messages"): _Operation(
        "List messages, newest first, including refused ones; `If-None-Match` is answered 304.",
        "Messages",
        ("query", "tz", "mailbox", "start", "limit"),
    ),
    ("PATCH", "/messages"): _Operation(
        "Mark messages as read or unread, and replace their tags.",
        "Changed",
        ("query", "tz", "mailbox"),
        "Change",
    ),
    ("DELETE", "/messages"): _Operation(
        "Delete messages; without a body, all.", "Changed", ("query", "tz", "mailbox"), "Which"
    ),
    ("GET", "/messages/wait"): _Operation(
        "Answer as soon as enough accepted messages match; 408 says what has come instead.",
        "Awaited",
        ("query", "tz", "count", "timeout", "since"),
        others={408: "Unmet"},
    ),
    ("GET", "/messages/{id}"): _Operation(
        "Return a message, how it came, and its session with the dialogue; `latest` is the newest.",
        "Message",
        ("query", "tz", "peek"),
    ),
    ("GET", "/messages/{id}/raw"): _Operation("Return the octets as they came.", "message/rfc822", ("query", "tz")),
    ("GET", "/messages/{id}/test"): _Operation(
        "Return the message as a test to copy.", "text/plain; charset=utf-8", ("style", "base")
    ),
    ("POST", "/messages/{id}/release"): _Operation(
        "Send a message on, to the relay that the server was started with.", "Released", body="Release"
    ),
    ("GET", "/overview"): _Operation("Return the servers, and what the page may offer.", "Overview"),
    ("POST", "/servers/{name}/sample"): _Operation(
        "Send a sample to a server by SMTP; 502 says how it was refused.", "Sent", others={403: "Error", 502: "Error"}
    ),
    ("GET", "/mailboxes"): _Operation("List the mailboxes; `/m/NAME/` before any path limits it to one.", "Mailboxes"),
    ("GET", "/sessions"): _Operation(
        "List sessions that have ended, newest first.", "Sessions", ("start", "limit", "failed", "without_mail")
    ),
    ("GET", "/sessions/{id}"): _Operation("Return a session with its dialogue.", "Session"),
    ("GET", "/events"): _Operation(
        "Send what happens as server-sent events: new, read, tags, delete, prune, truncate, session, rules, setting, "
        "audit; `Last-Event-ID` goes on where the client was.",
        "text/event-stream",
        ("since",),
    ),
    ("GET", "/servers"): _Operation("List the servers of this process.", "Servers"),
    ("GET", "/servers/{name}"): _Operation("Return a server.", "Server"),
    ("GET", "/servers/{name}/ca.pem"): _Operation("Return the certificate to trust.", "application/x-pem-file"),
    ("GET", "/servers/{name}/ca.der"): _Operation("Return it as DER.", "application/pkix-cert"),
    ("GET", "/servers/{name}/ca.p12"): _Operation(
        "Return it as PKCS#12; the password is `smtpfix`.", "application/x-pkcs12"
    ),
    ("PUT", "/servers/{name}"): _Operation(
        "Make a server serve a scenario to clients that connect from now on; `{}` goes back.", "Server", body="Switch"
    ),
    ("GET", "/servers/{name}/rules"): _Operation("List a server's rules, the first to be asked first.", "Rules"),
    ("POST", "/servers/{name}/rules"): _Operation(
        "Give a server another rule, which is asked before its others.", "Rules", body="RuleText", status=201
    ),
    ("PUT", "/servers/{name}/rules"): _Operation(
        "Give a server these rules instead of those that it was given here before.", "Rules", body="RuleTexts"
    ),
    ("DELETE", "/servers/{name}/rules"): _Operation("Remove all rules that a server was given here.", "Rules"),
    ("DELETE", "/servers/{name}/rules/{rule}"): _Operation("Remove one of them.", "Rules"),
    ("POST", "/rules/check"): _Operation("Say whether a rule can be read.", "CheckedRule", body="RuleToCheck"),
    ("GET", "/scenarios"): _Operation("List the catalogue.", "Scenarios", ("server", "protocol")),
    ("GET", "/accounts"): _Operation("List what IMAP and POP3 clients find, and what they did with it.", "Accounts"),
    ("GET", "/schema.json"): _Operation("Return this schema.", "application/json"),
    ("GET", "/audits"): _Operation("List the audits that were started here, and what you can ask for.", "Audits"),
    ("POST", "/audits"): _Operation(
        "Audit a built-in client, or a device, with steps to set it up; 409 if too many audits run.",
        "Audit",
        body="AskedAudit",
        status=201,
        others={409: "Error"},
    ),
    ("GET", "/audits/{id}"): _Operation("Return the state of an audit.", "Audit"),
    ("DELETE", "/audits/{id}"): _Operation("End an audit, and forget it.", "Audit"),
    ("POST", "/audits/{id}/step"): _Operation(
        "Answer a step of a device's audit: `done` goes on to the next, `again` repeats the run before. Every "
        "audit can be told to `stop`.",
        "Audit",
        body="AuditAnswer",
    ),
    ("GET", "/audits/{id}/report"): _Operation("Return the report as a page.", "text/html; charset=utf-8"),
    ("GET", "/audits/{id}/report.json"): _Operation("Return the report as `smtpfix audit --json`.", "application/json"),
    ("GET", "/audits/{id}/ca.pem"): _Operation("Return what a device has to trust.", "application/x-pem-file"),
    ("GET", "/audits/{id}/ca.der"): _Operation("Return the same as DER.", "application/pkix-cert"),
    ("GET", "/audits/{id}/ca.p12"): _Operation(
        "Return the same as PKCS#12; the password is `smtpfix`.", "application/x-pkcs12"
    ),
}
"""What each method does at each path below `BASE`."""


def unknown_in_query(path: str, method: str, names: Iterable[str]) -> str:
    """Return what is wrong with the names in a query: one that is misspelled would mean all messages; or nothing."""
    operation = OPERATIONS.get((method, path.removeprefix(BASE)))
    unknown = [] if operation is None else [name for name in names if name not in operation.query]
    if operation is None or not unknown:
        return ""
    expected = either(operation.query) if operation.query else "none"
    return f"unknown name in the query, {unknown[0][:100]!r}: expected {expected}"


_ERRORS: Final = (
    "Every error is a JSON object with `error`, the sentence that says what was expected and what came: 400 (what is "
    "asked for makes no sense), 401 (credentials), 403 (another Origin, or changes are switched off), 404, 405 (with "
    "Allow), 408 (the body has not come), 413 (the body is too large), 421 (the Host), 431 (path, query, headers are "
    "too long), 500 (a fault of smtpfix), 503 (the store does not answer, or there are too many connections)."
)


def schema(webroot: str = "/") -> Schema:
    """Return the description of the API at this root."""
    paths: dict[str, Schema] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _described(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smtpfix",
            "version": "1",
            "summary": "Messages and how they came, waiting for one, sessions, servers.",
            "description": _ERRORS,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": webroot.rstrip("/") + BASE}],
        "security": [{}, {"basic": []}],
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS), "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    }


def _described(path: str, operation: _Operation) -> Schema:
    in_path = [piece.partition("}")[0] for piece in path.split("{")[1:]]
    parameters: list[Schema] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in in_path] + [
        {"name": name, "in": "query", "description": _PARAMETERS[name][1], "schema": _PARAMETERS[name][0]}
        for name in operation.query
    ]
    others = {str(status): _response("Not what was asked for.", name) for status, name in operation.others.items()}
    described: Schema = {
        "summary": operation.summary,
        "responses": {
            str(operation.status): _response("What was asked for.", operation.answer),
            **others,
            "default": _response("What went wrong.", "Error"),
        },
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"content": {"application/json": {"schema": _ref(operation.body)}}}
    return described


def _response(description: str, answer: str) -> Schema:
    is_shape = "/" not in answer
    content = {"application/json": {"schema": _ref(answer)}} if is_shape else {answer: {}}
    return {"description": description, "content": content}


def described(desk: Desk, _: Call) -> Answer:
    """Return the description of the API, in OpenAPI 3.1."""
    return as_json(schema(desk.settings.webroot))


ROUTES: Final = (Route(f"{BASE}/schema.json", {"GET": described}),)
