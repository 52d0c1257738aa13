"""The shape of the code: wings and floors, who imports third-party packages, public names, and a light import."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

import smtpfix
from smtpfix import certs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

FLOORS = (
    ("comparing", "errors", "extras", "later", "paths", "suggesting"),
    (
        *("resolver", "safe_text", "bounded", "clock", "early_signals", "event_loops", "field_docs", "forked"),
        *("running", "login", "rules"),
    ),
    ("policy", "erasing"),
    ("settings", "tls"),
    ("wire",),
    ("record",),
    ("mail",),
    ("pki", "store"),
    ("conversation",),
    ("imap", "pop3", "smtp", "probe"),
    ("configuring", "ruled", "with_accounts"),
    ("remote_place", "server"),
    ("audit", "redirecting", "remote"),
    ("web",),
    ("fixtures",),
    ("cli", "compat", "conftest_plugin"),
    ("__main__",),
)
"""The wings, floor by floor from the ground up; imports go down, and never along a floor or in a ring."""

IMPORTERS = {
    "aiosmtpd": {"smtp.full_parser"},
    "aiosmtplib": {"audit.adapters"},
    "click": {"cli"},
    "cryptography": {"pki", "tls.binding"},
    "OpenSSL": {"tls.stapling"},
    "psycopg": {"store.postgres"},
    "pytest": {"conftest_plugin", "compat.smtpdfix", "compat.pytest_localserver"},  # fixtures are made of it
    "rich": {"cli"},
    "scramp": {"login.scram"},
    "starlette": {"web.app"},
    "tlslite": {"tls.legacy"},
    "trustme": {"pki.trustme_ca"},
    "uvicorn": {"web.runner"},
    "uvloop": {"cli.event_loop"},
    "wsproto": {"web.runner"},
}
"""The wings, or the modules in them, that may import each third-party package, so that a change of it is felt there."""

HEAVY = (
    "asyncio",
    "ssl",
    "aiosmtpd",
    "cryptography",
    "trustme",
    "faker",
    "rich",
    "click",
    "OpenSSL",
    "psycopg",
    "scramp",
    "sqlite3",
    "tlslite",
    "starlette",
    "uvicorn",
    "wsproto",
    "sqlite3",
)
"""What must not be imported before it is needed: the plugin is loaded in every pytest run of every user."""


def modules() -> dict[str, Path]:
    """Return every module by its name without ``smtpfix.``; the package itself is ``""``."""
    found = {}
    for top, prefix in ((ROOT / "smtpfix", ()), (ROOT / "conftest_plugin", ("conftest_plugin",))):
        for path in sorted(top.rglob("*.py")):
            parts = (*prefix, *path.relative_to(top).with_suffix("").parts)
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@functools.cache
def outline(name: str) -> tuple[str, tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]]:
    """Return a module's docstring and its import statements, each with whether only type checkers see it.

    Nothing else is kept: the trees of all modules would be in the way of every garbage collection of later tests.
    """
    found = []

    def look(nodes: Iterable[ast.AST], *, only_for_checkers: bool) -> None:
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.append((node, only_for_checkers))
            elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                look(ast.iter_child_nodes(node), only_for_checkers=only_for_checkers or is_for_type_checkers(node))

    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    look(tree.body, only_for_checkers=False)
    return ast.get_docstring(tree) or "", tuple(found)


@functools.cache
def imported(name: str, *, when_running: bool = False) -> frozenset[str]:
    """Return what a module imports, also for checkers: ``smtpfix.policy.mode.Mode``, ``os``, …."""
    inside = ["smtpfix", *filter(None, name.split("."))]
    package = inside if MODULES[name].name == "__init__.py" else inside[:-1]
    found = set()
    for node, only_for_checkers in outline(name)[1]:
        if only_for_checkers and when_running:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return frozenset(found)


def packages(name: str) -> set[str]:
    """Return the top-level packages that a module imports when the program runs."""
    return {item.partition(".")[0] for item in imported(name, when_running=True)}


def wing(name: str) -> str:
    return name.partition(".")[0]


def wings(name: str) -> set[str]:
    """Return the wings that a module imports from, but not its own."""
    return {item.split(".")[1] for item in imported(name) if item.startswith("smtpfix.")} - {wing(name)}


INSIDE = [name for name in MODULES if name]
"""All modules but the package itself, which names them all, lazily."""

FLOOR_OF = {wing: number for number, floor in enumerate(FLOORS) for wing in floor}


@pytest.mark.once
def test_every_wing_has_a_floor():
    assert {wing(name) for name in INSIDE} == set(FLOOR_OF)


@pytest.mark.once
def test_a_module_imports_only_downwards():
    for name in INSIDE:
        below = {other for other, floor in FLOOR_OF.items() if floor < FLOOR_OF[wing(name)]}
        assert sorted(wings(name) - below) == [], name


@pytest.mark.once
def test_nothing_imports_the_plugin_the_catalogue_or_the_names_of_other_packages():
    assert [name for name in INSIDE if wings(name) & {"conftest_plugin", "certs", "compat"}] == []


@pytest.mark.once
@pytest.mark.parametrize("package", IMPORTERS)
def test_a_third_party_package_has_one_importing_wing(package):
    importing = {name for name in MODULES if package in packages(name)}
    assert {name for name in importing if not {name, wing(name)} & IMPORTERS[package]} == set()


def test_every_other_import_is_the_standard_library_s():
    known = {"smtpfix", *sys.stdlib_module_names, *IMPORTERS}
    assert {name: found for name in MODULES if (found := packages(name) - known)} == {}


@pytest.mark.once
def test_every_dependency_has_its_importer():
    dependencies = {re.match(r"[\w-]+", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert dependencies <= set(IMPORTERS)


@pytest.mark.once
def test_a_module_opens_with_a_sentence_on_what_it_is_for():
    for name in MODULES:
        assert outline(name)[0].partition("\n")[0].endswith("."), name
    assert (certs.__doc__ or "").partition("\n")[0].endswith(".")


def test_all_is_sorted():
    assert smtpfix.__all__ == sorted(smtpfix.__all__)


def test_every_public_name_is_where_type_checkers_see_it():
    seen = set()
    for block in filter(is_for_type_checkers, ast.parse(MODULES[""].read_text(encoding="utf-8")).body):
        for node in block.body:
            home = importlib.import_module(f"smtpfix.{node.module}")
            for alias in node.names:
                assert getattr(smtpfix, alias.name) is getattr(home, alias.name)
                seen.add(alias.name)
    assert sorted(seen) == smtpfix.__all__


def test_every_public_name_is_listed_by_dir():
    assert set(smtpfix.__all__) <= set(dir(smtpfix))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'smtpfix' has no attribute 'Sever'"):
        smtpfix.Sever  # noqa: B018 - looking is the point


@pytest.mark.parametrize(("before", "module"), [("sys", "smtpfix"), ("pytest", "smtpfix.conftest_plugin")])
def test_importing_is_light(before, module):
    """Importing the package, and the plugin once pytest is there, imports nothing heavy."""
    code = f"import json, sys, {before}; known = set(sys.modules); import {module}; "
    code += "print(json.dumps(sorted(set(sys.modules) - known)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    new = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert sorted(new & set(HEAVY)) == []


RARE = {
    f"smtpfix.{name}"
    for name in (
        "rules.actions",
        "pki.authority",
        "smtp.forwarding",
        "smtp.lmtp",
        "wire.proxy_header",
        "wire.unix_socket",
        "settings.account",
        "settings.styles",
        "policy.catalogue_files",
        "policy.scenario",
        "smtp.xclient",
        *("imap", "imap.policy", "imap.protocol", "pop3", "pop3.policy", "pop3.protocol"),
        *("mail.accounts", "rules.edits", "rules.status", "rules.rule", "rules.notation", "resolver"),
        *("mail.attempts", "mail.bodies", "mail.header_values", "mail.header_violations", "mail.links"),
        *("mail.matching", "mail.mime", "mail.parsing", "mail.violations", "record.session", "record.violation"),
        *("login.exchange", "login.hashed", "login.mechanisms", "smtp.full_parser"),
        *("tls.client_hello", "tls.facts", "tls.side"),
        *("conversation.turn", "policy.good_chain", "policy.tls_profile", "record.said", "rules.decisions"),
    )
} | {"aiosmtpd.smtp", "attr", "cryptography", "email._header_value_parser"}
"""What only some servers need, or what only looks at messages and sessions does."""


OF_SCENARIOS = {
    f"smtpfix.{name}"
    for name in (
        *("policy.catalogue_files", "policy.flaw", "policy.own_certificate", "policy.scenario"),
        *("pki.chains", "pki.responder", "pki.revocation", "pki.stores", "tls.own_certificate"),
    )
} | {"tomllib", "cryptography.x509.ocsp"}
"""What servers with TLS import only where they show something else than a good certificate."""
RARE |= OF_SCENARIOS | {f"smtpfix.pki.{name}" for name in ("certificates", "good_chain", "hierarchy", "keys")}

OF_TLS = {
    f"smtpfix.{name}"
    for name in (
        *("pki.authority", "pki.certificates", "pki.good_chain", "pki.hierarchy", "pki.keys"),
        *("policy.good_chain", "policy.tls_profile", "tls.client_hello", "tls.facts", "tls.side"),
    )
} | {"cryptography"}
"""What of this a server with a good certificate needs."""


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ("", set()),
        ("protocol='lmtp'", {"smtpfix.smtp.lmtp"}),
        ("xclient=True", {"smtpfix.smtp.forwarding", "smtpfix.smtp.xclient"}),
        ("'starttls'", OF_TLS),
        ("'implicit-tls'", OF_TLS),
    ],
)
def test_a_server_imports_what_it_needs_and_nothing_rare_beside(fields, needed):
    code = f"import json, sys; from smtpfix import Policy, Server; server = Server(Policy({fields})); server.start(); "
    code += "client = server.client(); client.ehlo(); server.policy.xclient and client.docmd('XCLIENT', 'LOGIN=ann'); "
    code += "client.ehlo(); client.sendmail('a@example.org', 'b@example.org', 'x'); client.close(); server.close(); "
    code += "print(json.dumps(sorted(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    assert RARE & set(json.loads(done.stdout)) == needed


@pytest.mark.once
def test_a_server_that_keeps_nothing_imports_no_store():
    code = "import json, sys; from smtpfix.cli import main; "
    code += (
        "main(['serve', '--listen', 'plain:0', '--timeout', '0.01', '--json']); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "smtpfix.server" in loaded
    assert not {name for name in loaded if name.startswith(("smtpfix.store", "smtpfix.cli.keeping", "psycopg"))}
