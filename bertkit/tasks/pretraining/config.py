"""Defines the settings of pretraining and its evaluation. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bertkit.backends import registry
from bertkit.backends.sections import BackendSections, completed_sections
from bertkit.configuration.config import as_dict, flatten, setting
from bertkit.configuration.option_groups import (
    DATA,
    EVALUATION,
    MACHINE,
    MODEL,
    OPTIMIZATION,
    OUTPUT,
    RECORDS,
)
from bertkit.configuration.record_settings import unused_record_settings
from bertkit.configuration.settings import FREE, ROUNDING, override
from bertkit.model.config import BertConfig
from bertkit.records.config import RecordsConfig
from bertkit.tasks.pretraining.submission import Submission
from bertkit.train.config import ComputeConfig, TrainingConfig, allow_other_vocab
from bertkit.train.run_files import log_file_problems

LAYOUTS = ("auto", "unpadded", "padded", "bucketed", "packed")
MLPERF = "mlperf"
# Settings of make-records that are flags here too; all of them go by --set records.NAME.
RECORD_OPTIONS = (
    "max_seq_length",
    "max_predictions_per_seq",
    "masked_lm_prob",
    "short_seq_prob",
    "dupe_factor",
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
    "word_length",
    "whole_word_mask",
    "style",
    "objective",
)


@dataclass(frozen=True)
class RecordBatchConfig(ComputeConfig):
    """Where a model computes, and how records become batches."""

    backend: str = override(ComputeConfig, "backend", choices=registry.choices())
    layout: str = override(
        ComputeConfig,
        "layout",
        help="unpadded: no padding; padded: rows of one length; bucketed: of a few lengths; "
        "packed: several sequences in a row; auto: the best of the backend.",
        choices=LAYOUTS,
    )
    bucket_boundaries: list[int] = setting(
        factory=list,
        help="Row lengths of the bucketed layout, ascending; by default a few, evenly spaced.",
        on_resume=ROUNDING,
        group=MACHINE,
        metavar="N",
        example="64",
    )
    sequences_per_pack: int = setting(
        3,
        help="Maximum number of sequences in a row of the packed layout.",
        minimum=1,
        on_resume=ROUNDING,
        group=MACHINE,
    )


@dataclass(frozen=True)
class PretrainConfig(RecordBatchConfig, TrainingConfig, BackendSections):
    """Everything a pretraining run depends on."""

    input: list[str] = setting(
        factory=list,
        help="Training records: files, globs, folders or @list.txt; repeatable.",
        flags=("-i",),
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="PATH",
    )
    text: list[str] = setting(
        factory=list,
        help="Sentence files to train on instead of records; makes on the fly the instances that "
        "make-records would write. Repeatable.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="PATH",
    )
    text_cache: str | None = setting(
        None,
        help="Folder for intermediate files of --text; by default inside --output.",
        on_resume=FREE,
        group=DATA,
        metavar="DIR",
    )
    workers: int = setting(
        0,
        help="Processes that read and plan --text; 0 starts one per core. The samples do not "
        "depend on it.",
        minimum=0,
        on_resume=FREE,
        group=MACHINE,
    )
    mask: str = setting(
        "static",
        help="static: the masks of the records; dynamic: new masks in every epoch.",
        choices=("static", "dynamic"),
        group=RECORDS,
    )
    new_pairs: bool = setting(
        False,
        help="With --text: new pairs and masks in every epoch, from seed + epoch.",
        group=RECORDS,
    )
    eval_input: list[str] = setting(
        factory=list,
        help="Records to evaluate on during training, see --eval-every; repeatable.",
        on_resume=FREE,
        group=EVALUATION,
        first=True,
        metavar="PATH",
    )
    vocab: str | None = setting(
        None,
        help="Vocabulary of the records; it is copied into every checkpoint.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="VOCAB",
    )
    allow_other_vocab: bool = allow_other_vocab()
    init_checkpoint: str | None = override(
        TrainingConfig,
        "init_checkpoint",
        help="Start from the weights of this checkpoint (as phase 2 does), also a URL or "
        "NAME@REVISION on the hub; it also gives the shape of the model.",
    )
    model_config: str | None = setting(
        None,
        help="config.json or bert_config.json with the model's shape; not needed where one lies "
        "beside --init-checkpoint.",
        on_resume=FREE,
        group=MODEL,
        metavar="FILE",
    )
    max_steps: int = override(
        TrainingConfig,
        "max_steps",
        1000,
        help="Optimizer steps of the whole run.",
        minimum=1,
        first=True,
    )
    # The run remembers the steps that follow from these two.
    epochs: float | None = override(
        TrainingConfig,
        "epochs",
        None,
        help="Passes over the records; overrides --max-steps.",
        minimum=None,
        on_resume=FREE,
    )
    warmup_proportion: float = override(TrainingConfig, "warmup_proportion", on_resume=FREE)
    eval_every: int = override(
        TrainingConfig,
        "eval_every",
        help="Steps between evaluations on --eval-input; 0: only at the end.",
    )
    eval_every_samples: str | None = override(
        TrainingConfig,
        "eval_every_samples",
        help="Samples between evaluations, instead of --eval-every; mlperf: by MLPerf's formula.",
    )
    mlm_normalisation: str = setting(
        "global_step",
        help="Average the masked LM loss over the step, or over each micro-batch as MLPerf does.",
        choices=("global_step", "micro_batch"),
        group=OPTIMIZATION,
    )
    mlm_group: int = setting(
        0,
        help="With --mlm-normalisation micro_batch: sequences of each mean, whatever a forward "
        "pass holds; 0: --micro-batch-size.",
        minimum=0,
        group=OPTIMIZATION,
    )
    bucket_window: int = setting(
        0,
        help="Bucketed layout: steps among whose sequences each step's are chosen by length; 0: "
        "a step takes those that come. By default 64 on cs, whose step is one batch.",
        minimum=0,
        group=MACHINE,
    )
    nsp: bool = setting(True, help="Also train next sentence prediction.", group=MODEL)
    mlperf_log: str | None = setting(
        None,
        help="File to log the run to in MLPerf's format (:::MLLOG lines).",
        on_resume=FREE,
        group=OUTPUT,
        metavar="FILE",
    )
    json_summary: str | None = setting(
        None,
        help="File to log the run to in the format of NVIDIA's dllogger (JSON lines).",
        on_resume=FREE,
        group=OUTPUT,
        metavar="FILE",
    )
    target_mlm_accuracy: float | None = setting(
        None,
        help="Stop when an evaluation reaches this accuracy; exit status 5 if none does.",
        minimum=0.0,
        maximum=1.0,
        on_resume=FREE,
        group=EVALUATION,
    )
    records: RecordsConfig = field(
        default_factory=RecordsConfig, metadata={"options": RECORD_OPTIONS}
    )
    model: BertConfig = field(default_factory=BertConfig)
    submission: Submission = field(default_factory=Submission, metadata={"on_resume": FREE})

    def steps(self, samples: int) -> int:
        """Optimizer steps of the whole run over so many records."""
        if self.epochs is None:
            return self.max_steps
        return max(1, math.ceil(self.epochs * samples / self.global_batch_size))

    @property
    def eval_samples(self) -> int:
        """Samples between evaluations; 0 where they are not asked for in samples."""
        if self.eval_every_samples == MLPERF:
            return mlperf_eval_samples(self.global_batch_size)
        return super().eval_samples

    @property
    def target(self) -> tuple[str, float] | None:
        """The masked LM accuracy at which the run ends."""
        if self.target_mlm_accuracy is None:
            return None
        return "mlm_accuracy", self.target_mlm_accuracy

    def unread(self) -> list[str]:
        """Settings of records that are made already; see `configuration.record_settings`."""
        return unused_record_settings(flatten(as_dict(self)))

    @staticmethod
    def completed(saved: Mapping[str, Any]) -> dict[str, Any]:
        """The saved settings of a run, with what they meant before there was `mlm_group`, and what
        its backend says of its own."""
        values = completed_sections(saved)
        if values.get("mlm_normalisation") == "micro_batch":
            values["mlm_group"] = values.get("mlm_group") or values.get("micro_batch_size")
        return values

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = []
        if not self.input and not self.text:
            found.append("--input is required (or --text)")
        found += self._text_problems()
        found += super().problems()
        if self.epochs is not None and self.epochs <= 0:
            found.append(f"--epochs {self.epochs} must be above 0")
        needed_by = {
            "--target-mlm-accuracy": self.target_mlm_accuracy is not None,
            "--eval-every": self.eval_every > 0,
            "--eval-first": self.eval_first,
            "--eval-every-samples": bool(self.eval_every_samples),
        }
        for flag, given in needed_by.items():
            if given and not self.eval_input:
                found.append(f"{flag} needs --eval-input")
        if self.bucket_window and self.layout != "bucketed":
            found.append("--bucket-window needs --layout bucketed")
        samples = self.eval_every_samples or "1"
        if samples != MLPERF and not (samples.isdecimal() and int(samples) > 0):
            found.append(f"--eval-every-samples {samples}: a number above 0, or {MLPERF}")
        logs = {"--mlperf-log": self.mlperf_log, "--json-summary": self.json_summary}
        found += log_file_problems(self.output, logs)
        if self.resume not in ("auto", "never") and self.init_checkpoint:
            found.append(
                f"--resume {self.resume} continues a run, --init-checkpoint starts a new one"
            )
        return found

    def _text_problems(self) -> list[str]:
        found = []
        if self.input and self.text:
            found.append("--input and --text exclude each other")
        if self.text and not (self.vocab or self.init_checkpoint):
            found.append("--text needs --vocab")
        if self.mask == "dynamic" and not (self.vocab or self.init_checkpoint):
            found.append("--mask dynamic needs --vocab")
        if self.new_pairs and not self.text:
            found.append("--new-pairs needs --text")
        return found


def mlperf_eval_samples(global_batch_size: int) -> int:
    """Samples between two evaluations in MLPerf's BERT benchmark.

    floor(0.05 * (230.23 * batch + 3,000,000) / 25,000) * 25,000; from the rules of
    mlcommons/training: 256 gives 150,000, 3072 gives 175,000 and 8192 gives 225,000.
    """
    return math.floor(0.05 * (230.23 * global_batch_size + 3_000_000) / 25_000) * 25_000


@dataclass(frozen=True)
class EvalConfig(RecordBatchConfig, BackendSections):
    """How checkpoints are evaluated."""

    vocab: str | None = setting(
        None,
        help="Vocabulary of the checkpoints; by default the one beside each of them.",
        group=DATA,
        first=True,
        metavar="VOCAB",
    )
    model_config: str | None = setting(
        None,
        help="config.json with the shape of the model, where none lies beside a checkpoint.",
        group=MODEL,
        metavar="FILE",
    )
    batch_size: int = setting(
        32, help="Sequences per forward pass.", minimum=1, group=MACHINE, first=True
    )
    allow_other_vocab: bool = allow_other_vocab()
    mlm_only: bool = setting(
        False,
        help="Measure only masked LM and its perplexity, not next sentence prediction.",
        group=EVALUATION,
    )
    process_timeout: float = override(TrainingConfig, "process_timeout")
    limit: int = setting(
        0, help="Evaluate only on the first N records; 0: all.", minimum=0, group=DATA, first=True
    )
    wait: float = setting(
        0.0,
        help="After the last checkpoint, wait up to this many seconds for another one, again and "
        "again: evaluates a run while it trains.",
        minimum=0.0,
        group=EVALUATION,
    )
    min_mlm_accuracy: float | None = setting(
        None,
        help="Exit with status 5 if the accuracy of the latest checkpoint is below this.",
        minimum=0.0,
        maximum=1.0,
        group=EVALUATION,
        first=True,
    )
