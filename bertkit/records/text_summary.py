"""Counts the text that records are made from, shard by shard, and says what is unusual in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bertkit.manifests.manifest import Manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.shards import Shard
from bertkit.summary import report
from bertkit.summary.counter import count_files
from bertkit.summary.counts import CountsSum, TextCounts
from bertkit.summary.sketch import level_for
from bertkit.text.files import open_text
from bertkit.tokenization.known_characters import knows_characters
from bertkit.tokenization.vocabulary import Vocab

if TYPE_CHECKING:  # loads the kernels of records
    from bertkit.records.write_shard import TextRead

# The manifest keeps these of each shard, beside its first file.
TOKENS, UNKNOWN = "text_tokens", "text_unknown"


def count_shard(shard: Shard, level: int, tokens: Sequence[int] | None) -> TextCounts:
    """The counts of a shard's text.

    Args:
        shard: its text files are read.
        level: of the sketches, see `bertkit.summary.sketch.level_for`.
        tokens: of its text, and [UNK] among them; None where nothing says how many.
    """
    found = _counts_of(shard.inputs, level)
    return found if tokens is None else replace(found, tokens=tokens[0], unknown=tokens[1])


def count_rest(shard: Shard, level: int, read: TextRead) -> TextCounts:
    """The counts of a shard whose records were just made: only files not counted yet are read."""
    counted = set(read.read)
    rest = []
    for path in shard.inputs:
        if path in counted:
            counted.remove(path)
        else:
            rest.append(path)
    found = read.counts + _counts_of(rest, level)
    return replace(found, tokens=read.tokens, unknown=read.unknown)


def _counts_of(paths: Sequence[str], level: int) -> TextCounts:
    found = TextCounts()
    for path in paths:
        with open_text(path) as stream:
            found += count_files([(path, stream)], level)
    return found


class RunText:
    """The text of a run: counts of its shards, in whatever order they finish.

    Args:
        size: bytes of all text.
    """

    def __init__(self, size: int) -> None:
        self.level = level_for(size)
        self._sum = CountsSum()
        self._added: set[str] = set()

    def add(self, shard: Shard, counts: TextCounts) -> None:
        """Add a shard that this run made."""
        self._sum.add(counts)
        self._added.add(shard.outputs[0])

    def figures(
        self, shards: Iterable[Shard], manifest: Manifest, vocab: Vocab, config: RecordsConfig
    ) -> dict[str, Any]:
        """The figures of all shards in the manifest.

        Text of those that were made before is read again; how many tokens it has is kept there.
        """
        for shard in shards:
            name = shard.outputs[0]
            facts = manifest.outputs.get(name)
            if facts is not None and name not in self._added:
                tokens = (facts[TOKENS], facts[UNKNOWN]) if TOKENS in facts else None
                self.add(shard, count_shard(shard, self.level, tokens))
        knows = knows_characters(vocab, config.normalisation)
        return report.figures(self._sum.result(), knows)


def say(figures: dict[str, Any], config: RecordsConfig) -> None:
    """Log the figures of a run's text, with warnings.

    They count blank lines and lines, which say nothing of documents and sentences where the
    settings divide text otherwise.
    """
    by_lines = config.documents == "blank-line" and config.sentences == "line"
    hidden = () if by_lines else ("documents", "sentences")
    report.say(figures, lines_count=by_lines, pairs=config.pairs, hidden=hidden)
