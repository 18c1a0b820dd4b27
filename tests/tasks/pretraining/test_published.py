from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.corpus.download.catalogue import find_source
from bertkit.model.checkpoints.loading import load_config, vocab_beside
from bertkit.model.checkpoints.tensorflow.checkpoint import FOLDERS
from bertkit.tasks.pretraining import published
from bertkit.tasks.pretraining.config import EvalConfig
from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints


@pytest.fixture
def mlperf_folder(shared, tmp_path):
    """A checkpoint of TensorFlow 1 in the layout that MLPerf publishes."""
    folder = tmp_path / "mlperf"
    shutil.copytree(shared / "goldens/numerics/init", folder / "tf1_ckpt")
    (folder / "tf1_ckpt/checkpoint").unlink()  # MLPerf's folder has none
    shutil.copy(shared / "goldens/numerics/bert_config.json", folder)
    shutil.copy(shared / "data/vocab/bert-base-uncased-vocab.txt", folder / "vocab.txt")
    return folder


def evaluated(folder, records, **settings):
    config = EvalConfig(backend="cpu", precision="fp32", batch_size=16, **settings)
    with registry.get("cpu") as adapter:
        return evaluate_checkpoints(config, [str(records)], [str(folder)], adapter)


def test_published_layout_is_taken_as_it_is(shared, mlperf_folder):
    records = shared / "goldens/records/google_sample_128.tfrecord"
    assert load_config(mlperf_folder).hidden_size == 16
    for place in (mlperf_folder, mlperf_folder / "tf1_ckpt/model.ckpt-0"):
        assert vocab_beside(place) == mlperf_folder / "vocab.txt"
    result = evaluated(mlperf_folder, records, limit=8)
    assert len(result.checkpoints) == 1
    # Nothing is said of a checkpoint that is not MLPerf's.
    assert result.published == ()


def test_accuracy_stands_beside_the_published_one(shared, mlperf_folder, monkeypatch):
    """The tiny checkpoint and the sample's records in the place of MLPerf's."""
    records = shared / "goldens/records/google_sample_128.tfrecord"
    index = (mlperf_folder / "tf1_ckpt/model.ckpt-0.index").read_bytes()
    data = mlperf_folder / "tf1_ckpt/model.ckpt-0.data-00000-of-00001"
    ours = replace(
        published.MLPERF,
        indexes={hashlib.md5(index).hexdigest(): data.stat().st_size},
        records=60,
        max_seq_length=128,
        max_predictions_per_seq=20,
        record_bytes=records.stat().st_size,
    )
    monkeypatch.setattr(published, "MLPERF", ours)
    whole = evaluated(mlperf_folder, records)
    accuracy = whole.checkpoints[0].mlm_accuracy
    (line,) = whole.published
    assert f"published masked LM accuracy 0.34085, here {accuracy:.5f}" in line
    assert f"difference {accuracy - 0.34085:+.5f}" in line
    assert "loss 4.7324" in line
    assert whole.text().endswith(line)
    # A part of the set, and other records, are not what was published.
    (line,) = evaluated(mlperf_folder, records, limit=8).published
    assert "which was not measured here" in line
    other = shared / "goldens/records/google_sample_128_wwm.tfrecord"
    (line,) = evaluated(mlperf_folder, other, limit=8).published
    assert "which was not measured here" in line


def test_facts_are_those_of_the_catalogue_and_the_document(shared):
    sums = {item.md5: item.size for item in find_source("mlperf-checkpoint").files}
    sizes = {item.name: item.size for item in find_source("mlperf-checkpoint").files}
    text = (shared / "seeds/001_mlperf_bert.md").read_text("utf-8")
    known = published.MLPERF
    assert known.indexes.keys() <= sums.keys()
    assert list(known.indexes.values()) == [
        sizes[f"{folder}/model.ckpt-28252.data-00000-of-00001"] for folder in FOLDERS
    ]
    assert f"very close to {known.mlm_accuracy}" in text
    assert f"| eval_10k            |      {known.record_bytes:,} |" in text
