"""The docstrings under fields, for `help` and the reference, read from the source on request."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator
    from types import ModuleType


class FieldDocs(dict[str, str]):
    """Takes the place of a class's ``__slots__``, where `help` looks for what its fields mean (`inspect.getdoc`)."""

    def __init__(self, cls: type, slots: tuple[str, ...]) -> None:
        super().__init__(dict.fromkeys(slots, ""))
        self._cls = cls
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        if name not in self:
            raise KeyError(name)
        if self._read is None:
            self._read = field_docs(self._cls)
        return self._read.get(name, "")


def show_in_help(value: object) -> None:
    """Have `help` say what each field of a value's class means; does nothing for what is not a class with slots."""
    for cls in value.__mro__ if isinstance(value, type) else ():
        slots = cls.__dict__.get("__slots__")
        if isinstance(slots, tuple) and "__dataclass_fields__" in cls.__dict__:
            type.__setattr__(cls, "__slots__", FieldDocs(cls, slots))


def field_docs(of: type | ModuleType) -> dict[str, str]:
    """Return the docstrings under a class's own fields: in its body, and below assignments in its ``__init__``.

    Of a module, those under its names. Nothing where there is no source.
    """
    import ast  # noqa: PLC0415 - only for `help` and the reference
    import inspect  # noqa: PLC0415

    try:
        body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(of))).body
    except (OSError, TypeError, SyntaxError):  # no file, no class of a file, another file by now
        return {}
    if isinstance(of, type):
        body = cast("ast.ClassDef", body[0]).body
    bodies = [body, *(one.body for one in body if isinstance(one, ast.FunctionDef) and one.name == "__init__")]
    return {name: inspect.cleandoc(text) for body in bodies for name, text in _documented(body)}


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    import ast  # noqa: PLC0415

    for statement, below in itertools.pairwise(body):
        match statement, below:
            case (
                ast.AnnAssign(target=target) | ast.Assign(targets=[target]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                match target:
                    case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                        yield name, text
