"""A PostgreSQL server for the tests of the store, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BOUND = 60


def _program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; Debian has them outside of the search path."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(map(str, newest), None)


class Postgres:
    """A server in a directory of its own, reached by a socket in it; as root it runs as ``nobody``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(directory, "nobody", "nogroup")
        self.url = f"postgresql://smtpfix@/postgres?host={directory}"
        self._run("initdb", "--username=smtpfix", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self._directory} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-o", options, "-l", str(self._directory / "log"))

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [_program(name), "-D", str(self._directory / "data"), *arguments],
            stdout=subprocess.DEVNULL,  # the server keeps it: no pipe, which would never end
            stderr=subprocess.DEVNULL,
            cwd=self._directory,
            timeout=BOUND,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, name


@contextmanager
def _running() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="smtpfix-pg-") as name:  # pytest's own are root's alone
        postgres = Postgres(Path(name))
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a server."""
    if _program("initdb") is None or _program("pg_ctl") is None:
        pytest.skip("PostgreSQL (the Debian package postgresql) is not installed")
    with _running() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """Return the URL of an empty database."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres.url, autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return postgres.url


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where a store is to be: a new file, and an empty database."""
    return str(tmp_path / "mail.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
