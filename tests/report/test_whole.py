"""The whole report: which runs have curves, and which only predictions to look at."""

from __future__ import annotations

import json
import re

import pytest

from bertkit.errors import DataError
from bertkit.report.page.drawing import make_figure
from bertkit.report.run_numbers import read_run
from bertkit.report.whole import report_runs
from bertkit.tasks.finetuning.review import write_review

SQUAD = {
    "questions": 1,
    "groups": {"question word": [{"group": "who", "questions": 1, "exact": 0.0, "f1": 0.0}]},
    "right": [],
    "wrong": [
        {"question": "who?", "answer": "a", "probability": 0.5, "wanted": ["b"], "passage": "b"}
    ],
}


def test_runs_of_all_kinds_on_one_page(tmp_path):
    for name in ("squad", "tags", "curves"):
        (tmp_path / name).mkdir()
    (tmp_path / "squad/review.json").write_text(json.dumps(SQUAD))
    write_review(tmp_path / "tags", "tag", {"dev": {"Wrong": [{"word": "Oslo"}]}})
    line = {"kind": "train", "step": 1, "loss": 2.0}
    (tmp_path / "curves/metrics.jsonl").write_text(json.dumps(line) + "\n")
    runs = [str(tmp_path / name) for name in ("squad", "tags", "curves")]
    found = report_runs(runs)
    assert found.output == f"{runs[0]}/report.html"
    assert [row["run"] for row in found.runs] == ["curves"]
    assert list(found.answers) == runs[:2]
    page = (tmp_path / "squad/report.html").read_text()
    assert page.index("who?") < page.index("Oslo") and "Oslo" in found.shown
    (tmp_path / "squad/review.json").write_text("[]")
    with pytest.raises(DataError, match="not a review of answers"):
        report_runs(runs)


