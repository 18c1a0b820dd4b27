"""Every pair of commands of the chain refuses what does not belong together.

records → pretrain → eval → convert → finetune-squad → predict, each given a vocabulary of the
same size, text treated in the other case, another shape and other data.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

WORDS = "the a of in was is born wrote city river who where what when through king queen paris"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(), ".", "?", "##s"]
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 48,
}
MODEL = [word for key, value in SHAPE.items() for word in ("--set", f"model.{key}={value}")]
QUICK = ["--gbs", "4", "--micro-batch-size", "4", "--backend", "cpu"]
SHORT = ["--max-query-length", "8"]
FINE = " ".join(["--msl", "48", *SHORT, *QUICK])
CONTEXT = "The king was born in the city of Paris. The queen wrote in the river city."


def questions(answer: str) -> str:
    found = {"text": answer, "answer_start": CONTEXT.index(answer)}
    entry = {"id": "q1", "question": "Where was the king born?", "answers": [found]}
    paragraphs = [{"context": CONTEXT, "qas": [entry]}]
    return json.dumps({"version": "1.1", "data": [{"title": "T", "paragraphs": paragraphs}]})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One artefact of every command, and of each the one that does not fit."""
    from bertkit.cli import main

    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("world")

    def run(*words: object) -> None:
        assert main([*map(str, words), "--quiet"]) == 0, words

    specials, words = TOKENS[:5], TOKENS[5:]
    for name, tokens in {"vocab": TOKENS, "other": [*specials, *reversed(words)]}.items():
        (place / f"{name}.txt").write_text("".join(f"{token}\n" for token in tokens))
    for name in ("text", "text2"):
        body = [
            " ".join(words[(i * k + 3) % 18] for i in range(9)) + " ."
            for k in range(2, 9 if name == "text" else 7)
        ]
        document = "\n".join(body) + "\n"
        (place / f"{name}.txt").write_text(document + "\n" + document)
    make = ["make-records", "--max-predictions-per-seq", 4, "--workers", 1]
    for name, text, vocab, more in (
        ("records", "text", "vocab", ["--msl", 32]),
        ("data2", "text2", "vocab", ["--msl", 32]),
        ("other-vocab", "text", "other", ["--msl", 32]),
        ("other-case", "text", "vocab", ["--msl", 32, "--cased"]),
        ("longer", "text", "vocab", ["--msl", 64]),
        ("long-words", "text", "vocab", ["--msl", 32, "--word-length", 1000]),
    ):
        run(*make, *more, "--input", place / f"{text}.txt", "--vocab", place / f"{vocab}.txt",
            "--output", place / name)  # fmt: skip
    (place / "train.json").write_text(questions("the city"))
    (place / "train2.json").write_text(questions("Paris"))
    (place / "shape.json").write_text(json.dumps({**SHAPE, "vocab_size": len(TOKENS),
                                                  "hidden_size": 32}))  # fmt: skip
    vocab = ["--vocab", place / "vocab.txt"]
    run("pretrain", "--input", place / "records", *vocab, "--output", place / "run",
        "--max-steps", 2, *QUICK, *MODEL)  # fmt: skip
    run("convert", place / "run", "--output", place / "model")
    run("finetune-squad", "--init-checkpoint", place / "model", "--output", place / "squad",
        "--train-file", place / "train.json", "--max-steps", 1,
        "--msl", 48, *SHORT, *QUICK)  # fmt: skip
    return SimpleNamespace(place=place, run=place / "run")


