from __future__ import annotations

import json

import pytest

from bertkit.codecs.strict_json import json_text
from bertkit.tasks.comparison.compare import compare
from bertkit.tasks.comparison.tables import as_latex, as_markdown, as_seeds, as_text


@pytest.fixture
def found(runs):
    for seed, score in ((1, 0.25), (2, 0.75)):
        runs.scored(f"all/base/{seed}", score, seed=seed, encoder="runs/base_1")
        runs.scored(f"all/tiny/{seed}", score / 5, seed=seed, encoder="runs/tiny")
        facts = {"task": "tag", "metric": "entity_f1", "eval_file": "wnut.conll", "seed": seed}
        runs.scored(f"all/ner/{seed}", score, encoder="runs/base_1", **facts)
    (runs.root / "all/late").mkdir()
    (runs.root / "all/late/config.yaml").write_text("train_file: a|b\n")
    return compare([str(runs.root / "all")])


def test_text_has_scores_counts_average_and_what_was_left_out(found):
    text = as_text(found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "checkpoint CoLA/dev matthews wnut entity_f1 average" in lines
    assert "base_1 50.00 ± 35.36 50.00 ± 35.36 50.00" in lines
    assert "tiny 10.00 ± 7.07 - -" in lines
    assert "Mean ± sample deviation, n = 2 seeds, in percent." in lines
    assert "base_1 CoLA/dev matthews 2 50.00 35.36 50.00 75.00 25.00" in lines
    assert lines[-2] == "Left out:" and "not finished" in lines[-1]


def test_counts_stand_in_each_cell_where_they_differ(runs, found):
    runs.scored("all/base/3", 0.5, seed=3, encoder="runs/base_1")
    text = as_text(compare([str(runs.root / "all")]))
    assert "50.00 ± 25.00 (3)" in text and "10.00 ± 7.07 (2)" in text
    assert "number of seeds n in parentheses" in text


def test_markdown_rows_have_as_many_cells_as_the_head(found):
    tables = [line for line in as_markdown(found).splitlines() if line.startswith("|")]
    assert tables[0].count("|") == tables[1].count("|") == tables[2].count("|") == 5
    assert tables[2] == "| base_1 | 50.00 ± 35.36 | 50.00 ± 35.36 | 50.00 |"
    assert tables[5].startswith("| --- | --- | --- | ---: |")


def test_latex_is_escaped_and_balanced(found):
    text = as_latex(found)
    rows = [line.strip() for line in text.splitlines() if line.strip().endswith(r"\\")]
    assert rows[0] == r"checkpoint & CoLA/dev matthews & wnut entity\_f1 & average \\"
    assert rows[1] == r"base\_1 & $50.00 \pm 35.36$ & $50.00 \pm 35.36$ & $50.00$ \\"
    assert rows[2] == r"tiny & $10.00 \pm 7.07$ & -- & -- \\"
    assert r"\begin{tabular}{lccc}" in text
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert bare.count("{") == bare.count("}") and "±" not in bare
    assert bare.count(r"\begin") == bare.count(r"\end")
    assert "% Left out:" in text


def test_json_holds_every_seed(found):
    values = json.loads(json_text(found.as_dict()))
    cell = values["rows"][0]["cells"][0]
    assert (cell["seeds"], cell["scores"], cell["n"]) == ([1, 2], [25.0, 75.0], 2)
    assert values["left_out"][0]["run"].endswith("late")
    assert values["rows"][1]["cells"][1] is None


def test_one_seed_has_no_table_of_deviations(runs):
    runs.scored("a", 0.25)
    text = as_text(compare([str(runs.root / "a")]))
    assert "one seed each (n = 1)" in text and "deviation" not in text and "±" not in text


def test_no_average_of_scores_that_are_not_alike(runs):
    runs.scored("a", 0.25)
    assert "average" not in as_text(compare([str(runs.root / "a")], ["matthews", "loss"]))


def test_the_deviation_of_one_seed_has_no_row(runs):
    runs.scored("a/1", 0.25, seed=1)
    rows = [line.split() for line in as_seeds(compare([str(runs.root / "a")])).splitlines()]
    assert ["mean", "25.00"] in rows and ["deviation", "-"] not in rows


@pytest.mark.parametrize(
    ("metrics", "unit"),
    [(["matthews"], ", in percent."), (["loss"], "seeds."), ([], ", in percent but for loss.")],
)
def test_the_unit_is_named(runs, metrics, unit):
    for seed in (1, 2):
        runs.scored(f"a/{seed}", 0.25, seed=seed)
    text = as_seeds(compare([str(runs.root / "a")], metrics or ["matthews", "loss"]))
    assert text.splitlines()[-1].endswith(unit)


def test_seeds_and_what_they_come_to(runs):
    for seed, score in ((1, 0.25), (2, 0.75)):
        runs.scored(f"a/{seed}", score, seed=seed)
    lines = as_seeds(compare([str(runs.root / "a")], ["matthews", "loss"])).splitlines()
    cells = [line.split() for line in lines]
    assert ["matthews", "loss"] in cells
    assert ["seed", "2", "75.00", "1.5000"] in cells
    assert ["mean", "50.00", "1.5000"] in cells and ["deviation", "35.36", "0.0000"] in cells
