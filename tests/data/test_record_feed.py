from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.errors import DataError


@pytest.fixture
def source(tmp_path):
    return RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 10))])


def feed(source, micro=2, vocab=synthetic.VOCAB):
    order = SampleOrder(len(source), seed=7)
    return RecordFeed(source, order, 4, micro, "unpadded", "global_step", vocab)


def ids(batch):
    return [micro.arrays["ids"].tolist() for micro in batch.micro_batches]


def test_steps_from_a_position_are_those_of_the_whole_run(source):
    """Ten records, batches of four: steps cross the ends of epochs."""
    whole = list(feed(source).steps(0, 8))
    assert [batch.next_position for batch in whole] == list(range(4, 33, 4))
    resumed = list(feed(source).steps(whole[3].next_position, 4))
    assert list(map(ids, resumed)) == list(map(ids, whole[4:]))
    assert all(batch.sequences == 4 for batch in whole)


def test_the_micro_batch_size_does_not_change_what_a_step_sees(source):
    def tokens(micro):
        return [
            sorted(token for part in ids(batch) for token in part)
            for batch in feed(source, micro).steps(0, 5)
        ]

    assert tokens(1) == tokens(2) == tokens(4)


def test_once_is_every_record_in_stored_order(source):
    batches = list(feed(source, micro=4).once())
    assert [batch.sequences for batch in batches] == [4, 4, 2]
    labels = np.concatenate([batch.micro_batches[0].arrays["mlm_labels"] for batch in batches])
    records = source.batch(np.arange(10))
    expected = records["masked_lm_ids"][records["masked_lm_weights"] > 0]
    assert sorted(labels) == sorted(expected)
    assert sum(batch.sequences for batch in feed(source).once(limit=5)) == 5


def test_tokens_outside_the_vocabulary_are_refused(source):
    with pytest.raises(DataError, match="vocabulary has 8 entries"):
        next(feed(source, vocab=8).steps(0, 1))