# What each command is given, {} being the world's folder, and {out} a new one.
PRETRAIN = f"pretrain --max-steps 2 --output {{out}} {' '.join(QUICK)}"
CHAIN = {
    # records → pretrain
    ("pretrain", "vocabulary"): f"{PRETRAIN} --input {{}}/records --vocab {{}}/other.txt",
    ("pretrain", "case"): f"{PRETRAIN} --input {{}}/records {{}}/other-case --vocab {{}}/vocab.txt",
    ("pretrain", "word length"): f"{PRETRAIN} --input {{}}/records {{}}/long-words"
    " --vocab {}/vocab.txt",
    ("pretrain", "shape"): f"{PRETRAIN} --input {{}}/longer {' '.join(MODEL)}",
    ("pretrain", "data"): f"pretrain --max-steps 4 --output {{}}/run {' '.join(QUICK)}"
    f" --input {{}}/data2 --vocab {{}}/vocab.txt {' '.join(MODEL)}",
    # pretrain → pretrain, the second phase
    ("phase 2", "vocabulary"): f"{PRETRAIN} --input {{}}/other-vocab --init-checkpoint {{}}/run",
    ("phase 2", "case"): f"{PRETRAIN} --input {{}}/other-case --init-checkpoint {{}}/run",
    ("phase 2", "word length"): f"{PRETRAIN} --input {{}}/long-words --init-checkpoint {{}}/run",
    ("phase 2 from text", "word length"): f"{PRETRAIN} --text {{}}/text.txt --vocab {{}}/vocab.txt"
    " --init-checkpoint {}/run --set records.max_seq_length=32 --word-length 1000",
    ("phase 2", "shape"): f"{PRETRAIN} --input {{}}/records --init-checkpoint {{}}/run"
    " --set model.intermediate_size=64",
    ("phase 2", "text"): f"{PRETRAIN} --text {{}}/text.txt --vocab {{}}/other.txt"
    " --init-checkpoint {}/run --set records.max_seq_length=32",
    # pretrain → eval
    ("eval", "vocabulary"): "eval --checkpoint {}/run --input {}/other-vocab",
    ("eval", "case"): "eval --checkpoint {}/run --input {}/other-case",
    ("eval", "word length"): "eval --checkpoint {}/run --input {}/long-words",
    ("eval", "shape"): "eval --checkpoint {}/run --input {}/longer",
    # convert → eval
    (
        "eval of a converted model",
        "vocabulary",
    ): "eval --checkpoint {}/model --input {}/other-vocab",
    ("eval of a converted model", "case"): "eval --checkpoint {}/model --input {}/other-case",
    # pretrain → convert
    ("convert", "vocabulary"): "convert {}/run --vocab {}/other.txt --output {out}",
    ("convert", "case"): "convert {}/run --cased --output {out}",
    ("convert", "shape"): "convert {}/run --model-config {}/shape.json --output {out}",
    ("convert", "data"): "convert {}/squad --output {}/model",
    # convert, pretrain → finetune-squad
    **{
        (f"finetune-squad of {start}", what): f"finetune-squad --init-checkpoint {{}}/{start}"
        f" --train-file {{}}/train.json --output {{out}} {FINE} {more}"
        for start in ("run", "model")
        for what, more in (
            ("vocabulary", "--vocab {}/other.txt"),
            ("case", "--cased"),
            ("shape", "--model-config {}/shape.json"),
            ("length", "--msl 64"),
        )
    },
    ("finetune-squad", "data"): "finetune-squad --init-checkpoint {}/model --max-steps 2"
    f" --train-file {{}}/train2.json --output {{}}/squad {FINE}",
    ("finetune-squad", "start"): "finetune-squad --init-checkpoint {}/squad --max-steps 1"
    f" --train-file {{}}/train.json --output {{}}/squad2 {FINE}"
    " --vocab {}/other.txt",
    # finetune-squad → predict
    ("predict", "vocabulary"): "predict --init-checkpoint {}/squad --question q --passage p"
    " --vocab {}/other.txt",
    ("predict", "case"): "predict --init-checkpoint {}/squad --question q --passage p --cased",
    ("predict", "shape"): "predict --init-checkpoint {}/squad --question q --passage p"
    " --model-config {}/shape.json",
    ("predict", "length"): "predict --init-checkpoint {}/squad --question q --passage p --msl 64",
}


# What the message must name.
NAMED = {
    "vocabulary": "vocabular",
    "text": "vocabular",
    "start": "vocabular",
    "case": "lower|case",
    "shape": "hidden_size|intermediate_size|max_position_embeddings|positions",
    "word length": "words",
    "length": "positions",
    "data": "records|train_file|made by another run|inputs",
}


def state_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(("pair", "line"), CHAIN.items(), ids=[" ".join(key) for key in CHAIN])
def test_what_does_not_belong_together_is_refused(bertkit, world, tmp_path, pair, line):
    before = state_of(world.place)
    words = line.replace("{out}", str(tmp_path / "out")).replace("{}", str(world.place)).split()
    found = bertkit(*words)
    assert found.status == 3, found.err
    message = next(text for text in found.err.splitlines() if text.startswith("Error: "))
    assert re.search(NAMED[pair[1]], message), message
    assert "Hint: " in found.err and "Traceback" not in found.err
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").rglob("step-*"))
    assert state_of(world.place) == before


def test_what_belongs_together_passes(bertkit, world, tmp_path):
    """The same commands without what does not fit, so that no refusal above is of the others."""
    place = world.place
    for words in (
        [*PRETRAIN.replace("{out}", str(tmp_path / "two")).split(), "--input", place / "records",
         "--init-checkpoint", place / "run"],
        ["eval", "--checkpoint", place / "run", "--input", place / "records"],
        ["eval", "--checkpoint", place / "model", "--input", place / "data2"],
        ["convert", place / "run", "--output", tmp_path / "converted"],
        ["finetune-squad", "--init-checkpoint", place / "run", "--train-file",
         place / "train.json", "--output", tmp_path / "squad", "--msl", "48", "--max-steps", "1",
         *SHORT, *QUICK],
        ["predict", "--init-checkpoint", place / "squad", "--question", "Who?", "--passage",
         CONTEXT],
    ):  # fmt: skip
        assert bertkit(*words).status == 0, words
