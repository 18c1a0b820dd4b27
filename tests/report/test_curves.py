from __future__ import annotations

import json
import struct
import sys

import pytest

from bertkit.errors import DataError, MissingDependencyError
from bertkit.report.curves import draw_report
from bertkit.report.page.drawing import make_figure
from bertkit.report.page.panels import panels
from bertkit.report.run_numbers import read_run


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
    for axis, panel in zip(figure.axes, panels(curves), strict=True):
        key = panel.number
        assert axis.get_title() == panel.title
        assert axis.get_ylabel() == panel.unit
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
    assert figure.axes[1].get_title() == "Answer span accuracy"
    assert all(axis.lines for axis in figure.axes)
    text = draw_report([str(tmp_path)], str(tmp_path / "page.html")).text()
    # The share is percent, and a column that no run has a number for is not there.
    head, _, row = text.splitlines()[:3]
    assert head.split() == ["run", "step", "loss", "accuracy", "(%)"]
    assert row.split()[1:] == ["3", "4.5000", "25.00"]
    (drawn,) = figure.axes[1].lines
    assert list(drawn.get_ydata()) == [25.0] and figure.axes[1].get_ylabel() == "percent"
    assert figure.axes[1].get_ylim() == pytest.approx((0, 26.25))
    assert "answer span accuracy" in (tmp_path / "page.html").read_text()


def test_runs_of_the_same_name_stay_apart(run, tmp_path):
    report = draw_report([run("a/x", 5), run("b/x", 5)], str(tmp_path / "c.svg"))
    assert len({item["run"] for item in report.runs}) == 2


def test_what_is_no_run(tmp_path, run):
    with pytest.raises(DataError, match="is not a run") as caught:
        draw_report([str(tmp_path)], str(tmp_path / "x.png"))
    assert "give the folder that `bertkit pretrain`" in caught.value.hint
    run("several/first", 3)
    with pytest.raises(DataError, match="several is not a run") as caught:
        draw_report([str(tmp_path / "several")], str(tmp_path / "x.png"))
    assert caught.value.hint == "it holds runs: first; give these"
    with pytest.raises(DataError, match="no such run") as caught:
        draw_report([str(tmp_path / "severall")], str(tmp_path / "x.png"))
    assert f"did you mean {tmp_path / 'several'}?" in caught.value.hint
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
    # What was not finite was measured: it has a column. Nothing was evaluated.
    assert report.text().splitlines()[0].split()[2:] == ["loss", "accuracy", "(%)"]
    assert report.text().splitlines()[2].split()[2:] == ["-", "-"]
    figure = make_figure({"one": read_run(folder)})
    assert list(figure.axes[0].lines[0].get_xdata()) == [1, 2, 3, 4, 5]


def answering(folder, steps=20):
    """A run that answers questions, with times and speeds: 100 real tokens in each step."""
    folder.mkdir()
    numbers = {"span_loss": 1.0, "loss": 1.0, "span_accuracy": 0.5, "tokens_per_second": 50.0}
    lines = [
        {"kind": "train", "step": step, "seconds": 2.0 * step, "learning_rate": 1e-3, **numbers}
        for step in range(1, steps + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder)


def test_every_run_is_in_the_legend_and_tasks_share_no_panel_of_losses(run, tmp_path):
    curves = {"one": read_run(run("one")), "squad": read_run(answering(tmp_path / "squad"))}
    figure = make_figure(curves)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert {"one", "squad"} <= set(labels) and len(labels) == len(set(labels))
    found = {panel.title: panel.runs for panel in panels(curves)}
    assert found["Training loss"] == ("one",)
    assert found["Training loss (answer span)"] == ("squad",)
    assert found["Masked LM accuracy"] == ("one",)
    assert found["Answer span accuracy"] == ("squad",)
    assert found["Learning rate"] == ("one", "squad")
    colours = [handle.get_color() for handle in legend.legend_handles]
    assert len(set(colours)) == 2


def test_curves_over_tokens_and_time(run, tmp_path):
    squad = answering(tmp_path / "squad")
    tokens = make_figure({"squad": read_run(squad)}, "tokens").axes[0]
    assert list(tokens.lines[0].get_xdata())[:3] == [100.0, 200.0, 300.0]
    assert tokens.get_xlabel() == "real tokens"
    time = make_figure({"squad": read_run(squad)}, "seconds").axes[0]
    assert time.get_xlabel() == "training time (seconds)" and time.lines[0].get_xdata()[-1] == 40.0
    with pytest.raises(DataError, match="one does not tell its tokens"):
        draw_report([run("one"), squad], str(tmp_path / "x.png"), axis="tokens")
    assert not (tmp_path / "x.png").exists()
    page = tmp_path / "p.html"
    draw_report([run("two"), squad], str(page))  # only the axis that both runs have
    assert 'id="axis-step"' in page.read_text() and 'id="axis-tokens"' not in page.read_text()
    draw_report([squad], str(page))
    text = page.read_text()
    assert all(f'id="axis-{axis}"' in text for axis in ("step", "tokens", "seconds"))
    draw_report([squad], str(tmp_path / "again.html"))
    assert text == (tmp_path / "again.html").read_text()


def test_many_runs_have_as_many_colours(run):
    from bertkit.report.page.drawing import colours

    assert len(set(colours([str(number) for number in range(25)]).values())) == 25
