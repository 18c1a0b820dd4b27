"""Lines of dllogger, with the keys that Habana's run_pretraining.py logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.backends import registry
from bertkit.report.logs.dllogger import JsonSummary, TrainingSummary, log_answers
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.config import TrainingConfig

# Keys of a log line of run_pretraining.py, of its last line and of the line of the whole run.
LINE = {"average_loss", "step_loss", "learning_rate"}
SPEED = {"average_training_time_step", "average_perf_per_step"}
WHOLE = {"e2e_train_time", "training_sequences_per_second", "final_loss", "raw_train_time"}


def lines_of(path):
    text = Path(path).read_text().splitlines()
    return [json.loads(line.removeprefix("DLLL ")) for line in text]


def test_a_run_has_the_keys_of_the_program(settings, tmp_path):
    config = settings(json_summary=str(tmp_path / "s.json"), max_steps=5, log_every=2, save_every=4)
    result = pretrain(config, registry.get("cpu"))
    lines = lines_of(config.json_summary)
    facts = [line["data"] for line in lines if line["step"] == "PARAMETER"]
    assert facts[0]["global_batch_size"] == config.global_batch_size
    assert {"SEED": config.seed} in facts and {"train_start": True} in facts
    assert {"batch_size_per_pu": config.micro_size} in facts
    assert [fact["checkpoint_step"] for fact in facts if "checkpoint_step" in fact] == [4, 5]
    steps = [line for line in lines if isinstance(line["step"], list) and len(line["step"]) == 2]
    assert [line["step"][1] for line in steps] == [2, 4, 5, 5]
    assert all(line["data"].keys() == LINE | SPEED for line in steps[:-1])
    assert steps[-1]["data"].keys() == {"final_loss"} | SPEED
    assert lines[-1]["step"] == [] and lines[-1]["data"].keys() == WHOLE
    assert lines[-1]["data"]["final_loss"] == result.train["loss"]


def test_times_and_rates_are_those_of_one_card(tmp_path):
    """Two cards, batch 16 as 2 x 2 passes of 4; 32 sequences a second: half a second a step."""
    config = TrainingConfig(global_batch_size=16, micro_batch_size=4, save_every=0)
    path = tmp_path / "s.json"
    summary = TrainingSummary(
        JsonSummary(str(path), {"seed": 3}), config, samples=20, world=2, first_step=2
    )
    summary.log(6, "train", {"loss": 2.0, "learning_rate": 0.5, "sequences_per_second": 32.0})
    summary.log(6, "eval", {"mlm_loss": 1.0})
    summary.close()
    lines = lines_of(path)
    (line,) = [line for line in lines if "step_loss" in line["data"]]
    assert line["step"] == [4, 6]  # 96 sequences seen: the fifth pass over 20
    assert line["data"]["average_training_time_step"] == pytest.approx(0.25)
    assert line["data"]["average_perf_per_step"] == pytest.approx(16.0)
    assert {"step": [4, 6], "data": {"eval_mlm_loss": 1.0}}.items() <= lines[-4].items()
    assert lines[-1]["data"]["raw_train_time"] == pytest.approx(2.0)
    assert lines[-1]["data"]["training_sequences_per_second"] == pytest.approx(32.0)


def test_answers_are_added(tmp_path):
    path = str(tmp_path / "s.json")
    facts = {"trained": False, "questions": 2, "windows": 6, "seconds": 3.0}
    log_answers(path, {"predict_batch_size": "8"}, **facts, scores={"exact": 50.0, "f1": 60.0})
    lines = lines_of(path)
    assert {"inference_sequences_per_second": 2.0}.items() <= lines[-2]["data"].items()
    assert lines[-1]["data"] == {"exact_match": 50.0, "F1": 60.0}
    assert lines[0]["data"] == {"predict_batch_size": "8"}
