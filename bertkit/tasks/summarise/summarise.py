"""The task of `bertkit finetune --task summarise`: choose the sentences of a summary."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from bertkit import log
from bertkit.backends.base import Adapter
from bertkit.codecs.strict_json import json_text
from bertkit.errors import ConfigError, DataError
from bertkit.model.sentence_head import BertForSentenceExtraction
from bertkit.storage.files import sha256_of, write_text
from bertkit.tasks.finetuning.review import ROWS, Tables, excerpt
from bertkit.tasks.finetuning.samples import Sample
from bertkit.tasks.finetuning.task import FinetuneTask, Line
from bertkit.tasks.summarise.batches import DocumentBatcher, SentenceObjective
from bertkit.tasks.summarise.choose import choose
from bertkit.tasks.summarise.config import SummariseConfig
from bertkit.tasks.summarise.documents import (
    LABELS,
    SUMMARY,
    Document,
    DocumentReader,
    is_stories,
    story_files,
)
from bertkit.tasks.summarise.oracle import ORACLES
from bertkit.tasks.summarise.oracle_cache import NAME, kept_labels, key
from bertkit.tasks.summarise.rouge import require_rouge, rouge
from bertkit.tasks.summarise.sentences import DocumentTokens, Limits, candidates, tokens_of
from bertkit.train.task import TrainingData

_REVIEWED = 500  # documents of which the summaries are looked at one by one
_WITHOUT = ("ipu", "cs")
_NEEDS = {"train": LABELS, "eval": SUMMARY}


class SummariseTask(FinetuneTask[SummariseConfig, Document]):
    """Which sentences of a document make its summary."""

    name = "summarise"
    metric = "rougeLsum"
    objective = SentenceObjective()
    local_settings = (*FinetuneTask.local_settings, "cache")
    _found: Sequence[Sequence[int]] | None = None  # of the training documents, once looked for

    def read(self, path: str, use: str) -> list[Document]:
        """The documents of a file; to train on, those with enough sentences."""
        config = self.config
        reader = self._reader
        found = reader.read(path, config.limit, _NEEDS.get(use, ""))
        if use != "train":
            return found
        kept = [d for d in found if len(candidates(d.words, self._limits)) >= config.min_sentences]
        if len(kept) < len(found):
            log.logger.info(
                "%s: %d of %d documents left out, which have less than %d sentences of more than"
                " %d words (--min-sentences, --min-sentence-words)",
                path,
                len(found) - len(kept),
                len(found),
                config.min_sentences,
                config.min_sentence_words,
            )
        if not kept:
            raise DataError(f"{path}: no document is left to train on", "see --min-sentences")
        return kept

    def settle(self) -> None:
        """What batches look like; summaries are scored with a package that must be there."""
        config = self.config
        if self.opened.backend in _WITHOUT:
            raise ConfigError(
                f"--task summarise does not work on {self.opened.backend}, whose batches have no"
                " place for the sentences of a sequence",
                "give --backend cpu, cuda or hpu",
            )
        if self.shape.type_vocab_size < 2:
            raise ConfigError(
                f"{self.start} has one segment vector; sentences alternate between two",
                "start from an encoder with type_vocab_size 2",
            )
        if config.scores:
            require_rouge()
        room = config.max_cls_tokens or config.max_sentences
        self.batcher = DocumentBatcher(self.opened.padded_length, room)

    def encode(self, examples: Sequence[Document]) -> list[Sample]:
        """One sequence for each document."""
        tokenizer, limits = self.opened.tokenizer, self._limits
        labels = None
        if examples is self.train_examples:
            labels = self._found or self._labels(examples, write=False)
            self._require_labels(labels)
        found = []
        for number, document in enumerate(examples):
            own = labels[number] if labels else None
            found.append(tokens_of(document.words, own, tokenizer, limits))
        cut = [sample for sample in found if sample.cut]
        if cut:
            log.logger.info(
                "%d of %d documents are longer than %d tokens, where they are cut: %d sentences are"
                " not read",
                len(cut),
                len(found),
                limits.tokens,
                sum(sample.lost for sample in cut),
            )
        return list(found)

    def make_model(self) -> nn.Module:
        """The encoder with a new head."""
        return BertForSentenceExtraction(
            self.shape,
            classifier_dropout=self.config.classifier_dropout or 0.0,
            facts={
                "classifier_dropout": self.config.classifier_dropout,
                **self.facts_of_use(),
            },
        )

    def fits_facts(self, facts: Mapping[str, Any]) -> bool:
        """Sentences to be chosen are the same in all files."""
        return True

    def digest_of(self, path: str) -> str:
        """Digest of a file, or of all stories of a folder."""
        if not is_stories(path):
            return super().digest_of(path)
        digests = " ".join(sha256_of(story) for story in story_files(path))
        return hashlib.sha256(digests.encode()).hexdigest()

    def cases(self, sample: Sample) -> float:
        """Its sentences; with `loss_weight` what makes the sum over them times that."""
        weight = self.config.loss_weight
        return float(len(cast(DocumentTokens, sample).places)) if weight is None else 1 / weight

    def score(
        self, examples: Sequence[Document], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """ROUGE of the chosen sentences; and of the first ones, for comparison."""
        chosen = self._chosen(examples, samples, outputs)
        most = self.config.summary_sentences
        given = [document.summary or () for document in examples]
        made = [
            [d.sentences[n] for n in numbers] for d, numbers in zip(examples, chosen, strict=True)
        ]
        lead = [d.sentences[:most] for d in examples]
        scores = rouge(zip(made, given, strict=True))
        return scores | {f"lead_{k}": v for k, v in rouge(zip(lead, given, strict=True)).items()}

    def review(
        self, examples: Sequence[Document], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> Tables:
        """The summaries that are least like the given ones."""
        some, title = examples[:_REVIEWED], f"Lowest {self.metric}"
        title += f" of the first {_REVIEWED} documents" if len(examples) > _REVIEWED else ""
        rows: list[tuple[float, dict[str, Any]]] = []
        chosen = self._chosen(some, samples[:_REVIEWED], outputs[:_REVIEWED])
        for number, (document, numbers) in enumerate(zip(some, chosen, strict=True), start=1):
            made, given = [document.sentences[n] for n in numbers], document.summary or ()
            value = rouge([(made, given)])[self.metric]
            row = {"document": str(document.name or number), f"{self.metric} (%)": value}
            row |= {"chosen": excerpt(" ".join(made)), "wanted": excerpt(" ".join(given))}
            rows.append((value, row))
        rows.sort(key=lambda pair: pair[0])
        return {title: [row for _, row in rows[:ROWS]]}

    def write_predictions(
        self,
        path: str,
        examples: Sequence[Document],
        samples: Sequence[Sample],
        outputs: Sequence[np.ndarray],
    ) -> list[Path]:
        """A line of JSON for every document."""
        target = self.predictions_file(path, ".jsonl")
        lines = [json_text(answer) for answer in self.answers(examples, samples, outputs)]
        write_text(target, "".join(f"{line}\n" for line in lines))
        return [target]

    def predict_lines(self, lines: Sequence[Line]) -> list[Document]:
        """Documents of JSON objects: a text, or a list of sentences."""
        return self._reader.of_lines(lines)

    def answers(
        self, examples: Sequence[Document], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        """`selected`, the numbers of the sentences chosen, best first; they; all probabilities."""
        found = []
        chosen = self._chosen(examples, samples, outputs)
        for document, sample, logits, numbers in zip(
            examples, samples, outputs, chosen, strict=True
        ):
            read = cast(DocumentTokens, sample).sentences
            shares = 1 / (1 + np.exp(-logits[: len(read), 0].astype(np.float64)))
            each: list[float | None] = [None] * len(document.sentences)
            for number, share in zip(read, shares.tolist(), strict=True):
                each[number] = share
            answer = {} if document.name is None else {"id": document.name}
            summary = [document.sentences[number] for number in numbers]
            found.append({**answer, "selected": numbers, "summary": summary, "scores": each})
        return found

    def _chosen(
        self, examples: Sequence[Document], samples: Sequence[Sample], outputs: Sequence[np.ndarray]
    ) -> list[list[int]]:
        """Numbers of the sentences chosen of every document, the best first."""
        config, found = self.config, []
        for document, sample, logits in zip(examples, samples, outputs, strict=True):
            read = cast(DocumentTokens, sample).sentences
            words = [_lowered(document.words[number]) for number in read]
            scores = logits[: len(read), 0]
            best = choose(scores, words, config.summary_sentences, config.block_trigrams)
            found.append([read[number] for number in best])
        return found

    def training_data(self, adapter: Adapter) -> TrainingData:
        """The training samples; where there are several processes, the main one finds labels."""
        self._found = adapter.process_group.in_turn(
            lambda main: self._labels(self.train_examples, write=main)
        )
        return super().training_data(adapter)

    def _labels(self, documents: Sequence[Document], write: bool) -> list[Sequence[int]]:
        """Of every sentence of documents whether it is to be chosen: as given, or by the oracle."""
        config = self.config
        left = [document for document in documents if document.labels is None]
        found: Iterator[Sequence[int]] = iter(())
        if left:
            own = key(left, config.oracle, config.summary_sentences)
            name = f"oracle-{own}.npz" if config.cache else NAME
            path = Path(config.cache or config.output) / name
            counts = [len(document.sentences) for document in left]
            found = iter(kept_labels(path, own, counts, lambda: self._by_oracle(left), write))
        return [next(found) if d.labels is None else d.labels for d in documents]

    def _by_oracle(self, documents: Sequence[Document]) -> list[list[int]]:
        oracle, most = ORACLES[self.config.oracle], self.config.summary_sentences
        found = []
        for document in documents:
            words = [_lowered(words) for words in document.words]
            best = oracle(words, [_lowered(s.split()) for s in document.summary or ()], most)
            found.append([int(number in best) for number in range(len(words))])
        return found

    def _require_labels(self, found: Sequence[Sequence[int]]) -> None:
        """Warn of documents in which nothing is to be chosen.

        Raises:
            DataError: all are so.
        """
        without = sum(not any(marks) for marks in found)
        if without == len(found):
            raise DataError(
                f"{self.config.train_file}: no document shares a word with its summary",
                "words are compared by a to z and digits; for other scripts give `labels`, 0 or 1"
                " for every sentence",
            )
        if without:
            log.logger.warning(
                "%d of %d documents have no sentence to be chosen: no word of theirs (a to z,"
                " digits) is in the summary",
                without,
                len(found),
            )

    @property
    def _limits(self) -> Limits:
        config = self.config
        return Limits(
            tokens=config.max_seq_length,
            least_words=config.min_sentence_words,
            most_words=config.max_sentence_words,
            sentences=config.max_sentences,
            scored=config.max_cls_tokens,
        )

    @property
    def _reader(self) -> DocumentReader:
        config = self.config
        return DocumentReader(config.language, config.document_column, config.summary_column)


def _lowered(words: Sequence[str]) -> list[str]:
    return [word.lower() for word in words]
