"""click's usage errors in this package's words, with a suggestion and the source of the wrong value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click
from click.core import ParameterSource

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import did_you_mean, nearest

_KINDS: Final = {"integer": "a whole number", "float": "a number", "boolean": "true or false"}
"""What click calls the types of values, and what people do."""


class Commands(click.Group):
    """A group that says which of its commands may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is asked for, or raise `click.UsageError` with those that are near."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            hint = (
                _ELSEWHERE.get((str(self.name), name)) or f"{did_you_mean(name, known)}; there are {', '.join(known)}"
            )
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


_ELSEWHERE: Final = {
    ("certs", "serve"): "; write 'smtpfix serve --certificate ID'",
    ("commands", "list"): "; write 'smtpfix certs list', or 'smtpfix providers'",
}
"""Commands that people look for in another place."""


_WRITE_INSTEAD: Final = dict.fromkeys(("--mode", "--port", "--tls"), "--listen MODE:PORT")
"""What other servers and commands call it, and what `serve` does."""


class Serve(click.Command):
    """Takes options only, and says so to whoever writes a server without ``--listen``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; raise `click.UsageError` for one that is no option."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            raise click.UsageError(f"{ctx.args[0]!r} is no option; to start a server, write --listen MODE:PORT", ctx)
        return rest


def explained(error: click.UsageError) -> str:
    """Return what is wrong with a command line, in a sentence without its full stop."""
    context = error.ctx
    match error:
        case click.NoSuchOption():
            known = [name for one in _options(context) for name in (*one.opts, *one.secondary_opts)]
            meant = _WRITE_INSTEAD.get(error.option_name) if context and isinstance(context.command, Serve) else None
            near = (meant,) if meant else nearest(error.option_name, known)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"there is no option {error.option_name}{hint}"
        case click.MissingParameter(param=click.Parameter() as parameter):
            return f"{_named(parameter, None)} is missing"
        case click.BadParameter(param=click.Parameter() as parameter):
            kind = _KINDS.get(parameter.type.name)
            said = error.message.rstrip(".")
            value, quote, _ = said.removeprefix("'").partition("' is not a valid")
            told = f"expected {kind}, got {value!r}" if kind and quote else said
            return f"{_named(parameter, context)}: {told}"
    return error.format_message().rstrip(".")


def _options(context: click.Context | None) -> Iterable[click.Parameter]:
    return (one for one in context.command.params if isinstance(one, click.Option)) if context is not None else ()


def _named(parameter: click.Parameter, context: click.Context | None) -> str:
    """Return what people call a parameter; and where its value is from, if not from the command line."""
    option = parameter.opts[0] if isinstance(parameter, click.Option) else str(parameter.human_readable_name)
    return _with_source(option, parameter, context)


def _with_source(option: str, parameter: click.Parameter, context: click.Context | None) -> str:
    if context is None or parameter.name is None:
        return option
    match context.get_parameter_source(parameter.name):
        case ParameterSource.ENVIRONMENT:
            prefix = context.auto_envvar_prefix
            return f"{prefix}_{parameter.name.upper()} ({option})" if prefix else option
        case ParameterSource.DEFAULT_MAP:
            return f"{option} (from --config)"
    return option


def with_source(error: InvalidValueError, context: click.Context) -> InvalidValueError:
    """Return an error of an option that names where its value is from: a variable, or the file of ``--config``."""
    option = error.field.partition(":")[0].partition(" ")[0]
    parameter = next((one for one in _options(context) if option in one.opts), None)
    if parameter is None:
        return error
    return error.renamed(error.field.replace(option, _with_source(option, parameter, context), 1))
