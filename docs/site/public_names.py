"""The directive ``public``: what smtpfix exports under a name, from its docstrings, with its fields in a table."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import textwrap
import typing
from collections.abc import Iterable, Iterator
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import smtpfix
from smtpfix.field_docs import field_docs

INTERNAL = {"as_text", "attach", "forked", "forms", "play"}
"""Methods that the rest of the package needs, and nobody else."""
MOST_NAMES = 8
"""Fields that a signature lists; of a value with more the table does."""
LONGEST_VALUE = 40
"""Characters of a default that is shown; the text says what a longer one means."""


class Public(SphinxDirective):
    """``.. public:: Policy`` is a section on ``smtpfix.Policy``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe it in reStructuredText, which the docstrings are written in, and have that parsed."""
        (name,) = self.arguments
        section = nodes.section(ids=[name.lower().replace("_", "-")], names=[name.lower()])
        section += nodes.title(name, "", nodes.literal(name, name))
        section += self.parse_text_to_nodes("\n".join([".. py:currentmodule:: smtpfix", "", *described(name)]))
        return [section]


def described(name: str) -> Iterator[str]:
    """Yield the lines that describe a public name."""
    value = getattr(smtpfix, name)
    if inspect.isfunction(value):
        yield f".. autofunction:: smtpfix.{name}"
    elif isinstance(value, type):
        yield f".. py:{'exception' if issubclass(value, BaseException) else 'class'}:: {name}{signature(value)}"
        yield from indented(class_lines(name, value))
    else:
        yield f".. py:data:: {name}"
        yield from indented(data_lines(name, value))


def data_lines(name: str, value: object) -> Iterator[str]:
    """Yield what a name stands for that is neither a class nor a function."""
    home = next(module for module, names in smtpfix._HOMES.items() if name in names)  # noqa: SLF001 - where it says so
    yield from field_docs(import_module(f"smtpfix.{home}")).get(name, "").splitlines()
    if allowed := typing.get_args(value):
        yield from ("", "One of " + ", ".join(f"``{one}``" for one in allowed) + ".")


def signature(cls: type) -> str:
    """Return how a class is called: of a value only the names, since the table has the rest; of others nothing."""
    if not dataclasses.is_dataclass(cls) or "__init__" not in vars(cls):
        is_called = "__init__" in vars(cls) and not issubclass(cls, enum.Enum | BaseException)
        return plain_signature(cls) if is_called else ""
    given = [one for one in dataclasses.fields(cls) if one.init and not one.name.startswith("_")]
    if len(given) > MOST_NAMES:
        return ""
    names = [one.name for one in given if not one.kw_only]
    keywords = [one.name for one in given if one.kw_only]
    return "(" + ", ".join([*names, *(["*"] if keywords else []), *keywords]) + ")"


def plain_signature(cls: type) -> str:
    """Return a constructor's signature as its source has it."""
    found = inspect.signature(cls)
    return str(found.replace(return_annotation=inspect.Signature.empty)).replace("'", "")


def class_lines(name: str, cls: type) -> Iterator[str]:
    """Yield a class's docstring, its fields and properties in tables, and its methods."""
    yield from (inspect.getdoc(cls) or "").splitlines()
    if forms := vars(cls).get("forms", ()):
        yield from ("", "As text:", "")
        yield from (f"- ``{form.shown}``" for form in forms)
    yield from table("Member" if issubclass(cls, enum.Enum) else "Field", fields(cls))
    members = [(one, found) for one, found in public_members(cls) if one not in INTERNAL]
    yield from table("Property", [property_row(one, found) for one, found in members if is_property(found)])
    for one, found in members:
        if not is_property(found):
            yield from ("", f".. automethod:: smtpfix.{name}.{one}")
    if "__call__" in vars(cls):
        yield from ("", f".. automethod:: smtpfix.{name}.__call__")


def fields(cls: type) -> Iterator[list[str]]:
    """Yield a row for each field, in the order in which they are given; for an enumeration, for each member."""
    docs = {name: text for one in reversed(cls.__mro__) for name, text in docs_of(one).items()}
    if issubclass(cls, enum.Enum):
        for name, member in cls.__members__.items():
            yield row("attribute", name, "", repr(member.value), docs.get(name, ""))
        return
    if typing.is_typeddict(cls):
        docs = {one: f"See `Policy.{one}`." for one in cls.__annotations__}
    types = {name: text for one in reversed(cls.__mro__) for name, text in vars(one).get("__annotations__", {}).items()}
    defaults = {one.name: one for one in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    for name in dict.fromkeys([*defaults, *docs]):
        if not name.startswith("_") and not hasattr(import_module("smtpfix.rules.action").Action, name):
            yield row("attribute", name, types.get(name, ""), default(defaults.get(name)), docs.get(name, ""))


@functools.cache
def docs_of(cls: type) -> dict[str, str]:
    """Return what `field_docs` does, once for each class."""
    return field_docs(cls) if cls.__module__.startswith("smtpfix.") else {}


def default(field: dataclasses.Field[typing.Any] | None) -> str:
    """Return a field's default as Python has it; empty where there is none to show."""
    if field is None or field.default is dataclasses.MISSING:
        return ""
    text = repr(field.default.value if isinstance(field.default, enum.Enum) else field.default)
    return "" if len(text) > LONGEST_VALUE or text.startswith("<") else text


def public_members(cls: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties of a class and its bases, in the order of the source."""
    seen = set()
    for one in cls.__mro__:
        if one.__module__.startswith("smtpfix.") and one.__module__ != "smtpfix.rules.action":
            for name, found in vars(one).items():
                if not name.startswith("_") and name not in seen and (is_property(found) or is_method(found)):
                    seen.add(name)
                    yield name, found


def is_property(found: object) -> bool:
    """Whether it is a property of ours."""
    return isinstance(found, property | functools.cached_property)


def is_method(found: object) -> bool:
    """Whether it is a method."""
    return isinstance(found, classmethod | staticmethod) or inspect.isfunction(found)


def property_row(name: str, found: typing.Any) -> list[str]:
    """Return the row of a property."""
    getter = found.fget if isinstance(found, property) else found.func
    return row("property", name, getter.__annotations__.get("return", ""), "", inspect.getdoc(found) or "")


def row(kind: str, name: str, annotation: str, value: str, text: str) -> list[str]:
    """Return a row of a table: what is described, and what it means; a name that only repeats another has no index."""
    options = [f"   :{key}: {one}" for key, one in (("type", annotation), ("value", value)) if one]
    if text == f"See `Policy.{name}`.":
        options.append("   :no-index:")
    first = [f".. py:{kind}:: {name}", *options]
    return [*bulleted("* - ", first), *bulleted("  - ", text.splitlines() or [""])]


def bulleted(bullet: str, lines: list[str]) -> list[str]:
    """Return lines as an entry of a list."""
    return [bullet + lines[0], *(" " * len(bullet) + line if line else "" for line in lines[1:])]


def table(what: str, rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield a table, if there is anything to put into it."""
    if rows := list(rows):
        yield from ("", ".. list-table::", "   :header-rows: 1", "   :widths: 2 3", "   :class: fields", "")
        yield from indented([f"* - {what}", "  - Meaning", *(line for one in rows for line in one)])
        yield ""


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines as what stands below a directive."""
    yield ""
    for line in lines:
        yield textwrap.indent(line, "   ")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("public", Public)
    return {"version": smtpfix.__name__, "parallel_read_safe": True, "parallel_write_safe": True}
