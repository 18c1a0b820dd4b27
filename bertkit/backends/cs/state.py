"""Saves the weights and optimizer state of a Cerebras system at a checkpoint as one file.

A system gives them away only inside a checkpoint closure, only to `cerebras.pytorch.save`,
and only at steps announced beforehand. Its file, HDF5, is what `bertkit convert` reads as
Cerebras' form; checkpoints of the run are made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.torch.step import plain_weights
from bertkit.train.optimization.optimizers import named_state


class Snapshots:
    """The last saved file of a run, and the model while it can be read directly.

    Args:
        cstorch: the package.
        folder: for the files.
        keep: do not delete the file before.
        on_system: the model is on a system, not in this machine's memory.
    """

    def __init__(self, cstorch: Any, folder: str, keep: bool, on_system: bool) -> None:
        self.cstorch = cstorch
        self.folder = Path(folder)
        self.keep = keep
        self.on_system = on_system
        self.step = 0
        self._saved: tuple[int, Path] | None = None

    @property
    def readable(self) -> bool:
        """Whether the state after update `now` can be had."""
        return not self.on_system or (self._saved is not None and self._saved[0] == self.step)

    def save(self, step: int, model: nn.Module, optimizer: Any, scaler: Any) -> None:
        """Write the state after update `step`; inside a checkpoint closure."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"checkpoint_{step}.mdl"
        tree = {
            "model": model.state_dict(),
            "optimizer": _live_state(optimizer),
            "scaler": scaler.state_dict() if scaler else {},
        }
        path.unlink(missing_ok=True)  # of a run before; the package does not overwrite
        self.cstorch.save(tree, str(path))
        if self._saved and not self.keep and self._saved[1] != path:
            self._saved[1].unlink(missing_ok=True)
        self._saved = (step, path)

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The weights after update `now`."""
        return self._read("model") or plain_weights(model)

    def optimizer_state(self, optimizer: Any) -> dict[str, dict[str, Tensor]]:
        """The optimizer's state after update `now`, by parameter name."""
        return self._read("optimizer") or named_state(optimizer)

    def scaler_state(self) -> dict[str, Tensor]:
        """The state of the loss scale after update `now`."""
        return self._read("scaler")

    def _read(self, part: str) -> dict[str, Any]:
        """A part of the file, as tensors of this machine; empty where there is no such file."""
        if self._saved is None or self._saved[0] != self.step:
            return {}
        tree = self.cstorch.load(str(self._saved[1]))
        plain: dict[str, Any] = _plain(tree.get(part, {}))
        return plain


def _live_state(optimizer: Any) -> dict[str, dict[str, Tensor]]:
    """The optimizer's tensors by parameter name, wherever they are."""
    return {
        name: dict(optimizer.state[weight])
        for group in optimizer.param_groups
        for name, weight in zip(_texts(group["names"]), group["params"], strict=True)
        if optimizer.state[weight]
    }


def _texts(names: Iterable[Any]) -> list[str]:
    return [str(name) for name in names]


def _plain(tree: Any) -> Any:
    """Tensors that are read when they are used, read."""
    if isinstance(tree, Mapping):
        return {name: _plain(value) for name, value in tree.items()}
    if isinstance(tree, Tensor):
        return torch.from_numpy(tree.detach().cpu().numpy().copy())
    return torch.as_tensor(tree)
