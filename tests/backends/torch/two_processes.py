"""What one of several processes does for `test_distributed.py`; also run alone, as the measure.

Run by the test, with torchrun's environment: python two_processes.py FOLDER
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import synthetic
import torch
from torch import distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.options import CudaOptions
from bertkit.data.record_feed import RecordFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.checkpoints.background_save import copied
from bertkit.train.config import UNCORRECTED

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=32,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
RATE = 0.5
STEPS = 3
CLIP = 0.05  # below the norm of every gradient here
SHARDED = ("adamw", UNCORRECTED, "nvlamb", "no_debias_clamp10")


class Made:
    """Sixteen records for every step."""

    max_seq_length, max_predictions_per_seq = 24, 4

    def __init__(self) -> None:
        self.records = synthetic.batch(16 * STEPS, seed=4)

    def __len__(self) -> int:
        return 16 * STEPS

    def at_epoch(self, epoch):
        return self

    def batch(self, indices):
        return {name: values[indices] for name, values in self.records.items()}


def batches(topology, normalisation, micro_batch_size=4):
    """The steps of one process."""
    feed = RecordFeed(
        Made(), SampleOrder(16 * STEPS, 1, shuffle=False), 16, micro_batch_size, "unpadded",
        normalisation, synthetic.VOCAB, rank=topology.rank, world=topology.world,
    )  # fmt: skip
    return list(feed.steps(0, STEPS))


def make(adapter, name, rate=RATE, shard=False, **plan):
    """A model drawn from one seed, its optimizer and its stepper."""
    torch.manual_seed(5)
    decay = 0.0 if name == "sgd" else 0.01
    model = adapter.place(BertForPreTraining(SHAPE))
    optimizer = adapter.optimizer(model, OptimizerSpec(name, weight_decay=decay, shard=shard))
    stepper = adapter.build(
        model, PretrainingObjective(), StepPlan(**plan), optimizer, lambda step: rate
    )
    return model, optimizer, stepper


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def plain(adapter, normalisation):
    """SGD over steps of accumulated micro-batches; counts what goes to the other processes."""
    model, _, stepper = make(adapter, "sgd", max_grad_norm=0.0)
    sent = []
    if adapter.process_group.topology.world > 1:
        stepper.model.register_comm_hook(None, lambda _, bucket: count(sent, bucket))
    for step, batch in enumerate(batches(adapter.process_group.topology, normalisation)):
        stepper.train(batch, step)
    return {"weights": weights(model), "exchanges": len(sent)}


def count(sent, bucket):
    sent.append(bucket.index())
    return allreduce_hook(None, bucket)


def clipped(adapter, clip):
    """One step of SGD whose gradients are clipped before or after they are averaged."""
    model, _, stepper = make(adapter, "sgd", max_grad_norm=CLIP, clip=clip)
    stepper.train(batches(adapter.process_group.topology, "micro_batch")[0], 0)
    return weights(model)


def sharded(adapter, name):
    """The same steps with the optimizer's state whole and sharded, and resumed from there."""
    found = {}
    for shard in (False, True):
        model, optimizer, stepper = make(adapter, name, 1e-2, shard)
        steps = batches(adapter.process_group.topology, "global_step")
        for step, batch in enumerate(steps[:2]):
            stepper.train(batch, step)
        state, half = copied(stepper.state()), weights(model)
        stepper.train(steps[2], 2)
        inner = getattr(optimizer, "optim", optimizer)
        kept = sum(len(group["params"]) for group in inner.param_groups)
        found[shard] = {"state": state, "weights": weights(model), "half": half, "kept": kept}
    (state,) = itertools.islice(adapter.process_group.gather(found[True]["state"]["optimizer"]), 1)
    model, _, stepper = make(adapter, name, 1e-2, shard=True)
    model.load_state_dict(found[True]["half"])
    stepper.load_state({"optimizer": state})
    stepper.train(batches(adapter.process_group.topology, "global_step")[2], 2)
    return {"whole": found[False], "sharded": found[True], "resumed": weights(model)}


def exchanged(adapter, shard, half):
    """Clipped steps of two micro-batches; what travelled by calls that are seen, in bytes."""
    options = CudaOptions(gradient_exchange="bf16" if half else "fp32")
    model, _, stepper = make(adapter, "adamw", 1e-2, shard, max_grad_norm=CLIP, options=options)
    sent, norms = [], []
    real = {name: getattr(dist, name) for name in ("all_reduce", "reduce", "broadcast")}

    def seen(name, tensor, *words, **more):
        if tensor.numel() > 100:  # not the norms
            sent.append((name, tensor.numel() * tensor.element_size()))
        return real[name](tensor, *words, **more)

    for name in real:
        setattr(dist, name, functools.partial(seen, name))
    try:
        for step, batch in enumerate(batches(adapter.process_group.topology, "global_step")):
            (numbers,) = stepper.read([stepper.train(batch, step)])
            norms.append(numbers["grad_norm"])
    finally:
        for name, function in real.items():
            setattr(dist, name, function)
    return {"weights": weights(model), "norms": norms, "sent": sent}


