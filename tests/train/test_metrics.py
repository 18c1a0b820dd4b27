from __future__ import annotations

import json
import math

import pytest

from bertkit.errors import MissingDependencyError
from bertkit.train import metrics
from bertkit.train.metrics import MetricsFile
from bertkit.train.trackers import make_trackers


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


@pytest.mark.parametrize(
    ("name", "modules"),
    [("tensorboard", ["tensorboard", "torch.utils.tensorboard"]), ("wandb", ["wandb"])],
)
def test_trackers_that_are_not_installed(name, modules, tmp_path, monkeypatch):
    for module in modules:
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError, match=name) as caught:
        make_trackers([name], str(tmp_path), {})
    assert f"bertkit[{name}]" in caught.value.hint
