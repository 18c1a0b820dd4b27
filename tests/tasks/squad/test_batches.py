from __future__ import annotations

import numpy as np
import pytest

from bertkit.tasks.finetuning.outputs import Parts, by_length
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, squad


@pytest.fixture
def windows(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS, PEOPLE)), training=True)
    return WindowMaker(tokenizer, 40, 8, 8).windows(questions, training=True)


def test_rows_positions_and_segments(windows, tokenizer):
    vocab = tokenizer.vocab
    batch = WindowBatcher(vocab.cls_id, vocab.sep_id).batch(windows)
    assert list(batch.lengths) == sorted((w.length for w in windows), reverse=True)
    assert batch.arrays["cumulative"][-1] == len(batch.arrays["ids"]) == batch.tokens
    for row, length in zip(batch.arrays["cls_rows"], batch.lengths, strict=True):
        ids = batch.arrays["ids"][row : row + length]
        segments = batch.arrays["segments"][row : row + length]
        first = int(np.flatnonzero(ids == vocab.sep_id)[0])
        assert (ids[0], ids[-1]) == (vocab.cls_id, vocab.sep_id)
        assert list(segments) == [0] * (first + 1) + [1] * (length - first - 1)
        assert list(batch.arrays["positions"][row : row + length]) == list(range(length))
    answers = [
        [vocab.token(int(i)) for i in batch.arrays["ids"][row + start : row + end + 1]]
        for row, start, end in zip(
            *(batch.arrays[name] for name in ("cls_rows", "starts", "ends")), strict=True
        )
    ]
    assert sorted(map(" ".join, answers)) == ["1844", "a poem", "london", "maria", "the seine"]


def test_batches_to_answer_count_their_windows(windows, tokenizer):
    batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id, 40)
    parts = [by_length(windows)[:3], by_length(windows)[3:]]
    batches = Parts(parts, batcher.batch)
    assert len(batches) == 2
    assert [batch.next_position for batch in batches()] == [3, 5]
    assert list(batcher.rows(windows)) == [40] * 5
