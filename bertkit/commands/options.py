"""Defines the options that commands share, and how a command prints its result.

`config_options(SomeConfig)` makes the flags of a command from the fields of its
configuration; `resolved(...)` turns what the user gave into that configuration with
the precedence command line > environment > --config > preset > default.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from bertkit import log
from bertkit.codecs.strict_json import json_text
from bertkit.command_line.command import SETTINGS, STARTED
from bertkit.command_line.config_flags import command as command
from bertkit.command_line.config_flags import config_options as config_options
from bertkit.command_line.config_flags import option as option
from bertkit.command_line.config_flags import preset_option as preset_option
from bertkit.configuration import config as configuration
from bertkit.configuration.option_groups import DATA, MACHINE, OTHERS, OUTPUT, TEXT
from bertkit.external_configs.layers import File, file_layers, resolve_with
from bertkit.standard_output import takes_unicode, write_line
from bertkit.train.config import with_fitting_micro_batch

C = TypeVar("C")
Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def common_options(function: Command) -> Command:
    """`--json`, `-v` and `-q`, on every command."""
    function = option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_quiet,
        is_eager=True,
        help="Show warnings and errors only.",
        group=OUTPUT,
    )(function)
    function = option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_verbose,
        is_eager=True,
        help="Show more; errors with their traceback.",
        group=OUTPUT,
    )(function)
    return option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print the result as one JSON object on the last line.",
        group=OUTPUT,
    )(function)


def _verbose(ctx: click.Context, parameter: click.Parameter, value: int) -> None:
    if value or not log.logger.handlers:
        log.setup(value)


def _quiet(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        log.setup(-1)


def input_option(help: str, required: bool = True) -> Decorator:
    """`--input`, repeatable: names, globs, folders or `@list.txt`."""
    return option(
        "--input",
        "-i",
        "inputs",
        multiple=True,
        required=required,
        metavar="PATH",
        help=f"{help} Files, globs, folders or @list.txt; repeatable.",
        group=DATA,
        first=True,
    )


def output_option(help: str) -> Decorator:
    """`--output`: a file or folder to write."""
    return option("--output", "-o", required=True, metavar="PATH", help=help, group=OUTPUT)


def count_option(
    flag: str,
    default: int,
    help: str,
    *,
    group: str = OTHERS,
    first: bool = False,
    minimum: int = 0,
    show: bool = True,
) -> Decorator:
    """A whole number with a smallest value, such as `--count`; `show` tells the default."""
    return option(
        flag,
        group=group,
        first=first,
        type=click.IntRange(min=minimum),
        default=default,
        show_default=show,
        metavar="N",
        help=help,
    )


_VOCAB = "WordPiece vocabulary: a token a line, tokenizer.json, a model or its name on the hub."
vocab_option = option("--vocab", required=True, metavar="VOCAB", help=_VOCAB, group=TEXT)
_TOKENS = "Vocabulary, to show tokens instead of ids."
token_option = option("--vocab", metavar="VOCAB", help=_TOKENS, group=TEXT)
_WORKERS = "Worker processes; 0 starts one per core. The output does not depend on it."
workers_option = count_option("--workers", 0, _WORKERS, group=MACHINE, first=True, show=False)


def prefix_option(place: str) -> Decorator:
    """`--input-prefix`: the folder of the names in `place`."""
    return option(
        "--input-prefix",
        default="",
        metavar="DIR",
        help=f"Folder to which the names in {place} are relative.",
        group=DATA,
    )


def executor_options(function: Command) -> Command:
    """`--executor` and `--scheduler`: this machine's processes, or a Dask cluster."""
    function = option(
        "--scheduler",
        default="",
        metavar="URL",
        help="With --executor dask: address of the scheduler, such as tcp://host:8786.",
        group=MACHINE,
        example="tcp://host:8786",
    )(function)
    return option(
        "--executor",
        type=click.Choice(["processes", "dask"]),
        default="processes",
        help="Where the work runs: processes on this machine, or the workers of a Dask cluster "
        "that see the same files.  [default: processes]",
        group=MACHINE,
    )(function)


overwrite_option = option(
    "--overwrite",
    is_flag=True,
    help="Replace the output of an earlier, different run in --output; it goes when the new one "
    "is there.",
    group=OUTPUT,
)
dry_run_option = option(
    "--dry-run",
    is_flag=True,
    help="Show the plan and the estimates; write nothing.",
    group=OUTPUT,
    first=True,
)


def pool_options(function: Command) -> Command:
    """`--workers`, `--executor` and `--scheduler`, of commands that divide their work."""
    return workers_option(executor_options(function))


def write_options(function: Command) -> Command:
    """`--overwrite`, `--dry-run` and the common options, of commands that write much."""
    return overwrite_option(dry_run_option(common_options(function)))


