"""The IPU adapter under a stand-in for its engine, whole or with one line of it changed; and what
its runs are compared by."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import bertkit.backends
from bertkit.backends import registry
from bertkit.backends.base import Adapter
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import PretrainResult, pretrain
from bertkit.train.checkpoints import checkpoint

FAKES = Path(__file__).parents[1] / "fakes"
# In the order of their imports.
PARTS = (
    "pipeline",
    "rules",
    "engine_options",
    "optimizers",
    "model",
    "process_group",
    "step",
    "adapter",
)


@contextmanager
def engine() -> Iterator[types.ModuleType]:
    """The stand-ins on the path, with nothing compiled; gone again afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(FAKES))
    try:
        import poptorch

        yield poptorch
    finally:
        sys.path.remove(str(FAKES))
        # Also other vendors' stand-ins, which a look for every backend finds there.
        for name in set(sys.modules) - before:
            if _lies_in_fakes(sys.modules[name]):
                del sys.modules[name]


def _lies_in_fakes(module: types.ModuleType) -> bool:
    places = [getattr(module, "__file__", None) or "", *(getattr(module, "__path__", None) or ())]
    return any(str(place).startswith(str(FAKES)) for place in places)


def changed_adapter(part: str, old: str, new: str):
    """An adapter made from the same source with one text replaced.

    Its modules replace the real ones only while they are made.
    """
    names = [f"bertkit.backends.ipu.{item}" for item in PARTS]
    before = {name: sys.modules.get(name) for name in names}
    try:
        for name, item in zip(names, PARTS, strict=True):
            path = Path(bertkit.backends.__file__).parent / "ipu" / f"{item}.py"
            text = path.read_text(encoding="utf-8")
            if item == part:
                assert text.count(old) == 1, f"{path.name} has {text.count(old)} times: {old}"
                text = text.replace(old, new)
            module = types.ModuleType(name)
            module.__file__ = str(path)
            sys.modules[name] = module
            exec(compile(text, str(path), "exec"), module.__dict__)
        return module.IpuAdapter()
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def weights(place) -> dict[str, torch.Tensor]:
    return load_file(str(Path(place) / "model.safetensors"))


def lines(result, kind="train") -> list[dict]:
    path = Path(result.output) / "metrics.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def distance(one, other) -> float:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


def require_same(result, reference) -> None:
    """Weights at every checkpoint, losses and evaluations of a run are those of another."""
    mine, theirs = (checkpoint.in_run(run.output) for run in (result, reference))
    assert [step for step, _ in mine] == [step for step, _ in theirs]
    for (_, one), (_, other) in zip(mine, theirs, strict=True):
        assert distance(one, other) < 1e-5
    names = ("loss", "mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "learning_rate")
    for kind in ("train", "eval"):
        mine, theirs = lines(result, kind), lines(reference, kind)
        assert [line["step"] for line in mine] == [line["step"] for line in theirs]
        for one, other in zip(mine, theirs, strict=True):
            for name in names:
                assert (name in one) == (name in other)
                if name in one:
                    assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-6), name


def trained(config: PretrainConfig, adapter: Adapter | None = None) -> PretrainResult:
    """A run on IPUs, which are free again at its end."""
    with adapter or registry.get("ipu") as own:
        return pretrain(config, own)
