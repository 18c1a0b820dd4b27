"""What Cerebras' input pipeline expects beside the records: names of files, and arguments."""

from __future__ import annotations

import hashlib
import json
import logging

import pytest

from bertkit.errors import UsageError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.records.styles import CEREBRAS
from bertkit.records.styles.style import FinishedFolder


def test_names_of_files():
    config = RecordsConfig(style="cerebras", outputs=3)
    assert CEREBRAS.file_names(config) == [f"examples-{n}.tfrecords" for n in (1, 2, 3)]
    other = RecordsConfig(style="cerebras", outputs=2, format="hdf5")
    assert CEREBRAS.file_names(other) == [f"records_training-0000{n}-of-00002.hdf5" for n in (0, 1)]


def params(folder, config):
    CEREBRAS.write_beside(FinishedFolder(folder, ["@list.txt", "b"], 7, "v.txt", 99), config)
    return json.loads((folder / "data_params.json").read_text())


def test_arguments_of_each_program(tmp_path):
    pairs = params(tmp_path, RecordsConfig(style="cerebras", split_files=5, documents="file"))
    assert pairs["metadata_files"] == ["list.txt", "b"]
    assert (pairs["n_docs"], pairs["n_examples"], pairs["vocab_file"]) == (7, 99, "v.txt")
    assert (pairs["split_num"], pairs["multiple_docs_in_single_file"]) == (5, False)
    windows = params(
        tmp_path, RecordsConfig(style="cerebras", objective="unmasked", buffer_tokens=50)
    )
    assert "split_num" not in windows
    assert (windows["disable_masking"], windows["buffer_size"]) == (True, 50)


def test_an_equal_file_is_left_alone(tmp_path):
    config = RecordsConfig(style="cerebras")
    params(tmp_path, config)
    before = (tmp_path / "data_params.json").stat().st_mtime_ns
    params(tmp_path, config)
    assert (tmp_path / "data_params.json").stat().st_mtime_ns == before


@pytest.fixture
def metadata(shared) -> str:
    return f"@{shared / 'data/owt/mini/metadata/val_mini.txt'}"


def test_records_of_a_metadata_list_are_those_of_the_program(
    shared, openwebtext, metadata, tmp_path
):
    """create_tfrecords.py's own data_generator (R_1.7.0, keras_preprocessing 1.1.2, spaCy's
    blank English pipeline with its sentencizer) made 782 records of the 12 documents.
    """
    config = RecordsConfig(
        style="cerebras", documents="file", sentences="rule", dupe_factor=2, seed=0
    )
    vocab = shared / "data/vocab/bert-base-uncased-vocab.txt"
    out = tmp_path / "out"
    result = make_records(config, [metadata], out, vocab, 1, prefix=str(openwebtext))
    assert result.records == 782
    batch = open_records(out / "examples-1.tfrecords").batch(range(782))
    names = ("input_ids", "masked_lm_positions", "masked_lm_ids", "segment_ids")
    digest = hashlib.sha256()
    for row in range(782):
        values = [batch[name][row].tolist() for name in names]
        values.append(int(batch["next_sentence_labels"][row]))
        digest.update(json.dumps(values).encode() + b"\n")
    assert digest.hexdigest() == "629f7b2e3f0667133dd0a3313250d663e8fb80e30af8ad8bd04869c46027ba58"
    params = json.loads((out / "data_params.json").read_text())
    assert params["metadata_files"] == [metadata[1:]]
    assert params["input_files_prefix"] == str(openwebtext)
    assert (params["n_docs"], params["n_examples"]) == (12, 782)


def test_listed_files_taken_as_lines_are_remarked_on(
    shared, openwebtext, metadata, tmp_path, caplog
):
    """Paragraphs would become sentences in silence."""
    vocab = shared / "data/vocab/bert-base-uncased-vocab.txt"
    with caplog.at_level(logging.WARNING, "bertkit"):
        make_records(
            RecordsConfig(style="cerebras", dupe_factor=1),
            [metadata],
            tmp_path / "out",
            vocab,
            1,
            prefix=str(openwebtext),
        )
    assert "--documents file --sentences MODEL (or rule)" in caplog.text
    for given in (["list.txt"], ["@list.txt"]):
        whole = RecordsConfig(style="cerebras", documents="file", sentences="rule")
        assert CEREBRAS.remark(given, whole) == ""
    assert CEREBRAS.remark(["list.txt"], RecordsConfig(style="cerebras")) == ""


def test_prefix_goes_with_a_list(shared, tmp_path):
    vocab = shared / "data/vocab/bert-base-uncased-vocab.txt"
    (tmp_path / "a.txt").write_text("One.\nTwo.\n")
    with pytest.raises(UsageError, match="--input-prefix goes with a list"):
        make_records(
            RecordsConfig(), [str(tmp_path / "a.txt")], tmp_path / "out", vocab, prefix="owt"
        )
