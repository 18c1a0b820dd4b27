"""Makes training instances from text during training, without record files.

The instances are those that `make-records` would write from the same text, vocabulary
and settings, in the same order. Each shard is tokenized and planned once, one after the
other, and kept as arrays in a cache folder, which are mapped into memory: what is held is
the plan of the shard being made, the rest are pages that the system may drop at any
time. A plan takes 16 bytes and 4 per prediction for an instance, a twentieth of its record.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertkit import log
from bertkit.data.array_folder import map_arrays, save_arrays
from bertkit.data.text_digests import remembered_digests
from bertkit.errors import ConfigError, DataError
from bertkit.records import styles
from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import NO_LABEL
from bertkit.records.inputs import list_inputs
from bertkit.records.instances.full_windows import plan_full_windows
from bertkit.records.instances.kernels.materialise import Batch
from bertkit.records.instances.kernels.pair_plan import Instances
from bertkit.records.instances.pairs import PairPlan, new_batch, plan_pairs
from bertkit.records.instances.windows import WindowPlan
from bertkit.records.shards import Shard, plan_shards
from bertkit.records.terms import NSP, SOP
from bertkit.records.vocabulary import facts_of, no_input, opened
from bertkit.remote.copies import local_inputs
from bertkit.storage.files import remove_folder
from bertkit.storage.shared_cache import one_process_at_a_time
from bertkit.storage.temporary import remove_leftovers
from bertkit.text.unsplit import check_sentence_files
from bertkit.tokenization.corpus_tokens import StreamTokenizer, TokenizedText
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from bertkit.tokenization.vocabulary import Vocab, load_vocab
from bertkit.workers.pool import run_tasks

# Below this much text, starting worker processes takes longer than the work.
_SMALL_BYTES = 64 << 20
_TEXT = ("tokens", "sentences", "documents")


class Shards:
    """The plans of one epoch, numbered through in the order of the record files.

    Args:
        plans: of the shards.
        sizes: how many instances each one counts for; more than there are repeat the
            first ones, fewer leave out the last ones.
    """

    def __init__(self, plans: Sequence[PairPlan | _Windows], sizes: Sequence[int]) -> None:
        self._plans = plans
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._starts = self._ends - np.asarray(sizes, np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Instances by number, see `RecordSource.batch`."""
        indices = np.asarray(indices, np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"instance numbers go from 0 to {len(self) - 1}")
        shape = (self._plans[0].max_seq_length, self._plans[0].max_predictions_per_seq)
        out = new_batch(len(indices), *shape)
        owners = np.searchsorted(self._ends, indices, side="right")
        rows = np.argsort(owners, kind="stable")
        firsts = np.searchsorted(owners[rows], np.arange(len(self._plans) + 1))
        for owner in np.flatnonzero(np.diff(firsts)):
            own = rows[firsts[owner] : firsts[owner + 1]]
            plan = self._plans[int(owner)]
            plan.fill(out, own, (indices[own] - self._starts[owner]) % len(plan))
        return out._asdict()


