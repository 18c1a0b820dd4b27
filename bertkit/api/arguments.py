"""Turns the arguments of a public function into paths and checked settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from bertkit.configuration.config import Layer, Resolved, as_dict, flatten, preset_layer
from bertkit.configuration.settings import default_values
from bertkit.errors import UsageError
from bertkit.external_configs.layers import file_layers, resolve_with
from bertkit.train.config import with_fitting_micro_batch

C = TypeVar("C")

Place = str | os.PathLike[str]
Inputs = Place | Iterable[Place]
# Settings by name, nested or dotted; a file of them; or the dataclass of the function.
Config = Mapping[str, Any] | Place | object | None

_CONFIG, _ARGUMENTS = "config", "arguments"  # origins of values, in messages


def paths(inputs: Inputs) -> list[str]:
    """One name or several as a list of texts.

    Raises:
        UsageError: something else was given, such as an open file.
    """
    several = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    if not isinstance(several, Iterable) or hasattr(several, "read"):
        raise UsageError(
            f"expected a path or several, not {type(inputs).__name__}",
            "give text such as 'data/records', a pathlib.Path, or a list of them",
        )
    return [path(item) for item in several]


def path(place: Place) -> str:
    """A name as text.

    Raises:
        UsageError: it is neither text nor a path.
    """
    if not isinstance(place, (str, os.PathLike)):
        raise UsageError(
            f"expected one path, not {type(place).__name__}",
            "give text such as 'data/records', or a pathlib.Path",
        )
    return os.fsdecode(place)


def resolved(
    kind: type[C],
    config: Config,
    settings: Mapping[str, Any],
    own: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    below: Sequence[Layer] = (),
    translate_file: Callable[[str], Any] | None = None,
) -> Resolved[C]:
    """The settings of a library function.

    Args:
        kind: their dataclass.
        config: as the user gave it.
        settings: those given by name, which count more.
        own: settings that the function's own arguments decide.
        preset: name of a shipped preset, which counts less.
        below: what counts even less.
        translate_file: reads configuration files of other systems.

    Raises:
        UsageError: `config` is of another kind, or a setting is an argument of its own.
        ConfigError: a wrong, unknown or contradicting setting; lists them all.
    """
    own = own or {}
    if doubled := sorted(own.keys() & settings.keys()):
        raise UsageError(f"{', '.join(doubled)}: an argument of its own decides this setting")
    layers = [*below, *([preset_layer(preset)] if preset else [])]
    found, external = layers_of(kind, config, preset=preset, translate_file=translate_file)
    layers += found
    layers += [Layer(_ARGUMENTS, dict(settings)), Layer(_ARGUMENTS, dict(own))]
    layers = with_fitting_micro_batch(layers)
    return resolve_with(kind, layers, external)


def layers_of(
    kind: type[Any],
    config: Config,
    *,
    preset: str | None = None,
    translate_file: Callable[[str], Any] | None = None,
) -> tuple[list[Layer], Any]:
    """The layers of `config`; and another system's file translated, or None.

    Raises:
        UsageError: it is of another kind, or states every setting of a preset anew.
    """
    if config is None:
        return [], None
    if isinstance(config, (str, os.PathLike)):
        return file_layers(os.fsdecode(config), translate_file)
    if isinstance(config, Mapping):
        return [Layer(_CONFIG, config)], None
    if not isinstance(config, kind):
        raise UsageError(
            f"config is of {type(config).__name__}",
            f"give {kind.__name__}, settings by name, or the path of a YAML file",
        )
    if preset:
        raise UsageError(
            f"a preset and {kind.__name__} both say all settings",
            "give the changes to the preset as a mapping, or by name",
        )
    return [Layer(_CONFIG, changed_values(config))], None


def changed_values(config: Any) -> dict[str, Any]:
    """The settings of a dataclass that are not their defaults, by dotted name."""
    usual = default_values(type(config))
    given = flatten(as_dict(config))
    return {key: value for key, value in given.items() if value != usual.get(key)}


def values_of(layers: Iterable[Layer]) -> dict[str, Any]:
    """The settings of several layers together; later ones count more."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= layer.values
    return merged


def refuse_seeds(config: Any) -> None:
    """Several seeds give several results, which `finetune_seeds` returns.

    Raises:
        UsageError: `seeds` is set.
    """
    if config.seeds:
        raise UsageError(
            "seeds is no setting of a single run",
            "bertkit.finetune_seeds trains and scores once per seed, and sums the scores up",
        )
