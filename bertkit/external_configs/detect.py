"""Which system a configuration file is of, and its translation."""

from __future__ import annotations

import json
from pathlib import Path

from bertkit.config import load_yaml
from bertkit.errors import ConfigError
from bertkit.external_configs import cerebras, google, graphcore, habana
from bertkit.external_configs.translation import Translation
from bertkit.files import open_binary


def translated(name: str) -> Translation | None:
    """A configuration file of another system in our terms; None for one of ours.

    Args:
        name: of the file; `FILE:PRESET` for a file of several.

    Raises:
        ConfigError: a key is refused, or the file is broken; says which and why.
        DataError: it cannot be read.
    """
    path, preset = _split(name)
    with open_binary(path) as stream:
        text = stream.read().decode("utf-8", errors="replace")
    found = _read(path, preset, text)
    if found is not None:
        found.require_taken()
    return found


def _split(name: str) -> tuple[str, str]:
    path, colon, preset = name.rpartition(":")
    if colon and not Path(name).exists() and Path(path).exists():
        return path, preset
    return name, ""


def _read(path: str, preset: str, text: str) -> Translation | None:
    if habana.recognises(text):
        return habana.read(path, text)
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not JSON: {error}") from error
        if graphcore.recognises_keras(values):
            return graphcore.read_keras(path, values)
        if google.recognises(values):
            return google.read(path, values)
        return None
    values = load_yaml(path)
    if cerebras.recognises(values):
        return cerebras.read(path, values)
    if graphcore.recognises_presets(values):
        return graphcore.read_preset(path, values, preset)
    if preset:
        raise ConfigError(f"{path} has no presets", f"give --config {path}")
    return None