def test_scores_that_tasks_write_in_percent_and_as_shares_stand_in_one_unit(tmp_path):
    """SQuAD's F1 comes in percent, that of tags as a share of 1: 50 and 0.25."""
    squad, tags = tmp_path / "squad", tmp_path / "tags"
    for run, f1, more in ((squad, 50.0, {"exact_match": 40.0}), (tags, 0.25, {"accuracy": 0.75})):
        run.mkdir()
        lines = [
            {"kind": "train", "step": 1, "loss": 2.0, "span_accuracy": 0.5},
            {"kind": "eval", "step": 1, "f1": f1, **more},
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (squad / "scores.json").write_text('{"exact_match": 40.0, "f1": 50.0}')
    facts = {"task": "tag", "metric": "f1", "scores": {"f1": 0.25, "country_f1": 0.5, "loss": 1.5}}
    (tags / "scores.json").write_text(json.dumps(facts))
    (tags / "config.yaml").write_text("task: tag\n")
    report_runs([str(squad), str(tags)])
    tables = tables_of((squad / "report.html").read_text())
    last = {row[0]: row[1:] for row in tables["Last numbers"]}
    assert last["evaluation: F1 (%)"] == ["50.00", "25.00"]
    assert last["evaluation: exact match (%)"] == ["40.00", "-"]
    assert last["answer span accuracy (%)"] == ["50.00", "50.00"]
    assert "hours" not in last and "real tokens" not in last  # neither run tells them
    head, *rows = tables["Scores"]
    assert head == ["run", "exact match (%)", "F1 (%)", "country F1 (%)", "loss"]
    assert rows == [
        ["squad", "40.00", "50.00", "-", "-"],
        ["tags", "-", "25.00", "50.00", "1.5000"],
    ]
    # The curves, too: one panel of F1.
    figure = make_figure({run.name: read_run(str(run)) for run in (squad, tags)})
    (panel,) = [axis for axis in figure.axes if axis.get_title() == "F1"]
    assert sorted(line.get_ydata()[0] for line in panel.lines) == [25.0, 50.0]
    assert panel.get_ylabel() == "percent"


def tables_of(page: str) -> dict[str, list[list[str]]]:
    """Heading → rows of the first table below it."""
    found = {}
    for part in page.split("<h2>")[1:]:
        table = part.partition("<table>")[2].partition("</table>")[0]
        rows = [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in table.split("<tr>")[1:]]
        found[part.partition("</h2>")[0]] = rows
    return found


@pytest.fixture
def seeds(tmp_path):
    """What `--seeds 3` leaves, stopped in the third run; a fourth was asked for."""
    folder = tmp_path / "seeds"
    for seed, accuracy in ((1, 0.5), (2, 0.75), (3, None)):
        run = folder / f"seed-{seed}"
        run.mkdir(parents=True)
        numbers = {"loss": 1.0 / seed, "label_accuracy": 0.5, "seconds": 90.0}
        line = {"kind": "train", "step": 9, **numbers}
        (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        (run / "config.yaml").write_text("task: classify\nmax_steps: 10\ntrain_file: a\n")
        if accuracy is not None:
            facts = {"task": "classify", "metric": "accuracy", "eval_file": "dev.tsv", "seed": seed}
            facts |= {"encoder": "base", "scores": {"accuracy": accuracy, "loss": 1.5}}
            (run / "scores.json").write_text(json.dumps(facts))
            write_review(run, "classify", {"dev.tsv": {"Wrong": [{"text": f"word {seed}"}]}})
    (folder / "seeds.json").write_text('{"seeds": [1, 2, 3, 4], "inputs": {}}')
    return folder


def test_a_folder_of_seeds_stands_for_its_runs_with_mean_and_deviation(seeds):
    found = report_runs([str(seeds)])
    assert found.output == str(seeds / "report.html")
    assert [row["run"] for row in found.runs] == ["seed-1", "seed-2", "seed-3"]
    (cell, loss) = found.seeds[str(seeds)]["rows"][0]["cells"]
    assert (cell["mean"], cell["deviation"]) == (62.5, pytest.approx(17.6776695))
    assert cell["scores"] == [50.0, 75.0] and loss["scores"] == [1.5, 1.5]
    lines = [line.split() for line in found.shown.splitlines()]
    assert ["seed", "2", "75.00", "1.5000"] in lines and ["mean", "62.50", "1.5000"] in lines
    assert ["deviation", "17.68", "0.0000"] in lines
    assert "n = 2 seeds, in percent but for loss." in found.shown
    assert "seed-3: no scores.json: not finished" in found.shown
    assert "seed-4: not begun" in found.shown
    assert "word 1" not in found.shown  # the mistakes of every seed: on the page alone
    page = (seeds / "report.html").read_text()
    assert page.index("word 1") < page.index("word 2")
    (rows,) = [rows for head, rows in tables_of(page).items() if head.startswith("Seeds of")]
    assert rows[0] == ["", "accuracy", "loss"] and ["mean", "62.50", "1.5000"] in rows
    assert "in percent but for loss" in page


def test_seeds_beside_other_runs_and_before_the_first_score(seeds, tmp_path):
    for name in ("scores.json", "review.json"):
        for run in seeds.glob("seed-*"):
            (run / name).unlink(missing_ok=True)
    (seeds / "seeds.json").unlink()  # which comes with the first score
    (seeds / "seed-3/metrics.jsonl").write_text("")  # just begun
    (tmp_path / "other").mkdir()
    line = {"kind": "train", "step": 1, "loss": 2.0}
    (tmp_path / "other/metrics.jsonl").write_text(json.dumps(line) + "\n")
    found = report_runs([str(tmp_path / "other"), str(seeds)], str(tmp_path / "all.html"))
    assert [row["run"] for row in found.runs] == ["other", "seed-1", "seed-2"]
    assert found.seeds == {str(seeds): None} and "no seed is scored yet" in found.shown


def test_runs_that_differ_in_more_than_seeds_are_compared(seeds):
    """The settings were changed, and the third run has new ones."""
    facts = json.loads((seeds / "seed-2/scores.json").read_text())
    facts |= {"seed": 3, "scores": {"accuracy": 0.25}}
    (seeds / "seed-3/scores.json").write_text(json.dumps(facts))
    (seeds / "seed-3/config.yaml").write_text("task: classify\nlearning_rate: 0.5\n")
    shown = report_runs([str(seeds)]).shown
    assert "learning_rate 0.5" in shown and "62.50 ± 17.68" in shown
    assert "learning_rate 0.5" in (seeds / "report.html").read_text()
