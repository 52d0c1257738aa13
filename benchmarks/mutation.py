"""Whether the tests notice when something is broken: breaks the source in many places, one at a time, and runs them.

``python -m benchmarks.mutation`` works on a copy of the checkout in a temporary folder and prints which of the `BREAKS`
the tests let pass; it exits with 1 where one does, and with 2 where it cannot tell: a break's text is not where the
list has it (``--check`` looks for that alone), or the tests fail before anything is broken.

``--tests`` says which are run: those of the broken ``wing`` and the few beside it that show it at work, the ``fast``
lane, or the ``whole`` suite.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from .breaks import BREAKS, Break

ROOT: Final = Path(__file__).parents[1]
BESIDE: Final = {
    "smtpfix/rules": ("tests/fuzz/test_rules.py",),
    "smtpfix/wire": ("tests/rules/test_stages.py", "tests/rules/test_actions.py", "tests/smtp/test_starttls.py"),
    "smtpfix/tls": (
        *("tests/policy/test_catalogue.py", "tests/smtp/test_starttls.py", "tests/login"),
        "tests/fuzz/test_octets.py",
    ),
    "smtpfix/pki": ("tests/policy/test_catalogue.py", "tests/cli/test_certs.py"),
    "smtpfix/policy": (
        *("tests/smtp/test_auth_scenarios.py", "tests/login", "tests/audit/test_plan.py"),
        "tests/tls/test_own_certificate.py",
    ),
    "smtpfix/redirecting.py": ("tests/test_redirecting.py",),
    "smtpfix/resolver.py": ("tests/test_redirecting.py", "tests/test_resolver.py"),
    "smtpfix/login": ("tests/smtp/test_auth.py", "tests/record/test_login_dialogues.py"),
    "smtpfix/record": ("tests/mail/test_inbox.py", "tests/smtp/test_chunks.py", "tests/smtp/test_violations.py"),
    "smtpfix/mail": ("tests/smtp/test_violations.py",),
    "smtpfix/conversation": (
        *("tests/smtp", "tests/rules", "tests/record/test_login_dialogues.py"),
        *("tests/test_server.py", "tests/test_switching.py"),
    ),
    "smtpfix/server.py": ("tests/test_server.py", "tests/smtp/test_metering.py"),
}
"""Tests of other wings that show a wing at work; its own are those of the folder of its name."""
MOST: Final = 300.0
"""Seconds that the tests may take with one break, unless told otherwise; a break that makes them hang is noticed."""
_CAUGHT: Final = (1, 2)
"""How pytest exits where a test fails: 2 with more than one worker, or where a module cannot be imported."""
_HUNG: Final = -1


class CannotTellError(Exception):
    """The list or the tests are at fault."""


def find(root: Path, one: Break) -> Path:
    """Return the module that a break is in. Raises `CannotTellError` unless its text is there once."""
    place = root / one.folder
    modules = [place] if place.is_file() else sorted(place.rglob("*.py"))
    found = [module for module in modules for _ in range(module.read_text(encoding="utf-8").count(one.old))]
    if len(found) != 1:
        raise CannotTellError(f"{one.folder}: expected once, found {len(found)} times: {one.old!r}")
    return found[0]


class Checkout:
    """A copy of the checkout, whose source is broken and mended again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            with contextlib.suppress(FileNotFoundError):  # it was removed, and not yet from the index
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        # What an editable install maps: so that these two are the copy's as well.
        for name in ("certs", "conftest_plugin"):
            (folder / "smtpfix" / name).symlink_to(folder / name)
        self._environment = {**os.environ, "PYTHONPATH": str(folder)}
        self._times = itertools.count(1_000_000_000)
        self._check_imports()

    def _check_imports(self) -> None:
        program = "import smtpfix.certs, smtpfix.conftest_plugin as one, smtpfix as other; print(one.__file__, other)"
        shown = subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if shown.count(str(self.folder)) != 2:  # noqa: PLR2004 - one for each
            raise CannotTellError(f"the copy does not import itself, but {shown}")

    @contextlib.contextmanager
    def broken(self, one: Break):  # noqa: ANN201 - a context manager without a value
        """Break the source for a while."""
        module = find(self.folder, one)
        whole = module.read_text(encoding="utf-8")
        try:
            self._write(module, whole.replace(one.old, one.new))
            yield
        finally:
            self._write(module, whole)

    def _write(self, module: Path, text: str) -> None:
        """Write a module, with a time that no compiled module of before was made from."""
        module.write_text(text, encoding="utf-8")
        when = next(self._times)
        os.utime(module, (when, when))

    def test(self, tests: Sequence[str], workers: int, seconds: float) -> tuple[int, str]:
        """Run tests up to the first that fails; return pytest's exit status and its last line."""
        shutil.rmtree(self.folder / ".hypothesis", ignore_errors=True)  # what failed with another break
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", str(workers), *tests]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return _HUNG, f"not over after {seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):  # also what the tests have started and left behind
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        lines = output.splitlines()
        failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return process.returncode, (failed or lines or [""])[-1 if not failed else 0]


