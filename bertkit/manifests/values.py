"""Checks what a `manifest.json` holds before a command believes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.codecs.sealed_json import CHECKSUM, require_sealed
from bertkit.errors import DataError
from bertkit.manifests.inputs import ManyInputs
from bertkit.storage.inner_names import require_inner_names

_MAPPINGS = ("config", "stats", "tokenizer", "versions")
_ADVICE = "restore it from a copy, or make the folder again with --overwrite"
# Facts about files that are whole numbers wherever they occur.
_COUNTS = ("bytes", "records", "documents", "sentences", "rejected", "empty", "index_bytes")


class Facts(dict[str, Any]):
    """Facts from a manifest: one that is missing is an error of the manifest, not of ours.

    Raises:
        DataError: by `facts[key]`, if there is no such key.
    """

    def __missing__(self, key: str) -> Any:
        raise DataError(f"the manifest is damaged: of a file or run it does not say {key!r}")


def checked(values: Any, path: Path) -> dict[str, Any]:
    """The fields of a manifest, its checksum compared and left out.

    Args:
        values: the parsed file.
        path: of the file, for messages.

    Raises:
        DataError: not what was written, of the wrong types, or with names of files elsewhere.
    """
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a bertkit manifest", _ADVICE)
    require_sealed(values, path, f"{_ADVICE}; if it was changed on purpose, remove {CHECKSUM!r}")
    fields = {name: value for name, value in values.items() if name != CHECKSUM}
    for name in ("command", "state"):
        if not isinstance(fields.get(name, ""), str):
            raise _damaged(path, name)
    if fields.get("state", "complete") not in ("complete", "incomplete"):
        raise _damaged(path, "state")
    for name in _MAPPINGS:
        if not isinstance(fields.get(name, {}), dict):
            raise _damaged(path, name)
    fields["stats"] = Facts(fields.get("stats", {}))
    fields["inputs"] = _inputs(fields.get("inputs", []), path)
    fields["outputs"] = outputs(fields.get("outputs", {}), path)
    replaces = fields.get("replaces", [])
    if not isinstance(replaces, list):
        raise _damaged(path, "replaces")
    require_inner_names(replaces, path)
    return fields


def _inputs(values: Any, path: Path) -> Sequence[dict[str, Any]]:
    """The inputs of a run: descriptions, or what is said of very many."""
    if isinstance(values, list) and all(isinstance(entry, dict) for entry in values):
        for entry in values:
            _require_counts(entry, path, "inputs")
        return [Facts(entry) for entry in values]
    if not ManyInputs.can_be(values):
        raise _damaged(path, "inputs")
    return ManyInputs(values, path.parent)


def outputs(values: Any, path: Path) -> dict[str, dict[str, Any]]:
    """File name → facts, of a manifest or of its journal.

    Raises:
        DataError: not such a mapping, or a name that leaves the folder.
    """
    if not isinstance(values, Mapping):
        raise _damaged(path, "outputs")
    require_inner_names(values, path)
    for name, facts in values.items():
        if not isinstance(facts, Mapping):
            raise _damaged(path, f"outputs: {name}")
        _require_counts(facts, path, f"outputs: {name}")
    return {name: Facts(facts) for name, facts in values.items()}


def _require_counts(facts: Mapping[str, Any], path: Path, where: str) -> None:
    for key in _COUNTS:
        count = facts.get(key, 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise _damaged(path, f"{where}: {key}")


def journal_entry(line: bytes, path: Path) -> tuple[dict[str, dict[str, Any]], list[str]] | None:
    """(finished files, names that had nothing to hold) of a line; None if it was cut short.

    Raises:
        DataError: a line that says something else.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("empty"), list):
        raise _damaged(path, "a line")
    require_inner_names(entry["empty"], path)
    return outputs(entry.get("outputs"), path), entry["empty"]


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: damaged: {what} is not what bertkit writes there", _ADVICE)
