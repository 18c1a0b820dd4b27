"""Decides whether a run's passes are recorded, where nobody has said so.

They are where the host would be the limit: where it takes longer to start the kernels of a pass
than the GPU to run them. Both are estimates, from speeds that are measured when the run begins
(`speeds`, about a second) and shares that one H200 showed (benchmarks/RESULTS.md,
2026-11-27 and 28):

- The GPU does the operations of a pass (`BertConfig.training_flops`, attention among them) at 0.60
  of the speed of large products, fused 0.72: large-512 with 64 sequences has 31 tera operations,
  which took products and attention 57 ms, fused 48.6, at a measured 880 teraflops.
- Between products it moves 71 numbers of the hidden size for each token and layer, fused 41, and 22
  bytes for each logit, fused 6 (counted there), at 0.65 of the speed of a copy: 2.6 to 3.0 of
  4.27 TB/s.
- The host's time goes with the number of kernels: 38 for a layer's forward and backward pass,
  176 beside the layers of a pass, as many as of 4.6 layers (681 and 1,182 kernels a step
  for 12 and 24 layers, with update and copies). A layer took the host of that card 2.2 ms,
  by PyTorch's operators and fused alike.

The estimate is within a tenth of that card's steps (kernels of 94, 63, 80 and 61 ms; the tests
have them). What is left out is done in both ways: the update, and what a run does beside steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bertkit import log
from bertkit.backends.run_size import RunSize
from bertkit.backends.torch.graphs.rules import against_graphs, is_fine_tuning
from bertkit.backends.torch.graphs.speeds import Speeds, measured
from bertkit.backends.torch.options import CudaOptions
from bertkit.data.token_budget import RECORDED_TOTALS
from bertkit.storage.files import human_bytes

# Per layer and token, numbers of the hidden size moved; per logit, bytes; share of products.
_MOVED, _MOVED_FUSED = 71, 41
_LOGIT, _LOGIT_FUSED = 22, 6
_SHARE, _SHARE_FUSED = 0.60, 0.72
_COPY_SHARE = 0.65
_BESIDE = 4.6  # layers whose kernels are as many as those beside the layers
_GAIN = 1.1  # of the GPU's time, that the host's must be: filled passes take up to 3 % more
_LEAST = 5.0  # seconds to save; to measure and to record takes some
# A size is run, recorded and made ready to start, each as long as the host takes for a pass.
_PER_RECORDING = 3
_SLOWEST = 5e-3  # seconds for a layer of the slowest host
# Bytes per second between processes, at least: recorded steps hide no exchange of gradients. A
# network of 100 Gb/s.
_LINK = 11e9
# Compiled, a recorded pass has a third fewer kernels where these are small, and takes 7 to 8 %
# less where they are not. To compile takes up to a minute, which that is worth from here on.
_WORTH_COMPILING = 600.0  # seconds
_KERNELS_A_LAYER = 38
_KERNEL = 2.5e-6  # seconds that a small kernel of a recording takes at least
_USUAL_SPEED = 3.5e14  # operations per second, of an H100 or H200 in large passes


@dataclass(frozen=True)
class PassTimes:
    """Of a forward and a backward pass, in seconds.

    Attributes:
        host: to start the kernels.
        gpu: to run them.
    """

    host: float
    gpu: float


def choose_graphs(options: CudaOptions, size: RunSize, memory: int, index: int) -> bool | None:
    """Whether passes are recorded; None: that is open, as there is no GPU to be asked.

    Args:
        options: of the machine, those that are given.
        size: of the run. One that is resumed goes on as it began.
        memory: bytes of the GPU; 0: not known.
        index: of the GPU.
    """
    plan, optimizer = size.plan, size.optimizer
    if plan is None or plan.shape is None or optimizer is None or against_graphs(plan, optimizer):
        return False
    if is_fine_tuning(plan):  # the estimates are of pretraining
        return False
    if size.before is not None:
        return bool(size.before.get("graphs"))
    if torch.version.hip is not None or options.fp8:  # nobody has recorded these yet
        return False
    if _passes(size) * _layers(size) * _SLOWEST < _LEAST:
        return False
    if not torch.cuda.is_available():
        return None if size.planned_only else False
    try:
        speeds = measured(torch.device("cuda", index), size.precision)
    except RuntimeError as error:
        log.logger.debug("the GPU was not measured: %s", error)
        return None if size.planned_only else False
    return judged(options, size, pass_times(size, speeds, bool(options.fused)), memory)


def pass_times(size: RunSize, speeds: Speeds, fused: bool) -> PassTimes:
    """What a pass takes the host and the GPU.

    Args:
        size: of the run.
        speeds: of both.
        fused: layers are.
    """
    moved = _MOVED_FUSED if fused else _MOVED
    logit = _LOGIT_FUSED if fused else _LOGIT
    model = size.model
    number = 2 if size.precision == "bf16" else 4
    between = float(moved) * size.rows * model.hidden_size * model.num_hidden_layers * number
    between += logit * size.predictions * model.vocab_size * number / 2
    operations = size.operations / _passes(size)
    share = _SHARE_FUSED if fused else _SHARE
    gpu = operations / (share * speeds.products) + between / (_COPY_SHARE * speeds.copies)
    return PassTimes(_layers(size) * speeds.layer, gpu)


def judged(options: CudaOptions, size: RunSize, times: PassTimes, memory: int) -> bool:
    """Whether to record; says why.

    Args:
        options: of the machine.
        size: of the run, its step known.
        times: of a pass.
        memory: bytes of the GPU; 0: not known.
    """
    waits = times.host >= _GAIN * times.gpu
    reason = (
        f"for a pass the host needs about {_milliseconds(times.host)} ms,"
        f" this GPU {_milliseconds(times.gpu)}"
    )
    if waits and _saved(options, size, times) < _LEAST:
        waits, reason = False, f"{reason}, but recordings would not pay in this run"
    elif waits and memory and size.memory_recorded > memory:
        needed, present = human_bytes(size.memory_recorded), human_bytes(memory)
        waits, reason = False, f"recorded passes may need {needed}, this GPU has {present}"
    log.logger.info("cuda.graphs=%s: %s", str(waits).lower(), reason)
    return waits


def worth_compiling(size: RunSize) -> bool:
    """Whether a run is long enough, recorded, for what compiling takes and saves.

    Args:
        size: of the run.
    """
    kernels = _passes(size) * _layers(size) * _KERNELS_A_LAYER
    return max(kernels * _KERNEL, size.operations / _USUAL_SPEED) >= _WORTH_COMPILING


def _saved(options: CudaOptions, size: RunSize, times: PassTimes) -> float:
    """Seconds that recordings save in a run, less what they cost."""
    assert size.plan is not None and size.plan.shape is not None
    shape = size.plan.shape
    # A step's first pass and its others are recorded apart.
    sizes = (options.totals or RECORDED_TOTALS) * min(2, shape.accumulation)
    lost = sizes * _PER_RECORDING * times.host
    if shape.world > 1:
        lost += size.steps * 8 * size.model.parameter_count() / _LINK
    return _passes(size) * (times.host - times.gpu) - lost


def _passes(size: RunSize) -> int:
    """Of one process in the whole run."""
    shape = size.plan.shape if size.plan else None
    return size.steps * (shape.accumulation if shape else 1)


def _layers(size: RunSize) -> float:
    return size.model.num_hidden_layers + _BESIDE


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"