def selection(which: str, folder: str) -> tuple[str, ...]:
    """Return the tests that are run for a break in a wing."""
    if which == "whole":
        return ()
    if which == "fast":
        return ("-m", "not slow")
    own = Path("tests") / Path(folder).name
    beside = BESIDE.get(folder, ())
    return (*((str(own),) if (ROOT / own).is_dir() else ()), *(one for one in beside if (ROOT / one).exists()))


def check(breaks: Sequence[Break]) -> int:
    """Look for each break's text in the checkout itself, and return the exit status."""
    for one in breaks:
        find(ROOT, one)
    print(f"{len(breaks)} breaks, each where the list has it")
    return 0


def run(breaks: Sequence[Break], which: str, workers: int, seconds: float) -> int:
    """Run the tests with each break, print what came of it, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="smtpfix-mutation-") as temporary:
        checkout = Checkout(Path(temporary))
        for one in breaks:
            find(checkout.folder, one)
        everything = tuple(dict.fromkeys(test for one in breaks for test in selection(which, one.folder)))
        began = time.monotonic()
        status, last = checkout.test(everything, workers, 10 * seconds)
        if status != 0:
            raise CannotTellError(f"the tests fail with nothing broken (status {status}): {last}")
        print(f"nothing broken: {time.monotonic() - began:5.0f} s  {last}", flush=True)
        survived = []
        for number, one in enumerate(breaks, 1):
            began = time.monotonic()
            with checkout.broken(one):
                status, last = checkout.test(selection(which, one.folder), workers, seconds)
            if status not in (0, _HUNG, *_CAUGHT):
                raise CannotTellError(f"pytest exits with {status}: {last}")
            if status == 0:
                survived.append(one)
            word = "SURVIVED" if status == 0 else "hung" if status == _HUNG else "caught"
            name = one.folder.removeprefix("smtpfix/")
            print(
                f"{number:3} {word:8} {time.monotonic() - began:5.0f} s  {name}: {one.what}  [{last[:120]}]", flush=True
            )
    print(f"{len(breaks) - len(survived)} of {len(breaks)} caught")
    for one in survived:
        print(f"survived: {one.folder}: {one.what}\n    {one.old!r}\n    {one.new!r}")
    return 1 if survived else 0


def main(arguments: Collection[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--tests", choices=("wing", "fast", "whole"), default="wing")
    parser.add_argument("--check", action="store_true", help="look for the breaks, and run no test")
    parser.add_argument("--only", default="", help="breaks whose folder or description has this text")
    parser.add_argument("--workers", type=int, default=2, help="of pytest-xdist")
    parser.add_argument("--seconds", type=float, default=MOST, help="that the tests may take with one break")
    options = parser.parse_args(arguments)
    # A shell lets what it runs in the background ignore Ctrl-C, and tests of it would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    breaks = [one for one in BREAKS if options.only in one.folder or options.only in one.what]
    try:
        return check(breaks) if options.check else run(breaks, options.tests, options.workers, options.seconds)
    except CannotTellError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
