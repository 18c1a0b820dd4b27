"""Kinds of labels and of files, models that transformers loads, and what is wrong in a file."""

from __future__ import annotations

import json

import pytest

from tasks.finetuning.world import answers_of, texts, write_table

ONE = ("--max-steps", 1, "--lr", "1e-3")


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


def test_numbers_stand_for_the_labels_that_are_given(bertkit, words, place):
    numbered = [(text, int(label == "good")) for text, label in texts(20, seed=1)]
    write_table(place / "numbers.tsv", numbered)
    words += [*ONE, "--labels", "bad", "good"]
    plain = bertkit(*words, "--output", place / "plain")
    assert plain.status == 0, plain.err
    words[words.index(place / "dev.tsv")] = place / "numbers.tsv"
    run = bertkit(*words, "--output", place / "run")
    assert run.status == 0, run.err
    assert run.result["scores"]["accuracy"] == plain.result["scores"]["accuracy"]
    # Not where they are not given, and not of labels that are numbers themselves.
    for labels, train, known in (
        ((), place / "train.tsv", "bad, good"),
        (
            ("--labels", "1", "2"),
            write_table(place / "ones.tsv", [("a", 1), ("b", 2)]),
            "1, 2",
        ),
    ):
        line = [train if word == place / "train.tsv" else word for word in words[:-3]]
        run = bertkit(*line, *labels, "--output", place / known)
        assert run.status == 3
        assert f"label '0' is not known\nHint: labels of the training: {known}" in run.err


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
    assert "40 examples, 1 step, global batch" in run.err
    assert "--text 'A sentence of your own.' --pair 'Another one.'\n" in run.err
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


# (rows of the training file, rows of the file to score, what is said)
GOOD_ROWS = [("a film", "good"), ("a book", "bad")]
WRONG = {
    "unknown label": (GOOD_ROWS, [("a", "good"), ("it", "odd")], "dev.tsv:3: the label 'odd'"),
    "empty text": ([*GOOD_ROWS, ("", "bad")], [], "train.tsv:4: text is empty"),
    "blank text": (GOOD_ROWS, [("  ", "bad")], "dev.tsv:2: text is empty"),
    "unseen text": (GOOD_ROWS, [("\u200b \ufeff", "bad")], "dev.tsv:2: text is empty but for char"),
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


def test_labels_that_are_given_do_not_make_one_class_two(bertkit, words, place):
    write_table(place / "train.tsv", [("a", "good"), ("it", "good")])
    run = bertkit(*words, "--labels", "good", "bad", "--output", place / "run")
    assert run.status == 3 and "all 2 examples have the label good" in run.err


def test_a_first_row_of_data_is_no_header(bertkit, words, place):
    numbered = ("--text-column", 1, "--label-column", 2, "--output", place / "run")
    for rows, said in (
        ([("a film", "good"), ("it is", "bad"), ("a book", "good")], "2 is 'good'"),
        ([("a film", "1"), ("it is", "0"), ("a book", "2")], "2 is '1'"),
    ):
        write_table(place / "train.tsv", rows[1:], rows[0])
        run = bertkit(*words, *numbered)
        assert (
            run.status == 3
            and f"train.tsv:1: the first row is no header: its column {said}" in (run.err)
        )
        assert "--no-header" in run.err
    write_table(place / "train.tsv", GOOD_ROWS, ("words", "mood"))
    assert bertkit(*words, *numbered, "--eval-file", place / "train.tsv", *ONE).status == 0


def test_usual_names_of_columns_count_in_any_case(bertkit, words, place):
    for name in ("train", "dev"):
        write_table(place / f"{name}.tsv", texts(8), ("Text", "LABEL"))
    run = bertkit(*words, *ONE, "--output", place / "run")
    assert run.status == 0, run.err


def test_a_pair_for_a_model_of_single_texts_is_refused(bertkit, ask, words, place):
    assert bertkit(*words, *ONE, "--output", place / "run").status == 0
    asked = ask("--init-checkpoint", place / "run", lines=[{"text": "a", "pair": "b"}])
    assert asked.status == 3
    assert "standard input:1: 'pair' is given, but the model was trained on single" in asked.err
    asked = ask("--init-checkpoint", place / "run", lines=[{"text": "a\ud800"}])
    assert asked.status == 3 and "half of a character" in asked.err


def test_a_folder_of_runs_names_them(bertkit, ask, words, place):
    for name in ("one", "two"):
        assert bertkit(*words, *ONE, "--output", place / "runs" / name).status == 0
    asked = ask("--init-checkpoint", place / "runs", "--text", "a film")
    assert asked.status == 3 and f"no checkpoint in {place / 'runs'}" in asked.err
    flat = " ".join(asked.err.split())
    assert f"give one of them: {place / 'runs/one'}, {place / 'runs/two'}" in flat


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
        (("--metric", "acc"), 3, "did you mean accuracy?"),
        (("--metric", "F1-Macro"), 3, "did you mean f1_macro?"),
        (("--labels", "good,bad"), 3, "--labels good --labels bad"),
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
