"""Estimates against what a run then makes."""

from __future__ import annotations

import os

import pytest

from bertkit.errors import DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.cost import SAMPLE_BYTES, estimate_records
from bertkit.records.make import make_records

VOCAB = "bertkit-uncased-8k"
CONFIG = RecordsConfig(max_seq_length=64, dupe_factor=2)


@pytest.fixture
def corpus(tmp_path) -> list[str]:
    """Two files, together more than is looked at."""
    names = []
    for index in range(2):
        path = tmp_path / f"{index}.txt"
        path.write_text(
            "\n".join(
                f"Chapter {n} tells of {n} whales.\nThe ship was old, and the sea was wide.\n"
                + "It went on.\n" * (n % 5)
                for n in range(1500)
            ),
            encoding="utf-8",
        )
        names.append(str(path))
    assert sum(map(os.path.getsize, names)) > 1.2 * SAMPLE_BYTES
    return names


def test_the_estimate_is_about_right(corpus, tmp_path):
    plan = estimate_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    result = make_records(CONFIG, corpus, tmp_path / "out", VOCAB, workers=1)
    assert plan.record_files == result.files == plan.input_files == 2
    assert plan.estimated_records == pytest.approx(result.records, rel=0.1)
    assert plan.estimated_bytes == pytest.approx(result.bytes, rel=0.1)
    assert plan.estimated_seconds > 0
    assert plan.free_bytes > 0


def test_a_limit_bounds_it_and_nothing_is_written(corpus, tmp_path):
    plan = estimate_records(CONFIG, corpus, tmp_path / "none", VOCAB, limit=5)
    assert plan.estimated_records == 5
    assert not (tmp_path / "none").exists()


def test_no_text_to_judge_by(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no sentences"):
        estimate_records(CONFIG, [str(tmp_path / "empty.txt")], tmp_path / "out", VOCAB)
