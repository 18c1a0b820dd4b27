"""Evaluation as MLPerf does it, and the lines that its tools and NVIDIA's read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bertkit.backends import registry
from bertkit.errors import TargetNotReachedError
from bertkit.report.logs.mlperf_log import MlperfLog
from bertkit.tasks.pretraining.config import EvalConfig, mlperf_eval_samples
from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints
from bertkit.tasks.pretraining.pretrain import pretrain

CPU = registry.get("cpu")


@pytest.mark.parametrize(("batch", "samples"), [(256, 150_000), (3072, 175_000), (8192, 225_000)])
def test_mlperfs_frequency_is_that_of_its_table(batch, samples):
    assert mlperf_eval_samples(batch) == samples


def events(path, prefix):
    lines = Path(path).read_text().splitlines()
    assert all(line.startswith(prefix + " {") for line in lines)
    return [json.loads(line.removeprefix(prefix)) for line in lines]


def steps_of(output, kind):
    lines = map(json.loads, (Path(output) / "metrics.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if line["kind"] == kind]


def test_evaluations_come_by_samples_and_the_target_ends_the_run(settings, records, tmp_path):
    config = settings(
        eval_input=[str(records / "eval.tfrecord")],
        eval_every_samples="50",
        mlperf_log=str(tmp_path / "logs/mlperf.txt"),
        target_mlm_accuracy=0.0,
        json_summary=str(tmp_path / "summary.json"),
    )
    result = pretrain(config, CPU)
    assert result.step == 7  # the first step with 50 samples, eight at a time
    found = events(config.mlperf_log, ":::MLLOG")
    keys = [event["key"] for event in found]
    assert [key for key in keys if key.startswith(("run", "eval_st", "eval_a"))] == [
        "run_start",
        "eval_start",
        "eval_accuracy",
        "eval_stop",
        "run_stop",
    ]
    by_key = {event["key"]: event for event in found}
    assert by_key["eval_accuracy"]["value"] == result.evaluation["mlm_accuracy"]
    assert by_key["eval_accuracy"]["metadata"]["epoch_num"] == 56
    assert by_key["run_stop"]["metadata"]["status"] == "success"
    assert by_key["global_batch_size"]["value"] == 8
    assert by_key["run_stop"]["event_type"] == "INTERVAL_END"
    assert keys.count("block_start") == keys.count("block_stop")
    lines = events(config.json_summary, "DLLL")
    assert lines[0]["step"] == "PARAMETER" and lines[0]["data"]["global_batch_size"] == 8
    assert lines[-1]["data"]["final_loss"] == result.train["loss"]
    assert lines[-1]["data"]["training_sequences_per_second"] > 0


def test_every_multiple_is_evaluated_once(settings, records):
    config = settings(eval_input=[str(records / "eval.tfrecord")], eval_every_samples="40")
    pretrain(config, CPU)
    assert steps_of(config.output, "eval") == [5, 10, 15, 20]


def test_the_start_can_be_evaluated_too(settings, records):
    config = settings(eval_input=[str(records / "eval.tfrecord")], eval_first=True, max_steps=2)
    pretrain(config, CPU)
    assert steps_of(config.output, "eval") == [0, 2]
    assert settings(eval_first=True).problems() == ["--eval-first needs --eval-input"]


def test_a_missed_target_is_told(settings, records, tmp_path):
    config = settings(
        eval_input=[str(records / "eval.tfrecord")],
        target_mlm_accuracy=1.0,
        max_steps=2,
        mlperf_log=str(tmp_path / "mlperf.txt"),
    )
    with pytest.raises(TargetNotReachedError):
        pretrain(config, CPU)
    last = [e for e in events(config.mlperf_log, ":::MLLOG") if e["key"] == "run_stop"]
    assert [event["metadata"]["status"] for event in last] == ["aborted"]


def test_masked_lm_alone_can_be_evaluated(settings, records):
    result = pretrain(settings(max_steps=2), CPU)
    inputs = [str(records / "eval.tfrecord")]
    both = evaluate_checkpoints(EvalConfig(), inputs, [result.checkpoint], CPU).checkpoints[0]
    alone = evaluate_checkpoints(EvalConfig(mlm_only=True), inputs, [result.checkpoint], CPU)
    assert alone.checkpoints[0].nsp_loss is None and both.nsp_loss is not None
    assert alone.checkpoints[0].perplexity == pytest.approx(both.perplexity)


def test_contradictions_are_named(settings):
    found = settings(eval_every_samples="often", eval_every=3).problems()
    assert "--eval-every-samples often: a number above 0, or mlperf" in found
    assert "--eval-every and --eval-every-samples exclude each other" in found
    assert "--eval-every-samples needs --eval-input" in found


def test_a_target_is_not_reached_by_a_model_that_computes_nothing(settings, records, tmp_path):
    log = MlperfLog(
        str(tmp_path / "mlperf.txt"), settings(target_mlm_accuracy=0.0), 24, 0, eval_records=10
    )
    log.log(20, "eval", {"mlm_accuracy": 0.5, "mlm_loss": math.nan})
    log.close()
    found = events(tmp_path / "mlperf.txt", ":::MLLOG")
    by_key = {event["key"]: event for event in found}
    assert by_key["run_stop"]["metadata"]["status"] == "aborted"
    assert by_key["eval_loss"]["value"] is None