class TextSource(Shards):
    """Sentence files as a source of instances.

    Args:
        inputs: sentence files, globs, folders or `@list.txt`.
        config: settings of make-records; style google or mlperf.
        vocab: vocabulary file, or the name of one that ships with bertkit.
        cache: folder for the plans, kept for the next start, and for the digests of the texts,
            which are then read no more; None for a temporary one.
        new_pairs: every epoch gets other pairs and masks, from the seed + the epoch. An
            epoch has as many instances as the first one.
        leave_out: what the run writes, which is no text even below a folder of it.
        fetch: copy remote files that are not here yet; else refuse them.
        workers: processes that make plans, one per core for 0; little text needs one.

    Attributes:
        max_seq_length: L.
        max_predictions_per_seq: P.
        fingerprint: sha256 over texts, vocabulary and settings.
        tokenizers: the facts of the vocabulary, and how the text was treated.
        pair_objectives: what the labels of pairs mean, `nsp` or `sop`.
        config: the settings, with what the vocabulary settles.

    Raises:
        DataError: unreadable text, text without sentences, a broken vocabulary.
        ConfigError: settings of records that are made as files only.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        config: RecordsConfig,
        vocab: str | Path,
        cache: str | Path | None = None,
        new_pairs: bool = False,
        leave_out: Sequence[str] = (),
        fetch: bool = True,
        workers: int = 0,
    ) -> None:
        if not config.in_memory:
            raise ConfigError(*_not_in_memory(config))
        here = local_inputs(inputs, fetch)
        names = list_inputs(here, leave_out=[*leave_out, no_input(vocab, here)])
        words, config = opened(vocab, config, names)
        if not config.word_length:  # sequences have long lines
            check_sentence_files(names)
        self.max_seq_length = config.max_seq_length
        self.max_predictions_per_seq = config.predictions
        self.tokenizers: Sequence[TokenizerFacts] = [facts_of(config, words)]
        self.pair_objectives = frozenset({config.objective} & {NSP, SOP})
        self.config = config
        self.fingerprint = _fingerprint(remembered_digests(names, cache), config, words, new_pairs)
        self._new_pairs = new_pairs
        if cache is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="bertkit-text-")
            cache = self._temporary.name
        # In the order in which a folder of record files is read: by name.
        shards = sorted(plan_shards(names, config), key=lambda shard: shard.outputs)
        folder = Path(cache) / self.fingerprint[:16]
        self._cache = _Cache(folder, shards, config, vocab=words.path, workers=workers)
        self._words = words
        plans = self._cache.plans(0, words)
        sizes = [len(plan) for plan in plans]
        if not sum(sizes):
            raise DataError(f"no sentences in {', '.join(map(str, inputs))}")
        self._sizes = sizes
        self._current: tuple[int, Shards] = (0, self)
        super().__init__(plans, sizes)

    def at_epoch(self, epoch: int) -> Shards:
        """What `batch` is asked of in an epoch; planned when first asked for."""
        if not self._new_pairs or epoch == 0:
            return self
        if self._current[0] != epoch:
            plans = self._cache.plans(epoch, self._words)
            self._current = (epoch, Shards(plans, self._sizes))
            self._cache.forget(epoch)
        return self._current[1]


def _not_in_memory(config: RecordsConfig) -> tuple[str, str]:
    """Why instances are made as files only, and what to do."""
    able = " or ".join(style.name for style in styles.TABLE if style.in_memory)
    if not config.record_style.in_memory:
        what = f"--style {config.style} makes record files only; --text needs --style {able}"
    else:
        what = f"--text makes plain tfrecords of --style {able} and their tokenizer only"
    return what, "or write the records with `bertkit make-records` and give them with --input"


class _Windows:
    """Windows of one segment in the order of the records, filled in as pairs are."""

    def __init__(self, plan: WindowPlan, order: np.ndarray) -> None:
        self._plan, self._order = plan, order
        self.max_seq_length = plan.max_seq_length
        self.max_predictions_per_seq = plan.max_predictions_per_seq

    def __len__(self) -> int:
        return len(self._order)

    def fill(self, out: Batch, rows: np.ndarray, which: np.ndarray) -> None:
        """Write records to rows of a batch, see `PairPlan.fill`; without a label of pairs."""
        for name, values in self._plan.batch(self._order[which]).items():
            getattr(out, name)[rows] = values
        out.segment_ids[rows] = 0
        out.next_sentence_labels[rows] = NO_LABEL


class _Task(NamedTuple):
    """A shard to plan, and the folders for its tokens and its plan."""

    shard: Shard
    config: RecordsConfig
    vocab: str
    text: str
    plan: str


class _Cache:
    """Folder of texts as tokens, and of plans by epoch."""

    def __init__(
        self,
        folder: Path,
        shards: Sequence[Shard],
        config: RecordsConfig,
        *,
        vocab: str,
        workers: int,
    ) -> None:
        self._folder = folder
        self._shards = shards
        self._config = config
        self._vocab = vocab
        self._workers = workers

    def plans(self, epoch: int, vocab: Vocab) -> list[PairPlan | _Windows]:
        """All plans of an epoch that hold something, made where they are missing."""
        config = replace(self._config, seed=self._config.seed + epoch)
        tasks = [
            _Task(
                shard=shard,
                config=config,
                vocab=self._vocab,
                text=str(self._folder / f"text-{number:05d}"),
                plan=str(self._folder / f"epoch-{epoch:05d}" / f"plan-{number:05d}"),
            )
            for number, shard in enumerate(self._shards)
        ]
        with one_process_at_a_time(self._folder):
            remove_leftovers(self._folder, recursive=True)
            missing = [task for task in tasks if not os.path.isdir(task.plan)]
            size = sum(os.path.getsize(name) for task in missing for name in task.shard.inputs)
            if missing:
                many = log.counted(len(missing), "text file")
                log.logger.info("planning %s for epoch %d", many, epoch)
            done = run_tasks(_make, missing, 1 if size < _SMALL_BYTES else self._workers)
            for _ in log.progress(done, total=len(missing), unit="file", description="planning"):
                pass
        plans = [_open(task, vocab) for task in tasks]
        return [plan for plan in plans if plan is not None]

    def forget(self, epoch: int) -> None:
        """Remove the plans of epochs between the first one and `epoch`."""
        for place in self._folder.glob("epoch-*"):
            if 0 < int(place.name.removeprefix("epoch-")) < epoch - 1:
                remove_folder(place)


def _make(task: _Task) -> None:
    vocab = load_vocab(task.vocab, task.config.duplicates)
    if not os.path.isdir(task.text):
        length = task.config.word_length
        tokenizer = StreamTokenizer(vocab, task.config.normalisation, word_length=length)
        text = tokenizer.tokenize_files(task.shard.inputs)
        save_arrays(task.text, {name: getattr(text, name) for name in _TEXT})
    text = TokenizedText(*map_arrays(task.text, _TEXT))
    if not text.document_count:
        log.logger.warning("%s holds no sentences", ", ".join(task.shard.inputs))
        save_arrays(task.plan, {})
        return
    plan: PairPlan | WindowPlan | None = (
        plan_pairs(text, task.config, vocab)
        if task.config.pairs
        else plan_full_windows(text, task.config, vocab)
    )
    assert plan is not None
    shuffled = plan.order if isinstance(plan, PairPlan) else np.arange(len(plan), dtype=np.uint32)
    files = len(task.shard.outputs)
    order = np.concatenate([shuffled[first::files] for first in range(files)])
    save_arrays(task.plan, {**plan.instances._asdict(), "order": order})


def _open(task: _Task, vocab: Vocab) -> PairPlan | _Windows | None:
    if not os.path.exists(os.path.join(task.plan, "order.npy")):
        return None
    text = TokenizedText(*map_arrays(task.text, _TEXT))
    *parts, order = map_arrays(task.plan, [*Instances._fields, "order"])
    instances = Instances(*parts)
    length, predictions = task.config.max_seq_length, task.config.predictions
    if not task.config.pairs:
        return _Windows(WindowPlan(text.tokens, vocab, length, predictions, instances), order)
    return PairPlan(text, vocab, length, predictions, instances, order)


def _fingerprint(
    digests: Sequence[tuple[str, str]], config: RecordsConfig, vocab: Vocab, new_pairs: bool
) -> str:
    """SHA-256 of all that decides the instances; `digests` are those of the texts, in order."""
    inputs = [(os.path.basename(path), digest) for path, digest in digests]
    facts = [inputs, config.stated(), config.predictions, vocab.sha256, new_pairs]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
