"""`bertkit verify` and the styles of `make-records`, as a user gives them."""

from __future__ import annotations

import pytest

VOCAB = "bertkit-uncased-8k"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text("".join(f"Ship {n} went.\nIt saw {n} whales.\n\n" for n in range(30)))
    return path


@pytest.fixture
def make(bertkit, text, tmp_path):
    def run(name: str, *words: object) -> str:
        done = bertkit("make-records", "-i", text, "-o", tmp_path / name, "--vocab", VOCAB,
                       "--msl", "32", *words)  # fmt: skip
        assert done.status == 0, done.err
        return str(tmp_path / name)

    return run


def test_same_is_0_different_is_3(bertkit, make):
    google, nvidia = make("google"), make("nvidia", "--style", "nvidia")
    run = bertkit("verify", google, nvidia)
    assert run.status == 0
    assert run.out.strip().endswith("the same")
    result = bertkit("verify", google, nvidia, "--json").result
    assert result["same"]
    assert result["digests"][0] == result["digests"][1]
    run = bertkit("verify", google, make("other", "--seed", "1"))
    assert run.status == 3
    assert "differs in" in run.out
    assert "[CLS]" in run.out


def test_different_is_3_with_json_too(bertkit, make, capsys):
    google, other = make("google"), make("other", "--seed", "1")
    run = bertkit("verify", google, other, "--json")
    assert run.status == 3
    assert '"same": false' in run.out


def test_packs_in_any_order(bertkit, make):
    google, packed = make("google"), make("packed", "--packing", "graphcore")
    assert bertkit("verify", google, packed, "--order", "any").status == 0
    assert bertkit("verify", google, packed).status == 3


def test_cerebras_folder_dealt(bertkit, make):
    google = make("google", "--shards", "one-corpus")
    cerebras = make("cerebras", "--style", "cerebras", "--outputs", "3")
    assert bertkit("verify", google, cerebras, "--order", "dealt").status == 0
    shown = bertkit("inspect", cerebras)
    assert shown.status == 0
    assert "examples-3.tfrecords" in shown.out


@pytest.mark.parametrize(
    "words",
    [("--style", "hf"), ("--style", "nvidia", "--packing", "habana"),
     ("--style", "cerebras", "--objective", "unmasked")],
)  # fmt: skip
def test_dry_run_estimates_every_style(bertkit, text, tmp_path, words):
    run = bertkit("make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB, "--msl",
                  "32", *words, "--dry-run", "--json")  # fmt: skip
    assert run.status == 0
    made = bertkit("make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB, "--msl",
                   "32", *words, "--json").result  # fmt: skip
    assert run.result["estimated_records"] == pytest.approx(made["records"], rel=0.2)
    if "nvidia" not in words:  # the fixed size of an HDF5 file outweighs so few rows
        assert run.result["estimated_bytes"] == pytest.approx(made["bytes"], rel=0.5)


def test_settings_of_another_style_are_refused(bertkit, text, tmp_path):
    run = bertkit("make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB,
                  "--objective", "mlm", "--overlap", "3")  # fmt: skip
    assert run.status == 3
    assert "--overlap needs --style cerebras" in run.err
    assert not (tmp_path / "out").exists()
