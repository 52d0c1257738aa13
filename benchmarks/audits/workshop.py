"""What clients are made with: environments and compiled programs in a cache, each made when it is first needed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from benchmarks.processes import StepFailedError, run

PROGRAMS: Final = Path(__file__).parent / "programs"
"""The small programs that send one mail, each by one library."""
_JAVAMAIL: Final = Path("/usr/share/java/javax.mail.jar")
_INSTALLING: Final = 600.0


class Workshop:
    """Makes what a client needs, in a folder that is kept. Everything raises `StepFailedError` where it cannot."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def program(self, name: str) -> str:
        """Return where a program of the system is."""
        found = shutil.which(name)
        if found is None:
            raise StepFailedError(f"{name} is not installed")
        return found

    def python(self, requirement: str) -> str:
        """Return the interpreter of an environment that has a package."""
        folder = self._cache / requirement
        python = folder / "bin" / "python"
        if not (folder / "done").exists():
            run([sys.executable, "-m", "venv", folder])
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, requirement], timeout=_INSTALLING)
            (folder / "done").touch()
        return str(python)

    def node_path(self, package: str) -> str:
        """Return the folder of modules that has a package of npm's."""
        folder = self._cache / package
        modules = folder / "node_modules"
        if not modules.exists():
            npm = self.program("npm")
            folder.mkdir(parents=True, exist_ok=True)
            run([npm, "install", "--prefix", folder, "--no-audit", "--no-fund", package], timeout=_INSTALLING)
        return str(modules)

    def go(self, source: str) -> str:
        """Return a program that was compiled from a source in `PROGRAMS`."""
        made = self._cache / Path(source).stem
        if _is_stale(made, PROGRAMS / source):
            run([self.program("go"), "build", "-o", made, PROGRAMS / source], timeout=_INSTALLING)
        return str(made)

    def java(self, source: str) -> str:
        """Return the class path of what was compiled from a source in `PROGRAMS`."""
        if not _JAVAMAIL.exists():
            raise StepFailedError("JavaMail is not installed: Debian's libmail-java")
        if _is_stale(self._cache / f"{Path(source).stem}.class", PROGRAMS / source):
            run([self.program("javac"), "-cp", _JAVAMAIL, "-d", self._cache, PROGRAMS / source], timeout=_INSTALLING)
        return f"{_JAVAMAIL}:{self._cache}"


def _is_stale(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime
