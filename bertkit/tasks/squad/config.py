"""Settings of fine-tuning, predicting and scoring on SQuAD. Light: imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from bertkit.config import Layer, load_yaml, setting
from bertkit.tasks.pretraining.config import OPTIMIZERS
from bertkit.train.backend_options import CsConfig, HpuConfig, IpuConfig

BACKENDS = ("auto", "cpu", "cs", "cuda", "hpu", "ipu")
AUTO = "auto"


@dataclass
class AnswerConfig:
    """What answering questions depends on; sizes default to those of run_squad.py."""

    init_checkpoint: str | None = setting(
        None, "Model to start from: a checkpoint of any format that convert reads, or a run."
    )
    vocab: str | None = setting(
        None, "WordPiece vocabulary; else the vocab.txt beside the checkpoint."
    )
    do_lower_case: bool = setting(
        True, "Lower-case the text (uncased vocabularies).", off="--cased"
    )
    version_2_with_negative: bool = setting(False, "The files have unanswerable questions (v2.0).")
    null_score_diff_threshold: float = setting(
        0.0, "v2.0: say nothing where the odds of no answer are above this."
    )
    max_seq_length: int = setting(
        384, "Tokens per sequence; longer passages are cut into windows.", flags=("--msl",),
        minimum=8,
    )  # fmt: skip
    doc_stride: int = setting(128, "Tokens from one window's start to the next.", minimum=1)
    max_query_length: int = setting(64, "Question tokens that are kept.", minimum=1)
    n_best_size: int = setting(20, "Answers listed per question.", minimum=1)
    max_answer_length: int = setting(30, "Tokens of the longest answer.", minimum=1)
    backend: str = setting("auto", "Where to compute.", choices=BACKENDS)
    precision: str = setting(
        "fp32", "Of matrix products; weights stay fp32.", choices=("fp32", "bf16", "fp16")
    )
    layout: str = setting(
        "auto", "unpadded computes nothing on padding; padded has rows of one length; auto: the"
        " machine's best.", choices=("auto", "unpadded", "padded"),
    )  # fmt: skip
    predict_batch_size: str = setting(
        "32", "Windows per forward pass when answering; auto tries sizes and takes the best."
    )
    hpu: HpuConfig = field(default_factory=HpuConfig)
    ipu: IpuConfig = field(default_factory=IpuConfig)
    cs: CsConfig = field(default_factory=CsConfig)

    @property
    def predict_size(self) -> int:
        """Windows per forward pass when answering; 0: to be found by trying."""
        return 0 if self.predict_batch_size == AUTO else int(self.predict_batch_size)

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = []
        if self.max_query_length + 3 >= self.max_seq_length:
            found.append(
                f"--max-query-length {self.max_query_length} and three marks leave no room for the"
                f" passage in --max-seq-length {self.max_seq_length}"
            )
        size = self.predict_batch_size
        if size != AUTO and not (size.isdecimal() and int(size) > 0):
            found.append(f"--predict-batch-size {size} is neither a number from 1 on nor {AUTO}")
        return found


@dataclass
class AskConfig(AnswerConfig):
    """Answering questions from the command line."""

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        missing = [] if self.init_checkpoint else ["--init-checkpoint is required"]
        return missing + super().problems()


@dataclass
class SquadConfig(AnswerConfig):
    """Everything a SQuAD run depends on; sizes and rates default to those of run_squad.py."""

    train_file: str | None = setting(None, "Questions to train on, SQuAD JSON.")
    predict_file: str | None = setting(None, "Questions to answer, SQuAD JSON.")
    output: str = setting("", "Folder of the run.", flags=("-o",))
    do_train: bool | None = setting(None, "Train; on where --train-file is given.")
    do_predict: bool | None = setting(None, "Answer; on where --predict-file is given.")
    do_eval: bool | None = setting(
        None, "Score the answers against --predict-file; on where it holds answers."
    )
    global_batch_size: int = setting(
        32, "Windows per optimizer step.", flags=("--gbs", "--train-batch-size"), minimum=1
    )
    micro_batch_size: int = setting(
        0, "Windows per forward pass, reduce it if memory runs out; 0: the global batch.",
        minimum=0,
    )  # fmt: skip
    epochs: float = setting(
        3.0, "Passes over the training questions.", flags=("--num-train-epochs",), minimum=0.0
    )
    max_steps: int = setting(
        0, "Optimizer steps; given, it decides instead of --epochs.", minimum=0
    )
    optimizer: str = setting(
        "adamw", "AdamW, a LAMB by name, or plain SGD.", choices=OPTIMIZERS
    )  # fmt: skip
    learning_rate: float = setting(5e-5, "Peak rate.", flags=("--lr",), minimum=0.0)
    schedule: str = setting(
        "linear", "Decay after the warm-up; polynomial counts it from step 0 as Google's does.",
        choices=("linear", "polynomial", "constant"),
    )  # fmt: skip
    warmup_proportion: float = setting(
        0.1, "Share of the steps in which the rate rises.", minimum=0.0, maximum=1.0
    )
    weight_decay: float = setting(0.01, "Decoupled; not on biases and LayerNorm.", minimum=0.0)
    max_grad_norm: float = setting(1.0, "Clip gradients to this norm; 0: never.", minimum=0.0)
    save_every: int = setting(1000, "Steps between checkpoints; 0: the end only.", minimum=0)
    cache: str | None = setting(
        None, "Folder that keeps the windows of question files, for later runs with the same file,"
        " vocabulary and lengths; none without it.",
    )  # fmt: skip
    keep_last: int = setting(1, "Checkpoints to keep; 0: all.", minimum=0)
    log_every: int = setting(10, "Steps between lines of metrics.jsonl.", minimum=1)
    log_to: list[str] = setting(factory=list, help="Further trackers: tensorboard, wandb.")
    resume: str = setting(
        "auto", "auto: go on from the run's last checkpoint; never.", choices=("auto", "never")
    )
    limit: int = setting(0, "Use the first N questions of each file only; 0: all.", minimum=0)
    seed: int = setting(12345, "Of new weights, order and dropout.", minimum=0)

    @property
    def trains(self) -> bool:
        """Whether to train."""
        return self.train_file is not None if self.do_train is None else self.do_train

    @property
    def predicts(self) -> bool:
        """Whether to answer questions."""
        return self.predict_file is not None if self.do_predict is None else self.do_predict

    @property
    def micro_size(self) -> int:
        """Windows per forward pass."""
        return self.micro_batch_size or self.global_batch_size

    def steps(self, windows: int) -> int:
        """Optimizer steps of the whole run over so many windows."""
        return self.max_steps or max(1, math.ceil(self.epochs * windows / self.global_batch_size))

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = []
        if not self.output:
            found.append("--output is required")
        if not (self.trains or self.predicts or self.do_eval):
            found.append("nothing to do: give --train-file, --predict-file or both")
        if self.trains and not self.train_file:
            found.append("--do-train needs --train-file")
        if (self.predicts or self.do_eval) and not self.predict_file:
            found.append(f"{'--do-predict' if self.predicts else '--do-eval'} needs --predict-file")
        if self.trains and not self.init_checkpoint:
            found.append("--train-file needs --init-checkpoint, the encoder to start from")
        if self.global_batch_size % self.micro_size:
            found.append(
                f"--global-batch-size {self.global_batch_size} is not a multiple of"
                f" --micro-batch-size {self.micro_size}"
            )
        return found + super().problems()


# What a model was fine-tuned with, and so is to answer with.
_OF_THE_RUN = (
    "do_lower_case", "version_2_with_negative", "max_seq_length", "doc_stride", "max_query_length",
    "n_best_size", "max_answer_length", "null_score_diff_threshold",
)  # fmt: skip


def of_the_run(checkpoint: str | None) -> list[Layer]:
    """The settings of the fine-tuning run that a checkpoint belongs to; nothing without one.

    Args:
        checkpoint: a run's folder, or a checkpoint in it.
    """
    for folder in (Path(checkpoint), Path(checkpoint).parent) if checkpoint else ():
        path = folder / "config.yaml"
        if path.is_file():
            values = load_yaml(path)
            known = {name: values[name] for name in _OF_THE_RUN if name in values}
            return [Layer(str(path), known)]
    return []
