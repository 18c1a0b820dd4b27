"""`finetune --seeds` and `compare` on its runs, through the command line."""

from __future__ import annotations

import json
import statistics

import pytest

from tasks.finetuning.world import make_encoder, texts, write_table


@pytest.fixture
def words(tmp_path):
    make_encoder(tmp_path)
    write_table(tmp_path / "train.tsv", texts(16))
    write_table(tmp_path / "dev.tsv", texts(20, seed=1))
    return [
        "finetune", "--task", "classify", "--backend", "cpu", "--msl", 16, "--init-checkpoint",
        tmp_path / "encoder", "--train-file", tmp_path / "train.tsv", "--gbs", 8,
        "--max-steps", 3, "--lr", "3e-3", "--json",
    ]  # fmt: skip


def test_seeds_are_scored_and_compared_with_another_run(bertkit, words, tmp_path):
    scored = [*words, "--eval-file", tmp_path / "dev.tsv"]
    done = bertkit(*scored, "--seeds", 3, "--output", tmp_path / "runs/seeds")
    assert done.status == 0, done.err
    own = [
        json.loads((tmp_path / f"runs/seeds/seed-{seed}/scores.json").read_text())
        for seed in (1, 2, 3)
    ]
    assert [facts["seed"] for facts in own] == [1, 2, 3]
    assert len({facts["encoder_digest"] for facts in own}) == 1
    accuracies = [100 * facts["scores"]["accuracy"] for facts in own]
    columns = [column["metric"] for column in done.result["columns"]]
    cell = done.result["rows"][0]["cells"][columns.index("accuracy")]
    assert cell["scores"] == pytest.approx(accuracies)
    assert cell["deviation"] == pytest.approx(statistics.stdev(accuracies))
    # What the command ended with is what both of these show of its folder.
    plain = [word for word in scored if word != "--json"]
    again = bertkit(*plain, "--seeds", 3, "--output", tmp_path / "runs/seeds").out
    table = again[: again.index("n = 3 seeds")]
    shown = bertkit("inspect", tmp_path / "runs/seeds")
    assert shown.status == 0 and table in shown.out and "3 of 3" in shown.out
    drawn = bertkit("report", tmp_path / "runs/seeds", "--output", tmp_path / "page.html")
    assert drawn.status == 0 and table in drawn.out and "seed-3" in drawn.out
    # A seed by itself is the same run, and fits in with the others; so does no other rate.
    alone = bertkit(*scored, "--seed", 4, "--output", tmp_path / "runs/alone")
    assert alone.status == 0, alone.err
    other = bertkit(*scored, "--seed", 5, "--lr", "1e-3", "--output", tmp_path / "runs/other")
    assert other.status == 0, other.err
    found = bertkit("compare", tmp_path / "runs", "--json").result
    assert {row["name"]: row["cells"][0]["n"] for row in found["rows"]} == {
        "encoder, learning_rate 0.003 (alone and 1 more)": 4,
        "encoder, learning_rate 0.001 (other)": 1,
    }


def test_seeds_need_something_to_score(bertkit, words, tmp_path):
    done = bertkit(*words, "--seeds", 2, "--output", tmp_path / "run")
    assert done.status == 2 and "--seeds trains and scores" in done.err
    assert not (tmp_path / "run").exists()
