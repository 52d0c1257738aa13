"""`Later`: a module that is imported on first use, because most runs never use it.

`compiled_later` is the same for a regular expression: to compile one takes longer than to import a small module.

Type checkers are told by an import of their own, and see no difference.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    import re


class _MadeLater:
    """Stands for something that is made when an attribute of it is first asked for."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._build(), name)
        setattr(self, name, value)  # from now on nobody asks here
        return value


class Later(_MadeLater):
    """Stands for a module of this package."""

    def __init__(self, name: str) -> None:
        super().__init__(functools.partial(import_module, f"{__package__}.{name}"))


class CompiledLater(_MadeLater):
    """Stands for a regular expression; made by `compiled_later`."""

    def __init__(self, build: Callable[[], re.Pattern[Any]]) -> None:
        super().__init__(functools.cache(build))


def compiled_later(build: Callable[[], re.Pattern[AnyStr]]) -> re.Pattern[AnyStr]:
    """Return what stands for a regular expression until something of it is used, which compiles it.

    ``_WORD = compiled_later(lambda: re.compile(r"[a-z]+"))``.
    """
    return cast("re.Pattern[AnyStr]", CompiledLater(build))
