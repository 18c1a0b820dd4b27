"""Numbers over record files, counted a second time in plain Python."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.tools.record_statistics import RecordCounts, measure_records
from bertkit.workers.engine import Engine


@pytest.mark.parametrize(
    "name",
    ["goldens/records/mlperf_sample_512.tfrecord",
     "data/tfrecord_samples/graphcore/sample_text.tfrecord"],
)  # fmt: skip
def test_numbers_are_those_of_a_plain_count(name, shared):
    path = shared / name
    records = [decode_example(payload) for payload in read_records(path)]
    found = measure_records([str(path)], 10**6).statistics()
    size = len(records[0]["input_ids"])
    lengths = [int(sum(record["input_mask"])) for record in records]
    kinds = {"masked": 0, "kept": 0, "replaced": 0}
    for record in records:
        for position, truth, weight in zip(
            record["masked_lm_positions"], record["masked_lm_ids"], record["masked_lm_weights"],
            strict=True,
        ):  # fmt: skip
            shown = record["input_ids"][position]
            if weight:
                kind = "masked" if shown == 103 else "kept" if shown == truth else "replaced"
                kinds[kind] += 1
    total = sum(kinds.values())
    assert (found.records, found.measured, found.max_seq_length) == (
        len(records), len(records), size,
    )  # fmt: skip
    assert found.mask_id == 103
    assert found.mean_length == pytest.approx(sum(lengths) / len(lengths), abs=0.01)
    assert found.fill == pytest.approx(sum(lengths) / len(lengths) / size, abs=1e-4)
    assert found.full == pytest.approx(lengths.count(size) / len(lengths), abs=1e-4)
    assert found.mean_predictions == pytest.approx(total / len(records), abs=0.01)
    for kind, count in kinds.items():
        assert getattr(found, kind) == pytest.approx(count / total, abs=1e-4)
    labels = [int(record["next_sentence_labels"][0]) for record in records]
    assert found.random_next == pytest.approx(sum(labels) / len(labels), abs=1e-4)
    assert sum(records for _, _, records in found.histogram) == len(records)
    for low, high, count in found.histogram:
        assert count == sum(low <= length <= high for length in lengths)


def test_a_limit_reads_evenly_spaced_records(shared):
    source = str(shared / "goldens" / "records" / "google_sample_128.tfrecord")
    found = measure_records([source, source], 10).statistics()
    assert (found.records, found.measured) == (120, 20)
    assert measure_records([source], 1).statistics().measured == 1


def batches(random, count):
    """Decoded records, each a view into a large buffer, as readers give them."""
    for _ in range(count):
        whole = random.integers(5, 500, (512, 700)).astype(np.int32)
        yield {
            "input_ids": whole[:, :128],
            "input_mask": (whole[:, 128:256] > 50).astype(np.int32),
            "masked_lm_positions": whole[:, 300:320] % 128,
            "masked_lm_ids": whole[:, 320:340],
            "masked_lm_weights": (whole[:, 340:360] > 100).astype(np.float32),
            "next_sentence_labels": whole[:, 360] % 2,
        }


def test_memory_does_not_grow_with_the_records():
    counts = RecordCounts()
    counts.max_seq_length = 128
    random = np.random.default_rng(1)
    tracemalloc.start()
    peaks = []
    for _ in range(2):
        tracemalloc.reset_peak()
        for batch in batches(random, 12):
            counts.add_batch(batch)
        del batch
        peaks.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert counts.statistics().measured == 2 * 12 * 512
    assert peaks[1] - peaks[0] < 100_000, "a batch of 1.4 MB or a part of one is kept"


def test_counts_of_files_are_those_of_all_of_them(shared):
    """Whoever counts them, and in whatever order."""
    places = [shared / "goldens" / "records" / f"google_sample_{size}.tfrecord" for size in (128,)]
    places += [shared / "goldens" / "records" / "mlperf_sample_512.tfrecord"]
    paths = [str(place) for place in places]
    together = measure_records(paths, 10**6)
    other = measure_records(paths[::-1], 10**6, Engine(workers=2))
    assert together.statistics() == other.statistics()
    assert together.statistics().records == sum(
        measure_records([path], 10**6).records for path in paths
    )
