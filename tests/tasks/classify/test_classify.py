"""Kinds of labels and of files, models that transformers loads, and what is wrong in a file."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from bertkit.tables.table import read_table
from bertkit.tasks.classify.batches import fitting
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.labels import class_weights, settled_labels
from tasks.finetuning.world import texts, write_table

ONE = ("--max-steps", 1, "--lr", "1e-3")


def answers_of(run):
    return [json.loads(line) for line in (run / "predictions.jsonl").open()]


@pytest.fixture
def ask(bertkit, monkeypatch):
    """`bertkit predict` with objects on standard input."""

    def function(*words, lines=()):
        text = "\n".join(json.dumps(line) for line in lines)
        stream = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")
        monkeypatch.setattr("sys.stdin", stream)
        return bertkit("predict", "--backend", "cpu", *words)

    return function


def test_a_model_answers_alone_and_in_transformers_alike(bertkit, ask, words, place):
    transformers = pytest.importorskip("transformers")
    run = bertkit(*words, "--output", place / "run", "--predict-file", place / "dev.tsv")
    assert run.status == 0, run.err
    rows = texts(20, seed=1)
    kept = answers_of(place / "run")
    lines = [{"text": text, "id": f"n{number}"} for number, (text, _) in enumerate(rows)]
    asked = ask("--init-checkpoint", place / "run", lines=lines)
    assert asked.status == 0, asked.err
    told = [json.loads(line) for line in asked.out.splitlines()]
    assert [answer.pop("id") for answer in told] == [line["id"] for line in lines]
    assert told == kept
    pipeline = transformers.pipeline(
        "text-classification", str(place / "run/step-0000020"), top_k=None, device="cpu"
    )
    for answer, theirs in zip(kept, pipeline([text for text, _ in rows]), strict=True):
        assert answer["label"] == theirs[0]["label"]
        shares = {entry["label"]: entry["score"] for entry in theirs}
        assert answer["probabilities"] == pytest.approx(shares, abs=1e-5)
    # And back: what transformers saves, without our run beside it.
    pipeline.model.save_pretrained(place / "theirs")
    pipeline.tokenizer.save_pretrained(place / "theirs")
    back = ask("--init-checkpoint", place / "theirs", "--json", lines=lines).result
    assert back["task"] == "classify"
    for answer, mine in zip(back["answers"], kept, strict=True):
        assert answer["probabilities"] == pytest.approx(mine["probabilities"], abs=1e-5)
    single = ask("--init-checkpoint", place / "run", "--text", rows[0][0])
    assert single.out.splitlines()[0] == kept[0]["label"]


def test_pairs_of_several_labels_from_json_lines(bertkit, ask, words, place):
    transformers = pytest.importorskip("transformers")
    rows = [
        {"premise": one, "hypothesis": two, "tags": sorted({first, second} - {"bad"})}
        for (one, first), (two, second) in zip(texts(40), texts(40, seed=3)[::-1], strict=True)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("train", "dev"):
        (place / f"{name}.tsv").rename(place / f"{name}.jsonl")
        (place / f"{name}.jsonl").write_text(lines)
    words = [str(word).replace(".tsv", ".jsonl") for word in words]
    given = ("--multi-label", "--label-column", "tags", "--labels", "good", "bad")
    run = bertkit(*words, *given, *ONE, "--output", place / "run")
    assert run.status == 0, run.err
    assert {"accuracy", "f1_micro", "f1_macro"} == run.result["scores"].keys()
    assert run.result["metric"] == "f1_micro"
    facts = json.loads((place / "run/step-0000001/config.json").read_text())
    assert facts["problem_type"] == "multi_label_classification"
    asked = ask("--init-checkpoint", place / "run", "--json", lines=rows[:6]).result["answers"]
    pipeline = transformers.pipeline(
        "text-classification", str(place / "run/step-0000001"), top_k=None, device="cpu"
    )
    pairs = [{"text": row["premise"], "text_pair": row["hypothesis"]} for row in rows[:6]]
    for answer, theirs in zip(asked, [pipeline(pair) for pair in pairs], strict=True):
        shares = {entry["label"]: entry["score"] for entry in theirs}
        assert answer["probabilities"] == pytest.approx(shares, abs=1e-5)
        assert answer["labels"] == [name for name in ("good", "bad") if shares[name] > 0.5]
    one = ask("--init-checkpoint", place / "run", lines=[{"premise": "a"}])
    assert one.status == 3 and "standard input:1: 'pair' is missing" in one.err


def test_columns_of_zero_and_one_are_several_labels(bertkit, words, place):
    rows = [(text, int(label == "good"), int(label == "bad")) for text, label in texts(20)]
    for name in ("train", "dev"):
        write_table(place / f"{name}.tsv", rows, ("text", "kind", "nasty"))
    given = ("--multi-label", "--label-column", "kind", "nasty", "--output", place / "run")
    run = bertkit(*words, *given, *ONE)
    assert run.status == 0, run.err
    facts = json.loads((place / "run/step-0000001/config.json").read_text())
    assert facts["label2id"] == {"kind": 0, "nasty": 1}
    write_table(place / "dev.tsv", [("a film", 1, 2)], ("text", "kind", "nasty"))
    wrong = bertkit(*words, *given, *ONE)
    assert wrong.status == 3 and "dev.tsv:2: nasty is '2', not 0 or 1" in wrong.err


def test_scores_are_learnt_and_predicted(bertkit, ask, words, place):
    transformers = pytest.importorskip("transformers")
    for name, seed in (("train", 0), ("dev", 1)):
        rows = [(text, 1.0 if label == "good" else -0.5) for text, label in texts(40, seed)]
        write_table(place / f"{name}.tsv", rows, ("text", "score"))
    words[words.index("classify")] = "regress"
    given = ("--predict-file", place / "dev.tsv", "--lr", "3e-3", "--max-steps", 40)
    run = bertkit(*words, *given, "--output", place / "run")
    assert run.status == 0, run.err
    assert run.result["scores"]["pearson"] > 0.5 and run.result["scores"]["spearman"] > 0.5
    kept = answers_of(place / "run")
    pipeline = transformers.pipeline(
        "text-classification", str(place / "run/step-0000040"), device="cpu"
    )
    theirs = pipeline([text for text, _ in texts(40, 1)], function_to_apply="none")
    assert [a["score"] for a in kept] == pytest.approx([t["score"] for t in theirs], abs=1e-5)
    (told,) = ask("--init-checkpoint", place / "run", "--text", texts(1, 1)[0][0]).out.splitlines()
    assert json.loads(told)["score"] == pytest.approx(kept[0]["score"], abs=1e-6)
    write_table(place / "dev.tsv", [("a film", "four")], ("text", "score"))
    wrong = bertkit(*words, "--output", place / "other")
    assert wrong.status == 3 and "dev.tsv:2: the score 'four' is no number" in wrong.err


# (rows of the training file, rows of the file to score, what is said)
GOOD_ROWS = [("a film", "good"), ("a book", "bad")]
WRONG = {
    "unknown label": (GOOD_ROWS, [("a", "good"), ("it", "odd")], "dev.tsv:3: the label 'odd'"),
    "empty text": ([*GOOD_ROWS, ("", "bad")], [], "train.tsv:4: text is empty"),
    "blank text": (GOOD_ROWS, [("  ", "bad")], "dev.tsv:2: text is empty"),
    "empty label": ([*GOOD_ROWS, ("it", "")], [], "train.tsv:4: label is empty"),
    "one class": ([("a", "good"), ("it", "good")], [], "all 2 examples have the label good"),
    "fractions": ([("a", "1.5"), ("it", "2.0")], [], "train.tsv:2: the label 1.5 is a number"),
    "ragged": ([*GOOD_ROWS, ("it", "bad", "x")], [], "train.tsv:4: 3 fields, not 2"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_in_a_file_is_one_line(bertkit, words, place, kind):
    train, dev, said = WRONG[kind]
    write_table(place / "train.tsv", train)
    if dev:
        write_table(place / "dev.tsv", dev)
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 3 and said in run.err, run.err
    assert "Traceback" not in run.err and not (place / "run").exists()


def test_columns_that_are_not_there_and_halves_of_pairs_are_named(bertkit, words, place):
    run = bertkit(*words, "--text-column", "review", "--output", place / "run")
    assert run.status == 3 and "has no column 'review'; it has text, label" in run.err
    write_table(place / "train.tsv", [("a", "b", "c")], ("one", "two", "three"))
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 3 and "which column is the text? It has one, two, three" in run.err
    rows = [("a film", "it is", "good"), ("a book", "", "bad")]
    for name in ("train", "dev"):
        write_table(place / f"{name}.tsv", rows, ("premise", "hypothesis", "label"))
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 3 and "train.tsv:3: hypothesis is empty" in run.err
    lines = ['{"premise": "a", "hypothesis": "it", "label": 1}', '{"premise": "a", "label": 0}']
    (place / "train.tsv").rename(place / "train.jsonl").write_text("\n".join(lines))
    words = [str(word).replace("train.tsv", "train.jsonl") for word in words]
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 3 and "train.jsonl:2: hypothesis is missing" in run.err


def test_settings_that_do_not_go_together_are_refused(bertkit, words, place):
    for given, status, said in (
        (("--metric", "f2"), 3, "--metric f2: there are accuracy, f1"),
        (("--task", "clasify"), 2, "clasify"),
        (("--glue", "stsb"), 3, "--glue stsb is not for --task classify"),
        (("--data-dir", place), 3, "--data-dir needs --glue"),
        (("--labels", "a", "a"), 3, "--labels has 'a' twice"),
        (("--labels", "a"), 3, "--labels has one label only"),
        (("--class-weights", "odd=2"), 3, "--class-weights odd=2"),
        (("--max-seq-length", 64), 3, "--max-seq-length 64 is more than the 32 positions"),
    ):
        run = bertkit(*words, "--output", place / "run", *given, "--max-steps", 1)
        assert run.status == status and said in run.err, (given, run.err)
    words[words.index("classify")] = "regress"
    run = bertkit(*words, "--output", place / "run", "--multi-label")
    assert run.status == 2 and "--multi-label is for --task classify, not for regress" in run.err
    del words[1:3]
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 2 and "--task is missing" in run.err


def test_a_model_without_such_a_head_is_refused(bertkit, ask, place):
    encoder = place / "encoder"
    run = bertkit(
        "finetune", "--task", "classify", "--init-checkpoint", encoder, "--output", place / "run",
        "--eval-file", place / "dev.tsv", "--backend", "cpu", "--msl", 16,
    )  # fmt: skip
    assert run.status == 3 and "was not fine-tuned for --task classify" in run.err
    asked = ask("--init-checkpoint", encoder, "--text", "a film")
    assert asked.status == 3 and "was not fine-tuned to label texts" in asked.err


def test_balanced_weights_of_labels_are_those_of_scikit_learn():
    labels, targets = ["a", "b", "c"], np.repeat(np.arange(3), (3, 1, 6))
    # sklearn.utils.class_weight.compute_class_weight("balanced", ...) of these targets.
    wanted = [1.1111111111111112, 3.3333333333333335, 0.5555555555555556]
    config = ClassifyConfig(class_weights=["balanced"])
    assert class_weights(config, labels, targets) == pytest.approx(wanted)
    assert class_weights(ClassifyConfig(class_weights=["b=2.5"]), labels, targets) == [1, 2.5, 1]
    assert class_weights(ClassifyConfig(), labels, targets) == []


def test_labels_are_sorted_as_numbers_where_all_are():
    def labels(*names):
        return settled_labels([Example("f:1", "t", None, name) for name in names], ClassifyConfig())

    assert labels("10", 9, "2") == ["2", "9", "10"]
    assert labels("b", "10", "a", "9") == ["10", "9", "a", "b"]
    assert labels(True, False) == ["false", "true"]


def test_pairs_are_cut_as_google_cuts_them():
    """Token by token, the longer one first; of equal ones the second."""
    random = np.random.default_rng(0)
    for first, second, room in random.integers(0, 30, (300, 3)).tolist():
        one, other = first, second
        while one + other > room:
            if one > other:
                one -= 1
            else:
                other -= 1
        assert fitting(first, second, room) == (one, other)


def test_tables_of_all_forms_are_the_same(place):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    rows = [('He said "no", twice', "1"), ("line\nbreak", "0"), ("tab\there", "1")]
    table = arrow.table({"text": [row[0] for row in rows], "label": [row[1] for row in rows]})
    parquet.write_table(table, place / "t.parquet")
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (place / "t.jsonl").write_text("\n".join(lines) + "\n\n")
    (place / "t.json").write_text(f"[{','.join(lines)}]")
    pytest.importorskip("pyarrow.csv").write_csv(table, place / "t.csv")
    for ending in ("parquet", "jsonl", "json", "csv"):
        found = read_table(str(place / f"t.{ending}"))
        assert list(found.names) == ["text", "label"], ending
        assert [tuple(row.values) for row in found.rows] == rows, ending
    assert [row.line for row in read_table(str(place / "t.csv")).rows] == [2, 3, 5]
