"""Identifies the weights that a run starts from, whatever file they come in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.hub.sources import moved, name_of, source_of
from bertkit.train.checkpoints.run_state import RunState


def digest_of(tensors: Mapping[str, Tensor], names: Iterable[str]) -> str:
    """SHA-256 over names, types, shapes and values of tensors.

    BERT-large takes about a second, once per start of a run.

    Args:
        tensors: of a model.
        names: those that count.
    """
    digest = hashlib.sha256()
    for name in sorted(names):
        value = tensors[name].detach().to("cpu").contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def require_outside(start: str | Path | None, output: str | Path) -> None:
    """Refuse to start from a checkpoint of the run that is to be written.

    Args:
        start: the initial checkpoint; None for new weights.
        output: the run's folder.

    Raises:
        ConfigError: it is that folder, or lies below it.
    """
    if start is None:
        return
    run, place = Path(output).resolve(), Path(start).resolve()
    if run == place or run in place.parents:
        raise ConfigError(
            f"--init-checkpoint {start} is a checkpoint of --output itself",
            "give another --output; to resume this run, give the checkpoint it started from",
        )


def require_same_start(saved: RunState, start: Path | None, digest: str | None) -> None:
    """Refuse to resume a run that began with other weights than those of now.

    Args:
        saved: of the checkpoint.
        start: the initial checkpoint of now; None where none is given, which says nothing.
        digest: of its weights.

    Raises:
        ConfigError: other weights; names both.
    """
    if start is None or digest is None:
        return
    if saved.start is None:
        before = saved.config.get("init_checkpoint")
        if before != name_of(start):
            log.logger.warning(
                "the run began from %s; whether --init-checkpoint %s has the same weights, its"
                " checkpoint does not tell",
                before or "new weights",
                name_of(start),
            )
        return
    if saved.start["digest"] != digest:
        theirs = saved.start["digest"]
        began = f"{saved.start['path']} (weights {theirs[:12]})" if theirs else "new weights"
        which = "the checkpoint it began from"
        if moved(saved.start.get("hub"), source_of(start)):
            which = f"--init-checkpoint {saved.start['path']}"
        raise ConfigError(
            f"the run began from {began}, --init-checkpoint {name_of(start)} has weights"
            f" {digest[:12]}",
            f"give {which}, another --output, or --overwrite to start again",
        )