def one_overflows(adapter, clip, scaled=False, shard=False, graphs=False):
    """Three steps; in the second the gradient of process 1 alone is not finite."""
    records(adapter)
    plan = {"max_grad_norm": 1.0, "clip": clip, "options": CudaOptions(graphs=graphs)}
    model, _, stepper = make(adapter, "adamw", 1e-2, shard, **plan)
    if scaled:
        stepper.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    topology, found = adapter.process_group.topology, []
    for step, batch in enumerate(batches(topology, "micro_batch")):
        if step == 1 and topology.rank == 1:
            masked = batch.micro_batches[0].arrays["mlm_weights"]
            masked[masked > 0] = math.inf
        before = weights(model)
        (numbers,) = stepper.read([stepper.train(batch, step)])
        changed = any(
            not torch.equal(before[name], value) for name, value in weights(model).items()
        )
        found.append({"norm": numbers["grad_norm"], "changed": changed})
    scale = stepper.scaler.get_scale() if scaled else None
    return {"steps": found, "weights": weights(model), "scale": scale}


class Unrecorded:
    """A recorder that runs everything; what is recorded is not for CPUs."""

    def run(self, work):
        work()

    def record(self, work):
        return work


def records(adapter):
    """Let an adapter record steps, as that of CUDA does."""
    adapter.recorder = Unrecorded
    adapter.caps = replace(adapter.caps, records_steps=True)


def graphed(adapter, clip, normalisation):
    """Clipped steps as `cuda.graphs` has them, whose exchange lies between recordings."""
    records(adapter)
    options = CudaOptions(graphs=True)
    found = {}
    for name, chosen in (("plain", CudaOptions()), ("graphs", options)):
        model, _, stepper = make(adapter, "sgd", max_grad_norm=CLIP, clip=clip, options=chosen)
        norms = []
        for step, batch in enumerate(batches(adapter.process_group.topology, normalisation)):
            (numbers,) = stepper.read([stepper.train(batch, step)])
            norms.append(numbers["grad_norm"])
        found[name] = {"weights": weights(model), "norms": norms, "kind": type(stepper).__name__}
    return found


def shared(adapter):
    """Processes that begin with different weights."""
    records(adapter)
    torch.manual_seed(adapter.process_group.topology.rank)
    model = adapter.place(BertForPreTraining(SHAPE))
    optimizer = adapter.optimizer(model, OptimizerSpec())
    plan = StepPlan(options=CudaOptions(graphs=True))
    adapter.build(model, PretrainingObjective(), plan, optimizer, lambda step: RATE)
    return weights(model)


class OnlyTheLossIsNone(PretrainingObjective):
    """A loss of NaN over gradients that are finite, in process 1's second step."""

    def __init__(self, rank):
        super().__init__()
        # Frozen fields are of the settings; these are none.
        self.__dict__.update(rank=rank, calls=itertools.count(1))

    def losses(self, model, tensors, batch):
        loss, sums = super().losses(model, tensors, batch)
        return (loss + math.nan if next(self.calls) == 4 and self.rank == 1 else loss), sums


def one_loss_is_none(adapter):
    """Three steps of two micro-batches; changes of the weights by step."""
    torch.manual_seed(5)
    model = adapter.place(BertForPreTraining(SHAPE))
    topology = adapter.process_group.topology
    stepper = adapter.build(
        model, OnlyTheLossIsNone(topology.rank), StepPlan(max_grad_norm=0.0),
        adapter.optimizer(model, OptimizerSpec("adamw")), lambda step: 1e-2,
    )  # fmt: skip
    changes = []
    for step, batch in enumerate(batches(topology, "global_step")):
        before = weights(model)
        stepper.train(batch, step)
        after = weights(model)
        changes.append(any(not torch.equal(before[name], after[name]) for name in before))
    return {"changes": changes, "weights": weights(model)}


def everything(adapter):
    return {
        **{
            f"overflow {clip} {scaled}": one_overflows(adapter, clip, scaled)
            for clip in ("before", "after")
            for scaled in (True, False)
        },
        **{
            f"overflow {clip} graphs": one_overflows(adapter, clip, graphs=True)
            for clip in ("before", "after")
        },
        "overflow sharded": one_overflows(adapter, "after", True, shard=True),
        **{
            f"exchange {shard} {half}": exchanged(adapter, shard, half)
            for shard in (False, True)
            for half in (False, True)
        },
        "loss is none": one_loss_is_none(adapter),
        **{
            f"graphs {clip} {kind}": graphed(adapter, clip, kind)
            for clip in ("before", "after")
            for kind in ("global_step", "micro_batch")
        },
        "graphs begin": shared(adapter),
        **{f"plain {kind}": plain(adapter, kind) for kind in ("global_step", "micro_batch")},
        **{f"clip {clip}": clipped(adapter, clip) for clip in ("before", "after")},
        **{f"sharded {name}": sharded(adapter, name) for name in SHARDED},
    }


if __name__ == "__main__":
    with registry.get("cpu") as ours:
        place = ours.start(distributed=True)
        result = everything(ours)
        torch.save(result, Path(sys.argv[1]) / f"rank-{place.rank}.pt")
