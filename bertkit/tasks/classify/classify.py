"""The task `classify`: one label, or several, for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from bertkit.errors import ConfigError
from bertkit.files import write_text
from bertkit.model.classification import MULTI, SINGLE, BertForSequenceClassification
from bertkit.strict_json import json_text
from bertkit.tasks.classify.batches import TextBatcher, TextEncoder, TextObjective
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.classify.examples import Columns, Example, read_examples
from bertkit.tasks.classify.labels import class_weights, given_labels, numbers, settled_labels
from bertkit.tasks.classify.metrics import label_scores, several_label_scores
from bertkit.tasks.finetuning.samples import Sample
from bertkit.tasks.finetuning.task import FinetuneTask


class ClassifyTask(FinetuneTask[ClassifyConfig, Example]):
    """Labels of texts.

    Attributes:
        labels: names in the order of the model's scores.
    """

    name = "classify"

    def settle(self) -> None:
        """The labels: given, of the training file, or of the checkpoint."""
        config = self.config
        if config.trains:
            self.labels = settled_labels(self.train_examples, config)
        else:
            self.labels = given_labels(config) or self._labels_of_start()
        self._ids = {name: number for number, name in enumerate(self.labels)}
        self.metric = "f1_micro" if config.multi_label else "accuracy"
        self.batcher = TextBatcher(self.opened.padded_length)
        self.objective = TextObjective()
        self._encoder = TextEncoder(self.opened.tokenizer, config.max_seq_length)
        self._weights = class_weights(config, self.labels, self._targets(self.train_examples))

    def _labels_of_start(self) -> list[str]:
        facts = self.facts_of_start()
        names = facts.get("id2label")
        if not isinstance(names, dict) or facts.get("problem_type") == "regression":
            raise ConfigError(
                f"{self.start} has no labels: it was not fine-tuned for --task classify",
                "fine-tune it first: bertkit finetune --task classify --train-file FILE",
            )
        return [str(names[key]) for key in sorted(names, key=int)]

    def read(self, path: str, use: str) -> list[Example]:
        """The rows of a table; the labels of all but those to predict must be known."""
        columns: Columns | None = getattr(self, "_columns", None)
        labelled = use != "predict"
        found, columns = read_examples(
            path, self.config, columns=columns, labelled=labelled, limit=self.config.limit
        )
        self._columns = columns
        if use == "eval":
            self._targets(found)
        return found

    def encode(self, examples: Sequence[Example]) -> list[Sample]:
        """Tokens, and the numbers of the labels where they are known."""
        known = bool(examples) and examples[0].label is not None
        targets = self._targets(examples) if known else [None] * len(examples)
        return [
            self._encoder.sample(example, target)
            for example, target in zip(examples, targets, strict=True)
        ]

    def _targets(self, examples: Sequence[Example]) -> list[Any]:
        return [numbers(example, self._ids, self.config) for example in examples]

    def make_model(self) -> nn.Module:
        """The encoder with a new head."""
        model = BertForSequenceClassification(
            self.shape,
            len(self.labels),
            MULTI if self.config.multi_label else SINGLE,
            classifier_dropout=self.config.classifier_dropout,
            class_weights=self._weights,
            facts=self._facts(),
        )
        model.bert.encoder.recompute = self.config.recompute
        return model

    def _facts(self) -> dict[str, Any]:
        return {
            "id2label": {str(number): name for number, name in enumerate(self.labels)},
            "label2id": self._ids,
            "problem_type": MULTI if self.config.multi_label else SINGLE,
            "classifier_dropout": self.config.classifier_dropout,
        }

    def fits_facts(self, facts: Mapping[str, Any]) -> bool:
        """Whether a head is of the same labels in the same order."""
        return bool(facts.get("id2label") == self._facts()["id2label"])

    def plan(self) -> dict[str, Any]:
        """The labels."""
        return {"labels": ", ".join(self.labels)}

    def score(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Accuracy, F1 and Matthews' correlation; with several labels accuracy and F1."""
        logits = np.concatenate(outputs)
        truth = np.array([sample.target for sample in samples])
        if self.config.multi_label:
            return several_label_scores(truth > 0, logits > 0)
        return label_scores(truth, logits.argmax(-1), len(self.labels))

    def answers(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        """`label` (`labels` where there are several) and the probability of each label."""
        logits = np.concatenate(outputs).astype(float)
        several = self.config.multi_label
        chances = _logistic(logits) if several else _softmax(logits)
        found = []
        for row, shares in zip(logits, chances, strict=True):
            if several:
                labels = [name for name, value in zip(self.labels, row, strict=True) if value > 0]
                answer: dict[str, Any] = {"labels": labels}
            else:
                answer = {"label": self.labels[int(row.argmax())]}
            pairs = zip(self.labels, shares.tolist(), strict=True)
            found.append({**answer, "probabilities": dict(pairs)})
        return found

    def write_predictions(
        self,
        path: str,
        examples: Sequence[Example],
        samples: Sequence[Sample],
        outputs: Sequence[np.ndarray],
    ) -> list[Path]:
        """`predictions.jsonl`, an object per row of the file."""
        file = self.predictions_file(path, ".jsonl")
        lines = [json_text(answer) for answer in self.answers(examples, samples, outputs)]
        write_text(file, "".join(line + "\n" for line in lines))
        return [file]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return shares


def _logistic(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
    return shares
