"""The front matter of model cards, as the hub's own library reads it."""

from __future__ import annotations

import json

from huggingface_hub import ModelCard

from bertkit.manifests.manifest import Manifest, read_manifest
from bertkit.model.checkpoints.card.metadata import file_name, front_matter, languages_of, scores_of


def read(**facts):
    text = front_matter('my "model": x', "text-classification", **facts)
    return ModelCard(f"---\n{text}\n---\n\n# x\n").data


def test_all_that_is_known():
    data = read(
        license_name="mit",
        languages=["tr"],
        base_model="google-bert/bert-base-cased",
        scores={"accuracy": 0.5, "f1_macro": 0.25},
        scored_on="dev.tsv",
    )
    assert (data.license, data.language) == ("mit", "tr")
    assert data.base_model == "google-bert/bert-base-cased"
    assert data.metrics == ["accuracy", "f1"]
    assert data.model_name == 'my "model": x'
    found = [(row.metric_type, row.metric_name, row.metric_value) for row in data.eval_results]
    assert found == [("accuracy", "accuracy", 0.5), ("f1", "f1_macro", 0.25)]
    assert {row.dataset_name for row in data.eval_results} == {"dev.tsv"}
    assert {row.task_type for row in data.eval_results} == {"text-classification"}


def test_what_is_not_known_is_left_out():
    data = read()
    assert data.license == "unknown" and data.tags == ["bert", "bertkit", "text-classification"]
    assert data.language is None and data.base_model is None and data.eval_results is None


def test_scores_of_both_forms():
    tables = {"task": "classify", "scores": {"accuracy": 0.5}, "step": 9, "eval_file": "a/dev.tsv"}
    assert scores_of(tables) == ({"accuracy": 0.5}, "dev.tsv")
    assert scores_of({"exact_match": 80, "f1": 88.5}) == ({"exact_match": 80.0, "f1": 88.5}, "")
    assert file_name(["a/x.csv", "b/y.csv"]) == "x.csv, y.csv" and file_name(None) == ""


def test_the_language_is_followed_back_to_the_raw_text(tmp_path):
    def write(name, command, config, inputs):
        place = tmp_path / name
        place.mkdir()
        Manifest(command, config, [{"path": path, "bytes": 1, "sha256": "0"} for path in inputs],
                 state="complete").write(place)  # fmt: skip
        return place

    for name, language in (("tr", "tr"), ("en", "en"), ("xx", "xx")):
        docs = write(name, "extract", {"language": language}, ["raw.txt"])
        split = write(f"{name}-split", "split", {}, [str(docs / "part-0.txt")])
        records = write(
            f"{name}-records", "make-records", {}, [str(split / "train" / "part-0.txt")]
        )
        found = languages_of(read_manifest(str(records)))
        assert found == (["tr"] if name == "tr" else []), json.dumps(found)


def test_scores_that_are_no_numbers_are_left_out():
    scores = {"f1": 10**400, "loss": float("nan"), "accuracy": 0.5, "done": True, "task": "x"}
    assert scores_of({"scores": scores})[0] == {"accuracy": 0.5}
