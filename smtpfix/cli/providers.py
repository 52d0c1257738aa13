"""`smtpfix providers`: the mail providers that a server can imitate, and what each documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from smtpfix.policy.limits import Limits
from smtpfix.rules.reply import Reply
from smtpfix.smtp.providers import Provider, load_provider, provider_names

from .terminal import Terminal


def list_providers(stream: TextIO) -> int:
    """Print every provider, one a line."""
    rows = [
        (one.name, one.title, ", ".join(f"{port} {mode}" for port, mode in one.ports.items()), str(one.checked))
        for one in map(load_provider, provider_names())
    ]
    Terminal(stream).table(("NAME", "WHAT", "PORTS", "CHECKED"), rows)
    return 0


def show_provider(stream: TextIO, name: str) -> int:
    """Print all that is known of a provider. Raises `UnknownProvider`."""
    provider = load_provider(name)
    Terminal(stream).lines([f"{provider.name}: {provider.title}", *_lines(provider)])
    return 0


def _lines(provider: Provider) -> Iterator[str]:
    parts = {
        "Ports": [f"{port}: {mode}" for port, mode in provider.ports.items()],
        "Policy": [line for name, value in provider.fields.items() for line in _field(name, value)],
        "Refusals for rules": [f"{name}: {reply}" for name, reply in provider.refusals.items()],
        "Left out of the reply to EHLO": [f"{name}: {why}" for name, why in provider.left_out.items()],
        "Otherwise than in reality": list(provider.differs),
        f"Sources, read on {provider.checked}": [f"{one.url}: {one.shows}" for one in provider.sources],
    }
    for title, lines in parts.items():
        if lines:
            yield ""
            yield title
            yield from (f"    {line}" for line in lines)


def _field(name: str, value: object) -> Iterator[str]:
    """Return a field's lines: one, or one for each limit or reply."""
    if isinstance(value, Limits):
        yield from (f"limits: {key} {limit}" for key, limit in value.given())
    elif isinstance(value, dict):
        yield from (f"{name}: {key}: {reply}" for key, reply in value.items() if isinstance(reply, Reply))
    else:
        yield f"{name}: {', '.join(value) if isinstance(value, tuple) else value}"
