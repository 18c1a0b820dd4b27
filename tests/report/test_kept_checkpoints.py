"""What `inspect` and `report` say of a run's checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertkit import log
from bertkit.backends import registry
from bertkit.report.kept_checkpoints import kept_checkpoints, kept_text
from bertkit.report.views.run import view_run
from bertkit.report.whole import report_runs
from bertkit.tasks.pretraining.pretrain import pretrain


@pytest.fixture
def run(settings):
    return Path(
        pretrain(settings(max_steps=3, save_every=1, keep_last=0), registry.get("cpu")).output
    )


def test_checkpoints_as_they_were_written_are_good(run, caplog):
    good = [{"step": step, "damage": ""} for step in (1, 2, 3)]
    assert kept_checkpoints(run) == good and not caplog.records
    assert kept_text(good) == "3, the last of step 3"


def test_a_damaged_checkpoint_is_said_as_a_resumed_run_says_it(run, settings, caplog):
    os.truncate(run / "step-0000003" / "model.safetensors", 100)
    (run / "step-0000001" / "state.json").unlink()
    last, text = view_run(str(run))
    first, second, third = last["checkpoints"]
    assert first["damage"] == "state.json is missing" and not second["damage"]
    assert third["damage"].startswith("model.safetensors has 100 bytes instead of")
    assert "1 of 3 good, the last of step 2" in text
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert str(run / "step-0000003") in caplog.text
    caplog.clear()
    log.reset()  # another command
    report_runs([str(run)])
    assert third["damage"] in caplog.text
    caplog.clear()
    pretrain(settings(max_steps=3, save_every=1, keep_last=0), registry.get("cpu"))
    assert third["damage"] in caplog.text


def test_a_checkpoint_without_any_good_one(run):
    for place in run.glob("step-*"):
        (place / "model.safetensors").unlink()
    kept = kept_checkpoints(run)
    assert {item["damage"] for item in kept} == {"model.safetensors is missing"}
    assert kept_text(kept) == "0 of 3 good"
