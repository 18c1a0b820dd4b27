"""The main job on real text, command by command, as a user types it."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]


def bertkit_process(*words: object) -> dict:
    """Run one command in a process of its own and return its `--json` result."""
    done = subprocess.run(
        [sys.executable, "-m", "bertkit", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["command"] == words[0]
    return result


def test_from_wikipedia_to_an_encoder_that_answers_questions(shared, tmp_path):
    # One test: two would train the encoder twice where they run in processes of their own.
    vocab = shared / "data" / "vocab" / "bert-base-uncased-vocab.txt"
    run = pretrained(shared, vocab, tmp_path / "wiki")
    every_stage_has_something_to_show(run)
    the_loss_falls_and_the_encoder_beats_word_frequencies(run)
    questions_are_answered(run, shared, vocab, tmp_path)


def pretrained(shared: Path, vocab: Path, out: Path) -> dict[str, dict]:
    """Wikipedia articles from the extractor's form to an evaluated encoder."""
    wiki = shared / "data" / "mlperf_sample" / "wiki_00"
    results = {"out": out}
    results["extract"] = bertkit_process("extract", "--input", wiki, "--output", out / "docs")
    results["split"] = bertkit_process(
        "split", "--input", out / "docs", "--output", out / "split", "--valid", 0.15
    )
    common = ("--vocab", vocab, "--msl", 128, "--dupe-factor", 5)
    results["train"] = bertkit_process(
        "make-records", "--input", out / "split" / "train", "--output", out / "train", *common
    )
    bertkit_process(
        "make-records", "--input", out / "split" / "valid.txt", "--output", out / "valid", *common
    )
    results["pick"] = bertkit_process(
        "pick-eval", "--input", out / "valid", "--output", out / "eval", "--count", 200
    )
    results["pretrain"] = bertkit_process(
        "pretrain", "--preset", "tiny", "--input", out / "train", "--eval-input", out / "eval",
        "--vocab", vocab, "--output", out / "run", "--max-steps", 300,
        "--global-batch-size", 32, "--backend", "cpu",
    )  # fmt: skip
    results["eval"] = bertkit_process(
        "eval", "--checkpoint", out / "run", "--input", out / "eval", "--baseline", out / "train"
    )
    return results


def every_stage_has_something_to_show(run: dict) -> None:
    assert run["extract"]["documents"] > 30
    assert run["train"]["records"] > 5_000
    assert run["pick"]["records"] == 200
    assert run["pretrain"]["step"] == 300


def the_loss_falls_and_the_encoder_beats_word_frequencies(run: dict) -> None:
    lines = (run["out"] / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [line["loss"] for line in map(json.loads, lines) if line["kind"] == "train"]
    assert losses[-1] < losses[0] - 2
    last = run["eval"]["checkpoints"][-1]
    assert last["mlm_accuracy"] > run["eval"]["baseline"]["accuracy"]


def questions_are_answered(run: dict, shared: Path, vocab: Path, tmp_path: Path) -> None:
    """A slice of SQuAD."""
    data = shared / "data" / "squad"
    with lzma.open(data / "train-v1.1.reconstructed.json.xz") as stream:
        train = json.load(stream)
    dev = json.loads((data / "dev-v1.1.json").read_text(encoding="utf-8"))
    train["data"] = [{**train["data"][0], "paragraphs": train["data"][0]["paragraphs"][:30]}]
    dev["data"] = [{**dev["data"][0], "paragraphs": dev["data"][0]["paragraphs"][:10]}]
    for name, content in (("train", train), ("dev", dev)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    result = bertkit_process(
        "finetune-squad", "--init-checkpoint", run["out"] / "run", "--vocab", vocab,
        "--train-file", tmp_path / "train.json", "--predict-file", tmp_path / "dev.json",
        "--output", tmp_path / "squad", "--msl", 128, "--doc-stride", 64, "--epochs", 1,
        "--learning-rate", 3e-4, "--backend", "cpu",
    )  # fmt: skip
    answers = json.loads((tmp_path / "squad" / "predictions.json").read_text())
    asked = [q["id"] for p in dev["data"][0]["paragraphs"] for q in p["qas"]]
    assert sorted(answers) == sorted(asked)
    scores = result["scores"]
    assert 0 <= scores["exact_match"] <= scores["f1"] <= 100
