"""An option of a command: its group on the help page, its default under a preset, its example."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from bertkit.command_line import environment
from bertkit.command_line.choice import Choice
from bertkit.command_line.values import PLACES, Place
from bertkit.configuration.option_groups import OTHERS

# Where a context keeps what the preset of its command sets: dotted key → value.
PRESET = "bertkit.preset"


class Option(click.Option):
    """An option that knows where help pages list it, and what else they tell of it.

    Attributes:
        group: of `bertkit.configuration.option_groups`.
        first: whether `--help` shows it, not only `--help-all`.
        example: a value, where the form of its values is not plain.
        setting: dotted key of the setting that it gives; empty where it gives none.
        default_text: makes the default's text of a value of the setting.
    """

    def __init__(
        self,
        *arguments: Any,
        group: str = OTHERS,
        first: bool = False,
        example: str = "",
        setting: str = "",
        setting_default: Any = None,
        **keywords: Any,
    ) -> None:
        if "type" not in keywords and keywords.get("metavar") in PLACES:
            keywords["type"] = Place(keywords["metavar"])
        super().__init__(*arguments, **keywords)
        self.group = group
        self.first = first or self.required
        self.example = example
        self.setting = setting
        self.setting_default = setting_default
        self.unlisted: list[str] = []
        if self.is_flag and self.is_bool_flag and not self.secondary_opts:
            # `--check=False` needs a flag that says no, even where no page lists one.
            self.unlisted = [f"--no-{name[2:]}" for name in self.opts if name.startswith("--")][:1]
            self.secondary_opts.extend(self.unlisted)

    @property
    def needs_example(self) -> bool:
        """Whether its value is free text, of which the word for it does not tell the form."""
        return not self.is_flag and isinstance(self.type, click.types.StringParamType)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The text of the variable of one of its flags, or of its name in the program."""
        prefix = ctx.auto_envvar_prefix
        if not (self.allow_from_autoenv and prefix):
            return super().resolve_envvar_value(ctx)
        found = environment.value_of(prefix, self)
        return super().resolve_envvar_value(ctx) if found is None else found

    def consume_value(self, ctx: click.Context, opts: Any) -> tuple[Any, Any]:
        """What was given for it, and where; an empty path is refused."""
        value, source = super().consume_value(ctx, opts)
        typed = source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
        if typed and isinstance(self.type, Place) and self.default != "":
            several = value if isinstance(value, (list, tuple)) else [value]
            if "" in several:
                text = "the path is empty (of a variable that is not set?)"
                raise click.BadParameter(text, ctx=ctx, param=self)
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in its type; what is wrong with one of the environment names its variable."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            of_environment = (
                ctx.get_parameter_source(self.name or "") == ParameterSource.ENVIRONMENT
            )
            name = environment.set_variable(ctx.auto_envvar_prefix or "", self)
            if not (of_environment and name):
                raise
            text = f"{error.message} The environment has it: {name}."
            raise click.BadParameter(text, error.ctx, error.param, error.param_hint) from error

    def flags(self, ctx: click.Context) -> str:
        """The option as it is written, with the word for its value."""
        names = ", ".join(sorted(self.opts, key=lambda name: name.startswith("--")))
        if self.is_flag or self.count:
            return " / ".join([names, *listed_flags(self)[len(self.opts) :]])
        word = self.make_metavar(ctx)
        return f"{names} {word}"

    def text(self, ctx: click.Context) -> str:
        """What it does, its words where they are many, and what else there is to know of it."""
        parts = [(self.help or "").strip()]
        told = set(re.findall(r"[\w-]+", parts[0]))
        if isinstance(self.type, Choice) and self.type.is_long and set(self.type.choices) - told:
            parts.append(f"One of {', '.join(self.type.choices)}.")
        facts = self._facts(ctx)
        return " ".join(parts) + (f"  [{'; '.join(facts)}]" if facts else "")

    def _facts(self, ctx: click.Context) -> list[str]:
        extra = self.get_help_extra(ctx)
        preset: Mapping[str, Any] = ctx.meta.get(PRESET, {})
        default = extra.get("default", "")
        if self.setting:
            value = preset.get(self.setting, self.setting_default)
            default = default_text(value)
        found = [f"default: {default}"] if default else []
        if "range" in extra:
            found.append(extra["range"])
        if "required" in extra:
            found.append(extra["required"])
        return found

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """(flags, text) for click's own pages."""
        return None if self.hidden else (self.flags(ctx), self.text(ctx))


def listed_flags(option: click.Option) -> list[str]:
    """The names of an option that pages and the shell list, those that say no last."""
    unlisted = option.unlisted if isinstance(option, Option) else ()
    return [*option.opts, *(name for name in option.secondary_opts if name not in unlisted)]


def default_text(value: Any) -> str:
    """A default for people; empty where there is none."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else str(value)
