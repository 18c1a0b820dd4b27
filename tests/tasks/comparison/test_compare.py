from __future__ import annotations

import pytest

from bertkit.errors import DataError
from bertkit.tasks.comparison.compare import compare
from bertkit.tasks.comparison.tables import as_latex, as_markdown, as_text


def table(found):
    return {row.name: [cell and round(cell.mean, 6) for cell in row.cells] for row in found.rows}


def test_seeds_are_summarised_per_encoder_and_task(runs):
    for seed, score in ((1, 0.2), (2, 0.4), (3, 0.9)):
        runs.scored(f"all/base-{seed}", score, seed=seed)
        runs.scored(f"all/tiny-{seed}", score / 2, seed=seed, encoder="runs/tiny")
    runs.scored("all/ner", 0.7, task="tag", metric="entity_f1", eval_file="wnut.conll")
    found = compare([str(runs.root / "all")])
    assert [(column.name, column.metric) for column in found.columns] == [
        ("CoLA/dev", "matthews"), ("wnut", "entity_f1"),
    ]  # fmt: skip
    assert table(found) == {"base": [50.0, 70.0], "tiny": [25.0, None]}
    cell = found.rows[0].cells[0]
    assert cell.n == 3 and cell.seeds == [1, 2, 3] and cell.median == 40.0
    assert cell.deviation == pytest.approx(36.0555127546)
    assert found.notes == [] and found.left_out == []


def test_other_content_of_the_evaluation_file_is_another_column(runs):
    runs.scored("all/1", 0.2, eval_sha256="a" * 64)
    runs.scored("all/2", 0.4, eval_sha256="b" * 64, seed=2)
    runs.scored("all/3", 0.6, eval_sha256="a" * 64, seed=3, eval_file="elsewhere/copy.tsv")
    found = compare([str(runs.root / "all")])
    assert table(found) == {"base": [40.0, 40.0]}
    assert [column.name for column in found.columns] == ["CoLA/dev (aaaaaaa)", "CoLA/dev (bbbbbbb)"]
    assert found.notes == ["CoLA/dev.tsv was not the same file for all runs: kept apart"]


def test_encoders_scored_on_different_files_are_not_compared(runs):
    runs.scored("all/1", 0.2, eval_file="x.tsv")
    runs.scored("all/2", 0.4, eval_file="y.tsv", encoder="tiny")
    found = compare([str(runs.root / "all")])
    assert table(found) == {"base": [20.0, None], "tiny": [None, 40.0]}
    assert found.notes == ["x.tsv and y.tsv are different evaluation files: kept apart"]


def test_part_of_a_file_is_not_the_file(runs):
    runs.scored("all/1", 0.2)
    runs.scored("all/2", 0.4, examples=100, seed=2)
    found = compare([str(runs.root / "all")])
    assert len(found.columns) == 2
    assert found.notes == ["of CoLA/dev.tsv 527 and 100 examples were scored: kept apart"]


def test_other_metrics_are_kept_apart_or_chosen(runs):
    both = {"matthews": 0.5, "accuracy": 0.8}
    runs.scored("all/1", scores=both)
    runs.scored("all/2", scores={"accuracy": 0.9}, metric="accuracy", encoder="tiny")
    place = str(runs.root / "all")
    found = compare([place])
    assert table(found) == {"base": [50.0, None], "tiny": [None, 90.0]}
    assert found.notes == ["CoLA/dev was scored by matthews and by accuracy: kept apart"]
    assert table(compare([place], ["accuracy"])) == {"base": [80.0], "tiny": [90.0]}
    chosen = compare([place], ["matthews"])
    assert table(chosen) == {"base": [50.0]}
    assert chosen.left_out == [(f"{place}/2", "has no matthews, but accuracy")]
    assert compare([place], ["matthews", "accuracy"]).notes == []


def test_other_settings_are_rows_of_their_own(runs):
    for seed, rate in ((1, 1e-5), (2, 1e-5), (1, 3e-5)):
        config = {"train_file": "a", "learning_rate": rate, "warmup_steps": 5, "seed": seed}
        runs.scored(f"all/{rate}-{seed}", rate * 1e4, seed=seed, config=config)
    found = compare([str(runs.root / "all")])
    assert table(found) == {
        "base, learning_rate 1e-05 (1e-05-1 and 1 more)": [10.0],
        "base, learning_rate 3e-05 (3e-05-1)": [30.0],
    }
    assert found.rows[0].settings == {"learning_rate": 1e-05}
    assert [row.cells[0].n for row in found.rows] == [2, 1]
    runs.scored("all/bare", 0.5, seed=9)
    names = [row.name for row in compare([str(runs.root / "all")]).rows]
    assert names[-1] == "base, settings not recorded (bare)"


def test_what_is_off_goes_without_saying_and_rows_name_their_runs(runs):
    """`max_steps 0` means that epochs decide, and says nothing to who reads the table."""
    for name, steps in (("by-epochs", 0), ("by-steps", 500)):
        for seed in (1, 2):
            config = {"train_file": "a", "max_steps": steps, "seed": seed}
            runs.scored(f"all/{name}/seed-{seed}", 0.5, seed=seed, config=config)
    found = compare([str(runs.root / "all")])
    names = ["base (by-epochs)", "base, max_steps 500 (by-steps)"]
    assert [row.name for row in found.rows] == names
    assert [row.settings for row in found.rows] == [{"max_steps": 0}, {"max_steps": 500}]
    for write in (as_text, as_markdown):
        assert all(name in write(found) for name in names)
    assert r"base, max\_steps 500 (by-steps)" in as_latex(found)


def test_settings_that_are_lists_are_compared_too(runs):
    for number, columns in enumerate((["stars"], ["plot", "stars"], ["stars"])):
        config = {"train_file": "a", "label_column": columns, "seed": number}
        runs.scored(f"all/{number}", seed=number, config=config)
    found = compare([str(runs.root / "all")])
    assert [(row.name, row.cells[0].n) for row in found.rows] == [
        ("base, label_column stars (0 and 1 more)", 2),
        ("base, label_column plot,stars (1)", 1),
    ]


def test_other_training_data_is_not_another_seed(runs):
    for name, digest in (("1", "a" * 64), ("2", "b" * 64)):
        runs.scored(f"all/{name}", seed=int(name), train_digest=digest)
    names = [row.name for row in compare([str(runs.root / "all")]).rows]
    assert names == ["base, training data aaaaaaa (1)", "base, training data bbbbbbb (2)"]


def test_the_same_seed_counts_once(runs):
    runs.scored("all/1", 0.2)
    runs.scored("all/2", 0.4)
    found = compare([str(runs.root / "all")])
    assert found.rows[0].cells[0].n == 1
    assert "all/2 has seed 1" in found.notes[0]


def test_nothing_to_compare(runs):
    runs.file("empty/x")
    with pytest.raises(DataError, match=r"nothing to compare: .*no scores\.json"):
        compare([str(runs.root / "empty")])
    runs.scored("a", scores={"matthews": None})
    with pytest.raises(DataError, match="has no matthews, but no number"):
        compare([str(runs.root / "a")])
