"""The metrics for Prometheus, in its text format 0.0.4, under Mailpit's names.

All of it is counted elsewhere, so a library that counts would have nothing to do.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .desk import Desk
from .exchange import Answer, Call, Route
from .mailpit_server import database_size, memory, numbers_of

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MOST_TAGS: Final = 200
"""Tags that have a number of their own, the first ones: whoever sends mail makes tags."""


def metrics(desk: Desk, _: Call) -> Answer:
    """Return all numbers; what servers count only where there are servers."""
    lines: list[str] = []
    for name, kind, words, samples in _families(desk):
        lines += [f"# HELP mailpit_{name} {words}", f"# TYPE mailpit_{name} {kind}"]
        lines += [f"mailpit_{name}{labels} {value}" for labels, value in samples]
    return Answer("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), _TYPE)


def _families(desk: Desk) -> Iterator[tuple[str, str, str, list[tuple[str, float]]]]:
    """Yield names, types, what they mean, and each value after its labels."""
    total, numbers = desk.totals(), numbers_of(desk)
    yield "messages", "gauge", "Messages in the store.", [("", total.all)]
    yield "messages_unread", "gauge", "Messages that are not read.", [("", total.unread)]
    yield "database_size_bytes", "gauge", "Size of the store's file.", [("", database_size(desk))]
    yield "memory_usage_bytes", "gauge", "Memory of the process.", [("", memory())]
    yield "uptime_seconds", "gauge", "Seconds since the start.", [("", int(desk.uptime))]
    tags = list(desk.store.tags().items())[:_MOST_TAGS]
    if tags:
        samples = [(f'{{tag="{_escaped(tag)}"}}', float(count)) for tag, count in tags]
        yield "tag_messages", "gauge", "Messages that have a tag.", samples
    yield "messages_deleted_total", "counter", "Messages deleted since the start.", [("", numbers.deleted)]
    if desk.settings.outgoing.webhook and desk.mailbox is None:
        yield "webhook_sent_total", "counter", "Messages that the webhook has taken.", [("", numbers.webhook_sent)]
        yield "webhook_failed_total", "counter", "Messages that it has not.", [("", numbers.webhook_failed)]
    if desk.servers and desk.mailbox is None:
        yield "smtp_accepted_total", "counter", "Messages accepted since the start.", [("", numbers.accepted)]
        yield "smtp_accepted_size_bytes_total", "counter", "Their octets.", [("", numbers.accepted_octets)]
        yield "smtp_rejected_total", "counter", "Messages refused since the start.", [("", numbers.refused)]
        yield "smtp_ignored_total", "counter", "Messages accepted and dropped: none.", [("", 0)]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


ROUTES: Final = (Route("/metrics", {"GET": metrics}),)
