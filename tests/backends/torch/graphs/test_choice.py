"""Whether passes are recorded where nobody has said so: only where the host is the limit."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch

from bertkit.backends.base import OptimizerSpec, Problem, StepPlan, StepShape
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch import compiled
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.fused import choice as fused_choice
from bertkit.backends.torch.graphs import choice
from bertkit.backends.torch.graphs.choice import choose_graphs, pass_times, worth_compiling
from bertkit.backends.torch.graphs.speeds import Speeds
from bertkit.backends.torch.options import CudaOptions
from bertkit.model.config import BertConfig

# Of the H200 of benchmarks/RESULTS.md, 2026-11-27 and 28.
H200 = Speeds(products=880e12, copies=4.27e12, layer=2.24e-3)
GB = 10**9
# Mean of the lengths of Wikipedia's sequences, and of their squares, by the longest.
LENGTHS = {512: (254.2, 98_000.0), 128: (106.2, 12_100.0)}
SIZES = {"tiny": (128, 2), "mini": (256, 4), "base": (768, 12), "large": (1024, 24)}


def run_of(name, sequences, length=128, steps=10_000, accumulation=1, world=1, **more):
    """A run whose passes have so many sequences."""
    hidden, layers = SIZES[name]
    model = BertConfig(
        vocab_size=30_522, hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 64, intermediate_size=4 * hidden,
        max_position_embeddings=512,
    )  # fmt: skip
    mean, squares = LENGTHS[length]
    rows, masked = sequences * mean, 0.15 * sequences * mean
    operations = model.training_flops(rows, sequences * squares, masked, sequences)
    precision = more.pop("precision", "bf16")
    plan = StepPlan(
        precision, model=model, options=CudaOptions(),
        shape=StepShape(sequences, accumulation, length, predictions=76, world=world),
    )  # fmt: skip
    size = RunSize(
        steps=steps, operations=steps * accumulation * operations, rows=round(rows),
        predictions=masked, longest=length, precision=precision, model=model,
        plan=plan, optimizer=OptimizerSpec(), memory_recorded=10 * GB,
    )  # fmt: skip
    return replace(size, **more)


TINY = run_of("tiny", 32)


def planned(size, **changes):
    return replace(size, plan=replace(size.plan, **changes))


@pytest.fixture
def gpu(monkeypatch, caplog):
    """A machine with the speeds of the test; says what was decided, and how often it was asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = []

    def choose(size, options=None, speeds=H200, memory=141 * GB):
        def measured(device, precision):
            asked.append((device, precision))
            if isinstance(speeds, Exception):
                raise speeds
            return speeds

        monkeypatch.setattr(choice, "measured", measured)
        return choose_graphs(options or CudaOptions(), size, memory, 1)

    caplog.set_level(logging.INFO, "bertkit")
    choose.asked = asked
    choose.lines = lambda: [line.getMessage() for line in caplog.records]
    return choose


@pytest.mark.parametrize(
    ("run", "fused", "milliseconds"),
    [
        # All kernels of a step in a profile, without those of the update and of copies of weights.
        (("large", 64, 512), False, 93.6 - 3.2 - 1.8),
        (("large", 128, 512), False, 160 - 3.3 - 1.8),  # compiled
        (("base", 512, 128), False, 80 - 1.1 - 0.6),  # compiled
        (("large", 64, 512), True, 62.7 - 3.3 - 1.8),
        (("large", 128, 512), True, 131.3 - 3.4 - 1.8),
        (("base", 512, 128), True, 61.0 - 1.1 - 0.6),
        (("large", 256, 512), True, 1e3 * 256 / 981 - 3.4 - 1.8),
    ],
)
def test_the_gpus_time_is_that_of_a_measured_one(run, fused, milliseconds):
    found = pass_times(run_of(*run), H200, fused).gpu
    assert 1e3 * found == pytest.approx(milliseconds, rel=0.1)


def test_the_hosts_time_follows_the_number_of_kernels():
    """Counted kernels of a pass (RESULTS.md): BERT-base 632, BERT-large 1,088, with any rows."""
    hosts = [
        pass_times(run_of(name, sequences, 512), H200, False).host
        for name in ("base", "large")
        for sequences in (8, 64)
    ]
    assert hosts[0] == hosts[1] and hosts[2] == hosts[3]
    assert hosts[2] / hosts[0] == pytest.approx(1088 / 632, rel=0.01)


@pytest.mark.parametrize(
    ("size", "recorded"),
    [
        (TINY, True),
        (run_of("mini", 32), True),
        (run_of("base", 64), True),
        (run_of("base", 512), False),
        (run_of("large", 8, 512, accumulation=8), True),
        (run_of("large", 32, 512), True),
        (run_of("large", 64, 512), False),  # 6 % faster when measured, with fused layers
        (run_of("large", 128, 512), False),
    ],
)
def test_passes_are_recorded_where_the_host_is_the_limit(gpu, size, recorded):
    assert gpu(size) is recorded
    assert gpu.asked == [(torch.device("cuda", 1), "bf16")]
    (line,) = gpu.lines()
    assert line.startswith(f"cuda.graphs={str(recorded).lower()}: for a pass the host needs about")


