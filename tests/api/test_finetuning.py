"""Fine-tuning over seeds, as `--seeds` does it."""

from __future__ import annotations

import json

import pytest
from tasks.finetuning.world import make_encoder, texts, write_table

import bertkit as api

SETTINGS = {
    "max_seq_length": 16, "global_batch_size": 8, "max_steps": 1, "backend": "cpu",
}  # fmt: skip


def test_seeds_are_trained_summed_up_and_not_trained_again(tmp_path):
    encoder = make_encoder(tmp_path)
    file = write_table(tmp_path / "train.tsv", texts(16))
    settings = SETTINGS | {"init_checkpoint": str(encoder), "eval_file": str(file)}

    def run(seeds):
        return api.finetune_seeds(file, tmp_path / "runs", settings, seeds=seeds, task="classify")

    found = run([7])
    assert found.seeds == [7] and found.results[0].output == str(tmp_path / "runs/seed-7")
    again = run([7, 3])
    assert again.results[0] is None and again.results[1].scores
    cell = again.comparison.rows[0].cells[0]
    assert (cell.n, cell.seeds) == (2, [7, 3])
    kept = json.loads((tmp_path / "runs/seed-3/scores.json").read_text())
    assert kept["seed"] == 3 and kept["scores"] == again.results[1].scores
    with pytest.raises(api.UsageError, match="seed"):
        api.finetune_seeds(file, tmp_path / "runs", settings, task="classify", seed=3)


@pytest.mark.parametrize("seeds", [[], "3", True, [1.5], 0])
def test_what_are_no_seeds(seeds, tmp_path):
    encoder = make_encoder(tmp_path)
    file = write_table(tmp_path / "train.tsv", texts(4))
    settings = SETTINGS | {"init_checkpoint": str(encoder), "eval_file": str(file)}
    with pytest.raises(api.UsageError):
        api.finetune_seeds(file, tmp_path / "r", settings, seeds=seeds, task="classify")


def test_a_single_run_says_where_several_seeds_go(tmp_path):
    encoder = make_encoder(tmp_path)
    file = write_table(tmp_path / "train.tsv", texts(4))
    with pytest.raises(api.UsageError) as caught:
        api.finetune(
            file, tmp_path / "r", SETTINGS, task="classify", seeds="3",
            init_checkpoint=str(encoder), eval_file=str(file),
        )  # fmt: skip
    assert "bertkit.finetune_seeds" in caught.value.hint


def test_what_a_single_run_cannot_be(tmp_path):
    encoder = make_encoder(tmp_path)
    settings = SETTINGS | {"init_checkpoint": str(encoder)}
    with pytest.raises(api.UsageError) as caught:
        api.finetune("train.json", tmp_path / "r", settings, task="squad")
    assert caught.value.hint == "bertkit.finetune_squad"
    with pytest.raises(api.UsageError, match="expected one path, not list"):
        api.finetune(["a.csv", "b.csv"], tmp_path / "r", settings, task="classify")
    with pytest.raises(api.UsageError, match="is no run of `bertkit finetune`"):
        api.finetune(None, tmp_path / "none", predict_file="new.csv")
