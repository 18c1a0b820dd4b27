"""A dry run reads the checkpoint that the run would begin with, and leaves no trace."""

from __future__ import annotations

import pytest

from bertkit.backends import registry
from bertkit.errors import ConfigError, DataError
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import PretrainingTask
from bertkit.train.dry_run import DryRun
from bertkit.train.run import TrainingRun

CPU = registry.get("cpu")


def check(config, overwrite=False):
    DryRun(PretrainingTask(prepare(config, CPU)), CPU, overwrite=overwrite).check()


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_of_a_run_that_was_begun(settings, tmp_path):
    check(settings(max_steps=2))
    assert not (tmp_path / "run").exists()
    step = TrainingRun(PretrainingTask(prepare(settings(max_steps=2), CPU)), CPU).train().checkpoint
    before = contents(tmp_path)
    check(settings(max_steps=2))
    with pytest.raises(ConfigError, match=r"learning_rate 0\.01, now 0\.5"):
        check(settings(max_steps=2, learning_rate=0.5))
    check(settings(max_steps=2, learning_rate=0.5), overwrite=True)
    check(settings(max_steps=2, output=str(tmp_path / "new"), init_checkpoint=str(step)))
    with pytest.raises(DataError, match="nope"):
        check(settings(max_steps=2, resume="/nope/x"))
    assert contents(tmp_path) == before
    # Every file that the run opens is opened.
    (step / "optimizer.pt").write_bytes(b"cut")
    with pytest.raises(DataError, match="optimizer"):
        check(settings(max_steps=2, output=str(tmp_path / "new"), resume=str(step)))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.yaml", "max_steps: 2\n", "is not of a run"),
        ("manifest.json", '{"command": "split", "config": {}}', "what `bertkit split` made"),
    ],
)
def test_what_the_run_would_not_write_to_is_refused(settings, tmp_path, name, text, words):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text(text)
    before = contents(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(DataError, match=words):
            check(settings(max_steps=2), overwrite=overwrite)
    assert contents(tmp_path) == before
