"""Detects which system a configuration file belongs to, and translates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit.codecs.json_lines import parse_json
from bertkit.configuration.config import parse_yaml
from bertkit.errors import ConfigError, DataError
from bertkit.external_configs import google
from bertkit.external_configs.cerebras import keys as cerebras_keys
from bertkit.external_configs.cerebras import params as cerebras
from bertkit.external_configs.graphcore import configs as graphcore
from bertkit.external_configs.graphcore import keys as graphcore_keys
from bertkit.external_configs.habana import pretraining as habana
from bertkit.external_configs.habana import squad as habana_squad
from bertkit.external_configs.translation import PRETRAIN, Rule, Translation
from bertkit.external_configs.unread import refuse_unread
from bertkit.storage.files import is_utf8, open_binary


@dataclass(frozen=True)
class ExternalSystem:
    """A kind of configuration file of another system.

    Attributes:
        title: for the documentation.
        syntax: `text`, `json` or `yaml`: what `recognises` and `translate` are given.
        recognises: whether a file's content is of this kind.
        translate: (name of the file, its content, name of a preset in it) → our settings.
        rules: key → what becomes of it; empty where the keys are named as ours.
    """

    title: str
    syntax: str
    recognises: Callable[[Any], bool]
    translate: Callable[[str, Any, str], Translation]
    rules: Mapping[str, Rule] = field(default_factory=dict)


# Those of one syntax are tried in this order.
SYSTEMS = (
    ExternalSystem(
        title="Cerebras params (YAML)",
        syntax="yaml",
        recognises=cerebras.recognises,
        translate=lambda source, values, _: cerebras.read(source, values),
        rules=cerebras_keys.TABLE,
    ),
    ExternalSystem(
        title="Graphcore, TensorFlow 2 (JSON, flat and nested)",
        syntax="json",
        recognises=graphcore.recognises_keras,
        translate=lambda source, values, _: graphcore.read_keras(source, values),
        rules=graphcore_keys.KERAS_TABLE,
    ),
    ExternalSystem(
        title="Graphcore, PyTorch (YAML presets, as FILE:NAME)",
        syntax="yaml",
        recognises=graphcore.recognises_presets,
        translate=graphcore.read_preset,
        rules=graphcore_keys.TORCH_TABLE,
    ),
    ExternalSystem(
        title="Google (bert_config.json)",
        syntax="json",
        recognises=google.recognises,
        translate=lambda source, values, _: google.read(source, values),
    ),
    ExternalSystem(
        title="Habana (flags of run_pretraining.py in a job file or script)",
        syntax="text",
        recognises=habana.recognises,
        translate=habana.read,
        rules=habana.TABLE,
    ),
    ExternalSystem(
        # Its files are read by the row before; this one documents its flags.
        title="Habana (flags of run_squad.py, for finetune-squad)",
        syntax="text",
        recognises=habana.recognises,
        translate=habana.read,
        rules=habana_squad.TABLE,
    ),
)


def translate_file(name: str, command: str = PRETRAIN) -> Translation | None:
    """Translate a configuration file of another system; None for a file of ours.

    Args:
        name: of the file; `FILE:PRESET` for a file of several.
        command: of bertkit, that takes the settings.

    Raises:
        ConfigError: a key is refused, the file is broken, or it is for another command; says
            which and why.
        DataError: it cannot be read.
    """
    found = _translate_file(name)
    if found is not None:
        found.require_command(command)
        found.require_nothing_refused()
    return found


def _translate_file(name: str) -> Translation | None:
    path, preset = _split(name)
    with open_binary(path) as stream:
        blob = stream.read()
    # Names of files in a script may be in another encoding.
    text = blob.decode("utf-8-sig", errors="surrogateescape")
    # Scripts first: nothing else is looked for in a file that runs Habana's program.
    found = _translate("text", path, text, preset)
    if found is not None:
        return found
    if text.lstrip().startswith("{"):
        return _translate("json", path, _json(path, text), preset)
    found = _translate("yaml", path, parse_yaml(blob, path) or {}, preset)
    if found is None and preset:
        raise ConfigError(f"{path} has no presets", f"give --config {path}")
    return found


def _translate(syntax: str, path: str, content: Any, preset: str) -> Translation | None:
    if isinstance(content, Mapping):
        refuse_unread(path, content)
    for system in SYSTEMS:
        if system.syntax == syntax and system.recognises(content):
            return system.translate(path, content, preset)
    return None


def _json(path: str, text: str) -> Any:
    if not is_utf8(text):
        raise ConfigError(f"{path}: not UTF-8", "write it as UTF-8")
    try:
        return parse_json(text, path)
    except DataError as error:
        raise ConfigError(str(error), error.hint) from error


def _split(name: str) -> tuple[str, str]:
    path, colon, preset = name.rpartition(":")
    if colon and not Path(name).exists() and Path(path).exists():
        return path, preset
    return name, ""
