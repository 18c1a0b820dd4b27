"""Defines the settings of fine-tuning, predicting and scoring on SQuAD. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import Layer, setting
from bertkit.configuration.option_groups import DATA, MACHINE, OUTPUT, TASK
from bertkit.configuration.settings import FREE, override
from bertkit.tasks.comparison.seeds_file import seeds_setting
from bertkit.tasks.finetuning import config as finetuning
from bertkit.tasks.finetuning.config import EncoderConfig, RunConfig
from bertkit.train.config import TrainingConfig
from bertkit.train.run_files import log_file_problems

AUTO = "auto"


@dataclass(frozen=True)
class AnswerConfig(EncoderConfig):
    """What answering questions depends on; sizes default to those of run_squad.py."""

    version_2_with_negative: bool = setting(
        False, help="SQuAD 2.0: some questions have no answer.", group=TASK, first=True
    )
    null_score_diff_threshold: float = setting(
        0.0,
        help="SQuAD 2.0: predict no answer if its score minus the best answer's is above this.",
        on_resume=FREE,
        group=TASK,
    )
    max_seq_length: int = override(
        EncoderConfig,
        "max_seq_length",
        384,
        help="Tokens per sequence; longer passages are divided into overlapping windows.",
    )
    doc_stride: int = setting(
        128, help="Stride between the starts of two windows, in tokens.", minimum=1, group=TASK
    )
    max_query_length: int = setting(
        64, help="Maximum tokens of a question; the rest is cut off.", minimum=1, group=TASK
    )
    n_best_size: int = setting(
        20,
        help="Number of best answers listed per question.",
        minimum=1,
        on_resume=FREE,
        group=TASK,
    )
    max_answer_length: int = setting(
        30, help="Maximum tokens of an answer.", minimum=1, on_resume=FREE, group=TASK
    )
    predict_batch_size: str = setting(
        "32",
        help="Windows per forward pass in prediction; auto: the fastest of several sizes.",
        on_resume=FREE,
        group=MACHINE,
        metavar="N",
        example="auto",
    )

    @property
    def predict_size(self) -> int:
        """Windows per forward pass when answering; 0: to be found by trying."""
        return 0 if self.predict_batch_size == AUTO else int(self.predict_batch_size)

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = []
        if self.max_query_length + 3 >= self.max_seq_length:
            found.append(
                f"--max-query-length {self.max_query_length} and three special tokens leave no room"
                f" for the passage in --max-seq-length {self.max_seq_length}"
            )
        size = self.predict_batch_size
        if size != AUTO and not (size.isdecimal() and int(size) > 0):
            found.append(f"--predict-batch-size {size} must be a number of at least 1, or {AUTO}")
        return found


@dataclass(frozen=True)
class PredictConfig(AnswerConfig):
    """Answering questions from the command line."""

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        missing = [] if self.init_checkpoint else ["--init-checkpoint is required"]
        return missing + super().problems()


@dataclass(frozen=True)
class SquadConfig(AnswerConfig, RunConfig):
    """Everything a SQuAD run depends on; sizes and rates default to those of run_squad.py."""

    train_file: str | None = setting(
        None,
        help="Questions to train on: SQuAD JSON, or rows in JSON lines, Parquet or Arrow.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="FILE",
    )
    predict_file: str | None = setting(
        None,
        help="Questions to answer, of the same forms.",
        on_resume=FREE,
        group=DATA,
        first=True,
        metavar="FILE",
    )
    do_train: bool | None = setting(
        None, help="Train; by default if --train-file is given.", on_resume=FREE, group=TASK
    )
    do_predict: bool | None = setting(
        None,
        help="Predict answers; by default if --predict-file is given.",
        on_resume=FREE,
        group=TASK,
    )
    do_eval: bool | None = setting(
        None,
        help="Score the predictions against --predict-file; by default if it contains answers.",
        on_resume=FREE,
        group=TASK,
    )
    cache: str | None = setting(
        None,
        help="Folder to cache the windows of question files in, for later runs with the same file,"
        " vocabulary and lengths; by default they are not cached.",
        on_resume=FREE,
        group=DATA,
        metavar="DIR",
    )
    limit: int = setting(
        0, help="Use only the first N questions of each file; 0: all.", minimum=0, group=DATA
    )
    seeds: str = seeds_setting()
    json_summary: str | None = setting(
        None,
        help="File to log the run to in the format of NVIDIA's dllogger (JSON lines), with the"
        " scores and the speed of answering.",
        on_resume=FREE,
        group=OUTPUT,
        metavar="FILE",
    )
    global_batch_size: int = override(
        TrainingConfig,
        "global_batch_size",
        help="Windows per optimizer step.",
        flags=("--gbs", "--train-batch-size"),
        first=False,
    )
    micro_batch_size: int = override(
        TrainingConfig,
        "micro_batch_size",
        help="Windows per forward pass; reduce it if memory runs out. 0: the global batch.",
    )
    epochs: float | None = override(
        TrainingConfig,
        "epochs",
        help="Passes over the training questions.",
        flags=("--num-train-epochs",),
        first=True,
    )
    learning_rate: float = override(TrainingConfig, "learning_rate", 5e-5)
    save_every: int = override(TrainingConfig, "save_every", 1000, first=False)
    keep_last: int = override(TrainingConfig, "keep_last", 1)
    eval_every: int = override(
        TrainingConfig,
        "eval_every",
        first=True,
        help="Steps between evaluations on --predict-file; 0: none during training.",
    )

    @property
    def trains(self) -> bool:
        """Whether to train."""
        return self.train_file is not None if self.do_train is None else self.do_train

    @property
    def predicts(self) -> bool:
        """Whether to answer questions."""
        return self.predict_file is not None if self.do_predict is None else self.do_predict

    @property
    def evaluates(self) -> bool:
        """Whether to score answers to the questions of `predict_file` during training."""
        asked = self.eval_every or self.eval_every_samples or self.eval_first
        return self.trains and bool(asked)

    def problems(self) -> list[str]:
        """Settings that contradict each other, each naming its flags."""
        found = TrainingConfig.problems(self)
        found += log_file_problems(self.output, {"--json-summary": self.json_summary})
        if not (self.trains or self.predicts or self.do_eval):
            found.append("nothing to do: give --train-file, --predict-file or both")
        if self.trains and not self.train_file:
            found.append("--do-train needs --train-file")
        if (self.predicts or self.do_eval) and not self.predict_file:
            found.append(f"{'--do-predict' if self.predicts else '--do-eval'} needs --predict-file")
        if self.trains and not self.init_checkpoint:
            found.append("--train-file needs --init-checkpoint, the encoder to start from")
        if self.evaluates and not self.predict_file:
            found.append("--eval-every needs --predict-file")
        return found + AnswerConfig.problems(self)


# What a model was fine-tuned with, and so is to answer with; casing is beside the vocabulary.
OF_THE_RUN = (
    "version_2_with_negative",
    "max_seq_length",
    "doc_stride",
    "max_query_length",
    "n_best_size",
    "max_answer_length",
    "null_score_diff_threshold",
)


def settings_of_run(checkpoint: str | None) -> list[Layer]:
    """The settings of the fine-tuning run that a checkpoint belongs to; nothing without one.

    Args:
        checkpoint: a run's folder, or a checkpoint in it.
    """
    return finetuning.settings_of_run(checkpoint, OF_THE_RUN)
