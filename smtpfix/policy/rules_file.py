"""`RulesFile`: a TOML file of rules, which `smtpfix serve --rules` reads at its start and on request.

``rules = ["RCPT *@slow.example: 450 4.2.1 Greylisted x1"]`` is for every server of SMTP, and the same key in a table by
the name of a mode, such as ``[starttls]``, for those of this mode. That of a table by the name of another protocol,
such as ``[pop3]``, is for its servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode
from smtpfix.rules.rule import Rule
from smtpfix.rules.text import parse_rule
from smtpfix.suggesting import did_you_mean

from .protocol import DEFAULT_PROTOCOL, load_language
from .scenario import PROTOCOLS
from .tables import read_file, read_toml

_KEY: Final = "rules"
_MODES: Final = tuple(map(str, Mode))
_PROTOCOLS: Final[tuple[str, ...]] = tuple(one for one in PROTOCOLS if one != DEFAULT_PROTOCOL)
_MOST: Final = 1_000_000
"""Octets that a file may have."""


@dataclass(frozen=True, slots=True)
class RulesFile:
    """The rules of a file, as it was when it was read."""

    path: Path
    """Where it was read."""
    rules: tuple[Rule, ...] = ()
    """For every server of SMTP; the first is asked first."""
    by_mode: Mapping[str, tuple[Rule, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """For those of a mode."""
    by_protocol: Mapping[str, tuple[Rule, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """For the servers of another protocol."""

    @classmethod
    def read(cls, path: Path) -> RulesFile:
        """Read a file. Raises `InvalidValueError`, which names the file, the key, and the rule by line and number."""
        where = str(path)
        try:
            text = read_file(path, _MOST, "a TOML file").decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidValueError(where, str(error), "UTF-8") from error
        values = read_toml(where, text)
        for key in values:
            if key not in (_KEY, *_MODES, *_PROTOCOLS):
                known = (_KEY, *_MODES, *_PROTOCOLS)
                sentence = (
                    f"there is no key {key!r}{did_you_mean(key, known)}; there are {_KEY}, and the tables "
                    f"{', '.join(known[1:])}"
                )
                raise InvalidValueError.saying(where, key, sentence)
        everywhere = tuple(_rules(where, values.pop(_KEY, []), text))
        tables = {name: tuple(_table(where, name, table, text)) for name, table in values.items()}
        by_protocol = {name: tables.pop(name) for name in _PROTOCOLS if name in tables}
        return cls(path, everywhere, MappingProxyType(tables), MappingProxyType(by_protocol))

    def for_server(self, protocol: str, mode: Mode | str) -> tuple[Rule, ...]:
        """Return the rules of a server, the first to be asked first.

        In SMTP these are those of its mode, then those of every server.
        """
        if protocol != DEFAULT_PROTOCOL:
            return self.by_protocol.get(protocol, ())
        return (*self.by_mode.get(str(mode), ()), *self.rules)

    @property
    def count(self) -> int:
        """How many rules are written in it."""
        return len(self.rules) + sum(map(len, (*self.by_mode.values(), *self.by_protocol.values())))


def _table(where: str, name: str, table: Any, text: str) -> Iterator[Rule]:
    if not isinstance(table, Mapping):
        raise InvalidValueError(f"{where}: {name}", table, f"a table, [{name}]")
    for key in table:
        if key != _KEY:
            sentence = f"there is no key {key!r}{did_you_mean(key, [_KEY])}; the only key is {_KEY}"
            raise InvalidValueError.saying(f"{where}, [{name}]", key, sentence)
    protocol = name if name in _PROTOCOLS else DEFAULT_PROTOCOL
    yield from _rules(f"{where}, [{name}]", table.get(_KEY, []), text, protocol)


def _rules(where: str, lines: Any, text: str, protocol: str = DEFAULT_PROTOCOL) -> Iterator[Rule]:
    if not isinstance(lines, list):
        raise InvalidValueError(f"{where}: {_KEY}", lines, "a list of rules, each a line of text")
    for number, line in enumerate(lines, 1):
        rule = f"{where}: {_KEY}, number {number}"
        if not isinstance(line, str):
            raise InvalidValueError(rule, line, "a rule, a line of text")
        try:
            yield parse_rule(line, load_language(protocol))
        except InvalidValueError as error:
            raise error.within(f"{rule}{_place(line, text)}") from error


def _place(rule: str, text: str) -> str:
    """Say in which line of the file a rule stands; nothing where it is written with escapes, or more than once."""
    found = [number for number, line in enumerate(text.split("\n"), 1) if f'"{rule}"' in line or f"'{rule}'" in line]
    return f" (line {found[0]})" if len(found) == 1 else ""
