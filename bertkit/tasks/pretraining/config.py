"""Settings of pretraining and evaluation. Light: importing this imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bertkit.config import setting
from bertkit.model.config import BertConfig
from bertkit.records.config import RecordsConfig
from bertkit.train.backend_options import (
    PRECISION_HELP,
    PRECISIONS,
    CsConfig,
    CudaConfig,
    HpuConfig,
    IpuConfig,
)

OPTIMIZERS = (
    "adamw", "nvlamb", "mlperf", "graphcore", "max_weight_norm", "no_debias_clamp10", "sgd",
)  # fmt: skip
BACKENDS = ("auto", "cpu", "cs", "cuda", "hpu", "ipu")
CUDA_OPTIONS = ("compile", "deterministic")
LAYOUTS = ("auto", "unpadded", "padded", "bucketed", "packed")
# Settings of make-records that are flags here too; all of them go by --set records.NAME.
RECORD_OPTIONS = (
    "max_seq_length", "max_predictions_per_seq", "masked_lm_prob", "short_seq_prob",
    "dupe_factor", "do_lower_case", "whole_word_mask", "style",
)  # fmt: skip


@dataclass(frozen=True)
class PretrainConfig:
    """Everything a pretraining run depends on."""

    input: list[str] = setting(
        factory=list, help="Training records: files, globs, folders or @list.txt.", flags=("-i",)
    )
    text: list[str] = setting(
        factory=list,
        help="Sentence files instead of records: instances are made on the fly, those that "
        "make-records would write.",
    )
    text_cache: str | None = setting(
        None, help="Folder for the tokens and plans of --text; by default in the run's folder."
    )
    mask: str = setting(
        "static",
        help="static: the masks of the records; dynamic: new ones in every epoch.",
        choices=("static", "dynamic"),
    )
    new_pairs: bool = setting(
        False, help="With --text: other pairs and masks in every epoch, from the seed + epoch."
    )
    output: str = setting("", help="Folder of the run.", flags=("-o",))
    eval_input: list[str] = setting(
        factory=list, help="Records to evaluate on during the run, see --eval-every."
    )
    vocab: str | None = setting(
        None, help="Vocabulary of the records; a copy goes into every checkpoint."
    )
    init_checkpoint: str | None = setting(
        None, help="Take the weights, and nothing else, from this checkpoint (as in phase 2)."
    )
    resume: str = setting(
        "auto", help="auto: go on from the run's last checkpoint; never; or a checkpoint folder."
    )
    backend: str = setting("auto", help="Where to compute.", choices=BACKENDS)
    precision: str = setting("auto", help=PRECISION_HELP, choices=PRECISIONS)
    layout: str = setting(
        "auto",
        help="unpadded computes nothing on padding; padded has rows of one length; bucketed of a "
        "few; packed puts several sequences into a row; auto: the machine's best.",
        choices=LAYOUTS,
    )
    bucket_boundaries: list[int] = setting(
        factory=list,
        help="Ascending row lengths of the bucketed layout; by default a few, evenly spaced.",
    )
    sequences_per_pack: int = setting(
        3, help="Most sequences in a row of the packed layout.", minimum=1
    )
    global_batch_size: int = setting(
        32, help="Sequences per optimizer step.", flags=("--gbs",), minimum=1
    )
    micro_batch_size: int = setting(
        0,
        help="Sequences per forward pass, reduce it if memory runs out; 0: on GPUs as many as "
        "their memory holds, elsewhere the global batch.",
        minimum=0,
    )
    recompute: bool = setting(
        False,
        help="Keep only what passes between layers for the backward pass and compute the rest "
        "again there: the same numbers, less memory, about a third more work.",
    )
    max_steps: int = setting(1000, help="Optimizer steps of the whole run.", minimum=1)
    epochs: float | None = setting(
        None, help="Passes over the records; given, it decides instead of --max-steps."
    )
    steps_this_run: int = setting(
        0, help="Stop after this many steps of this call, saved, with status 75; 0: no limit."
    )
    optimizer: str = setting(
        "adamw", help="AdamW, a LAMB by name, or plain SGD for comparisons.", choices=OPTIMIZERS
    )
    shard_optimizer: bool = setting(
        False,
        help="Deal the optimizer's state out to the processes (ZeRO stage 1), to save memory.",
    )
    learning_rate: float = setting(1e-4, help="Peak rate.", flags=("--lr",), minimum=0.0)
    end_learning_rate: float = setting(0.0, help="Rate at the last step.", minimum=0.0)
    schedule: str = setting(
        "linear",
        help="Decay after the warm-up; polynomial counts it from step 0 as Google's does.",
        choices=("linear", "polynomial", "constant", "up_down"),
    )
    stage: list[str] = setting(
        factory=list,
        help="KIND:STEPS:FROM:TO, one schedule after the other instead of --schedule, such as "
        "linear:10000:0:1e-4 (constant, linear, exponential); repeatable.",
    )
    power: float = setting(1.0, help="Of the polynomial; 0.5 in NVIDIA's recipes.", minimum=0.0)
    warmup_proportion: float = setting(
        0.1, help="Share of the steps in which the rate rises.", minimum=0.0, maximum=1.0
    )
    warmup_steps: int | None = setting(
        None, help="Steps in which the rate rises; given, it decides instead of the proportion."
    )
    start_warmup_step: int = setting(0, help="Where the rise starts; may be negative (MLPerf).")
    beta1: float = setting(0.9, help="Decay of the first moment.", minimum=0.0, maximum=1.0)
    beta2: float = setting(0.999, help="Decay of the second moment.", minimum=0.0, maximum=1.0)
    eps: float = setting(1e-6, help="Added to the root of the second moment.", minimum=0.0)
    weight_decay: float = setting(0.01, help="Decoupled; not on biases and LayerNorm.", minimum=0.0)
    max_grad_norm: float = setting(
        1.0, help="Clip gradients to this global norm; 0: never.", minimum=0.0
    )
    clip: str = setting(
        "after",
        help="Clip after the gradients of all processes are averaged, or before, as MLPerf does.",
        choices=("after", "before"),
    )
    loss_scale: float = setting(
        0.0, help="Factor on the loss with --precision fp16; 0: dynamic.", minimum=0.0
    )
    mlm_normalisation: str = setting(
        "global_step",
        help="Mean of the masked LM loss over the step, or over each micro-batch as in MLPerf.",
        choices=("global_step", "micro_batch"),
    )
    nsp: bool = setting(True, help="Train next sentence prediction too.")
    save_every: int = setting(500, help="Steps between checkpoints; 0: the end only.", minimum=0)
    keep_last: int = setting(3, help="Checkpoints to keep; 0: all.", minimum=0)
    keep_every: int = setting(
        0, help="Keep the checkpoints of every so many steps too, for good; 0: none.", minimum=0
    )
    background_save: bool = setting(
        True, help="Write checkpoints in a thread while training goes on, from a copy in memory."
    )
    eval_every: int = setting(
        0, help="Steps between evaluations on --eval-input; 0: the end only.", minimum=0
    )
    eval_every_samples: str | None = setting(
        None, help="The same in samples seen; mlperf: the number of MLPerf's formula."
    )
    mlperf_log: str | None = setting(None, help="Also write the run as :::MLLOG lines here.")
    json_summary: str | None = setting(
        None, help="Also write the run as the JSON lines of NVIDIA's dllogger here."
    )
    measure_peak: bool = setting(
        False,
        help="Measure the speed of matrix products first (a second), and tell which share of it "
        "the training reaches.",
    )
    profile_steps: str | None = setting(
        None, help="FIRST:LAST: write a trace of these steps' operations for a browser's viewer."
    )
    log_every: int = setting(10, help="Steps between lines of metrics.jsonl.", minimum=1)
    log_to: list[str] = setting(factory=list, help="Further trackers: tensorboard, wandb.")
    target_mlm_accuracy: float | None = setting(
        None,
        help="End when an evaluation reaches this accuracy; status 5 if none does.",
        minimum=0.0,
        maximum=1.0,
    )
    seed: int = setting(12345, help="Of weights, order and dropout.", minimum=0)
    records: RecordsConfig = field(
        default_factory=RecordsConfig, metadata={"options": RECORD_OPTIONS}
    )
    model: BertConfig = field(default_factory=BertConfig)
    cuda: CudaConfig = field(default_factory=CudaConfig, metadata={"options": CUDA_OPTIONS})
    hpu: HpuConfig = field(default_factory=HpuConfig)
    ipu: IpuConfig = field(default_factory=IpuConfig)
    cs: CsConfig = field(default_factory=CsConfig)

    @property
    def micro_size(self) -> int:
        """Sequences per forward pass."""
        return self.micro_batch_size or self.global_batch_size

    def accumulation(self, world: int = 1) -> int:
        """Forward passes per optimizer step and process."""
        return self.global_batch_size // self.micro_size // world

    def steps(self, records: int) -> int:
        """Optimizer steps of the whole run over so many records."""
        if self.epochs is None:
            return self.max_steps
        return max(1, math.ceil(self.epochs * records / self.global_batch_size))

    def warmup(self, steps: int) -> int:
        """Steps of the warm-up in a run of so many steps."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return int(steps * self.warmup_proportion)

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
        if not self.input and not self.text:
            found.append("--input is required (or --text)")
        found += self._text_problems()
        if not self.output:
            found.append("--output is required")
        if self.global_batch_size % self.micro_size:
            found.append(
                f"--global-batch-size {self.global_batch_size} is not a multiple of"
                f" --micro-batch-size {self.micro_size}"
            )
        if self.clip == "before" and self.precision == "fp16":
            found.append("--clip before does not go with --precision fp16; use bf16")
        if self.end_learning_rate > self.learning_rate:
            found.append(
                f"--end-learning-rate {self.end_learning_rate} is above"
                f" --learning-rate {self.learning_rate}"
            )
        if self.epochs is not None and self.epochs <= 0:
            found.append(f"--epochs {self.epochs} must be above 0")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            found.append(f"--warmup-steps {self.warmup_steps} must be at least 0")
        if self.target_mlm_accuracy is not None and not self.eval_input:
            found.append("--target-mlm-accuracy needs --eval-input")
        if self.eval_every and not self.eval_input:
            found.append("--eval-every needs --eval-input")
        if self.eval_every_samples and not self.eval_input:
            found.append("--eval-every-samples needs --eval-input")
        if self.eval_every and self.eval_every_samples:
            found.append("--eval-every and --eval-every-samples exclude each other")
        samples = self.eval_every_samples or "1"
        if samples != "mlperf" and not (samples.isdecimal() and int(samples) > 0):
            found.append(f"--eval-every-samples {samples}: a number above 0, or mlperf")
        if self.resume not in ("auto", "never") and self.init_checkpoint:
            found.append(
                f"--resume {self.resume} continues a run, --init-checkpoint starts a new one"
            )
        unknown = sorted(set(self.log_to) - {"tensorboard", "wandb"})
        if unknown:
            found.append(f"--log-to {', '.join(unknown)}: there are tensorboard and wandb")
        return found

    def _text_problems(self) -> list[str]:
        found = []
        if self.input and self.text:
            found.append("--input and --text exclude each other")
        if self.text and not self.vocab:
            found.append("--text needs --vocab")
        if self.mask == "dynamic" and not self.vocab:
            found.append("--mask dynamic needs --vocab")
        if self.new_pairs and not self.text:
            found.append("--new-pairs needs --text")
        return found


