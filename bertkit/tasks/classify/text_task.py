"""What classification and regression share: tables read, texts encoded, predictions written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import nn

from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.model.classification import BertForSequenceClassification
from bertkit.storage.files import write_text
from bertkit.tasks.classify import glue
from bertkit.tasks.classify.batches import TextBatcher, TextEncoder, TextObjective
from bertkit.tasks.classify.config import NONE, TableConfig, takes_pairs
from bertkit.tasks.classify.examples import Example, ExampleReader
from bertkit.tasks.finetuning.open import Opened
from bertkit.tasks.finetuning.samples import Sample
from bertkit.tasks.finetuning.task import FinetuneTask, Line
from bertkit.tasks.finetuning.texts import fault_of_text

T = TypeVar("T", bound=TableConfig)
_FORM = 'one object per line: {"text": "..."}, or {"text": "...", "pair": "..."}'


class TextTask(FinetuneTask[T, Example]):
    """Something to be said about each text or pair of texts of a table.

    Attributes:
        problem_type: as transformers names it.
        width: outputs per text.
    """

    local_settings = (*FinetuneTask.local_settings, "data_dir")
    takes_pairs = True
    problem_type: str
    width: int

    def __init__(self, opened: Opened[T]) -> None:
        super().__init__(opened)
        self.reader = ExampleReader(self.config)
        self.batcher = TextBatcher(opened.padded_length)
        self.objective = TextObjective()
        self.encoder = TextEncoder(opened.tokenizer, self.config.max_seq_length)

    @abstractmethod
    def target(self, example: Example) -> Any:
        """What is to be learnt of a labelled example.

        Raises:
            DataError: names file and line.
        """

    @abstractmethod
    def answer(self, outputs: np.ndarray) -> dict[str, Any]:
        """What is predicted for a text, from its float32 [C]."""

    @abstractmethod
    def submitted(self, answer: Mapping[str, Any]) -> str:
        """A prediction as GLUE's leaderboard takes it."""

    def takes_names(self, names: Sequence[str], path: str) -> bool:
        """Whether labels are names that a file notes for its numbers, and not the numbers."""
        return False

    @abstractmethod
    def head_facts(self) -> dict[str, Any]:
        """Entries of config.json that tell what the outputs mean."""

    def class_weights(self) -> list[float]:
        """Factor of each output in the loss; empty for 1."""
        return []

    def read(self, path: str, use: str) -> list[Example]:
        """The rows of a table; the labels of those to score on must be known."""
        found = self.reader.read(path, use, self.takes_names)
        if use == "train":
            self._remember_columns()
        if use == "eval":
            for example in found:
                self.target(example)
        return found

    def _remember_columns(self) -> None:
        """In the settings, so that the run's model is used with the columns it was trained on."""
        columns = self.reader.columns
        if columns is not None and not self.config.glue:
            self.config = replace(
                self.config,
                text_column=columns.text,
                pair_column=columns.pair or NONE,
                label_column=list(columns.labels),
            )

    def encode(self, examples: Sequence[Example]) -> list[Sample]:
        """Tokens, and targets where labels are known."""
        return [
            self.encoder.sample(e, None if e.label is None else self.target(e)) for e in examples
        ]

    def make_model(self) -> nn.Module:
        """The encoder with a new head."""
        dropout = self.config.classifier_dropout
        facts = {**self.head_facts(), "problem_type": self.problem_type}
        return BertForSequenceClassification(
            self.shape,
            self.width,
            self.problem_type,
            classifier_dropout=dropout,
            class_weights=self.class_weights(),
            facts={**facts, "classifier_dropout": dropout, **self.facts_of_use()},
        )

    def fits_facts(self, facts: Mapping[str, Any]) -> bool:
        """Whether a head is of the same outputs in the same order."""
        return all(facts.get(name) == value for name, value in self.head_facts().items())

    def predict_lines(self, lines: Sequence[Line]) -> list[Example]:
        """Texts under `text` and `pair`, or under the names of the columns of the training."""
        names = {"text": self.config.text_column, "pair": self.config.pair_column}
        pairs = takes_pairs(vars(self.config))  # the run tells, see `read`
        found = []
        for place, line in lines:
            text, pair = (line.get(word, line.get(str(name))) for word, name in names.items())
            if pairs is False and pair is not None:
                raise DataError(
                    f"{place}: 'pair' is given, but the model was trained on single texts",
                    "leave the pair out",
                )
            wanted = [("text", text)] + ([("pair", pair)] if pairs or pair is not None else [])
            for word, value in wanted:
                if fault := fault_of_text(value):
                    raise DataError(f"{place}: {word!r} is {fault}", self._form(place, word))
            found.append(Example(place, text, pair))
        return found

    def _form(self, place: str, word: str) -> str:
        """What is to be given at a place: on the command line a text, else an object."""
        if place.startswith("--"):
            return "give --pair, the second text" if word == "pair" else "give some text"
        column = str(self.config.text_column)
        if column in ("None", "text") or column.isdecimal():
            return _FORM
        return f"{_FORM}; {column!r}, as in the training, may stand for 'text'"

    def answers(
        self, examples: Sequence[Example], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        """What is predicted, an object per text."""
        return [self.answer(rows[0]) for rows in outputs]

    def write_predictions(
        self,
        path: str,
        examples: Sequence[Example],
        samples: Sequence[Sample],
        outputs: Sequence[np.ndarray],
    ) -> list[Path]:
        """`predictions.jsonl`, an object per row; with GLUE also the leaderboard's file."""
        answers = self.answers(examples, samples, outputs)
        file = self.predictions_file(path, ".jsonl")
        write_text(file, "".join(json_text(answer) + "\n" for answer in answers))
        if not self.config.glue:
            return [file]
        board = file.parent / glue.submission_name(self.config.glue, path)
        names = [glue.submission_name(self.config.glue, name) for name in self.config.predict_file]
        if names.count(board.name) > 1:  # files that the leaderboard does not have
            board = board.with_name(f"{file.stem}.tsv")
        write_text(board, glue.submission_text([self.submitted(answer) for answer in answers]))
        return [file, board]
