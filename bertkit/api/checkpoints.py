"""Public functions for checkpoints: converted from any format, and uploaded to the hub."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Place, layers_of, path, values_of

if TYPE_CHECKING:
    from bertkit.model.checkpoints.convert import ConvertOptions, ConvertReport
    from bertkit.tasks.push import PushResult


def convert(
    checkpoint: Place,
    output: Place,
    config: Config = None,
    *,
    overwrite: bool = False,
    **settings: Any,
) -> ConvertReport:
    """Convert a checkpoint for transformers, TensorFlow or NVIDIA's programs.

    Args:
        checkpoint: In any format that bertkit reads, or a folder that holds one; of a run the
            best model is taken where one was kept, or else the last checkpoint.
        output: Folder to write.
        config: Settings: a mapping, a YAML file or `ConvertOptions`.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `to="tf1"`.

    Returns:
        Every tensor, and what became of it.

    Raises:
        DataError: No checkpoint, a damaged one, or the folder belongs to another run.
        ConfigError: Tensors are missing or surplus, or a wrong or unknown setting.

    Example:
        >>> bertkit.convert("runs/tiny", "models/tiny").architecture
        'BertForPreTraining'
    """
    from bertkit.model.checkpoints.convert import convert as work
    from bertkit.model.checkpoints.places import local_checkpoint

    wanted = _options(config, settings)
    return work(local_checkpoint(path(checkpoint)), path(output), wanted, overwrite)


def push(
    checkpoint: Place,
    to: str,
    config: Config = None,
    *,
    revision: str = "",
    private: bool = False,
    unfinished: bool = False,
    message: str = "",
    dry_run: bool = False,
    **settings: Any,
) -> PushResult:
    """Upload the model of a run, with its card, to the model hub, in one commit.

    Log in before with `hf auth login`, or set HF_TOKEN. The same call again uploads nothing.

    Args:
        checkpoint: A run, of which the best model or else the last checkpoint is converted; a
            checkpoint in any format; or a folder that `convert` made.
        to: `OWNER/NAME` on the hub; it is made if it is not there.
        config: How to convert: a mapping, a YAML file or `ConvertOptions`.
        revision: Branch to upload to; empty: main.
        private: Make a new model private.
        unfinished: Also upload the model of a run that has not ended yet.
        message: Of the commit; empty for one that tells the step.
        dry_run: Only list what would be uploaded.
        **settings: Single settings by name, such as `license_name="apache-2.0"`.

    Returns:
        The files, and the address of the commit.

    Raises:
        DataError: No such checkpoint, no network or no permission.
        ConfigError: An unfinished run, or as `convert`.
        UsageError: No name of a model; or settings for a folder that is converted already.
        MissingDependencyError: huggingface_hub is not installed.

    Example:
        >>> found = bertkit.push("runs/tiny", "my-name/tiny", dry_run=True)  # doctest: +SKIP
        >>> found.commit  # doctest: +SKIP
        ''
    """
    from bertkit.model.checkpoints.places import local_checkpoint
    from bertkit.tasks.push import PushOptions
    from bertkit.tasks.push import push as work

    options = PushOptions(
        to=to,
        revision=revision,
        private=private,
        dry_run=dry_run,
        unfinished=unfinished,
        message=message,
        conversion=_options(config, settings),
    )
    return work(local_checkpoint(path(checkpoint)), options)


def _options(config: Config, settings: dict[str, Any]) -> ConvertOptions:
    """The settings of a conversion.

    Raises:
        ConfigError: an unknown one.
    """
    from bertkit.backends.sections import section_names
    from bertkit.errors import ConfigError
    from bertkit.model.checkpoints.convert import ConvertOptions

    values = values_of(layers_of(ConvertOptions, config)[0]) | settings
    known = {item.name for item in fields(ConvertOptions)}
    if unknown := sorted(values.keys() - known):
        raise ConfigError(
            f"unknown setting: {', '.join(unknown)}", f"settings: {', '.join(sorted(known))}"
        )
    return ConvertOptions(**{"backends": section_names(), **values})
