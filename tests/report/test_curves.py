from __future__ import annotations

import json
import struct
import sys

import pytest

from bertkit.errors import DataError, MissingDependencyError
from bertkit.report.curves import draw_report, make_figure, panels, read_run


@pytest.fixture
def run(tmp_path):
    def make(name, steps=100, offset=0.0):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        lines = []
        for step in range(1, steps + 1):
            numbers = {
                "loss": 10 / step + offset,
                "mlm_accuracy": 1 - 1 / step,
                "learning_rate": 1e-3 / step,
                "tokens_per_second": 1000.0,
            }
            lines.append({"kind": "train", "step": step, **numbers})
            if step % 50 == 0:
                lines.append({"kind": "eval", "step": step, "mlm_accuracy": 0.5})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(folder)

    return make


def test_a_picture_of_two_runs(run, tmp_path):
    output = str(tmp_path / "curves.png")
    report = draw_report([run("one"), run("two", offset=1.0)], output)
    with open(output, "rb") as stream:
        head = stream.read(24)
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    assert width > 1000 and height > 600
    assert [item["run"] for item in report.runs] == ["one", "two"]
    assert report.runs[0]["step"] == 100
    assert report.runs[1]["train"]["loss"] == pytest.approx(1.1)


def test_every_panel_has_its_curves_labelled_with_units(run):
    curves = {"one": read_run(run("one")), "two": read_run(run("two"))}
    figure = make_figure(curves)
    assert len(figure.axes) == len(panels(curves)) == 4
    for axis, (key, title, unit) in zip(figure.axes, panels(curves), strict=True):
        assert axis.get_title() == title
        assert axis.get_ylabel() == unit
        assert axis.get_xlabel() == "optimizer step"
        labels = {line.get_label() for line in axis.lines if not line.get_label().startswith("_")}
        expected = {"one", "two"}
        if key == "mlm_accuracy":
            expected |= {"one, evaluation", "two, evaluation"}
        assert labels == expected
        drawn = max(line.get_xdata()[-1] for line in axis.lines)
        assert drawn == 100


def test_runs_that_learn_to_answer_have_their_own_panels(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "train", "step": 3, "loss": 4.5, "span_accuracy": 0.25, "learning_rate": 1e-4,'
        ' "tokens_per_second": 9.0}\n'
    )
    figure = make_figure({"run": read_run(str(tmp_path))})
    assert figure.axes[1].get_ylabel() == "share of windows"
    assert all(axis.lines for axis in figure.axes)
    text = draw_report([str(tmp_path)], str(tmp_path / "page.html")).text()
    assert "0.2500" in text and "nan" not in text
    assert "both ends right" in (tmp_path / "page.html").read_text()


def test_runs_of_the_same_name_stay_apart(run, tmp_path):
    report = draw_report([run("a/x", 5), run("b/x", 5)], str(tmp_path / "c.svg"))
    assert len({item["run"] for item in report.runs}) == 2


def test_what_is_no_run(tmp_path, run):
    with pytest.raises(DataError, match="is not a run"):
        draw_report([str(tmp_path)], str(tmp_path / "x.png"))
    with pytest.raises(DataError, match="no line yet"):
        draw_report([run("empty", 0)], str(tmp_path / "x.png"))
    with pytest.raises(DataError, match="cannot draw"):
        draw_report([run("one", 3)], str(tmp_path / "x.gif"))
    assert not (tmp_path / "x.png").exists()


def test_without_matplotlib(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError) as caught:
        draw_report([run("one", 3)], str(tmp_path / "x.png"))
    assert "bertkit[plot]" in caught.value.hint


def test_numbers_that_were_not_finite_are_left_out(run, tmp_path):
    """They are null in metrics.jsonl; NaN in those of older versions."""
    folder = run("one", steps=5)
    with open(f"{folder}/metrics.jsonl", "a") as stream:
        stream.write('{"kind": "train", "step": 6, "loss": null, "grad_norm": null}\n')
        stream.write('{"kind": "train", "step": 7, "loss": NaN}\n')
        stream.write('{"kind": "train", "step": 8, "loss": null, "mlm_accuracy": null}\n')
    report = draw_report([folder], str(tmp_path / "page.html"))
    assert report.runs[0]["step"] == 8
    assert " - " in report.text()
    figure = make_figure({"one": read_run(folder)})
    assert list(figure.axes[0].lines[0].get_xdata()) == [1, 2, 3, 4, 5]
