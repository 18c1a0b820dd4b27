"""One of several processes on the stand-in: `gaudi_pair.py FOLDER MODE`, started as by mpirun.

Runs scenarios in turn and leaves their weights, losses and numbers of collective calls in
FOLDER/MODE-RANK.pt. torch's lazy device cannot do DistributedDataParallel and is slow, so
there only the sound flat exchange runs; all else runs in eager mode.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from backends import gaudi
from bertkit.backends import hpu, hpu_step, loop
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.distributed import reduce_gradients
from bertkit.data.feed import Feed
from bertkit.train.tasks import PretrainTask
from bertkit.train.vendors import HpuConfig

STEPS = 3
FLAT, AVERAGED = HpuConfig(mode="eager"), HpuConfig(mode="eager", flat_all_reduce=False)


def halves(parameters):
    reduce_gradients(parameters, 2)


@contextlib.contextmanager
def _exchanging(self, number, last):
    yield
    reduce_gradients(self._parameters(self.optimizer))
    self.engine.mark()


# Scenario: (options, what is broken).
SCENARIOS = {
    "flat": (FLAT, lambda patch: None),
    "averaged": (AVERAGED, lambda patch: None),
    "divided twice": (FLAT, lambda patch: patch.setattr(hpu_step, "reduce_gradients", halves)),
    "every micro-batch": (
        FLAT, lambda patch: patch.setattr(hpu_step.HpuStepper, "_exchange", _exchanging)
    ),
    "no broadcast": (
        FLAT, lambda patch: patch.setattr(
            hpu, "dist", SimpleNamespace(broadcast=lambda tensor, rank: None)
        ),
    ),
    "own counts only": (
        FLAT, lambda patch: patch.setattr(
            loop, "shared_scales", lambda batch, peers: batch.micro_batches
        ),
    ),
}  # fmt: skip


def scenario(adapter, records, options) -> dict:
    adapter.options = options
    rank = adapter.peers.topology.rank
    placed = adapter.place(gaudi.fresh_model(seed=3 + rank))
    optimizer = adapter.optimizer(placed, OptimizerSpec("sgd"))
    plan = StepPlan("fp32", "padded", max_grad_norm=1.0, options=options)
    stepper = adapter.build(placed, PretrainTask(), plan, optimizer, gaudi.rate)
    feed = gaudi.feed_of(records)
    feed = Feed(
        feed.source, feed.order, gaudi.GLOBAL, 2, "padded", "global_step", feed.vocab_size,
        rank=rank, world=2, fixed=True,
    )  # fmt: skip
    log = gaudi.engine().LOG
    calls, losses = [], []
    for number, batch in enumerate(feed.steps(0, STEPS)):
        log.clear()
        losses += [numbers["loss"] for numbers in stepper.read([stepper.train(batch, number)])]
        calls.append(len(log.all_reduces))
    return {"weights": adapter.weights(placed), "losses": losses, "calls": calls}


def refused(call) -> str:
    try:
        call()
    except (RuntimeError, AssertionError) as error:
        return str(error)
    return ""


def main(folder: Path, mode: str) -> None:
    torch.set_num_threads(1)
    adapter = hpu.HpuAdapter()
    lazy = HpuConfig(mode="lazy")
    adapter.start(HpuConfig(mode=mode), distributed=True)
    rank = adapter.peers.topology.rank
    found = {}
    wanted = {"flat": (lazy, SCENARIOS["flat"][1])} if mode == "lazy" else SCENARIOS
    for name, (options, breaks) in wanted.items():
        with pytest.MonkeyPatch.context() as patch:
            breaks(patch)
            found[name] = scenario(adapter, folder / "r.tfrecord", options)
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
