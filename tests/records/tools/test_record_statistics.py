"""Numbers over record files, counted a second time in plain Python."""

from __future__ import annotations

import pytest

from bertkit.records.files.tfrecord import decode_example, read_records
from bertkit.records.files.tfrecord_reader import RecordFile
from bertkit.records.tools.record_statistics import measure_records


@pytest.mark.parametrize(
    "name",
    ["goldens/records/mlperf_sample_512.tfrecord",
     "data/tfrecord_samples/graphcore/sample_text.tfrecord"],
)  # fmt: skip
def test_numbers_are_those_of_a_plain_count(name, shared):
    path = shared / name
    records = [decode_example(payload) for payload in read_records(path)]
    found = measure_records([RecordFile(path)], 10**6)
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
    source = RecordFile(shared / "goldens" / "records" / "google_sample_128.tfrecord")
    found = measure_records([source, source], 10)
    assert (found.records, found.measured) == (120, 20)
    assert measure_records([source], 1).measured == 1
