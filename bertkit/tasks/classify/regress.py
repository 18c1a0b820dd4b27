"""The task `regress`: a score for a text or a pair of texts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertkit import log
from bertkit.errors import ConfigError, DataError
from bertkit.model.classification import REGRESSION
from bertkit.tasks.classify import reviews
from bertkit.tasks.classify.config import RegressConfig
from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.metrics import CORRELATIONS, correlations
from bertkit.tasks.classify.text_task import TextTask
from bertkit.tasks.finetuning.review import Tables
from bertkit.tasks.finetuning.samples import Sample

# What tables hold where a number is missing.
_NO_VALUE = {"", "-", "?", "na", "n/a", "nan", "none", "null", "inf", "-inf"}
LARGEST = 5.0  # GLUE's leaderboard takes scores from 0 to this


class RegressTask(TextTask[RegressConfig]):
    """Scores of texts, learnt by their squared error."""

    name = "regress"
    metric = "pearson"
    metrics = CORRELATIONS
    problem_type = REGRESSION
    width = 1

    def settle(self) -> None:
        """The training scores must differ; without training the checkpoint must be of scores."""
        if not self.config.trains:
            facts = self.facts_of_start()
            if facts.get("problem_type") != REGRESSION and len(facts.get("id2label") or ()) != 1:
                raise ConfigError(
                    f"{self.start} gives no score: it was not fine-tuned for --task regress",
                    "fine-tune it first: bertkit finetune --task regress --train-file FILE",
                )
            return
        scores = {float(self.target(example)) for example in self.train_examples}
        if len(scores) < 2:
            raise DataError(
                f"{self.config.train_file}: all {len(self.train_examples):,} scores are the same",
                "there is nothing to learn: give examples of different scores",
            )

    def target(self, example: Example) -> np.float32:
        """The score.

        Raises:
            DataError: not a finite number; names file and line.
        """
        try:
            value = np.float32(float(example.label))
        except (TypeError, ValueError, OverflowError):
            value = np.float32(math.nan)
        if not np.isfinite(value) or isinstance(example.label, bool):
            raise DataError(
                f"{example.place}: the score {str(example.label)[:40]!r} is no number",
                self._hint(str(example.label)),
            )
        return value

    def _hint(self, label: str) -> str:
        """What to do about a score that is no number."""
        if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", label):
            return "write decimals with a point: 4.5, not 4,5"
        if any(mark.isdigit() for mark in label) or label.strip().lower() in _NO_VALUE:
            return "remove the row, or write its score as a number"
        return "remove the row if it has none; names are learnt with --task classify"

    def head_facts(self) -> dict[str, Any]:
        """One output without a name, as transformers calls it."""
        return {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}

    def score(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Pearson's and Spearman's correlation, and the mean squared error."""
        truth = np.array([sample.target for sample in samples])
        found = np.concatenate(outputs)[:, 0]
        for what, values in (("scores of the file", truth), ("predicted scores", found)):
            if np.ptp(values) == 0:
                text = "all %d %s are the same: correlations mean nothing, and are told as 0"
                log.logger.warning(text, len(values), what)
        return correlations(truth, found)

    def answer(self, outputs: np.ndarray) -> dict[str, Any]:
        """`score`."""
        return {"score": float(outputs[0])}

    def review(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> Tables:
        """The scores that are furthest off."""
        truth = np.array([sample.target for sample in samples])
        return reviews.numbers(examples, truth, np.concatenate(outputs)[:, 0])

    def submitted(self, answer: Mapping[str, Any]) -> str:
        """The score, within those that the leaderboard takes."""
        return f"{min(max(answer['score'], 0.0), LARGEST):.3f}"
