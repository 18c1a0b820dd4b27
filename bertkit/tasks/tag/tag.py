"""The task `tag`: a label for every word of a sentence, such as the parts of named entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.model.config import label_names
from bertkit.model.token_classification import BertForTokenClassification
from bertkit.storage.files import write_text
from bertkit.tasks.finetuning.labels import given_labels, require_order
from bertkit.tasks.finetuning.open import Opened
from bertkit.tasks.finetuning.review import Tables
from bertkit.tasks.finetuning.samples import Sample
from bertkit.tasks.finetuning.task import FinetuneTask, Line
from bertkit.tasks.tag.answers import answer, sentence_of
from bertkit.tasks.tag.batches import TagObjective, Target, WindowBatcher
from bertkit.tasks.tag.config import TagConfig
from bertkit.tasks.tag.conll import ConllFile
from bertkit.tasks.tag.labels import (
    require_known,
    require_named,
    require_several,
    settled_scheme,
)
from bertkit.tasks.tag.review import review_tags
from bertkit.tasks.tag.row_words import RowFile
from bertkit.tasks.tag.schemes import AUTO, NONE, SCHEMES
from bertkit.tasks.tag.score import score_tags
from bertkit.tasks.tag.sentence import Columns, Sentence
from bertkit.tasks.tag.sentence_files import read_predicted, read_sentences
from bertkit.tasks.tag.windows import Window, WindowMaker

_CLASS = BertForTokenClassification.__name__


class TagTask(FinetuneTask[TagConfig, Sentence]):
    """Labels of words.

    Attributes:
        labels: tags in the order of the model's scores.
        scheme: of the tags.
    """

    name = "tag"
    metric = "f1"
    batcher: WindowBatcher

    def __init__(self, opened: Opened[TagConfig]) -> None:
        super().__init__(opened)
        self.labels = given_labels(self.config.labels)
        self._noted: Sequence[str] = ()  # labels in the order that the training file notes

    def settle(self) -> None:
        """The labels: given, of the training file, or of the checkpoint; and their scheme."""
        config, examples = self.config, self.train_examples
        if config.trains:
            self.scheme = settled_scheme(examples, config.tag_scheme)
            used = {tag for one in examples for tag in one.tags or ()}
            self.labels = self.labels or list(self._noted) or sorted(used)
            require_named(self.labels, f"{config.train_file}")
            require_known(examples, self.labels)
            require_several(used, f"{config.train_file}")
        else:
            self._take_labels_of_start()
        self.metric = "accuracy" if self.scheme == NONE else "f1"
        self._ids = {tag: number for number, tag in enumerate(self.labels)}
        self.batcher = WindowBatcher(self.opened.padded_length)
        self.objective = TagObjective()
        # Pieces of a word after its first one are inside of what it begins.
        inner = {tag: "I" + tag[1:] for tag in self.labels if tag[0] == "B" and self.scheme != NONE}
        self._inner = {t: i if (i := inner.get(t, t)) in self._ids else t for t in self.labels}
        self._files: dict[str, ConllFile | RowFile] = {}
        self._tokenizer = self.opened.tokenizer
        self._maker = WindowMaker(self._tokenizer, config.max_seq_length, config.window_overlap)

    def _take_labels_of_start(self) -> None:
        """Labels and scheme of the checkpoint, where the settings do not say."""
        facts = self.facts_of_start()
        names = label_names(facts, self.start)
        if not names or _CLASS not in (facts.get("architectures") or ()):
            raise ConfigError(
                f"{self.start} has no tags: it was not fine-tuned for --task tag",
                "fine-tune it first: bertkit finetune --task tag --train-file FILE",
            )
        require_order(self.labels, facts, self.start)
        self.labels = self.labels or names
        scheme, learnt = self.config.tag_scheme, str(facts.get("tag_scheme", AUTO))
        if learnt in (NONE, *SCHEMES) and scheme in (AUTO, learnt):
            self.scheme = learnt  # of the tags that were met, where the labels have others besides
            return
        lines = [0] * len(self.labels)
        self.scheme = settled_scheme([Sentence([], self.labels, str(self.start), lines)], scheme)

    def read(self, path: str, use: str) -> list[Sentence]:
        """The sentences of a file; all tags but those of a file to predict must be known."""
        columns = Columns(self.config.word_column, self.config.tag_column)
        limit, given = self.config.limit, given_labels(self.config.labels)
        file = read_sentences(path, columns, use != "predict", limit, given)
        if use == "train" and isinstance(file, RowFile):
            self._noted = file.labels
        if use == "eval":
            require_known(file.sentences, self.labels)
        if use == "predict":
            self._files[path] = file
        return file.sentences

    def encode(self, examples: Sequence[Sentence]) -> list[Sample]:
        """The windows of each sentence, in their order, with labels where tags are known."""
        samples: list[Sample] = []
        cut: list[str] = []
        for number, sentence in enumerate(examples):
            for window in self._maker.windows(sentence.words):
                target = self._target(number, window, sentence.tags)
                samples.append(Sample(window.ids, len(window.ids), target))
            cut += map(sentence.place, self._maker.cut_words)
        if cut:
            log.logger.warning(
                "%s: the word has more pieces than a window of --max-seq-length %d has room for:"
                " its first ones are taken%s",
                cut[0],
                self.config.max_seq_length,
                f"; so of {len(cut)} words" if len(cut) > 1 else "",
            )
        return samples

    def _target(self, number: int, window: Window, tags: Sequence[str] | None) -> Target:
        """What is looked at in a window: the first pieces of words, or all of them."""
        rows, words = window.heads, np.array(window.words)
        if self.config.label_pieces == "all":
            sizes = window.sizes
            inner = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            rows, words = np.repeat(rows, sizes) + inner, np.repeat(words, sizes)
        if tags is None:
            return Target(number, window, rows, None)
        begins = np.isin(rows, window.heads)
        pairs = zip(words.tolist(), begins.tolist(), strict=True)
        labels = [
            self._ids[tags[word] if first else self._inner[tags[word]]] for word, first in pairs
        ]
        return Target(number, window, rows, np.array(labels, np.int64))

    def cases(self, sample: Sample) -> float:
        """Labels in a window."""
        return float(len(sample.target.rows))

    def make_model(self) -> nn.Module:
        """The encoder with a new head."""
        return BertForTokenClassification(
            self.shape,
            len(self.labels),
            classifier_dropout=self.config.classifier_dropout,
            facts={**self._facts(), **self.facts_of_use()},
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "id2label": {str(number): name for number, name in enumerate(self.labels)},
            "label2id": self._ids,
            "tag_scheme": self.scheme,
            "classifier_dropout": self.config.classifier_dropout,
        }

    def fits_facts(self, facts: Mapping[str, Any]) -> bool:
        """Whether a head is of the same labels in the same order."""
        return bool(facts.get("id2label") == self._facts()["id2label"])

    def plan(self) -> dict[str, Any]:
        """The scheme and the labels."""
        return {"tag_scheme": self.scheme, "labels": ", ".join(self.labels)}

    def _predicted(
        self, examples: Sequence[Sentence], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[list[tuple[str, float]]]:
        """The tag of every word and its probability."""
        found: list[list[tuple[str, float]]] = [[] for _ in examples]
        for sample, rows in zip(samples, outputs, strict=True):
            logits = self.batcher.of_words(sample, rows).astype(float)
            powers = np.exp(logits - logits.max(-1, keepdims=True))
            chances = powers.max(-1) / powers.sum(-1)
            pairs = zip(logits.argmax(-1).tolist(), chances.tolist(), strict=True)
            found[sample.target.sentence] += [(self.labels[best], chance) for best, chance in pairs]
        return found

    def score(
        self, examples: Sequence[Sentence], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Precision, recall and F1 of entities, of each type too, and accuracy of words."""
        found = self._predicted(examples, samples, outputs)
        tags = [[tag for tag, _ in own] for own in found]
        gold = [sentence.tags or () for sentence in examples]
        return score_tags(gold, tags, self.scheme, self.config.strict_entities)

    def review(
        self, examples: Sequence[Sentence], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> Tables:
        """Which tags are mistaken for which, and the wrong ones of which the model is surest."""
        return review_tags(examples, self._predicted(examples, samples, outputs))

    @classmethod
    def scores_of_predictions(cls, config: TagConfig) -> dict[str, float] | None:
        """The scores of the tags in `--predictions`, which need no model."""
        if config.predictions is None:
            return None
        columns = Columns(config.word_column, config.tag_column)
        given = given_labels(config.labels)
        file = read_sentences(config.eval_file[0], columns, True, config.limit, given)
        sentences = file.sentences
        scheme = settled_scheme(sentences, config.tag_scheme)
        found = read_predicted(config.predictions, sentences, given)
        return score_tags(
            [one.tags or () for one in sentences], found, scheme, config.strict_entities
        )

    def predict_lines(self, lines: Sequence[Line]) -> list[Sentence]:
        """Sentences of `text` or `words`."""
        return [sentence_of(entry, place, self._tokenizer) for place, entry in lines]

    def answers(
        self, examples: Sequence[Sentence], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        """The tags of the words, and the entities; see `bertkit.tasks.tag.answers.answer`."""
        return [
            answer(sentence, [tag for tag, _ in own], [chance for _, chance in own], self.scheme)
            for sentence, own in zip(
                examples, self._predicted(examples, samples, outputs), strict=True
            )
        ]

    def write_predictions(
        self,
        path: str,
        examples: Sequence[Sentence],
        samples: Sequence[Sample],
        outputs: Sequence[np.ndarray],
    ) -> list[Path]:
        """The file as it was read with one more column, or field, of tags."""
        file = self._files[path]
        found = self._predicted(examples, samples, outputs)
        target = self.predictions_file(path, ".jsonl" if isinstance(file, RowFile) else ".conll")
        write_text(target, file.with_tags([[tag for tag, _ in own] for own in found]))
        return [target]
