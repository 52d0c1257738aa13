"""`Later`: a module that is imported on first use, because most runs never use it.

Type checkers are told by an import of their own, and see no difference.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for a module of this package."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(f"{__package__}.{self._name}"), name)
        setattr(self, name, value)  # from now on nobody asks here
        return value
