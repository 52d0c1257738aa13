"""The catalogue of scenarios as Markdown, for people: one table per group, with explanations.

Knows how a scenario is told, and nothing of how it is shown. ``python -m smtpfix.policy.catalogue docs/scenarios.md``
renews the tables of a page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.login.names import SCRAM

from .catalogue_files import load_scenario, scenario_ids
from .protocol import DEFAULT_PROTOCOL
from .scenario import GROUPS, OUTCOMES, PROTOCOLS, Scenario

BEGIN: Final = "<!-- catalogue: from here on written by python -m smtpfix.policy.catalogue docs/scenarios.md -->"
"""The line of a page after which the tables are."""
BEGIN_OF: Final = {
    protocol: f"<!-- catalogue of {protocol}: from here on written by python -m smtpfix.policy.catalogue "
    f"docs/scenarios-{protocol}.md -->"
    for protocol in PROTOCOLS
    if protocol != DEFAULT_PROTOCOL
}
"""The same of the pages of other protocols' own scenarios."""
END: Final = "<!-- catalogue: end -->"
"""The line of a page before which the tables end."""

_COLUMNS: Final = ("id", "what the server shows", "a careful client", "standard", "OpenSSL")
_SPECIAL: Final = re.compile(r"[\\|*<`\[\]]")
"""What Markdown would take for markup. An underscore within a word is none."""


def markdown(scenarios: Iterable[Scenario] | None = None) -> str:
    """Return tables of scenarios, by default of the whole catalogue, each with its notes below; the last line is ended.

    The last column is what OpenSSL makes of it: its verify code, 0 where it accepts, or the reason why the handshake
    ends.
    """
    chosen = list(map(load_scenario, scenario_ids()) if scenarios is None else scenarios)
    verb = "delivers" if all(scenario.protocol in ("", DEFAULT_PROTOCOL) for scenario in chosen) else "reads its mail"
    meanings = ((outcome, meaning.replace("delivers", verb)) for outcome, meaning in OUTCOMES.items())
    parts = ["\n".join(_table(("expected", "meaning"), meanings))]
    for group in GROUPS:
        members = [scenario for scenario in chosen if scenario.group == group]
        if members:
            parts += [f"### {group}", "\n".join(_table(_COLUMNS, map(_row, members)))]
            notes = [f"- `{one.id}`: {_told(one.notes)}" for one in members if one.notes]
            parts += ["\n".join(notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def renewed(page: str) -> str:
    """Return a page with the catalogue's tables between its markers; raise `InvalidValueError` without them."""
    for protocol, line in ((DEFAULT_PROTOCOL, BEGIN), *BEGIN_OF.items()):
        before, begin, rest = page.partition(f"{line}\n")
        _, end, after = rest.partition(f"{END}\n")
        if begin and end:
            return f"{before}{begin}\n{markdown(_own(protocol))}\n{end}{after}"
    raise InvalidValueError("page", page[:40], f"a page with the lines {BEGIN!r} and {END!r}, in this order")


def _own(protocol: str) -> list[Scenario] | None:
    """Return the scenarios that a protocol has for itself; None: all of the default one."""
    if protocol == DEFAULT_PROTOCOL:
        return None
    scenarios = map(load_scenario, scenario_ids(protocol=protocol))
    return [scenario for scenario in scenarios if scenario.protocol == protocol]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield _line(names)
    yield "|" + "---|" * len(names)
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _row(scenario: Scenario) -> tuple[str, ...]:
    extra = _extra(scenario)
    shown = _told(scenario.summary) + (f" (needs `smtpfix[{extra}]`)" if extra else "")
    shown += f"; control run: `{scenario.control}`" if scenario.control else ""
    shown += f"; never with `{'`, `'.join(scenario.forbids)}`" if scenario.forbids else ""
    expected = ", ".join((scenario.expected, *(f"{mode}: {one}" for mode, one in scenario.expected_by_mode)))
    return (f"`{scenario.id}`", shown, expected, _told(scenario.standard), _openssl(scenario))


def _extra(scenario: Scenario) -> str | None:
    """Return the extra without which a server cannot show the scenario, by the rules of `contexts.needed_stack`."""
    if scenario.tls.legacy is not None or any(one.duplicate_names for one in scenario.profiles):
        return "legacy-tls"
    mechanisms = dict(scenario.policy).get("mechanisms")
    if isinstance(mechanisms, tuple) and not set(SCRAM).isdisjoint(mechanisms):
        return "scram"
    return "stapling" if scenario.tls.staple is not None else None


def _openssl(scenario: Scenario) -> str:
    """Return what OpenSSL makes of a scenario, with Python 3.13's strict flag where that differs."""
    evidence = scenario.openssl
    if evidence.error is not None:
        return f"`{evidence.error}`"
    strict = evidence.code(strict=True)
    return f"{evidence.verify_code}" + (f" (3.13: {strict})" if strict != evidence.verify_code else "")


def _told(text: str) -> str:
    """Return a text on one line, with nothing in it that Markdown takes for markup."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", " ".join(text.split()))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
