"""Opens PyTorch's pickle files as data, without running any code in them."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from typing import Any

import torch

from bertkit.errors import DataError
from bertkit.model.checkpoints.checksums import damaged_entry
from bertkit.storage.files import refuse_lfs_pointer

# PyTorch's own words where a zip is broken, and where a file is neither zip nor pickle.
_READS_ZIP = "PytorchStreamReader"
_NO_PICKLE = "Expected input to be a checkpoint returned by torch.save"


class _StandIn:
    """Takes the place of an object of another program's class; keeps and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take and forget whatever the file gives."""

    def __setstate__(self, _: Any) -> None:
        """Forget it."""


def load_tensors(path: str | Path) -> Any:
    """Load a file of tensors and plain values.

    Raises:
        DataError: damaged, or it needs code to be opened.
    """
    _require_whole(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here, all meaning the same
        raise _refusal(path, error) from error


def load_with_stand_ins(path: str | Path) -> Any:
    """Load a file that may hold objects of other programs beside its tensors.

    NVIDIA's and Habana's programs save their data loader, Graphcore's its arguments.
    Such objects become empty stand-ins: the classes they name are never imported, so
    nothing they ask for is called.

    Raises:
        DataError: damaged, or it holds what even PyTorch's guarded reader refuses.
    """
    _require_whole(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # decided below, with the names it wants
        pass
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        stand_ins: list[Any] = [(_stand_in(name), name) for name in names]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here, all meaning the same
        raise _refusal(path, error) from error


def _require_whole(path: str | Path) -> None:
    """Refuse what stands for a file, and one that was damaged."""
    # Torch says what cannot be read; files of before its version 1.6 are no zip files.
    with contextlib.suppress(OSError, EOFError, zipfile.BadZipFile):
        refuse_lfs_pointer(path)
        if bad := damaged_entry(path):
            raise DataError(f"{path}: its entry {bad} is damaged", "copy or fetch the file again")


def _stand_in(name: str) -> type:
    module, _, short = name.rpartition(".")
    return type(short, (_StandIn,), {"__module__": module})


def _refusal(path: str | Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"no such file: {path}")
    reason = str(error).split("\n", 1)[0][:200]
    if reason.startswith(_READS_ZIP):
        reason = reason.partition(". ")[0]
        return DataError(f"{path}: not a whole file: {reason}", "copy or fetch the file again")
    hint = "bertkit does not open pickle files that run code"
    if _NO_PICKLE in reason:
        hint = "is it damaged, or another program's? Else copy or fetch it again"
    return DataError(f"{path}: not a file of plain tensors: {reason}", hint)