def test_the_choice_says_why(gpu):
    gpu(run_of("base", 64))
    gpu(run_of("large", 64, 512))
    assert gpu.lines() == [
        "cuda.graphs=true: for a pass the host needs about 37.2 ms, this GPU 10.5",
        "cuda.graphs=false: for a pass the host needs about 64.1 ms, this GPU 81.3",
    ]


def test_other_machines_decide_otherwise(gpu):
    assert gpu(run_of("base", 64), speeds=replace(H200, products=80e12)) is False, "a slower GPU"
    assert gpu(run_of("base", 64), speeds=replace(H200, copies=0.3e12)) is False, "slower memory"
    assert gpu(run_of("base", 64), speeds=replace(H200, layer=0.5e-3)) is False, "a faster host"
    assert gpu(run_of("base", 512), speeds=replace(H200, layer=9e-3)) is True, "a slower one"
    # What a fused pass takes is known to be less.
    slower = replace(H200, layer=2.6e-3)
    assert gpu(run_of("large", 64, 512), speeds=slower) is False
    assert gpu(run_of("large", 64, 512), CudaOptions(fused=True), slower) is True


def test_a_gain_must_be_clear(gpu):
    size = run_of("large", 64, 512)
    gpu_time = pass_times(size, H200, False).gpu
    for part, recorded in ((1.09, False), (1.11, True)):
        layer = part * gpu_time / (24 + choice._BESIDE)
        assert gpu(size, speeds=replace(H200, layer=layer)) is recorded


@pytest.mark.parametrize("graphs", [None, {}, {"graphs": None}, {"graphs": False}])
def test_a_resumed_run_goes_on_as_it_began(gpu, graphs):
    began_now = graphs is None
    assert gpu(replace(TINY, before=graphs)) is began_now
    assert len(gpu.asked) == began_now
    slow = replace(run_of("large", 128, 512, steps=1), before={"graphs": True})
    assert gpu(slow) is True and len(gpu.asked) == began_now


CONFLICTS = {
    "fine-tuning": {"shape": replace(TINY.plan.shape, predictions=0)},
    "fp16": {"precision": "fp16"},
    "recompute": {"recompute": True},
    "gradients in half precision": {
        "shape": replace(TINY.plan.shape, world=2),
        "options": CudaOptions(gradient_exchange="bf16"),
    },
    "heads": {"model": replace(TINY.model, num_attention_heads=32)},
    "a sharded optimizer": {"shape": replace(TINY.plan.shape, world=2)},
}


@pytest.mark.parametrize("name", CONFLICTS)
@pytest.mark.parametrize("before", [None, {"graphs": True}])
def test_what_cannot_be_recorded_never_is_by_default(gpu, name, before):
    size = planned(replace(TINY, before=before), **CONFLICTS[name])
    if name == "a sharded optimizer":
        size = replace(size, optimizer=OptimizerSpec(shard=True))
    assert gpu(size) is False and not gpu.asked and not gpu.lines()


def test_whatever_the_rules_refuse_is_not_recorded_by_default(gpu, monkeypatch):
    """The rules themselves are asked, about the run itself: those of tomorrow hold too."""
    asked = []
    problem = Problem("cuda.graphs", "does not go with tomorrow")
    monkeypatch.setattr(choice, "against_graphs", lambda *run: asked.append(run) or [problem])
    assert gpu(TINY) is False and asked == [(TINY.plan, TINY.optimizer)]


def test_what_is_not_known_of_a_step_is_not_recorded(gpu):
    assert gpu(replace(TINY, plan=None)) is gpu(replace(TINY, optimizer=None)) is False
    assert gpu(planned(TINY, shape=None)) is False and not gpu.asked


def test_short_runs_are_not_recorded(gpu):
    assert gpu(run_of("tiny", 32, steps=100)) is False and not gpu.asked, "nothing is measured"
    # 6.6 times 2.24 ms a pass; what recordings of eight sizes cost is 24 passes.
    assert gpu(run_of("tiny", 32, steps=350)) is False
    assert "but recordings would not pay in this run" in gpu.lines()[-1]
    assert gpu(run_of("tiny", 32, steps=400)) is True
    assert gpu(run_of("tiny", 32, steps=400), CudaOptions(totals=100)) is False, "100 recordings"
    # Further passes of a step have recordings of their own.
    assert gpu(run_of("tiny", 32, steps=190, accumulation=2)) is False
    assert gpu(run_of("tiny", 32, steps=220, accumulation=2)) is True


