"""Recorded steps on a GPU: the numbers of steps that are run, and nothing that outlives them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from backends.torch.test_cuda import SMALL, needs_gpu
from backends.torch.two_processes import batches
from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective


@needs_gpu
@pytest.mark.parametrize(
    "more",
    [
        {"layout": "unpadded"},
        {"layout": "padded"},
        {"layout": "packed", "optimizer": "nvlamb"},
        {"layout": "unpadded", "precision": "fp32"},
        {"layout": "unpadded", "optimizer": "sgd"},
    ],
)
def test_a_run_from_recordings_is_one_that_is_run(run, more):
    plain = run(dropout=0.0, max_steps=30, **more).train["loss"]
    recorded = run(dropout=0.0, max_steps=30, cuda=CudaOptions(graphs=True), **more)
    assert recorded.train["loss"] == pytest.approx(plain, rel=5e-3)


@needs_gpu
@pytest.mark.parametrize("options", [{"compile": True}, {"fused": True}])
def test_a_recorded_run_learns_with_dropout_too(run, options):
    """Masks that stay the same in all replays would be learnt by heart; a loss goes astray."""
    plain = run(max_steps=60, cuda=CudaOptions(**options)).train["loss"]
    recorded = run(max_steps=60, cuda=CudaOptions(graphs=True, **options)).train["loss"]
    assert recorded == pytest.approx(plain, rel=5e-2)


@needs_gpu
def test_every_replay_draws_other_dropout_and_a_steps_seed_decides_it():
    with registry.get("cuda") as adapter:
        adapter.start()
        torch.manual_seed(5)
        model = adapter.place(BertForPreTraining(SMALL))
        plan = StepPlan("bf16", options=CudaOptions(graphs=True))
        stepper = adapter.build(
            model, PretrainingObjective(), plan, adapter.optimizer(model, OptimizerSpec()),
            lambda step: 0.0,
        )  # fmt: skip
        (batch, *_) = batches(Topology(), "global_step")
        found = [stepper.read([stepper.train(batch, step)])[0]["loss"] for step in range(6)]
        assert len(set(found)) == 6
        again = [stepper.read([stepper.train(batch, step)])[0]["loss"] for step in range(6)]
        assert again == pytest.approx(found, abs=1e-3)


@needs_gpu
@pytest.mark.parametrize(("precision", "fused"), [("bf16", False), ("bf16", True), ("fp32", False)])
@pytest.mark.parametrize("optimizer", ["adamw", "nvlamb", "sgd"])
def test_nothing_that_a_recording_makes_outlives_it(precision, optimizer, fused):
    """Recordings share the memory of what they make: one would write over another's."""
    with registry.get("cuda") as adapter:
        adapter.start()
        plan = StepPlan(precision, options=CudaOptions(graphs=True, fused=fused))
        model = adapter.place(BertForPreTraining(SMALL))
        stepper = adapter.build(
            model, PretrainingObjective(), plan,
            adapter.optimizer(model, OptimizerSpec(optimizer)), lambda step: 1e-3,
        )  # fmt: skip
        (batch, *_) = batches(Topology(), "global_step")
        for step in range(4):
            stepper.train(batch, step)
        torch.cuda.synchronize()
        found = [item for item in torch.cuda.memory_snapshot() if any(item["segment_pool_id"])]
        assert sum(item["total_size"] for item in found) > 0
        assert sum(item["allocated_size"] for item in found) == 0


@needs_gpu
def test_another_thread_pins_memory_while_a_gpu_records():
    """As the loader does."""
    with registry.get("cuda") as adapter:
        adapter.start()
        recorder, total = adapter.recorder(), torch.zeros(64, device="cuda")
        done, failures = threading.Event(), []

        def pin():
            room = torch.zeros(64, device="cuda")
            try:
                while not done.is_set():
                    for size in range(1, 40):
                        host = torch.empty(size << 14, pin_memory=True)
                        room.copy_(host[:64], non_blocking=True)
            except RuntimeError as error:
                failures.append(error)

        thread = threading.Thread(target=pin)
        thread.start()
        try:
            for _ in range(10):
                recorder.record(lambda: [total.add_(1) for _ in range(200)])()
        finally:
            done.set()
            thread.join()
        assert not failures and total.tolist() == [2000.0] * 64


ASKS = """
import torch
from bertkit.backends.torch.graphs.recorder import CudaRecorder
from bertkit.errors import BertkitError
total = torch.zeros(64, device="cuda")
try:
    CudaRecorder(torch.device("cuda", 0)).record(lambda: total.sum().item())
except BertkitError as error:
    print(error.message)
"""


@needs_gpu
def test_work_that_asks_the_gpu_for_a_number_is_refused_in_one_line():
    """In a process of its own, whose GPU is of no use afterwards."""
    done = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True)
    assert done.stdout.startswith("the GPU cannot record a step: CUDA error: operation not perm")
    assert len(done.stdout.splitlines()) == 1
