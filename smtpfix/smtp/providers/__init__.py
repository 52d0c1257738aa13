"""Mail providers and servers as publicly documented, read from this folder's TOML files: `Provider`.

Knows what a provider says and takes; `Policy.like` makes a policy of it. Every file names its sources.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from smtpfix.errors import InvalidValueError, UnknownProvider
from smtpfix.policy.limits import Limits
from smtpfix.policy.tables import check_table, read_toml
from smtpfix.rules.reply import Reply
from smtpfix.smtp.language import parse_reply
from smtpfix.smtp.replies import PLACEHOLDER
from smtpfix.suggesting import nearest

_MODES: Final = ("plain", "starttls", "tls-required", "implicit-tls")
_POLICY_KEYS: Final = {
    "require_auth": bool,
    "hello_required": bool,
    "auth_in_clear": bool,
    "mechanisms": list,
    "mechanisms_in_clear": list,
    "capabilities": list,
    "greeting": str,
    "ehlo_greet": str,
    "size_limit": int,
    "line_limit": int,
    "command_limit": int,
    "max_recipients": int,
    "timeout": int,
}
"""The fields of a policy that a file may set, and what they are in TOML."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where something about a provider is publicly documented."""

    url: str
    """Its address."""
    shows: str
    """What it shows."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider's submission server says and takes. Raises `InvalidValueError` naming the file and the key."""

    name: str
    """The file's name without ``.toml``; what `Policy.like` takes."""
    title: str
    """Its name for people."""
    mode: str
    """The mode of its usual submission port."""
    ports: Mapping[int, str]
    """Its documented ports, and the mode of each."""
    checked: date
    """When the sources were read."""
    sources: tuple[Source, ...]
    """Where what is here is documented."""
    fields: Mapping[str, Any] = field(repr=False)
    """The fields of a policy that make a server like it."""
    refusals: Mapping[str, Reply] = field(default_factory=dict, repr=False)
    """What it says where a policy has no opinion, for rules: ``server.on("RCPT", refusals["no_such_user"])``."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What it offers in its reply to EHLO and a server like it does not, and why not."""
    differs: tuple[str, ...] = ()
    """What else is known to be otherwise."""

    def fields_for(self, optional: Collection[str]) -> dict[str, Any]:
        """Return the fields for a server that can have these extensions: those it shows, it is to offer too."""
        lines = tuple(line for line in self.fields["capabilities"] if line not in self.left_out)
        return {**self.fields, "capabilities": lines, "offer": tuple(line for line in lines if line in optional)}

    @classmethod
    def parse(cls, name: str, text: str) -> Provider:
        """Build a provider from a file's text."""
        where = f"{name}.toml"
        values = read_toml(where, text)
        check_table(where, values, _TOP_KEYS)
        for key in ("title", "mode", "checked", "ports", "policy", "sources"):
            if key not in values:
                raise InvalidValueError(f"{where}: {key}", None, "a value")
        if values["mode"] not in _MODES:
            raise InvalidValueError(f"{where}: mode", values["mode"], f"one of {', '.join(_MODES)}")
        if type(values["checked"]) is not date:
            raise InvalidValueError(f"{where}: checked", values["checked"], "a date")
        return cls(
            name=name,
            title=_text(f"{where}: title", values["title"]),
            mode=values["mode"],
            ports=_ports(f"{where}, [ports]", values["ports"]),
            checked=values["checked"],
            sources=tuple(_sources(where, values["sources"])),
            fields=MappingProxyType(_fields(where, values)),
            refusals=MappingProxyType(dict(_refusals(f"{where}, [refusals]", values.get("refusals", {})))),
            left_out=MappingProxyType(_texts(f"{where}, [left_out]", values.get("left_out", {}))),
            differs=tuple(_list(f"{where}: differs", values.get("differs", []))),
        )


_TOP_KEYS: Final = (
    *("title", "mode", "checked", "differs", "ports", "policy", "limits", "replies", "refusals", "left_out", "sources"),
)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidValueError(where, value, "text")
    return value


def _texts(where: str, table: Any) -> dict[str, str]:
    check_table(where, table)
    return {key: _text(f"{where}: {key}", value) for key, value in table.items()}


def _list(where: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidValueError(where, value, "a list of texts")
    return value


def _ports(where: str, table: Any) -> Mapping[int, str]:
    check_table(where, table)
    for key, mode in table.items():
        if not key.isdecimal() or not 0 < int(key) < 65_536:  # noqa: PLR2004 - TCP's ports
            raise InvalidValueError(where, key, "ports, such as 587")
        if mode not in _MODES:
            raise InvalidValueError(f"{where}: {key}", mode, f"one of {', '.join(_MODES)}")
    return MappingProxyType({int(key): mode for key, mode in table.items()})


def _sources(where: str, tables: Any) -> list[Source]:
    if not isinstance(tables, list) or not tables:
        raise InvalidValueError(f"{where}: sources", tables, "[[sources]] tables, one or more")
    found = []
    for number, table in enumerate(tables, 1):
        place = f"{where}, [[sources]] {number}"
        check_table(place, table, ("url", "shows"))
        url, shows = (_text(f"{place}: {key}", table.get(key)) for key in ("url", "shows"))
        if not url.startswith("https://"):
            raise InvalidValueError(f"{place}: url", url, "an address that begins with https://")
        found.append(Source(url, shows))
    return found


def _fields(where: str, values: Mapping[str, Any]) -> dict[str, Any]:
    table = values["policy"]
    check_table(f"{where}, [policy]", table, tuple(_POLICY_KEYS))
    found: dict[str, Any] = {}
    for key, value in table.items():
        if type(value) is not _POLICY_KEYS[key]:
            raise InvalidValueError(f"{where}, [policy]: {key}", value, f"a value of type {_POLICY_KEYS[key].__name__}")
        found[key] = tuple(_list(f"{where}, [policy]: {key}", value)) if isinstance(value, list) else value
    if "limits" in values:
        found["limits"] = Limits.parse(f"{where}, [limits]", values["limits"])
    if "replies" in values:
        replies = _texts(f"{where}, [replies]", values["replies"])
        found["replies"] = {key: _reply(f"{where}, [replies]: {key}", text) for key, text in replies.items()}
    return found


def _refusals(where: str, table: Any) -> dict[str, Reply]:
    found = {key: _reply(f"{where}: {key}", text) for key, text in _texts(where, table).items()}
    for key, reply in found.items():
        if reply.is_positive or PLACEHOLDER.search(reply.text):
            raise InvalidValueError(f"{where}: {key}", reply, "a reply 4yz or 5yz without placeholders")
    return found


def _reply(where: str, text: str) -> Reply:
    try:
        return parse_reply(text)
    except InvalidValueError as error:
        raise error.within(where) from error


@functools.cache
def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.toml")))


@functools.cache
def load_provider(name: str, *beside: str) -> Provider:
    """Return the provider of this name; raise `UnknownProvider` with the nearest there is, also of names beside."""
    known = (*provider_names(), *beside)
    if name not in provider_names():
        near = nearest(name, known)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownProvider(f"no provider {name!r}.{hint} There is: {', '.join(known)}")
    return Provider.parse(name, (Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
