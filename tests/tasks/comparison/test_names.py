from __future__ import annotations

import pytest

from bertkit.tasks.comparison.names import eval_names, short_names
from bertkit.tasks.comparison.scored_run import ScoredRun


def run(file: str, **facts) -> ScoredRun:
    values = {"folder": "a", "task": "classify", "metric": "f1", "scores": {}, "eval_file": file}
    return ScoredRun(**values | facts)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/base"], ["base"]),
        (["runs/base/step-10", "runs/tiny/step-10"], ["base/step-10", "tiny/step-10"]),
        (["a/x", "b/y"], ["x", "y"]),
        (["x", "a/x"], ["x", "a/x"]),
        (["../runs/tiny/step-0000003"], ["tiny/step-0000003"]),
        (["runs/tiny/best"], ["tiny/best"]),
        (["step-0000003"], ["step-0000003"]),
        (["a/b", "a/b"], ["b", "b"]),
    ],
)
def test_as_many_parts_as_tell_paths_apart(paths, names):
    assert short_names(paths) == names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("glue/CoLA/dev.tsv", "CoLA/dev"),
        ("data/dev-v1.1.json", "dev-v1.1"),
        ("sst/test.tsv.gz", "sst/test"),
        ("emerging.test.annotated", "emerging.test"),
        ("dev.tsv", "dev"),
        ("", "?"),
    ],
)
def test_evaluation_files(file, name):
    assert eval_names([run(file)]) == [name]


def test_different_files_get_different_names():
    both = [run("a/x.tsv", eval_sha256="1" * 9), run("b/x.tsv", eval_sha256="2" * 9)]
    assert eval_names(both) == ["x (1111111)", "x (2222222)"]
    counted = [run("x.tsv", examples=5), run("x.tsv", examples=6)]
    assert eval_names(counted) == ["x (5 examples)", "x (6 examples)"]
    tasks = [run("x.tsv", task="tag"), run("x.tsv")]
    assert eval_names(tasks) == ["x (tag)", "x (classify)"]
    assert eval_names([run("x.tsv"), run("x.tsv", metric="accuracy")]) == ["x", "x"]