def resolved(
    kind: type[C],
    given: dict[str, Any],
    preset: str | None = None,
    translate_file: Callable[[str], Any] | None = None,
    below: Sequence[configuration.Layer] = (),
    whole: bool = True,
    file: File | None = None,
) -> configuration.Resolved[C]:
    """The configuration from a command's keyword arguments.

    Args: as `layers`; and `whole`: another system's file must say all that its program needs.
    """
    found, external = layers(kind, given, preset, translate_file, below, file)
    result = resolve_with(kind, found, external, whole)
    if context := click.get_current_context(silent=True):
        context.meta[SETTINGS] = result
    return result


def layers(
    kind: type[Any],
    given: dict[str, Any],
    preset: str | None = None,
    translate_file: Callable[[str], Any] | None = None,
    below: Sequence[configuration.Layer] = (),
    file: File | None = None,
) -> File:
    """The layers of settings.

    Args:
        kind: the configuration dataclass.
        given: the keyword arguments that `config_options` added (they are removed from
            the mapping, so that what is left belongs to the command itself).
        preset: name of a shipped preset, the lowest layer above the defaults.
        translate_file: reads configuration files of other systems, see
            `bertkit.external_configs.detect.translate_file`.
        below: layers between the defaults and the preset.
        file: `--config`, where `file_layers` has read it.
    """
    config_file, assignments = given.pop("config_file", None), given.pop("assignments", ())
    environment, command_line = _typed_values(kind, given)
    lowest = [configuration.preset_layer(preset)] if preset else []
    own, external = file or file_layers(config_file, translate_file)
    found = [*below, *lowest, *own]
    # Of a key that both give, click has kept the typed value: their order decides nothing.
    found.append(configuration.Layer("environment", environment))
    found.append(configuration.Layer(configuration.COMMAND_LINE, command_line))
    values = configuration.parse_assignments(assignments)
    found.append(configuration.Layer(configuration.ASSIGNMENT, values))
    return with_fitting_micro_batch(found), external


def _typed_values(kind: type, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings from the environment, settings from the command line), taken out of `given`."""
    ctx = click.get_current_context()
    items = dataclasses.fields(kind)
    keys = {item.name: item.name for item in items}
    keys |= {n: f"{item.name}.{n}" for item in items for n in item.metadata.get("options", ())}
    environment: dict[str, Any] = {}
    command_line: dict[str, Any] = {}
    for name in keys.keys() & given.keys():
        value = given.pop(name)
        if value is None or value == ():
            continue
        from_environment = ctx.get_parameter_source(name) == ParameterSource.ENVIRONMENT
        (environment if from_environment else command_line)[keys[name]] = value
    return environment, command_line


def finish_dry_run(
    settings: configuration.Resolved[Any],
    plan: Mapping[str, Any],
    as_json: bool,
    rows: Iterable[Sequence[object]] | None = None,
) -> None:
    """End a dry run: every setting with its origin, and the plan.

    Args:
        settings: of the command.
        plan: what a run would do, for `--json`.
        as_json: the `--json` flag.
        rows: (what, value) for people, where that is not the plan as it stands.
    """
    text = log.table(("setting", "value", "from"), settings.rows())
    text += "\n\n" + log.table(("plan", "value"), plan.items() if rows is None else rows)
    finish({"dry_run": True, **plan}, as_json, text)


def card_options(function: Command) -> Command:
    """`--license`, `--data-license` and `--language`, of the commands that write a model card."""
    function = option(
        "--language",
        "languages",
        multiple=True,
        metavar="CODE",
        help="Language of the training text for the model card, such as tr; repeatable.  [default:"
        " as the manifests of the records tell]",
        group=OUTPUT,
        example="tr",
    )(function)
    function = option(
        "--data-license",
        default="",
        metavar="TEXT",
        help="Licence of the training text for the model card.",
        group=OUTPUT,
        example="CC BY-SA 4.0",
    )(function)
    return option(
        "--license",
        "license_name",
        default="",
        metavar="ID",
        help="Licence of the weights for the model card, such as apache-2.0.",
        group=OUTPUT,
        example="apache-2.0",
    )(function)


def finish(result: dict[str, Any], as_json: bool, text: str = "", next_step: str = "") -> None:
    """End a command: its result on stdout, the next command to try on stderr.

    Args:
        result: plain values; printed as one JSON object with `--json`, with the `seconds` since
            the command began where they have none of their own.
        as_json: the `--json` flag.
        text: the result for people, printed without `--json`.
        next_step: a command line that continues the main job.

    Of the processes of a process group, only the first one prints.
    """
    if log.rank():
        return
    if as_json:
        context = click.get_current_context()
        values = {"command": context.info_name, **result}
        if "seconds" not in values and STARTED in context.meta:
            values["seconds"] = round(time.perf_counter() - context.meta[STARTED], 3)
        write_line(json_text(values, readable=takes_unicode()))
    elif text:
        write_line(text)
    if next_step:
        log.logger.info("Next: %s", next_step)
