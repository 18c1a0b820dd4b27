"""`bertkit schema`: prints the JSON schema of a command's configuration files."""

from __future__ import annotations

import click

from bertkit.codecs.strict_json import json_text
from bertkit.commands import options
from bertkit.config_schema.commands import COMMANDS, settings_of
from bertkit.configuration.option_groups import OUTPUT
from bertkit.storage.files import atomic_write


@options.command()
@click.argument("name", metavar="COMMAND", type=click.Choice(COMMANDS))
@options.option(
    "--output", "-o", metavar="FILE", help="File to write; by default stdout.", group=OUTPUT
)
@options.common_options
def command(name: str, output: str | None, as_json: bool) -> None:
    """Print the JSON schema of a command's settings, by which editors check and complete them.

    COMMAND is one that takes --config: extract, clean, split, make-records, pretrain, eval,
    finetune, finetune-squad or predict.

    \b
    Example:
      bertkit schema pretrain --output pretrain.schema.json
    and as the first line of a settings file, for VS Code and others:
      # yaml-language-server: $schema=pretrain.schema.json
    """
    from bertkit.config_schema.schema import json_schema

    schema = json_schema(settings_of(name), name)
    text = json_text(schema, indent=2)
    if output:
        with atomic_write(output) as stream:
            stream.write(f"{text}\n".encode())
    result = {"of": name, "output": output} if output else {"of": name, "schema": schema}
    options.finish(result, as_json, output or text)
