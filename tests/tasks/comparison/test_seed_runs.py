"""The runs in a folder of `--seeds`."""

from __future__ import annotations

from pathlib import Path

from bertkit.tasks.comparison.seed_runs import begun_runs, over_seeds, seeds_within


def begin(runs, name: str, metrics: str = '{"kind": "train", "step": 1}\n') -> str:
    return str(Path(runs.file(f"{name}/metrics.jsonl", metrics)).parent)


def test_the_seeds_of_all_calls_in_the_order_of_their_numbers(runs):
    """One call had 10 and 2, another 3; a fourth seed is planned."""
    places = [begin(runs, f"all/seed-{seed}") for seed in (2, 3, 10)]
    runs.file("all/seeds.json", '{"seeds": [3, 4]}')
    begin(runs, "all/seed-x")
    assert seeds_within(runs.root / "all") == [2, 3, 4, 10]
    assert begun_runs(runs.root / "all") == places


def test_other_folders_hold_no_seeds(runs):
    begin(runs, "run/seed-1")
    begin(runs, "run")
    begin(runs, "others/first")
    runs.file("broken/seeds.json", "{")
    for name in ("run", "others", "broken", "gone"):
        assert seeds_within(runs.root / name) == [] and over_seeds(runs.root / name) is None


def test_a_run_without_a_whole_line_is_not_drawn_yet(runs):
    begin(runs, "all/seed-1", "")
    begin(runs, "all/seed-2")
    assert [Path(run).name for run in begun_runs(runs.root / "all")] == ["seed-2"]


def test_scores_of_the_seeds_and_what_is_missing(runs):
    runs.scored("all/seed-1", 0.5, seed=1)
    runs.scored("all/seed-2", 1.0, seed=2)
    runs.scored("all/seed-3", 0.0, seed=3, state={"finished": False, "step": 4})
    runs.file("all/seeds.json", '{"seeds": [1, 2, 3, 4]}')
    found = over_seeds(runs.root / "all")
    assert [column.metric for column in found.columns] == ["matthews", "loss"]
    (row,) = found.rows
    assert (row.cells[0].mean, row.cells[0].seeds) == (75.0, [1, 2])
    assert [Path(run).name for run, _ in found.left_out] == ["seed-3", "seed-4"]
    assert "step 4" in found.left_out[0][1] and "not begun" in found.left_out[1][1]
