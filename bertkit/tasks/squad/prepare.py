"""Opens a SQuAD run's files and checks all settings against them, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bertkit.backends.base import Adapter, Problem, StepPlan
from bertkit.errors import DataError
from bertkit.model.config import BertConfig
from bertkit.tables.files import digest_of_table
from bertkit.tasks.finetuning.open import open_settled, settled, step_plan_of, without_training
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.config import AnswerConfig, SquadConfig
from bertkit.tasks.squad.features import Window, WindowMaker
from bertkit.tasks.squad.question import Question
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.window_cache import cached_windows
from bertkit.tokenization import word_length
from bertkit.tokenization.normalisation import FLAGS
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED, TokenizerFacts
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.train.step_settings import optimizer_spec, refuse

# Questions looked at to tell how many windows all of them will have.
_SAMPLE = 500
# The settings that windows depend on, beside the file and the vocabulary.
_DECIDES_WINDOWS = (
    *FLAGS,
    "version_2_with_negative",
    "max_seq_length",
    "doc_stride",
    "max_query_length",
    "limit",
)


@dataclass(frozen=True)
class Prepared:
    """A run's settings and files, opened and checked against each other.

    Attributes:
        config: the settings.
        start: checkpoint to take weights from; None where only files are scored.
        shape: of its encoder.
        vocab: of its tokens.
        facts: what is known about them, with the treatment of text.
        train_questions: those to train on.
        predict_questions: those to answer or to score.
        scores: whether answers are to be scored.
        backend: name of the machine; empty where nothing is computed.
    """

    config: SquadConfig
    start: Path | None
    shape: BertConfig | None
    vocab: Vocab | None
    train_questions: list[Question]
    predict_questions: list[Question]
    scores: bool
    backend: str = ""
    facts: TokenizerFacts = NOT_RECORDED

    def windows(self, questions: Sequence[Question], training: bool) -> list[Window]:
        """The windows of questions."""
        config = self.config
        maker = WindowMaker(
            self.tokenizer, config.max_seq_length, config.doc_stride, config.max_query_length
        )
        return maker.windows(questions, training)

    def kept_windows(self, training: bool) -> list[Window]:
        """The windows of the training file or of the file to answer, from `--cache` if given."""
        config, questions = (
            self.config,
            self.train_questions if training else self.predict_questions,
        )
        path = str(config.train_file if training else config.predict_file)
        if config.cache is None:
            return self.windows(questions, training)
        assert self.vocab is not None
        facts = {name: getattr(config, name) for name in _DECIDES_WINDOWS}
        facts |= {"file": digest_of_table(path), "training": training}
        if self.facts.word_length:
            facts[word_length.NAME] = self.facts.word_length
        return cached_windows(
            config.cache, facts, questions, self.vocab, lambda: self.windows(questions, training)
        )

    @cached_property
    def tokenizer(self) -> WordPieceTokenizer:
        """Of the vocabulary."""
        assert self.vocab is not None and self.facts.normalisation is not None
        return WordPieceTokenizer(self.vocab, self.facts.normalisation, self.facts.word_length)

    @property
    def batcher(self) -> WindowBatcher:
        """In the run's layout."""
        assert self.vocab is not None
        padded = self.config.max_seq_length if self.config.layout == "padded" else 0
        return WindowBatcher(self.vocab.cls_id, self.vocab.sep_id, padded)

    @cached_property
    def step_plan(self) -> StepPlan:
        """What decides one step's numbers."""
        return step_plan_of(self.config, self.shape, self.backend)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what the training windows are made of."""
        assert self.vocab is not None
        parts = (digest_of_table(str(self.config.train_file)), self.vocab.sha256)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def estimate(self) -> dict[str, int]:
        """The run in numbers, windows estimated from a sample, for a dry run."""
        plan = {
            "training_questions": len(self.train_questions),
            "questions_to_answer": len(self.predict_questions),
        }
        if self.shape is None:
            return plan
        plan["parameters"] = self.shape.parameter_count()
        if self.train_questions:
            windows = self._about(self.train_questions)
            plan |= {"training_windows_about": windows, "steps": self.config.steps(windows)}
            # Weights and two moments in float32.
            plan["checkpoint_bytes_about"] = 12 * plan["parameters"]
        if self.predict_questions and self.config.predicts:
            plan["windows_to_answer_about"] = self._about(self.predict_questions)
        return plan

    def _about(self, questions: Sequence[Question]) -> int:
        sample = questions[:: -(-len(questions) // _SAMPLE)]
        return round(len(self.windows(sample, training=False)) * len(questions) / len(sample))


def prepare(config: SquadConfig, adapter: Adapter, overwrite: bool = False) -> Prepared:
    """Open every file and check that they belong together; writes nothing.

    Args:
        config: the settings.
        adapter: of the machine.
        overwrite: an earlier run in the folder is replaced.

    Raises:
        DataError: missing, broken or empty files.
        ConfigError: the vocabulary or the lengths do not fit the checkpoint, or the
            machine the settings.
    """
    config = settled(config, adapter)
    version_2, limit = config.version_2_with_negative, config.limit
    to_train, to_predict = [], []
    if config.trains:
        to_train = read_questions(str(config.train_file), version_2, True, limit)
    if config.predict_file and (config.predicts or config.do_eval or config.evaluates):
        to_predict = read_questions(config.predict_file, version_2, False, limit)
    answered = any(question.answers for question in to_predict)
    scores = answered and config.predicts if config.do_eval is None else config.do_eval
    if answered and (scores or config.evaluates) and not version_2:
        _require_answers(to_predict, str(config.predict_file))
    ready = Prepared(
        config=config,
        start=None,
        shape=None,
        vocab=None,
        train_questions=to_train,
        predict_questions=to_predict,
        scores=scores,
    )
    if not (config.trains or config.predicts):
        return ready
    opened = open_settled(config, adapter, overwrite)
    ready = replace(
        ready,
        config=opened.config,
        start=opened.start,
        shape=opened.shape,
        vocab=opened.vocab,
        facts=opened.facts,
        backend=opened.backend,
    )
    _check(ready, adapter, answered)
    return ready


def _require_answers(questions: Sequence[Question], path: str) -> None:
    """Refuse to score questions of which some have no answer before anything is trained."""
    missing = [question.id for question in questions if not question.answers]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of {len(questions)} questions have no answer to score"
            f" against; the first is {missing[0]}",
            "give --version-2-with-negative for v2.0 files; --no-do-eval answers alone",
        )


def _check(ready: Prepared, adapter: Adapter, answered: bool) -> None:
    """Refuse what the machine cannot do, and evaluations on questions without answers."""
    config = ready.config
    answering = answering_plan(ready.step_plan, config)
    plans = [ready.step_plan if config.trains else answering]
    if config.predicts and adapter.caps.scalar_reads == "closure":
        plans.append(answering)  # such an engine cuts whole steps, and so these batches too
    spec = optimizer_spec(config)
    problems: list[Problem | str] = [p for plan in plans for p in adapter.validate(plan, spec)]
    if config.predicts:
        problems += answering_problems(config, adapter)
    if config.evaluates and not answered:
        problems.append("--eval-every needs answers in --predict-file")
    if config.evaluates and adapter.caps.step_owner != "loop":
        problems.append(f"--eval-every does not work on {adapter.caps.name}; leave it out")
    refuse(problems)


def answering_plan(plan: StepPlan, config: AnswerConfig) -> StepPlan:
    """The plan of a forward pass that answers, from that of a run."""
    return without_training(plan, config, config.predict_size or 1)


def answering_problems(config: AnswerConfig, adapter: Adapter) -> list[str]:
    """What a machine cannot do of the settings for answering."""
    if config.predict_size == 0 and adapter.caps.scalar_reads == "closure":
        return [
            f"--predict-batch-size auto does not work on {adapter.caps.name}, whose compiler cuts"
            " batches itself; give a number"
        ]
    return []
