"""Public function for checkpoints: converted from any format into another."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Place, layers_of, path, values_of

if TYPE_CHECKING:
    from bertkit.model.checkpoints.convert import ConvertReport


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
        checkpoint: In any format that bertkit reads, or a folder that holds one.
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
    from bertkit.backends.sections import section_names
    from bertkit.errors import ConfigError
    from bertkit.model.checkpoints.convert import ConvertOptions
    from bertkit.model.checkpoints.convert import convert as work
    from bertkit.model.checkpoints.places import local_checkpoint

    values = values_of(layers_of(ConvertOptions, config)[0]) | settings
    known = {item.name for item in fields(ConvertOptions)}
    if unknown := sorted(values.keys() - known):
        raise ConfigError(
            f"unknown setting: {', '.join(unknown)}", f"settings: {', '.join(sorted(known))}"
        )
    values = {"backends": section_names(), **values}
    source = local_checkpoint(path(checkpoint))
    return work(source, path(output), ConvertOptions(**values), overwrite)
