"""A dry run refuses the outputs that the run refuses, and says what becomes of the others."""

from __future__ import annotations

import pytest

from bertkit.tokenization.vocabulary import save_vocab

COMMANDS = {
    "extract": (["--splitter", "lines"], ["--splitter", "rule"]),
    "split": (["--valid", 0.5], ["--valid", 0.25]),
    "clean": (["--drop", "exact"], ["--drop", "near"]),
    "train-vocab": (["--size", 70], ["--size", 71]),
    "make-records": (["--vocab", "{tmp}/v.txt", "--msl", 16], ["--vocab", "{tmp}/v.txt"]),
    "pick-eval": (["--count", 3], ["--count", 4]),
    "pack-records": ([], ["--sequences-per-pack", 2]),
    "download": ([], ["squad-v1.1"]),
}

OF_RECORDS = ("pick-eval", "pack-records")


@pytest.fixture
def run(bertkit, tmp_path):
    """A command with one of its two settings."""
    # Documents that differ, so that none is a copy.
    documents = [f"w{n} cat sat .\nw{n} dog ran .\n" for n in range(40)]
    (tmp_path / "in.txt").write_text("\n".join(documents))
    words = sorted({word for document in documents for word in document.split()})
    save_vocab(tmp_path / "v.txt", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])

    def act(name, other, *more):
        given = [str(word).format(tmp=tmp_path) for word in COMMANDS[name][other]]
        source = ["--input", tmp_path / ("records" if name in OF_RECORDS else "in.txt")]
        if name == "download":
            source = [] if other else ["sample"]
        return bertkit(name, *source, *given, "--output", tmp_path / "out", *more, "--json")

    return act


@pytest.mark.parametrize("name", COMMANDS)
def test_a_dry_run_ends_as_the_run_would(bertkit, run, tmp_path, name):
    if name in OF_RECORDS:
        words = ["--input", tmp_path / "in.txt", "--vocab", tmp_path / "v.txt", "--msl", 16]
        assert bertkit("make-records", *words, "--output", tmp_path / "records").status == 0
    assert run(name, 0, "--dry-run").result["output_state"] == "new"
    assert not (tmp_path / "out").exists()
    made = run(name, 0)
    assert made.status == 0, made.err
    assert run(name, 0, "--dry-run").result["output_state"] == "complete"
    assert run(name, 1, "--overwrite", "--dry-run").result["output_state"] == "replaced"
    dry = run(name, 1, "--dry-run")
    assert dry.status, dry.out
    real = run(name, 1)
    first, second = _said(dry.err), _said(real.err)
    assert (real.status, second[1:]) == (dry.status, first[1:])
    # The run, which has read its inputs, may name further differences.
    assert second[0].startswith(first[0])


def _said(err):
    return [line for line in err.splitlines() if line.startswith(("Error", "Hint"))]
