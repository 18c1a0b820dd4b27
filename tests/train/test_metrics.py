from __future__ import annotations

import json
import math

import pytest

from bertkit.errors import BertkitError, DataError
from bertkit.train import metrics
from bertkit.train.metrics import MetricsFile


def test_sums_become_means():
    steps = [
        {"mlm_loss_sum": 6.0, "mlm_correct": 1.0, "mlm_count": 4.0, "nsp_count": 0.0},
        {"mlm_loss_sum": 4.0, "mlm_correct": 2.0, "mlm_count": 1.0, "nsp_count": 0.0},
    ]
    assert metrics.summarise(metrics.total(steps)) == {"mlm_loss": 2.0, "mlm_accuracy": 0.6}


def test_perplexity():
    assert metrics.perplexity(2.0) == pytest.approx(math.e**2)
    assert metrics.perplexity(1e6) == math.inf


def test_lines_after_the_resumed_step_are_dropped(tmp_path):
    first = MetricsFile(tmp_path, 0)
    for step in (1, 2, 3):
        first.write({"kind": "train", "step": step})
    first.close()
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"kind": "train", "ste')
    second = MetricsFile(tmp_path, 2)
    second.write({"kind": "train", "step": 3, "again": True})
    second.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[-1]["again"]
    assert metrics.read(path) == lines


def test_a_fresh_run_starts_an_empty_file(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 1}\n')
    MetricsFile(tmp_path, 0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_predictions_without_right_or_wrong_have_a_loss_alone():
    assert metrics.summarise({"score_loss_sum": 6.0, "score_count": 4.0}) == {"score_loss": 1.5}


class Notes:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def log(self, step, kind, numbers):
        self.seen.append((step, kind, numbers))

    def close(self):
        self.seen.append("closed")


def test_a_recorder_tells_all_its_places(tmp_path):
    notes = Notes()
    recorder = metrics.Recorder(MetricsFile(tmp_path, 0), [notes])
    recorder.record("train", {"loss": 0.5}, step=3, position=24, seconds=1.23456)
    recorder.close()
    assert notes.seen == [(3, "train", {"loss": 0.5}), "closed"]
    assert metrics.read(tmp_path / "metrics.jsonl") == [
        {"kind": "train", "step": 3, "position": 24, "seconds": 1.235, "loss": 0.5}
    ]


def test_a_recorder_without_places_writes_nothing(tmp_path):
    recorder = metrics.Recorder()
    recorder.record("train", {"loss": 0.5}, step=3, position=24, seconds=1.0)
    recorder.close()
    assert not list(tmp_path.iterdir())


GOOD = '{"kind": "train", "step": 1, "loss": null}\n'


@pytest.mark.parametrize(
    "bad",
    [
        '{"kind": "train", "step": 2',
        '{"kind": "train", "step": "2"}',
        '{"kind": 3, "step": 2}',
        '{"step": 2}',
        "[2]",
        "[" * 100_000,
        '{"kind": "train", "step": 2, "loss": "0.5"}',
        '{"kind": "train", "step": 2, "loss": [0.5]}',
        '{"kind": "train", "step": -2}',
        "\0\0\0",
        "",
    ],
)
def test_only_a_last_line_that_is_cut_off_is_passed_over(tmp_path, bad):
    path = tmp_path / "metrics.jsonl"
    path.write_text(GOOD + bad)
    assert len(metrics.read(path)) == 1
    later = GOOD.replace('"step": 1', '"step": 5')
    path.write_text(GOOD + bad + "\n" + later)
    for reader in (metrics.read, lambda path: MetricsFile(path.parent, 1)):
        with pytest.raises(DataError, match=r"metrics\.jsonl:2: damaged"):
            reader(path)
    assert path.read_text() == GOOD + bad + "\n" + later


def test_a_last_line_without_its_end_is_a_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(GOOD + GOOD.strip())
    assert len(metrics.read(path)) == 2


@pytest.mark.parametrize("made_again", [False, True])
def test_a_folder_that_disappears_is_noticed(tmp_path, made_again):
    run = tmp_path / "run"
    lines = MetricsFile(run, 0)
    lines.write({"kind": "train", "step": 1})
    run.rename(tmp_path / "elsewhere")
    if made_again:
        MetricsFile(run, 0).close()
    with pytest.raises(BertkitError, match="output folder of this run was removed"):
        lines.write({"kind": "train", "step": 2})
    lines.close()


@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
@pytest.mark.parametrize("ending", ["", "\n", '\n{"kind": "tra'])
def test_a_resumed_file_is_cut_at_its_step_and_not_written_again(
    tmp_path, monkeypatch, chunk, ending
):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"kind": "train", "step": step // 2, "x": 0.5}) for step in range(40)]
    path.write_text("\n".join(lines) + ending)
    before, inode = path.read_bytes(), path.stat().st_ino
    monkeypatch.setattr(metrics, "CHUNK", chunk)
    for step, kept in ((19, 40), (12, 26), (5, 12)):
        MetricsFile(tmp_path, step).close()
        whole = "".join(line + "\n" for line in lines[:kept]).encode()
        assert path.read_bytes() == whole and before.startswith(whole[:-1])
        assert path.stat().st_ino == inode
    path.write_text(lines[8])
    MetricsFile(tmp_path, 1).close()
    assert path.read_bytes() == b""
