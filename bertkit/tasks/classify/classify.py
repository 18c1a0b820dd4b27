"""The task `classify`: one label, or several, for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bertkit.errors import ConfigError, DataError, shortened
from bertkit.model.classification import MULTI, REGRESSION, SINGLE
from bertkit.model.config import label_names
from bertkit.tasks.classify import reviews
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.glue import GLUE
from bertkit.tasks.classify.labels import class_weights, numbers, require_several, settled_labels
from bertkit.tasks.classify.metrics import (
    SCORES,
    SCORES_OF_SEVERAL,
    label_scores,
    several_label_scores,
)
from bertkit.tasks.classify.text_task import TextTask
from bertkit.tasks.finetuning.labels import given_labels, require_order
from bertkit.tasks.finetuning.open import Opened
from bertkit.tasks.finetuning.review import Tables
from bertkit.tasks.finetuning.samples import Sample


class ClassifyTask(TextTask[ClassifyConfig]):
    """Labels of texts.

    Attributes:
        labels: names in the order of the model's outputs.
    """

    name = "classify"

    def __init__(self, opened: Opened[ClassifyConfig]) -> None:
        super().__init__(opened)
        self.labels = given_labels(self.config.labels, at_least=1 if self.config.multi_label else 2)

    def settle(self) -> None:
        """The labels: given, GLUE's, of the training file, or of the checkpoint."""
        if not self.labels:
            self.labels = self._known_labels()
        elif self.config.trains:
            require_several(self.train_examples, self.config)
        else:
            require_order(self.labels, self.facts_of_start(), self.start)
        config = self.config
        self._ids = {name: number for number, name in enumerate(self.labels)}
        self.width = len(self.labels)
        self.problem_type = MULTI if config.multi_label else SINGLE
        self.metric = "f1_micro" if config.multi_label else "accuracy"
        single = SCORES if self.width == 2 else tuple(name for name in SCORES if name != "f1")
        self.metrics = SCORES_OF_SEVERAL if config.multi_label else single
        self._weights = class_weights(config, self.labels, self._training_targets())

    def takes_names(self, names: Sequence[str], path: str) -> bool:
        """Where the labels are not known otherwise, or are some of these.

        Raises:
            DataError: the labels are other names, so that the numbers may have another order.
        """
        glue = self.config.glue
        known = self.labels or (GLUE[glue].labels if glue else ())
        # Of names that are numbers it cannot be told whether they begin at another one.
        numbers = all(map(str.isdecimal, [*names, *known]))
        shared = set(names) == set(known) if numbers else not set(names).isdisjoint(known)
        if not known or shared:
            return True
        if numbers or not any(map(str.isdecimal, known)):
            raise DataError(
                f"{path} has other labels, {shortened(names)}, than {shortened(known)}",
                "give --labels with the names of the file, in the order of the model",
            )
        return False

    def _known_labels(self) -> list[str]:
        config = self.config
        if not config.trains:
            return self._labels_of_start()
        if config.glue:
            return list(GLUE[config.glue].labels)
        return settled_labels(self.train_examples, config, self.reader.classes)

    def _training_targets(self) -> list[Any]:
        """All of them, so that what is wrong with one is told before any work."""
        return [self.target(example) for example in self.train_examples]

    def _labels_of_start(self) -> list[str]:
        facts = self.facts_of_start()
        names = label_names(facts, self.start)
        if not names or facts.get("problem_type") == REGRESSION:
            raise ConfigError(
                f"{self.start} has no labels: it was not fine-tuned for --task classify",
                "fine-tune it first: bertkit finetune --task classify --train-file FILE",
            )
        if facts.get("problem_type") == MULTI:
            self.config = replace(self.config, multi_label=True)
        return names

    def target(self, example: Example) -> int | np.ndarray:
        """The number of the label; several as float32 [C] of 0 and 1."""
        return numbers(example, self._ids, self.config)

    def class_weights(self) -> list[float]:
        """As the settings have it."""
        return self._weights

    def head_facts(self) -> dict[str, Any]:
        """The names of the labels."""
        names = {str(number): name for number, name in enumerate(self.labels)}
        return {"id2label": names, "label2id": self._ids}

    def plan(self) -> dict[str, Any]:
        """The labels."""
        return {"labels": ", ".join(self.labels)}

    def score(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Accuracy, F1 and Matthews' correlation; of several labels accuracy and F1."""
        logits = np.concatenate(outputs)
        truth = np.array([sample.target for sample in samples])
        if self.config.multi_label:
            return several_label_scores(truth > 0, logits > 0)
        return label_scores(truth, logits.argmax(-1), self.width)

    def answer(self, outputs: np.ndarray) -> dict[str, Any]:
        """`label` (`labels` where there are several), and the probability of each label."""
        logits = outputs.astype(float)
        if self.config.multi_label:
            shares = 1.0 / (1.0 + np.exp(-logits))
            chosen = [name for name, value in zip(self.labels, logits, strict=True) if value > 0]
            found: dict[str, Any] = {"labels": chosen}
        else:
            powers = np.exp(logits - logits.max())
            shares = powers / powers.sum()
            found = {"label": self.labels[int(logits.argmax())]}
        return {**found, "probabilities": dict(zip(self.labels, shares.tolist(), strict=True))}

    def review(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> Tables:
        """What each label is taken for, and the wrong labels of which the model is surest."""
        answers = self.answers(examples, samples, outputs)
        if self.config.multi_label:
            truth = np.array([sample.target for sample in samples]) > 0
            return reviews.several_labels(examples, truth, answers)
        targets = np.array([sample.target for sample in samples])
        return reviews.single_labels(examples, targets, answers, self.labels)

    def submitted(self, answer: Mapping[str, Any]) -> str:
        """The name of the label."""
        return str(answer["label"])
