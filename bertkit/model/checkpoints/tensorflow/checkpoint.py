"""Finds TensorFlow checkpoints by prefix, file or folder, and reads them by their names."""

from __future__ import annotations

import re
from pathlib import Path

from bertkit.errors import DataError
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.tensorflow import tf1, tf2
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.storage.files import open_binary

# Where MLPerf's folder has its checkpoints; configuration and vocabulary lie beside them.
FOLDERS = ("tf1_ckpt", "tf2_ckpt")
_INDEX = ".index"
_CONFIG = "bert_config.json"
_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")


def find(path: Path) -> Path | None:
    """The prefix of a checkpoint: given itself, by one of its files, or by its folder.

    Raises:
        DataError: a folder of several checkpoints, and nothing says which.
    """
    if path.is_dir():
        return _in_folder(path)
    data = _DATA.fullmatch(path.name)
    if data:
        path = path.with_name(data[1])
    elif path.suffix == _INDEX:
        path = path.with_suffix("")
    return path if path.with_name(path.name + _INDEX).is_file() else None


def _in_folder(folder: Path) -> Path | None:
    found = sorted(folder.glob(f"*{_INDEX}"))
    note = folder / "checkpoint"
    if note.is_file():
        with open_binary(note) as stream:
            text = stream.read(1 << 16).decode("utf-8", "replace")
        named = re.search(r'^model_checkpoint_path: "([^"]+)"', text, re.MULTILINE)
        # The note may hold the path of another machine; only the name counts.
        wanted = Path(named[1]).name if named else ""
        if any(path.name == wanted + _INDEX for path in found):
            return folder / wanted
    if not found and (folder / _CONFIG).is_file():  # as MLPerf: the checkpoint in a folder below
        found = sorted(folder.glob(f"*/*{_INDEX}"))
    if len(found) > 1:
        raise DataError(
            f"{folder} holds {len(found)} TensorFlow checkpoints:"
            f" {', '.join(path.stem for path in found[:5])}",
            f"name one, for example {found[-1].with_suffix('')}",
        )
    if found:
        return found[0].with_suffix("")
    # MLPerf's folder has both forms below it; TensorFlow 1's has the heads.
    inner = next((folder / name for name in FOLDERS if (folder / name).is_dir()), None)
    return _in_folder(inner) if inner else None


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a checkpoint: of TensorFlow 2 if it holds a graph of objects, else 1.

    Args:
        path: its prefix.
        moments: also read the optimizer's slots.

    Raises:
        DataError: no such checkpoint, or damaged.
    """
    bundle = Bundle(path)
    if tf2.GRAPH in bundle:
        return tf2.read(bundle, moments)
    return tf1.read(bundle, moments)
