"""An audit's result as a file: JSON, JUnit XML, an HTML page, SARIF. Reads `smtpfix.audit.result` and nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers; `_HOMES` says the same to the running program
    from .as_html import to_html
    from .as_json import from_json, to_json
    from .as_junit import to_junit
    from .as_sarif import to_sarif

__all__ = ["from_json", "to_html", "to_json", "to_junit", "to_sarif"]

_HOMES = {
    "from_json": "as_json",
    "to_html": "as_html",
    "to_json": "as_json",
    "to_junit": "as_junit",
    "to_sarif": "as_sarif",
}
"""Which module each function is imported from when it is first used (PEP 562): one report pays for one."""

if not TYPE_CHECKING:  # type checkers would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
