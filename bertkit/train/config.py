"""Defines the settings that all training tasks share. Imports no torch.

A task's configuration inherits `TrainingConfig`, adds its own settings, and overrides the
defaults that differ for it, see `bertkit.configuration.settings.override`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from bertkit.backends.process_group import PROCESS_TIMEOUT
from bertkit.configuration.config import Layer, flatten, is_preset, setting
from bertkit.configuration.option_groups import (
    CHECKPOINTS,
    EVALUATION,
    MACHINE,
    MODEL,
    OPTIMIZATION,
    OUTPUT,
    TEXT,
)
from bertkit.configuration.settings import FREE, ROUNDING
from bertkit.declined import remote_output
from bertkit.storage.files import is_remote

# AdamW without bias correction, as in Google's, MLPerf's and Cerebras' programs.
UNCORRECTED = "adamw_no_bias_correction"
OPTIMIZERS = (
    "adamw",
    UNCORRECTED,
    "nvlamb",
    "mlperf",
    "graphcore",
    "max_weight_norm",
    "max_weight_norm_no_debias",
    "no_debias_clamp10",
    "sgd",
    "momentum",
)
SCHEDULES = ("linear", "polynomial", "cosine", "constant", "up_down")
PRECISIONS = ("auto", "fp32", "tf32", "bf16", "fp16")
LAYOUTS = ("auto", "unpadded", "padded")
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
ON_NONFINITE = ("stop", "skip")

_optimization = functools.partial(setting, group=OPTIMIZATION)
_checkpoints = functools.partial(setting, group=CHECKPOINTS)
_evaluation = functools.partial(setting, group=EVALUATION)
_machine = functools.partial(setting, group=MACHINE)
_tracking = functools.partial(setting, group=OUTPUT, on_resume=FREE, metavar="NAME")


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is not above `most`."""
    return next(size for size in range(min(most, number), 0, -1) if number % size == 0)


def with_fitting_micro_batch(layers: list[Layer]) -> list[Layer]:
    """Layers of settings in which a preset's micro-batch yields to the user's global batch.

    Args:
        layers: lowest first.
    """
    places: dict[str, tuple[int, Any]] = {}
    for number, layer in enumerate(layers):
        for key, value in flatten(layer.values).items():
            places[key] = (number, value)
    place, size = places.get("micro_batch_size", (-1, 0))
    given, whole = places.get("global_batch_size", (-1, 0))
    if place < 0 or given <= place or not is_preset(layers[place].origin):
        return layers
    # Values that are no numbers are refused later, with all others.
    if not str(whole).isdecimal() or not int(whole) or int(whole) % size == 0:
        return layers
    origin = f"{layers[place].origin}, for {int(whole)} per step"
    fitting = {"micro_batch_size": largest_divisor(int(whole), size)}
    return [*layers[: place + 1], Layer(origin, fitting), *layers[place + 1 :]]


def allow_other_vocab() -> Any:
    """The setting `--allow-other-vocab`, the same wherever tokens meet a checkpoint."""
    return setting(
        False,
        help="Take tokens of another vocabulary, or of text treated differently, than the "
        "checkpoint's; for vocabularies that were changed on purpose.",
        on_resume=FREE,
        group=TEXT,
    )


@dataclass(frozen=True)
class ComputeConfig:
    """Where and how a model computes: in training, in evaluation and in prediction."""

    backend: str = _machine(
        "auto",
        help="Hardware to run on; auto: the best device that is present.",
        on_resume=ROUNDING,
        first=True,
    )
    precision: str = _machine(
        "auto",
        help="Number format of matrix products; weights stay fp32. auto: bf16 on GPUs that "
        "have it and on processors it is faster on (AMX, AMD from Zen 4), otherwise fp32.",
        choices=PRECISIONS,
    )
    layout: str = _machine(
        "auto",
        help="unpadded: no padding; padded: rows of one length; auto: the best of the backend.",
        choices=LAYOUTS,
        on_resume=ROUNDING,
    )


