"""The table of checkpoint formats: how each is found, read and, for some, written.

Adding a format is one module and one row here, or one call of `register` from outside. The
module has `find(path) -> Path | None`, which recognises what a user named and returns the
file, folder or prefix to read; `read(path, moments) -> CheckpointContents`; and where
`convert --to` writes it, `write(folder, CheckpointToWrite)` and, where it cannot hold every
model, `unheld(weights) -> list[str]`. Modules are imported when they are first needed, so
that this table costs nothing.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from bertkit.errors import UsageError
from bertkit.model.model_types import LABEL_HEAD, SENTENCES

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.model.checkpoints.contents import CheckpointContents, CheckpointToWrite


class FormatModule(Protocol):
    """What the module of a format has."""

    def find(self, path: Path) -> Path | None:
        """The file, folder or prefix to read for a path of the user; None: another format."""
        ...

    def read(self, path: Path, moments: bool = False) -> CheckpointContents:
        """Sort the tensors of a checkpoint, with the optimizer's moments if asked for."""
        ...

    def write(self, folder: Path, checkpoint: CheckpointToWrite) -> None:
        """Write a checkpoint into a folder; only formats with a `target` need this."""
        ...


@dataclass(frozen=True)
class CheckpointFormat:
    """A row of the table.

    Attributes:
        name: in reports, and as `convert --to` takes it.
        title: for people.
        module: dotted name of its module.
        target: what `convert --to` writes, for its help; empty: the format is only read.
        vocab_multiple: the format's programs want the rows of the word embedding to be a
            multiple of this.
        read_as: name of the row that reads what this one writes; empty: it does itself.
    """

    name: str
    title: str
    module: str
    target: str = ""
    vocab_multiple: int = 1
    read_as: str = ""

    def load(self) -> FormatModule:
        """Its module."""
        return cast(FormatModule, importlib.import_module(self.module))

    def unheld(self, weights: Mapping[str, Tensor], architecture: str = "") -> list[str]:
        """The weights, by our names, that the format has no place for.

        Args:
            weights: of the model.
            architecture: its class.
        """
        module = self.load()
        found: list[str] = getattr(module, "unheld", lambda weights: [])(weights)
        if architecture == SENTENCES and self.name != _NAMES_CLASSES:
            # Where no class is named, this head would be read as that of another task.
            found = [*found, *(name for name in weights if name.startswith(LABEL_HEAD))]
        return list(dict.fromkeys(found))


_PACKAGE = "bertkit.model.checkpoints"
_NAMES_CLASSES = "hf"  # the format whose configuration names the class of the model

# In the order of trial: Graphcore's folders hold files of transformers, too.
_FORMATS = [
    CheckpointFormat(
        name="graphcore",
        title="Graphcore step folder",
        module=f"{_PACKAGE}.vendors.graphcore",
    ),
    CheckpointFormat(
        name="hf",
        title="Hugging Face transformers",
        module=f"{_PACKAGE}.hf",
        target="a folder for transformers",
    ),
    CheckpointFormat(
        name="tf",
        title="TensorFlow checkpoint",
        module=f"{_PACKAGE}.tensorflow.checkpoint",
    ),
    CheckpointFormat(
        name="nvidia",
        title="NVIDIA or Habana ckpt_N.pt",
        module=f"{_PACKAGE}.vendors.nvidia",
        target="ckpt_N.pt for NVIDIA's and Habana's programs",
        vocab_multiple=8,
    ),
    CheckpointFormat(
        name="cerebras",
        title="Cerebras .mdl",
        module=f"{_PACKAGE}.vendors.cerebras",
    ),
    CheckpointFormat(
        name="tf1",
        title="TensorFlow 1",
        module=f"{_PACKAGE}.tensorflow.tf1_writer",
        target="bert_model.ckpt for Google's and MLPerf's programs",
        read_as="tf",
    ),
    CheckpointFormat(
        name="tf2",
        title="TensorFlow 2",
        module=f"{_PACKAGE}.tensorflow.tf2_writer",
        target="bert_model.ckpt for TensorFlow 2's official models (encoder, masked LM)",
        read_as="tf",
    ),
]


def all_formats() -> Sequence[CheckpointFormat]:
    """Every format that is read, in the order in which they are tried."""
    return tuple(row for row in _FORMATS if not row.read_as)


def targets() -> list[CheckpointFormat]:
    """The formats that `convert --to` writes."""
    return [row for row in _FORMATS if row.target]


def require_target(name: str) -> None:
    """Refuse a format that is not written.

    Raises:
        UsageError: there is none of that name, or it is only read; names those that are written.
    """
    names = [row.name for row in targets()]
    if name not in names:
        read = any(row.name == name for row in all_formats())
        what = (
            f"--to {name}: this format is only read" if read else f"no checkpoint format {name!r}"
        )
        raise UsageError(what, f"formats that are written: {', '.join(names)}")


def register(row: CheckpointFormat) -> None:
    """Add a format from outside; it is tried before bertkit's own.

    Raises:
        UsageError: there is a format of that name.
    """
    if any(known.name == row.name for known in _FORMATS):
        raise UsageError(f"there is a checkpoint format {row.name!r} already")
    _FORMATS.insert(0, row)


def get(name: str) -> CheckpointFormat:
    """The format of a name.

    Raises:
        UsageError: there is none.
    """
    for row in _FORMATS:
        if row.name == name:
            return row
    names = ", ".join(row.name for row in _FORMATS)
    raise UsageError(f"no checkpoint format {name!r}", f"formats: {names}")


def detect(path: str | Path) -> tuple[CheckpointFormat, Path] | None:
    """(format, what to read: a file, folder or prefix) of a checkpoint, or None.

    Args:
        path: a folder, a file of any format, or the prefix of a TensorFlow checkpoint.

    Raises:
        DataError: a folder of several TensorFlow checkpoints, and nothing says which.
    """
    for row in all_formats():
        found = row.load().find(Path(path))
        if found is not None:
            return row, found
    return None


def newest(
    folder: Path, pattern: re.Pattern[str], accept: Callable[[Path], bool] = Path.exists
) -> Path | None:
    """The entry of a folder with the highest number, among names that match a pattern.

    Args:
        folder: to look in.
        pattern: matches whole names; its first group is the number.
        accept: tells which of these entries count.
    """
    numbered = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := pattern.fullmatch(path.name)) and accept(path)
    ]
    return max(numbered)[1] if numbered else None
