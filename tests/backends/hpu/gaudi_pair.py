"""One of several processes on the stand-in: `gaudi_pair.py FOLDER MODE`, started as by mpirun.

Runs scenarios in turn and leaves their weights, losses and numbers of collective calls in
FOLDER/MODE-RANK.pt. torch's lazy device cannot do DistributedDataParallel and is slow, so
there only the sound flat exchange runs; all else runs in eager mode.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from backends.hpu import gaudi
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.hpu import adapter as hpu
from bertkit.backends.hpu import step
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.torch import step as plain_step
from bertkit.backends.torch.processes.distributed import reduce_gradients
from bertkit.data.record_feed import RecordFeed
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization.optimizers import own_part

STEPS = 3
# So far below the gradients' norm that eps makes LAMB feel it.
SHARDED_CLIP = 1e-5
FLAT, AVERAGED = HpuOptions(mode="eager"), HpuOptions(mode="eager", flat_all_reduce=False)


def halves(parameters):
    reduce_gradients(parameters, 2)


def _clips_by_parts(optimizer, limit):
    own_part(optimizer).defaults["max_grad_norm"] = limit
    return True


@contextlib.contextmanager
def _exchanging(self, number, last):
    yield
    reduce_gradients(self._parameters(self.optimizer))
    self.engine.mark()


# Scenario: (options, what is broken).
SCENARIOS = {
    "flat": (FLAT, lambda patch: None),
    "averaged": (AVERAGED, lambda patch: None),
    "divided twice": (FLAT, lambda patch: patch.setattr(step, "reduce_gradients", halves)),
    "every micro-batch": (
        FLAT, lambda patch: patch.setattr(step.HpuStepper, "_exchange", _exchanging)
    ),
    "no broadcast": (
        FLAT, lambda patch: patch.setattr(hpu, "share_weights", lambda model, group: None)
    ),
    "own counts only": (
        FLAT, lambda patch: patch.setattr(
            plain_step, "shared_scales", lambda batch, process_group: batch.micro_batches
        ),
    ),
    "sharded": (FLAT, lambda patch: None),
    "sharded, clipped by parts": (
        FLAT, lambda patch: patch.setattr(step, "clips_itself", _clips_by_parts)
    ),
}  # fmt: skip


def scenario(adapter, records, options, sharded=False) -> dict:
    adapter.options = options
    rank = adapter.process_group.topology.rank
    placed = adapter.place(gaudi.fresh_model(seed=3 + rank))
    name, clip = ("nvlamb", SHARDED_CLIP) if sharded else ("sgd", 1.0)
    optimizer = adapter.optimizer(placed, OptimizerSpec(name, shard=sharded))
    plan = StepPlan("fp32", "padded", max_grad_norm=clip, options=options)
    stepper = adapter.build(placed, PretrainingObjective(), plan, optimizer, gaudi.rate)
    feed = gaudi.feed_of(records)
    feed = RecordFeed(
        feed.source, feed.order, gaudi.GLOBAL, 2, "padded", "global_step", feed.tokens,
        rank=rank, world=2, fixed=True,
    )  # fmt: skip
    log = gaudi.engine().LOG
    calls, losses = [], []
    for number, batch in enumerate(feed.steps(0, STEPS)):
        log.clear()
        losses += [numbers["loss"] for numbers in stepper.read([stepper.train(batch, number)])]
        calls.append(len(log.all_reduces))
    kept = len(own_part(optimizer).state)
    state = stepper.state()
    if sharded:
        # As from the main process's checkpoint, which all of them read.
        (state, *_) = adapter.process_group.gather(state)
        stepper.load_state(state)
    return {
        "weights": adapter.weights(placed), "losses": losses, "calls": calls, "kept": kept,
        "state": state, "again": stepper.state(),
    }  # fmt: skip


def refused(call) -> str:
    try:
        call()
    except (RuntimeError, AssertionError) as error:
        return str(error)
    return ""


def main(folder: Path, mode: str) -> None:
    torch.set_num_threads(1)
    adapter = hpu.HpuAdapter()
    lazy = HpuOptions(mode="lazy")
    adapter.start(HpuOptions(mode=mode), distributed=True)
    rank = adapter.process_group.topology.rank
    found = {}
    wanted = {"flat": (lazy, SCENARIOS["flat"][1])} if mode == "lazy" else SCENARIOS
    for name, (options, breaks) in wanted.items():
        with pytest.MonkeyPatch.context() as patch:
            breaks(patch)
            sharded = name.startswith("sharded")
            found[name] = scenario(adapter, folder / "r.tfrecord", options, sharded)
    if mode == "lazy":
        found["refused"] = refused(lambda: dist.all_reduce(torch.ones(1)))
    else:
        from habana_frameworks.torch.hpu import graphs

        wrapped = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2).to("hpu"))
        found["refused"] = refused(lambda: graphs.ModuleCacher()(wrapped))
    torch.save(found, folder / f"{mode}-{rank}.pt")
    adapter.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