@dataclass(frozen=True)
class TrainingConfig(ComputeConfig):
    """What every training run depends on; a task's configuration adds its own settings.

    A setting that says nothing of `on_resume` cannot change between the calls of a run.
    """

    output: str = setting(
        "",
        help="Output folder of the run.",
        flags=("-o",),
        on_resume=FREE,
        group=OUTPUT,
        first=True,
        metavar="DIR",
    )
    init_checkpoint: str | None = setting(
        None,
        help="Start from the weights of this checkpoint, also a URL or NAME@REVISION on the hub; "
        "nothing else is taken from it.",
        on_resume=FREE,
        group=MODEL,
        first=True,
        metavar="RUN",
    )
    resume: str = _checkpoints(
        "auto",
        help="auto: resume from the run's last intact checkpoint; never; or a checkpoint folder, "
        "to roll back to (later checkpoints are set aside) or to branch off from.",
        on_resume=FREE,
        metavar="WORD|RUN",
        example="never",
    )
    global_batch_size: int = _optimization(
        32, help="Sequences per optimizer step.", flags=("--gbs",), minimum=1, first=True
    )
    micro_batch_size: int = _machine(
        0,
        help="Sequences per forward pass; reduce it if memory runs out. 0: on GPUs as many as "
        "their memory holds in pretraining, otherwise the global batch.",
        minimum=0,
        on_resume=ROUNDING,
    )
    recompute: bool = _machine(
        False,
        help="Keep only the activations between layers and recompute the rest in the backward "
        "pass: the same numbers, less memory, about a third more work.",
        on_resume=FREE,
    )
    max_steps: int = _optimization(
        0,
        help="Optimizer steps of the run; overrides --epochs. More than before prolong a run.",
        minimum=0,
    )
    epochs: float | None = _optimization(3.0, help="Passes over the training data.", minimum=0.0)
    steps_this_run: int = _checkpoints(
        0,
        help="Save and exit with status 75 after this many steps in this call; 0: no limit.",
        minimum=0,
        on_resume=FREE,
    )
    optimizer: str = _optimization(
        "adamw",
        help="AdamW; without bias correction, as in Google's, MLPerf's and Cerebras' programs; one "
        "of six variants of LAMB; plain SGD (for comparisons); or SGD with beta1 as momentum.",
        choices=OPTIMIZERS,
    )
    shard_optimizer: bool = _machine(
        False,
        help="Shard the optimizer state over the processes to save memory (ZeRO stage 1).",
        on_resume=FREE,
    )
    learning_rate: float = _optimization(
        1e-4, help="Peak learning rate.", flags=("--lr",), minimum=0.0, first=True
    )
    end_learning_rate: float = _optimization(
        0.0, help="Learning rate at the last step.", minimum=0.0
    )
    schedule: str = _optimization(
        "linear",
        help="Decay of the learning rate after the warm-up; cosine is half a wave; polynomial "
        "counts from step 0, as in Google's program.",
        choices=SCHEDULES,
    )
    stage: list[str] = setting(
        factory=list,
        help="KIND:STEPS:FROM:TO, such as linear:10000:0:1e-4: stages of the learning rate, "
        "instead of --schedule (constant, linear, cosine, exponential); repeatable.",
        metavar="KIND:STEPS:FROM:TO",
        example="linear:10000:0:1e-4",
        group=OPTIMIZATION,
    )
    power: float = _optimization(
        1.0, help="Power of the polynomial schedule; 0.5 in NVIDIA's recipes.", minimum=0.0
    )
    warmup_proportion: float = _optimization(
        0.1, help="Fraction of the steps used for the warm-up.", minimum=0.0, maximum=1.0
    )
    warmup_steps: int | None = _optimization(
        None, help="Steps of the warm-up; overrides --warmup-proportion."
    )
    start_warmup_step: int = _optimization(
        0, help="Step at which the warm-up starts; may be negative (MLPerf)."
    )
    beta1: float = _optimization(
        0.9, help="Decay rate of the first moment.", minimum=0.0, maximum=0.999999
    )
    beta2: float = _optimization(
        0.999, help="Decay rate of the second moment.", minimum=0.0, maximum=0.999999
    )
    eps: float = _optimization(
        1e-6, help="Epsilon, added to the root of the second moment.", minimum=0.0
    )
    weight_decay: float = _optimization(
        0.01, help="Decoupled weight decay; not on biases and LayerNorm.", minimum=0.0
    )
    max_grad_norm: float = _optimization(
        1.0, help="Clip gradients to this global norm; 0: no clipping.", minimum=0.0
    )
    clip: str = _optimization(
        "after",
        help="Clip after the gradients of all processes are averaged, or before, as MLPerf does.",
        choices=("after", "before"),
    )
    loss_scale: float = _machine(
        0.0, help="Loss scale with --precision fp16; 0: dynamic.", minimum=0.0
    )
    on_nonfinite: str = _optimization(
        "stop",
        help="When a loss or gradient is not finite: stop before the update, or skip the update "
        "and go on (up to 50 times in a row). fp16's overflows are always skipped.",
        choices=ON_NONFINITE,
        on_resume=FREE,
    )
    save_every: int = _checkpoints(
        500,
        help="Steps between checkpoints; 0: only at the end.",
        minimum=0,
        on_resume=FREE,
        first=True,
    )
    keep_last: int = _checkpoints(
        3, help="Number of latest checkpoints to keep; 0: all.", minimum=0, on_resume=FREE
    )
    keep_every: int = _checkpoints(
        0,
        help="Also keep the checkpoint of every N-th step for good; 0: none.",
        minimum=0,
        on_resume=FREE,
    )
    background_save: bool = _checkpoints(
        True, help="Write checkpoints in the background, from a copy in memory.", on_resume=FREE
    )
    eval_every: int = _evaluation(
        0, help="Steps between evaluations; 0: none during training.", minimum=0, on_resume=FREE
    )
    eval_first: bool = _evaluation(
        False, help="Also evaluate before the first step.", on_resume=FREE
    )
    eval_every_samples: str | None = _evaluation(
        None,
        help="Samples between evaluations, instead of --eval-every.",
        on_resume=FREE,
        metavar="N",
        example="150000",
    )
    measure_peak: bool = _machine(
        False,
        help="First measure the peak speed of matrix products (one second), and report the "
        "fraction of it that training reaches.",
        on_resume=FREE,
    )
    profile_steps: str | None = _machine(
        None,
        help="FIRST:LAST: write a trace of the operations of these steps, for a trace viewer.",
        on_resume=FREE,
        metavar="FIRST:LAST",
        example="10:20",
    )
    log_every: int = setting(
        10, help="Steps between lines in metrics.jsonl.", minimum=1, on_resume=FREE, group=OUTPUT
    )
    log_to: list[str] = setting(
        factory=list,
        on_resume=FREE,
        group=OUTPUT,
        metavar="NAME",
        help="Also log to tensorboard, wandb, mlflow or trackio; repeatable.",
        example="tensorboard",
    )
    log_project: str | None = _tracking(
        None,
        help="Project, or MLflow's experiment, of --log-to.  [default: that of the environment, "
        "else bertkit]",
        example="my-bert",
    )
    log_name: str | None = _tracking(
        None,
        help="Name of the run for --log-to.  [default: that of the output folder]",
        example="tiny-lr-1e-3",
    )
    log_tag: list[str] = setting(
        factory=list,
        on_resume=FREE,
        group=OUTPUT,
        metavar="NAME",
        help="A tag of the run for --log-to; repeatable.",
        example="baseline",
    )
    process_timeout: float = _machine(
        PROCESS_TIMEOUT,
        help="Minutes to wait in a step for a process that does not answer.",
        minimum=0.01,
        on_resume=FREE,
    )
    seed: int = _optimization(
        12345, help="Seed for new weights, sample order and dropout.", minimum=0, maximum=2**63 - 1
    )

    @property
    def micro_size(self) -> int:
        """Sequences per forward pass."""
        return self.micro_batch_size or self.global_batch_size

    def accumulation(self, world: int = 1) -> int:
        """Forward passes per optimizer step and process."""
        return self.global_batch_size // self.micro_size // world

    def steps(self, samples: int) -> int:
        """Optimizer steps of the whole run over so many training samples."""
        if self.max_steps or self.epochs is None:
            return self.max_steps
        return max(1, math.ceil(self.epochs * samples / self.global_batch_size))

    def warmup(self, steps: int) -> int:
        """Steps of the warm-up in a run of so many steps."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return int(steps * self.warmup_proportion)

    @property
    def eval_samples(self) -> int:
        """Samples between evaluations; 0 where they are not asked for in samples."""
        return int(self.eval_every_samples or 0)

    @property
    def target(self) -> tuple[str, float] | None:
        """(name of an evaluation's number, value): the run ends once it is reached."""
        return None

    def batch_equation(self, world: int = 1) -> str:
        """How the global batch comes about, for people."""
        processes = f" x processes {world:,}" if world > 1 else ""
        return (
            f"global batch {self.global_batch_size:,} = micro-batch {self.micro_size:,}"
            f" x accumulation {self.accumulation(world):,}{processes}"
        )

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = []
        if not self.output:
            found.append("--output is required")
        if is_remote(self.output):
            found.append(remote_output(self.output))
        if self.global_batch_size % self.micro_size:
            found.append(
                f"--global-batch-size {self.global_batch_size} is not a multiple of"
                f" --micro-batch-size {self.micro_size}"
            )
        if self.end_learning_rate > self.learning_rate:
            found.append(
                f"--end-learning-rate {self.end_learning_rate} is above"
                f" --learning-rate {self.learning_rate}"
            )
        if self.warmup_steps is not None and self.warmup_steps < 0:
            found.append(f"--warmup-steps {self.warmup_steps} must be at least 0")
        if self.eval_every and self.eval_every_samples:
            found.append("--eval-every and --eval-every-samples exclude each other")
        unknown = sorted(set(self.log_to) - set(TRACKERS))
        if unknown:
            found.append(f"--log-to {', '.join(unknown)}: there are {', '.join(TRACKERS)}")
        return found