@dataclass(frozen=True)
class EvalConfig:
    """How checkpoints are evaluated."""

    backend: str = setting("auto", help="Where to compute.", choices=BACKENDS)
    precision: str = setting("auto", help=PRECISION_HELP, choices=PRECISIONS)
    layout: str = setting(
        "auto", help="Layout of the batches; auto: the machine's best.", choices=LAYOUTS
    )
    bucket_boundaries: list[int] = setting(
        factory=list, help="Ascending row lengths of the bucketed layout."
    )
    sequences_per_pack: int = setting(
        3, help="Most sequences in a row of the packed layout.", minimum=1
    )
    batch_size: int = setting(32, help="Sequences per forward pass.", minimum=1)
    mlm_only: bool = setting(
        False, help="Measure masked LM and its perplexity only, not next sentence prediction."
    )
    limit: int = setting(0, help="Evaluate on the first N records only; 0: all.", minimum=0)
    min_mlm_accuracy: float | None = setting(
        None,
        help="End with status 5 if the last checkpoint's accuracy is below this.",
        minimum=0.0,
        maximum=1.0,
    )
    cuda: CudaConfig = field(default_factory=CudaConfig, metadata={"options": CUDA_OPTIONS})
    hpu: HpuConfig = field(default_factory=HpuConfig)
    ipu: IpuConfig = field(default_factory=IpuConfig)
    cs: CsConfig = field(default_factory=CsConfig)
