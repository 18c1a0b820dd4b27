"""A checkpoint format from outside: an .npz of arrays under names of its own, read and written.

Run as a program, it registers itself and runs the `bertkit` commands that it is given as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.contents import CheckpointContents, CheckpointToWrite

_ENDING = ".npz"


def find(path: Path) -> Path | None:
    """The file itself, or the only one in a folder."""
    if path.is_dir():
        found = sorted(path.glob(f"*{_ENDING}"))
        return found[0] if len(found) == 1 else None
    return path if path.is_file() and path.suffix == _ENDING else None


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Names have slashes where ours have dots, under `toy/`."""
    contents = CheckpointContents("toy", path)
    with np.load(path) as file:
        for name, values in file.items():
            if name.startswith("toy/"):
                target = name.removeprefix("toy/").replace("/", ".")
                contents.add_weight(name, torch.from_numpy(values), target)
            else:
                contents.skip(name, values.shape, "a note of the toy")
    return contents


def write(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Weights and the configuration."""
    arrays = {f"toy/{name.replace('.', '/')}": v.numpy() for name, v in checkpoint.weights.items()}
    np.savez(folder / f"weights{_ENDING}", version=np.ones(1), **arrays)
    checkpoint.config.to_file(folder, checkpoint.architecture)


ROW = formats.CheckpointFormat(
    name="toy",
    title="Toy .npz",
    module="model.checkpoints.toy_format",
    target="an .npz of arrays",
    vocab_multiple=8,
)

if __name__ == "__main__":
    from bertkit.cli import main

    formats.register(ROW)
    sys.exit(max(main(words) for words in json.loads(sys.argv[1])))
