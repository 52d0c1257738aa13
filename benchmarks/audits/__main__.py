"""Audit every client that is installed, and print the table: ``python -m benchmarks.audits``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import StepFailedError
from smtpfix import audit_client
from smtpfix.audit.digest import lines
from smtpfix.audit.result import AuditResult, Declaration, DeclaredMode, Trust, Verdict

from .clients import CLIENTS, AuditedClient
from .workshop import Workshop

USER, PASSWORD = "ann", "s3cret-word"
HEAD: Final = "| client | version | mode | grade | causes | flags | other failed rows |\n|---|---|---|---|---|---|---|"
_SLOW_TIMEOUT: Final = 30.0
_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: one client in one mode."""

    client: str
    version: str
    mode: str
    result: AuditResult

    def __str__(self) -> str:
        result = self.result
        explained = {key for cause in result.causes for key in cause.keys}
        failed = [one for one in result.findings if one.verdict is Verdict.FAILED and one.key not in explained]
        cells = (
            self.client,
            self.version,
            self.mode,
            result.grade.heading,
            ", ".join(f"{cause.flaw} ({len(cause.keys)})" for cause in result.causes),
            ", ".join(result.flags),
            ", ".join(one.scenario for one in failed),
        )
        return f"| {' | '.join(cells)} |"


def main() -> int:
    """Audit, and print a line when it is known."""
    arguments = _arguments()
    shop = Workshop(arguments.cache.absolute())
    absent: list[str] = []
    print(HEAD)
    for client in CLIENTS:
        if arguments.only and client.name not in arguments.only:
            continue
        try:
            for mode in client.modes:
                if not arguments.mode or mode in arguments.mode:
                    for row in _rows(shop, client, mode, arguments):
                        print(row, flush=True)
        except StepFailedError as error:
            absent.append(f"{client.name}: not audited, {error}")
    print(*absent, sep="\n", file=sys.stderr)
    return 0


def _rows(shop: Workshop, client: AuditedClient, mode: DeclaredMode, arguments: argparse.Namespace) -> list[Row]:
    """Return a row with a login and one without. Raises `StepFailedError` where it is not installed."""
    rows = []
    for login in arguments.login:
        credentials = (USER, PASSWORD) if login == "with" else None
        declaration = Declaration(mode, Trust.PKI, *(credentials or (None, None)))
        made = client.make(shop, declaration)
        version = client.version(shop)
        timeout = _SLOW_TIMEOUT if client.is_slow else _TIMEOUT
        result = audit_client(made, mode=mode, credentials=credentials, ids=arguments.scenario, timeout=timeout)
        rows.append(Row(client.name, version, f"{mode}, {login} login", result))
        if arguments.reports is not None:
            file = arguments.reports / f"{client.name}-{mode}-{login}.txt".replace(" ", "-").replace("/", "-")
            file.write_text("\n".join([*lines(result, with_evidence=True), ""]), encoding="utf-8")
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audits", description=__doc__)
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", action="append", choices=names, help="a client; can be repeated; without, all")
    parser.add_argument("--mode", action="append", type=DeclaredMode, help="a mode; without, those a client has")
    parser.add_argument("--login", action="append", choices=("with", "without"), help="without it, both")
    parser.add_argument("--scenario", action="append", default=[], help="one of these; without, the default set")
    parser.add_argument("--cache", type=Path, default=Path(".bench/audits"), help="where environments are kept")
    parser.add_argument("--reports", type=Path, help="a folder for each audit's whole report")
    arguments = parser.parse_args()
    arguments.login = arguments.login or ["with", "without"]
    return arguments


if __name__ == "__main__":
    sys.exit(main())
