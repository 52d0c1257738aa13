"""The directive ``commands``: every command of smtpfix with its options in a table, as ``--help`` has them."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator

from docutils import nodes
from public_names import bulleted, table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from smtpfix.cli import commands


class Commands(SphinxDirective):
    """``.. commands::`` has a section for each command."""

    def run(self) -> list[nodes.Node]:
        """Describe them in reStructuredText, and have that parsed."""
        return [self.section(name, command) for name, command in found("smtpfix", commands)]

    def section(self, name: str, command: typing.Any) -> nodes.section:
        """Return a command's section."""
        section = nodes.section(ids=[name.replace(" ", "-")], names=[name])
        section += nodes.title(name, "", nodes.literal(name, name))
        section += self.parse_text_to_nodes("\n".join(described(name, command)))
        return section


def found(name: str, command: typing.Any) -> Iterator[tuple[str, typing.Any]]:
    """Yield a command and those below it, by their full names."""
    yield name, command
    for below, one in sorted(getattr(command, "commands", {}).items()):
        yield from found(f"{name} {below}", one)


def described(name: str, command: typing.Any) -> Iterator[str]:
    """Yield the lines that describe a command."""
    context = command.context_class(command, info_name=name, **commands.context_settings)
    yield from (f".. program:: {name}", "", f"``{' '.join([name, *command.collect_usage_pieces(context)])}``")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        is_set = paragraph.startswith("\b")  # as click marks what it must not wrap
        lines = paragraph.removeprefix("\b\n").splitlines()
        yield from (
            ("", ".. code-block:: none", "", *(f"   {line}" for line in lines))
            if is_set
            else ("", *map(escaped, lines))
        )
    records = [one.get_help_record(context) for one in command.get_params(context) if one.param_type_name == "option"]
    yield from table("Option", [row(*one) for one in records if one is not None])


def row(options: str, meaning: str) -> list[str]:
    """Return the row of an option, which can be searched for by its name."""
    return [*bulleted("* - ", [f".. option:: {options}"]), *bulleted("  - ", [escaped(meaning)])]


def escaped(text: str) -> str:
    """Return text in which reStructuredText sees nothing but text."""
    return re.sub(r"([*`_|\\<>])", r"\\\1", text)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
