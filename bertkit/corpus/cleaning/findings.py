"""Finds what `clean` reports and drops, one step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from bertkit import __version__, log
from bertkit.corpus.cleaning.against import collect_ngrams, save_ngrams
from bertkit.corpus.cleaning.banding import choose_banding
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.duplicates import EXACT, LINES, NEAR, find_pairs, pair_tasks, starts_of
from bertkit.corpus.cleaning.scratch import Scratch, key_of
from bertkit.corpus.cleaning.survey import Piece, SurveyTask, survey_file
from bertkit.corpus.cleaning.verdicts import LineVerdicts, Verdicts, flags_named, join
from bertkit.corpus.cleaning.write import WriteTask
from bertkit.errors import DataError
from bertkit.storage.files import sha256_of
from bertkit.workers.engine import Engine

# Raised when the files of a survey change their meaning.
_FORMAT = 1
# Fewer documents are not worth a pool of processes.
_SHARED_DOCUMENTS = 50_000


class Findings:
    """All that is known of the documents of some files.

    Attributes:
        files: the input.
        config: the settings.
        scratch: where it lies.
        keys: of each file's survey.
        pieces: of the survey, in the order of the files.
        verdicts: of the documents.
        lines: of the lines.
        ngrams: name under which the n-grams of evaluation texts were saved, or empty.
        texts, short_texts: evaluation texts that are looked for, and those that are too short.
    """

    def __init__(
        self,
        files: Sequence[str],
        against: Sequence[str],
        config: CleanConfig,
        *,
        scratch: Scratch,
        hashes: Sequence[str],
        pool: Engine,
        examples: int,
    ) -> None:
        self.files, self.config, self.scratch = list(files), config, scratch
        self.short_texts = self.texts = 0
        self.ngrams = ""
        self.keys = self._keys(hashes, against)
        self.pieces = self._survey(against, pool)
        total = sum(piece.documents for piece in self.pieces)
        if not total:
            raise DataError(
                f"no documents in {log.counted(len(files), 'file')}",
                "the input should come from `bertkit extract`",
            )
        small = _for_documents(pool, total)
        self.verdicts = self._judge(small, total, examples)
        self.lines = self._judge_lines(small, examples)

    def _keys(self, hashes: Sequence[str], against: Sequence[str]) -> list[str]:
        settings = asdict(self.config)
        del settings["drop"]
        settings["against"] = [sha256_of(name) for name in against]
        return [key_of(_FORMAT, __version__, settings, each) for each in hashes]

    def _survey(self, against: Sequence[str], pool: Engine) -> list[Piece]:
        """A row, a signature and keys of every document."""
        if against:
            found = collect_ngrams(against, self.config.against_words)
            self.ngrams = f"against/{self.keys[0][:16]}"
            save_ngrams(self.scratch, self.ngrams, found)
            self.short_texts, self.texts = found.short, len(found.names)
        tasks = [
            SurveyTask(name, number, key, self.config, self.scratch, self.ngrams)
            for number, (name, key) in enumerate(zip(self.files, self.keys, strict=True))
        ]
        results = dict(pool.run(survey_file, tasks, "survey"))
        return [piece for number in range(len(tasks)) for piece in results[number]]

    def _judge(self, pool: Engine, total: int, examples: int) -> Verdicts:
        """Clusters of copies and of similar documents, and what is dropped."""
        key = key_of(self.keys)
        tasks = pair_tasks(EXACT, [0], self.pieces, key, self.scratch)
        exact = pool.run(find_pairs, tasks, "exact")
        roots = {"exact": join(self.scratch, "exact_roots", exact, total)}
        bands = choose_banding(self.config.near, self.config.permutations).bands
        tasks = pair_tasks(
            NEAR,
            range(1, bands + 1),
            self.pieces,
            key,
            self.scratch,
            near=self.config.near,
            by_sets=self.config.compare == "exact",
        )
        near = pool.run(find_pairs, tasks, "near")
        roots["near"] = join(self.scratch, "near_roots", near, roots["exact"])
        return Verdicts(self.scratch, self.pieces, roots, self.config, examples)

    def _judge_lines(self, pool: Engine, examples: int) -> LineVerdicts:
        """Lines that occurred before in a document that stays."""
        found = LineVerdicts(self.scratch, self.pieces)
        found.exclude(self.verdicts)
        key = key_of(self.keys, sorted(self.config.dropped))
        tasks = pair_tasks(LINES, [0], self.pieces, key, self.scratch)
        found.take(pool.run(find_pairs, tasks, "lines"), examples)
        return found

    def write_tasks(self, folder: str, names: Sequence[str]) -> list[WriteTask]:
        """One task per file, which writes the part of that name.

        Raises:
            DataError: nothing would be left.
        """
        starts, first_lines = starts_of(self.pieces), starts_of(self.pieces, lines=True)
        if self.verdicts.dropped.documents == starts[-1]:
            raise DataError(
                f"every one of {starts[-1]:,} documents would be dropped",
                "see which criterion is too strict: leave --drop and --output out for a report",
            )
        tasks = []
        for number, (path, name) in enumerate(zip(self.files, names, strict=True)):
            own = [index for index, piece in enumerate(self.pieces) if piece.file == number]
            tasks.append(
                WriteTask(
                    name=name,
                    folder=folder,
                    path=path,
                    pieces=tuple(self.pieces[index] for index in own),
                    start=starts[own[0]],
                    first_line=first_lines[own[0]],
                    totals=(starts[-1], first_lines[-1]),
                    mask=int(flags_named(self.config.dropped)),
                    drop_lines="lines" in self.config.dropped,
                    scratch=self.scratch,
                )
            )
        return tasks

    def row_of(self, document: int) -> tuple[int, Piece, np.void]:
        """(number among those of its file, piece, row) of a document."""
        starts = starts_of(self.pieces)
        index = int(np.searchsorted(starts, document, "right")) - 1
        piece = self.pieces[index]
        first = next(
            start
            for start, each in zip(starts, self.pieces, strict=False)
            if each.file == piece.file
        )
        rows = self.scratch.load(f"{piece.name}.rows")
        return document - first, piece, rows[document - starts[index]]


def _for_documents(engine: Engine, count: int) -> Engine:
    """The engine for work on so many documents: of one process if they are few."""
    small = count < _SHARED_DOCUMENTS and engine.executor == "processes"
    return replace(engine, workers=1) if small else engine
