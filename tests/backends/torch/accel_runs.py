"""Trains on the pretended device and on the CPU; prints what came out as one line of JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import synthetic
import torch
from safetensors.torch import load_file

from backends.torch import pretend_device
from bertkit.backends import registry
from bertkit.errors import StoppedError
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain

FOLDER = Path(sys.argv[1])
SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def trained(config: PretrainConfig, name: str, backend: str) -> float:
    """The last loss of a run."""
    config = replace(config, output=str(FOLDER / name))
    return pretrain(config, registry.get(backend)).train["loss"]


def main() -> None:
    """Everything that the tests look at."""
    pretend_device.appear(str(FOLDER / "build"))
    records = synthetic.write(FOLDER / "r.tfrecord", 40, seed=1)
    base = PretrainConfig(
        input=[str(records)],
        global_batch_size=8,
        micro_batch_size=4,
        max_steps=4,
        learning_rate=1e-3,
        model=SHAPE,
    )
    adapter = registry.get("accel")
    losses = {}
    for layout in ("unpadded", "padded", "bucketed", "packed"):
        for precision in ("fp32", "bf16"):
            config = replace(base, layout=layout, precision=precision)
            name = f"{layout} {precision}"
            losses[name] = [
                trained(config, f"{name} {backend}", backend) for backend in ("cpu", "accel")
            ]
    # With dropout: its numbers follow the step's seed on this device too.
    wet = {**asdict(SHAPE), "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    config = replace(base, model=BertConfig(**wet), optimizer="nvlamb", save_every=2)
    trained(config, "whole", "accel")
    with contextlib.suppress(StoppedError):
        trained(replace(config, steps_this_run=2), "parts", "accel")
    trained(config, "parts", "accel")
    weights = [
        load_file(sorted((FOLDER / name).glob("step-*"))[-1] / "model.safetensors")
        for name in ("whole", "parts")
    ]
    different = [
        name for name, value in weights[0].items() if not torch.equal(value, weights[1][name])
    ]
    found = {
        "probe": asdict(adapter.probe()),
        "precisions": adapter.caps.precisions,
        "optimizers": sorted(adapter.caps.optimizers),
        "losses": losses,
        "resumed": different,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