def test_several_processes_need_more_as_no_exchange_is_hidden(gpu):
    assert gpu(run_of("tiny", 32, world=8)) is True
    assert gpu(run_of("base", 32)) is True
    assert gpu(run_of("base", 32, world=8)) is False
    assert gpu(run_of("base", 32, world=8, accumulation=8)) is True, "one exchange in eight passes"


def test_recordings_must_fit_beside_passes_that_are_run(gpu):
    assert gpu(replace(TINY, memory_recorded=24 * GB), memory=24 * GB) is True
    assert gpu(replace(TINY, memory_recorded=24 * GB + 1), memory=24 * GB) is False
    assert gpu.lines()[-1] == (
        "cuda.graphs=false: recorded passes may need 24.0 GB, this GPU has 24.0 GB"
    )
    assert gpu(replace(TINY, memory_recorded=24 * GB), memory=0) is True, "not known"


def test_no_gpu_has_no_recordings_and_a_plan_stays_open(gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    elsewhere = replace(TINY, planned_only=True)
    assert gpu(TINY) is False and gpu(elsewhere) is None and not gpu.asked
    assert gpu(replace(elsewhere, before={"graphs": True})) is True
    assert gpu(planned(elsewhere, recompute=True)) is False
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpu(elsewhere) is True, "a plan says what the run will do"


def test_a_gpu_that_cannot_be_measured_ends_no_run(gpu):
    for error in (torch.OutOfMemoryError("no room"), RuntimeError("CUDA error: busy")):
        assert gpu(TINY, speeds=error) is False
        assert gpu(replace(TINY, planned_only=True), speeds=error) is None


def test_amds_gpus_and_products_in_8_bits_have_not_been_tried(gpu, monkeypatch):
    assert gpu(TINY, CudaOptions(fp8=True)) is False and not gpu.asked
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert gpu(TINY) is False and not gpu.asked


def test_recorded_runs_are_compiled_from_ten_minutes_on():
    # 6.6 layers of 38 kernels of 2.5 us; 3.7e12 operations a step.
    for name, sequences, steps in (("tiny", 32, 957_000), ("base", 64, 56_800)):
        assert not worth_compiling(run_of(name, sequences, steps=int(0.98 * steps)))
        assert worth_compiling(run_of(name, sequences, steps=int(1.02 * steps)))


@pytest.fixture
def adapter(monkeypatch):
    """A CUDA adapter, for whose host and GPU everything pays; and what was asked."""
    asked = []
    monkeypatch.setattr(compiled, "can_compile", lambda: True)
    monkeypatch.setattr(fused_choice, "choose_fused", lambda *given: asked.append(given) or False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice, "measured", lambda *given: asked.append(given) or H200)
    made = CudaAdapter()
    monkeypatch.setattr(made, "device_memory", lambda: 141 * GB)
    return made, asked


@pytest.mark.parametrize(
    ("options", "size", "graphs", "compiles"),
    [
        (CudaOptions(), TINY, True, False),
        (CudaOptions(), run_of("tiny", 32, steps=10**6), True, True),
        (CudaOptions(), run_of("large", 128, 512), False, True),
        (CudaOptions(compile=True), TINY, True, True),
        (CudaOptions(graphs=True), TINY, True, False),
        (CudaOptions(graphs=True), run_of("large", 128, 512), True, True),
        (CudaOptions(graphs=False), TINY, False, True),
        (CudaOptions(graphs=False), run_of("tiny", 32, steps=999), False, False),
        (CudaOptions(), replace(TINY, before={"graphs": True, "compile": True}), True, True),
        (CudaOptions(), replace(TINY, before={"compile": True}), False, True),
    ],
)
def test_what_is_left_open_is_settled_together(adapter, options, size, graphs, compiles):
    made, asked = adapter
    settled = made.settled_options(options, size)
    assert (settled.graphs, settled.compile) == (graphs, compiles)
    assert (size, compiles, True, 0) in asked, "fused layers are tried beside what will run"


@pytest.mark.parametrize("graphs", [True, False])
def test_what_is_given_stays_and_nothing_is_measured(adapter, graphs):
    made, asked = adapter
    options = CudaOptions(graphs=graphs, compile=False, fused=False)
    assert made.settled_options(options, TINY) == options and not asked


@pytest.mark.parametrize("rank", [0, 1])
def test_the_main_process_alone_measures_and_tells_the_others(adapter, rank):
    """Processes that decide otherwise would exchange gradients at other times, and hang."""

    class Two(ProcessGroup):
        def gather(self, item):
            return [(False, None) if rank else item, item]

    made, asked = adapter
    made.process_group = Two(Topology(rank=rank, world=2, local_rank=rank))
    settled = made.settled_options(CudaOptions(fused=False), run_of("tiny", 32, world=2))
    assert settled.graphs == (rank == 0)
    assert len(asked) == (rank == 0)
