"""Examples of tables that note names for the numbers of their labels."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.classify.examples import ExampleReader
from bertkit.tasks.classify.labels import label_names, settled_labels
from tasks.finetuning.world import texts, write_table

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path, labels, names=()):
    """A table as `datasets` writes it, with the names of its labels."""
    own = {"_type": "ClassLabel", "names": list(names)}
    rows = {"text": [f"a {number}" for number in range(len(labels))], "label": labels}
    note = {"huggingface": json.dumps({"info": {"features": {"label": own}}})}
    parquet.write_table(pyarrow.table(rows).replace_schema_metadata(note if names else {}), path)
    return path


def read(path, use="train", **settings):
    reader = ExampleReader(ClassifyConfig(**settings))
    return reader.read(str(path), use, lambda names, path: True), reader.classes


@pytest.mark.parametrize("names", [["1.0", "2.5"], [" neg", "pos "], ["a, b", "c"], ["1e3", "x"]])
@pytest.mark.parametrize("several", [False, True])
def test_noted_names_are_labels_as_they_are(tmp_path, names, several):
    found, classes = read(write(tmp_path / "a.parquet", [0, 1, 0], names))
    wanted = [name.strip() for name in names]
    config = ClassifyConfig(multi_label=several)
    assert settled_labels(found, config, classes) == wanted
    assert [label_names(one, config) for one in found] == [[wanted[n]] for n in (0, 1, 0)]


def test_what_is_no_label_is_told_as_it_is(tmp_path):
    place = rf"{tmp_path}/a\.parquet:2: label is"
    with pytest.raises(DataError, match=f"{place} -1: there is no label"):
        read(write(tmp_path / "a.parquet", [0, -1], ["x", "y"]))
    with pytest.raises(DataError, match=f"{place} empty: there is no label"):
        read(write(tmp_path / "a.parquet", [0, None], ["x", "y"]))
    found, _ = read(write(tmp_path / "a.parquet", [b"x", b"y"]))
    with pytest.raises(DataError, match="the label is no name"):
        label_names(found[0], ClassifyConfig())


def test_names_of_columns_of_parquet_are_no_row_of_data(tmp_path):
    table = pyarrow.table([["a", "b"], ["x", "y"], [0, 1]], names=["text", "1.5", "2"])
    parquet.write_table(table, tmp_path / "a.parquet")
    found, _ = read(tmp_path / "a.parquet", label_column=["2"])
    assert [example.label for example in found] == [0, 1]
    found, _ = read(tmp_path / "a.parquet", label_column=["3"])
    assert [example.label for example in found] == [0, 1]


def test_labels_of_other_names_are_refused(bertkit, words, place):
    numbers = [int(label == "good") for _, label in texts(20, seed=1)]
    other = write(place / "other.parquet", numbers, ["negative", "positive"])
    line = [other if word == place / "dev.tsv" else word for word in words]
    run = bertkit(*line, "--output", place / "run")
    said = f"{other} has other labels, negative, positive, than "
    assert run.status == 3 and f"{said}bad, good\nHint: give --labels with the names" in run.err
    line = [other if word == place / "train.tsv" else word for word in words]
    run = bertkit(*line, "--output", place / "run", "--labels", "good", "bad")
    assert run.status == 3 and f"{said}good, bad\nHint: give --labels with the names" in run.err
    # Labels that are numbers are those of the file.
    rows = [(text, int(label == "good")) for text, label in texts(40)]
    write_table(place / "train.tsv", rows)
    line = [other if word == place / "dev.tsv" else word for word in words]
    run = bertkit(*line, "--output", place / "run")
    assert run.status == 0, run.err
    # But not where the names are numbers, too, and others.
    write(place / "other.parquet", numbers, ["1", "2"])
    run = bertkit(*line, "--output", place / "run", "--overwrite")
    assert run.status == 3 and f"{other} has other labels, 1, 2, than 0, 1" in run.err


def test_labels_in_another_order_than_the_model_learnt_are_refused(bertkit, words, place):
    assert bertkit(*words, "--output", place / "run").status == 0
    line = ["finetune", "--output", place / "run", "--eval-file", place / "dev.tsv", "--json"]
    scores = bertkit(*line).result["scores"]
    assert bertkit(*line, "--labels", "bad", "good").result["scores"] == scores
    run = bertkit(*line, "--labels", "good", "bad")
    assert run.status == 3
    assert "--labels has 'good' as number 0, and" in run.err and "as number 1" in run.err
