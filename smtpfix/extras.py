"""How to install a missing extra into this environment, wherever smtpfix itself was installed from."""

from __future__ import annotations

from collections.abc import Iterable


def install(*extras: str) -> str:
    """Return a shell command that installs extras where this smtpfix is, whatever environment is active.

    pip takes them from the metadata of the installed smtpfix, so it works for a checkout and a wheel too, and no index
    has to know smtpfix.
    """
    import contextlib  # noqa: PLC0415 - only where something is missing
    import os  # noqa: PLC0415 - as above
    import sys  # noqa: PLC0415 - as above
    from pathlib import Path  # noqa: PLC0415 - as above

    program = Path(sys.executable)
    with contextlib.suppress(OSError, ValueError):  # the directory is gone, or another one
        program = program.relative_to(Path.cwd())
    return _command(str(program), extras, is_windows=os.name == "nt")


def _command(program: str, extras: Iterable[str], *, is_windows: bool) -> str:
    import shlex  # noqa: PLC0415 - as above

    wanted = f"smtpfix[{','.join(sorted(set(extras)))}]"
    if is_windows:
        return f'"{program}" -m pip install "{wanted}"'
    return shlex.join([program, "-m", "pip", "install", wanted])
