"""Steps of sequences of similar length, as Cerebras' loader makes them."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import synthetic

from bertkit.data.length_groups import LengthGroups
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder

BUCKETS = (87, 158, 239, 325, 415)  # of Cerebras' files for length 512


class Lengths:
    """Samples of which only the length is known."""

    max_seq_length = 512

    def __init__(self, lengths):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def at_epoch(self, epoch):
        return self

    def batch(self, numbers):
        mask = np.arange(self.max_seq_length)[None, :] < self.lengths[numbers][:, None]
        return {"input_mask": mask.astype(np.int32)}


@pytest.fixture(scope="module")
def wikipedia(shared):
    """Lengths drawn from Wikipedia's, as Graphcore published them."""
    place = shared / "data/lengths/histograms.json"
    counts = np.array(json.loads(place.read_text())["wikipedia_512"], float)
    random = np.random.default_rng(5)
    return random.choice(np.arange(1, 513), 20_000, p=counts / counts.sum())


def computed(steps, lengths) -> int:
    """Positions of steps whose rows are as long as the bucket of their longest sequence."""
    sizes = np.array([*BUCKETS, 512])
    return sum(len(s) * int(sizes[np.searchsorted(sizes, lengths[s].max())]) for s in steps)


def cerebras_loader(numbers, lengths, size):
    """A reading of Cerebras Model Zoo R_1.7.0, `common/pytorch/input_utils.py: bucketed_batch`."""
    waiting = [[] for _ in range(len(BUCKETS) + 1)]
    for number in numbers:
        bucket = waiting[np.searchsorted(BUCKETS, lengths[number], side="right")]
        bucket.append(number)
        if len(bucket) == size:
            yield np.array(bucket)
            bucket.clear()


def groups(source, size, window=64, seed=7, boundaries=BUCKETS):
    order = SampleOrder(len(source), seed)
    return LengthGroups(order, source, size, window=window, boundaries=boundaries)


def test_wikipedia_computes_as_few_positions_as_cerebras_loader(wikipedia):
    source, size = Lengths(wikipedia), 128
    steps = len(wikipedia) // size
    order = groups(source, size)
    made = [order.take(number * size, size) for number in range(steps)]
    plain = SampleOrder(len(source), 7)
    before = [plain.take(number * size, size) for number in range(steps)]
    theirs = list(cerebras_loader(plain.take(0, len(source)), wikipedia, size))
    padded = steps * size * 512
    # Steps as they come hold a long sequence each: no position is saved.
    assert computed(before, wikipedia) == padded
    gain = padded / computed(made, wikipedia)
    full = len(theirs) * size * 512 / computed(theirs, wikipedia)
    assert 1.77 < full < 1.81  # what their own analyze_bucketing.py estimates from the histogram
    assert gain > 1.75 and gain > 0.97 * full


def test_every_sample_comes_once_per_epoch(wikipedia):
    source, size = Lengths(wikipedia[:1000]), 50
    order = groups(source, size, window=4)
    for epoch in range(2):
        seen = np.concatenate([order.take(epoch * 1000 + n * 50, 50) for n in range(20)])
        assert sorted(seen) == list(range(1000))


def test_steps_depend_on_seed_and_position_alone(wikipedia):
    source, size = Lengths(wikipedia[:700]), 64  # windows and steps cross the ends of epochs
    order = groups(source, size, window=4)
    whole = [order.by_epoch(number * size, size) for number in range(30)]
    for number in (29, 3, 17):  # as resumed runs ask
        again = groups(source, size, window=4).by_epoch(number * size, size)
        for (epoch, found), (expected_epoch, expected) in zip(again, whole[number], strict=True):
            assert epoch == expected_epoch and (found == expected).all()
    # Four processes take a quarter of every step each.
    parts = [groups(source, size, window=4).take(5 * size + rank * 16, 16) for rank in range(4)]
    assert sorted(np.concatenate(parts)) == sorted(np.concatenate([n for _, n in whole[5]]))
    other = groups(source, size, window=4, seed=8)
    assert any((other.take(n * size, size) != order.take(n * size, size)).any() for n in range(4))


def test_a_window_is_no_longer_than_an_epoch(wikipedia):
    """Else a step would hold a record twice, as the same record comes in both epochs."""
    order = groups(Lengths(wikipedia[:256]), 64)
    assert order.window == 4
    assert len(set(order.take(0, 64))) == 64


def test_the_log_tells_computed_positions_and_tokens(caplog):
    lengths = np.array([2, 8, 2, 8])
    source = Lengths(lengths)
    source.max_seq_length = 8
    with caplog.at_level(logging.INFO, "bertkit"):
        groups(source, 2, window=2, boundaries=(4,)).take(0, 2)
    assert caplog.messages == [
        "sequences of similar length share a step: steps 1 to 2 compute 24 positions for 20"
        " tokens; with rows of one length it would be 32, 1.33 times as many"
    ]


def test_a_feed_resumes_inside_a_window(tmp_path):
    source = RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 64))])

    def feed():
        order = groups(source, 8, boundaries=(16, 20))
        return RecordFeed(source, order, 8, 8, "bucketed", "global_step", synthetic.VOCAB)

    whole = list(feed().steps(0, 12))
    assert min(len(batch.micro_batches) for batch in whole) == 1
    again = list(feed().steps(whole[4].next_position, 3))
    for found, expected in zip(again, whole[5:8], strict=True):
        for ours, theirs in zip(found.micro_batches, expected.micro_batches, strict=True):
            assert (ours.arrays["ids"] == theirs.arrays["ids"]).all()
