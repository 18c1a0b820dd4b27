"""A command: its help pages, its flags as other programs write them, its completion."""

from __future__ import annotations

import functools
import inspect
import time
from typing import Any

import click

from bertkit import log
from bertkit.command_line import completion, environment, help_page
from bertkit.command_line.option import PRESET, Option, listed_flags
from bertkit.command_line.suggestions import nearest_option
from bertkit.command_line.words import given_twice, last_repeatable
from bertkit.configuration.option_groups import HELP
from bertkit.errors import BertkitError
from bertkit.standard_output import results_alone

ALL = "--help-all"
# Where a context keeps the words of its command, and whether all options are asked for.
WORDS = "bertkit.words"
# Where a context keeps the settings, once they are resolved.
SETTINGS = "bertkit.settings"
# Where a context keeps the clock's time when its command began.
STARTED = "bertkit.started"
_SHOW_ALL = "bertkit.all"


class Pages(click.Command):
    """What commands and the group of them have in common: `--help-all`, and lines that fit."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters, with `--help-all` behind `--help`."""
        return [*super().get_params(ctx), _help_flag((ALL,), True, "Show all options.")]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`-h`, `--help`, listed with `--help-all`."""
        names = tuple(sorted(self.get_help_option_names(ctx), key=len))
        return _help_flag(names, False, "Show this page and end.") if names else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The options that begin so, whether typed with hyphens or underscores."""
        return completion.options(self, ctx, incomplete)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the command does, and examples."""
        formatter.write_paragraph()
        with formatter.indentation():
            help_page.write_text(formatter, inspect.cleandoc(self.help or ""))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What stands at the end."""
        if self.epilog:
            formatter.write_paragraph()
            help_page.write_text(formatter, inspect.cleandoc(self.epilog))


class Command(Pages):
    """A command of bertkit."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, and keep them for the help page and the shell's completion."""
        ctx.meta[WORDS] = list(args)
        ctx.meta[STARTED] = time.perf_counter()
        twice = [] if ctx.resilient_parsing else given_twice(self, args)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            # Of `-max_steps` click tells no more than -m.
            begin = error.option_name if len(error.option_name) == 2 else "--"
            words = [word for word in ctx.meta[WORDS] if word.startswith(begin)]
            long = [word for word in words if len(word) > 3 and not word.startswith("--")]
            name = long[0].partition("=")[0] if long else error.option_name
            raise self.no_such_option(ctx, name) from None
        for flag, first, last in twice:
            log.logger.warning(
                "%s is given twice, and takes one value: %s counts, %s does not", flag, last, first
            )
        self._name_unknown_variables(ctx)
        return rest

    def _name_unknown_variables(self, ctx: click.Context) -> None:
        """Warn of variables of the environment that look like options of this command."""
        if ctx.resilient_parsing or not ctx.auto_envvar_prefix or ctx.parent is None:
            return
        group = ctx.parent.command
        commands = group.list_commands(ctx.parent) if isinstance(group, click.Group) else []
        for name, meant in environment.unknown(ctx.auto_envvar_prefix, self.options(ctx), commands):
            more = f"; did you mean {meant}?" if meant else ""
            log.logger.warning("%s sets nothing: no such option%s", name, more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; only its results go to standard output."""
        try:
            with results_alone():
                return super().invoke(ctx)
        except BertkitError as error:
            _say_where_from(ctx, error)
            raise

    def no_such_option(self, ctx: click.Context, name: str) -> click.NoSuchOption:
        """The error that there is no such option, with the listed one that is nearest."""
        known = [flag for option in self.options(ctx) for flag in listed_flags(option)]
        near = nearest_option(name, known)
        # In our own words: click's differ by version, and since 8.5 it leaves out what is not
        # near in letters, such as the option that another program calls otherwise.
        message = f"No such option {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")
        return click.NoSuchOption(name, message, ctx=ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """A further value of a repeatable option, or the options that begin so."""
        option = last_repeatable(self, ctx.meta.get(WORDS, ()))
        if option is not None and not incomplete.startswith("-"):
            return option.shell_complete(ctx, incomplete)
        return super().shell_complete(ctx, incomplete)

    def options(self, ctx: click.Context) -> list[click.Option]:
        """All options, `--help` and `--help-all` last."""
        return [item for item in self.get_params(ctx) if isinstance(item, click.Option)]

    def shown(self, ctx: click.Context) -> list[click.Option]:
        """The options of the page that is asked for."""
        found = self.options(ctx)
        if ctx.meta.get(_SHOW_ALL) or len(found) <= help_page.FEW:
            return found
        return [option for option in found if not isinstance(option, Option) or option.first]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options in groups; what a preset sets; and how many there are beside."""
        preset = self._preset(ctx)
        ctx.meta[PRESET] = _settings(preset) if preset else {}
        shown = self.shown(ctx)
        if preset:
            told = {option.setting for option in shown if isinstance(option, Option)}
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_told(preset, ctx.meta[PRESET], told))
        help_page.write_options(formatter, ctx, shown)
        more = len(self.options(ctx)) - len(shown)
        if more:
            formatter.write_paragraph()
            formatter.write_text(f"{more} more options: {ctx.command_path} {ALL}")

    def _preset(self, ctx: click.Context) -> str:
        """The preset that the command line or the environment names; empty where none does."""
        option = next((item for item in self.params if item.name == "preset"), None)
        if option is None:
            return ""
        try:
            given, _, _ = self.make_parser(ctx).parse_args(list(ctx.meta.get(WORDS, ())))
        except click.UsageError:
            given = {}
        value = given.get("preset") or option.value_from_envvar(ctx)
        return str(option.type_cast_value(ctx, value)) if isinstance(value, str) else ""


def _settings(preset: str) -> dict[str, Any]:
    """Dotted key → value of all that a preset sets."""
    from bertkit.configuration import config

    return config.flatten(config.load_preset(preset))


def _told(preset: str, values: dict[str, Any], told: set[str]) -> str:
    """That defaults are a preset's, and what it sets beside those that the page shows."""
    others = [f"{key} {value}" for key, value in values.items() if key not in told]
    text = f"The defaults below are those with --preset {preset}"
    return f"{text}, which also sets {', '.join(others)}." if others else f"{text}."


def _show(whole: bool, ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_SHOW_ALL] = whole
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


@functools.cache  # one object, by which click sorts what was given
def _help_flag(names: tuple[str, ...], whole: bool, text: str) -> Option:
    """A flag that shows the page, with all options or those that people need first."""
    return Option(
        list(names),
        group=HELP,
        first=True,
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=functools.partial(_show, whole),
        help=text,
    )


def _say_where_from(ctx: click.Context, error: BertkitError) -> None:
    """Add to the hint of an error which file set what it is about."""
    if (settings := ctx.meta.get(SETTINGS)) is None:
        return
    from bertkit.configuration.blame import where_from

    if said := where_from(error.message, settings):
        error.hint = "; ".join(filter(None, (error.hint, said)))
