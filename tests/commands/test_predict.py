"""`bertkit predict` with a model that learnt one passage by heart."""

from __future__ import annotations

import io
import json
import os

import pytest

from commands.test_finetune_squad import TEXT, place, words  # noqa: F401

GOOD = '{"question": "a", "passage": "b"}'
LENGTHS = ("--msl", 24, "--max-query-length", 8, "--doc-stride", 8, "--backend", "cpu")


@pytest.fixture
def run(bertkit, place):  # noqa: F811
    """The folder of a fine-tuned run."""
    assert bertkit(*words(place)).status == 0
    return place / "run"


def test_answers_one_question(bertkit, run, place):  # noqa: F811
    known = json.loads((run / "nbest_predictions.json").read_text())["one"]
    # Lengths and thresholds are those of the run.
    given = ("predict", "--init-checkpoint", run, "--question", "who wrote", "--backend", "cpu")
    result = bertkit(*given, "--passage", TEXT)
    assert result.status == 0, result.err
    assert result.out.startswith("anna\n")
    (place / "passage.txt").write_text(TEXT)
    result = bertkit(*given, "--passage", f"@{place / 'passage.txt'}", "--json").result
    (answer,) = result["answers"]
    assert (answer["id"], answer["question"], answer["answer"]) == ("1", "who wrote", "anna")
    assert answer["nbest"] == known
    assert answer["probability"] == known[0]["probability"]
    assert "null_odds" not in answer


def test_answers_lines_of_standard_input(bertkit, run, monkeypatch):
    lines = [
        json.dumps({"question": "who wrote", "passage": TEXT}), "",
        json.dumps({"question": "who wrote", "context": TEXT, "id": "mine"}),
    ]  # fmt: skip

    def feed():
        stream = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode("utf-8-sig")), "utf-8")
        monkeypatch.setattr("sys.stdin", stream)

    feed()
    given = ("predict", "--init-checkpoint", run, *LENGTHS, "--predict-batch-size", "auto")
    result = bertkit(*given, "--version-2-with-negative", "--json").result
    assert [entry["id"] for entry in result["answers"]] == ["1", "mine"]
    assert {entry["answer"] for entry in result["answers"]} == {"anna"}
    assert all("null_odds" in entry for entry in result["answers"])
    feed()
    result = bertkit(*given)
    assert "mine" in result.out
    assert result.out.count("anna") == 2


@pytest.mark.parametrize(
    ("more", "status", "text"),
    [
        (("--question", "who"), 2, "--question and --passage must be given together"),
        (("--question", "who", "--passage", "@absent.txt"), 3, "absent.txt"),
        (("--question", "who", "--passage", TEXT, "--msl", 64), 3, "more than the 32 positions"),
        (("--question", "who", "--passage", TEXT, "--init-checkpoint", "x"), 3, "no such checkp"),
    ],
)
def test_bad_input_is_one_line_and_a_status(bertkit, place, more, status, text):  # noqa: F811
    result = bertkit("predict", "--init-checkpoint", place / "encoder", *LENGTHS, *more)
    assert result.status == status, result.err
    assert text in result.err
    assert "Traceback" not in result.err


def test_a_model_without_a_span_head_is_refused(bertkit, place):  # noqa: F811
    result = bertkit("predict", "--init-checkpoint", place / "encoder", *LENGTHS,
                     "--question", "who", "--passage", TEXT)  # fmt: skip
    assert result.status == 3
    assert "has no span head" in result.err
    assert bertkit("predict", "--question", "who", "--passage", TEXT).status == 3


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "standard input:1: not JSON"),
        ("[]", "standard input:1: not an object"),
        ('{"question": "who"}', "'passage' is missing"),
        ('{"question": 1, "passage": "x"}', "'question' is missing or not a text"),
        ("", "holds no question"),
        (f'{GOOD[:-1]}, "id": 2}}\n{GOOD}', ":2: the id '2' has occurred before"),
    ],
)  # fmt: skip
def test_bad_lines_are_named(bertkit, place, monkeypatch, line, text):  # noqa: F811
    stream = io.TextIOWrapper(io.BytesIO(line.encode()), "utf-8")
    monkeypatch.setattr("sys.stdin", stream)
    result = bertkit("predict", "--init-checkpoint", place / "encoder", *LENGTHS)
    assert result.status == 3
    assert text in result.err


@pytest.mark.parametrize("pair", ["-", "@-", "@/dev/stdin"])
def test_standard_input_is_asked_for_one_text(bertkit, place, monkeypatch, pair):  # noqa: F811
    """The second one was empty."""
    if pair == "@/dev/stdin" and not os.path.exists("/dev/stdin"):
        pytest.skip("no name for standard input here")
    ours, theirs = os.pipe()
    os.close(theirs)
    with open(ours) as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", stream)
        name = pair.replace("/dev/stdin", f"/dev/fd/{ours}")
        given = ("predict", "--init-checkpoint", place / "encoder", "--backend", "cpu")
        result = bertkit(*given, "--text", "-", "--pair", name)
    assert result.status == 2
    assert "--text and --pair are both to be read from one stream" in result.err


def test_the_passage_comes_from_standard_input(bertkit, run, monkeypatch):
    """`-` was taken for the text itself."""
    stream = io.TextIOWrapper(io.BytesIO(TEXT.encode("utf-8-sig")), "utf-8")
    monkeypatch.setattr("sys.stdin", stream)
    given = ("predict", "--init-checkpoint", run, "--question", "who wrote", "--backend", "cpu")
    result = bertkit(*given, "--passage", "-")
    assert result.status == 0, result.err
    assert result.out.startswith("anna\n")
