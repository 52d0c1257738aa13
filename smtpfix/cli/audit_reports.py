"""The report files that `smtpfix audit` writes, and the baseline that it reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smtpfix.audit.baseline import check_comparable
from smtpfix.audit.report import from_json, to_html, to_json, to_junit, to_sarif
from smtpfix.audit.report.as_sarif import check_artifact
from smtpfix.audit.result import AuditResult, Declaration
from smtpfix.errors import InvalidValueError
from smtpfix.paths import is_directory, is_there


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where reports go; None: not wanted."""

    json_file: Path | None = None
    junit_file: Path | None = None
    html_file: Path | None = None
    sarif_file: Path | None = None
    artifact: str | None = None
    """The file of the user's that SARIF shows its results at."""

    def check(self) -> None:
        """Raise `InvalidValueError` where a report could not be written, before anything is run."""
        if self.artifact is not None and self.sarif_file is None:
            raise InvalidValueError.saying("--artifact", self.artifact, "it is for --sarif; add that, or leave it out")
        if self.artifact is not None:
            check_artifact(self.artifact, "--artifact")
        taken: dict[Path, str] = {}
        for option, file, _ in self._wanted():
            _try(option, file)
            if (other := taken.setdefault(file.resolve(), option)) != option:
                raise InvalidValueError.saying(option, str(file), f"{other} writes this file; choose another one")

    def write(self, result: AuditResult) -> None:
        """Write what is wanted, as far as possible. Raises `InvalidValueError` for what could not be written."""
        failed = None
        for option, file, make in self._wanted():
            try:
                _write(file, make(result))
            except OSError as error:
                failed = InvalidValueError(option, str(file), f"a file that can be written ({error.strerror})")
        if failed is not None:
            raise failed

    def _wanted(self) -> Iterator[tuple[str, Path, Callable[[AuditResult], str]]]:
        for option, file, make in (
            ("--json", self.json_file, to_json),
            ("--junit", self.junit_file, to_junit),
            ("--html", self.html_file, to_html),
            ("--sarif", self.sarif_file, partial(to_sarif, artifact=self.artifact)),
        ):
            if file is not None:
                yield option, file, make


def _try(option: str, file: Path) -> None:
    """Raise `InvalidValueError` where a file cannot be written. What is there is not opened: it may be a pipe."""
    expected = "a file that can be written"
    if is_directory(file):
        raise InvalidValueError(option, str(file), "a file, not a directory")
    if is_there(file):
        if not os.access(file, os.W_OK):
            raise InvalidValueError(option, str(file), expected)
        return
    try:
        _write(file, "")
        file.resolve().unlink()
    except FileNotFoundError:
        folder = str(file.absolute().parent)
        raise InvalidValueError.saying(option, str(file), f"there is no directory {folder!r}; make it first") from None
    except OSError as error:
        raise InvalidValueError(option, str(file), f"{expected} ({error.strerror})") from error


def _write(file: Path, text: str) -> None:
    """Write a file, a new one for its owner only: transcripts have addresses and names in them.

    One that is there keeps its permissions: whoever hands it around has said so.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def read_baseline(file: Path, declaration: Declaration) -> AuditResult:
    """Return an earlier audit's result, which has to have the same declaration.

    Raises `InvalidValueError` naming the file.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidValueError("--baseline", str(file), f"a file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InvalidValueError("--baseline", str(file), f"UTF-8 ({error})") from error
    try:
        earlier = from_json(text)
        check_comparable(earlier.declaration, declaration)
    except InvalidValueError as error:
        raise error.within(f"--baseline {file}") from error
    return earlier
