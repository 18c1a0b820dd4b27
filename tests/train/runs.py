"""Short runs on a CPU, and what is looked at in their folders."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint

CPU = registry.get("cpu")


def run(config, **more):
    return pretrain(config, CPU, **more)


def steps(folder):
    return [step for step, _ in checkpoint.in_run(folder)]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def logged(folder):
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def assert_same_bits(one, two):
    first, second = (load_file(Path(place) / "model.safetensors") for place in (one, two))
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
