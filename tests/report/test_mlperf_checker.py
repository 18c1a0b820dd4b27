"""What MLPerf's own compliance checker says of the logs of runs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import synthetic

from bertkit.backends import registry
from bertkit.configuration.config import Layer, preset_layer, resolve
from bertkit.errors import StoppedError, TargetNotReachedError
from bertkit.model.checkpoints.tensorflow.tf1 import our_name
from bertkit.model.parameter_names import pretraining_parameters
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.report.logs.mlperf_log import MlperfLog, tensor_names
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.tasks.pretraining.submission import Submission
from bertkit.train.checkpoints.run_checkpoints import RunCheckpoints
from bertkit.train.trainer import Trainer

CPU = registry.get("cpu")
# All rulesets whose closed division takes BERT. Rules 1.1 to 2.1 ask for the 24 layers of
# BERT-large by name, so the log of a tiny model cannot keep to them.
LARGE_ONLY = ("1.1.0", "2.0.0", "2.1.0")
RULESETS = ("0.7.0", "1.0.0", "3.0.0", "3.1.0", "4.0.0", "4.1.0", "5.0.0")


@pytest.fixture(scope="session")
def easy(tmp_path_factory):
    """Records that a tiny model learns to 0.72: nine of ten masked tokens are the same one."""
    folder = tmp_path_factory.mktemp("easy")
    random = np.random.default_rng(3)
    for name, count in (("train", 40), ("eval", 10)):
        rows = [synthetic.record(random, 24, 4) for _ in range(count)]
        for row in rows:
            row["masked_lm_ids"] = np.where(random.random(4) < 0.9, 9, row["masked_lm_ids"])
        write_records(folder / f"{name}.tfrecord", map(encode_example, rows))
    return folder


@pytest.fixture
def benchmark(settings, easy, tmp_path):
    """A run that reaches MLPerf's target within a few evaluations."""

    def make(**changes) -> PretrainConfig:
        return settings(
            **{
                "input": [str(easy / "train.tfrecord")],
                "eval_input": [str(easy / "eval.tfrecord")],
                "mlperf_log": str(tmp_path / "result_0.txt"),
                "eval_every_samples": "40",
                "target_mlm_accuracy": 0.72,
                "max_steps": 100,
                "optimizer": "mlperf",
                "learning_rate": 5e-2,
                **changes,
            }
        )

    return make


def verdict(path, ruleset: str, capsys) -> str:
    """What `python -m mlperf_logging.compliance_checker --werror` finds; empty: nothing."""
    checker = pytest.importorskip("mlperf_logging.compliance_checker.mlp_compliance")
    made = checker.make_checker("training", ruleset, False, True)
    if checker.main(str(path), f"training_{ruleset}/common.yaml", made)[0]:
        return ""
    return "\n".join([*made.overwritable.values(), *made.not_overwritable])


def keys(path) -> list[str]:
    return [json.loads(line.split(" ", 1)[1])["key"] for line in path.read_text().splitlines()]


def test_the_log_of_a_run_that_reaches_the_target_passes(benchmark, tmp_path, capsys):
    config = benchmark(submission=Submission(org="us", platform="box", status="onprem"))
    result = pretrain(config, CPU)
    assert 0.72 <= result.evaluation["mlm_accuracy"] < 1.0
    path = tmp_path / "result_0.txt"
    assert {ruleset: verdict(path, ruleset, capsys) for ruleset in RULESETS} == dict.fromkeys(
        RULESETS, ""
    )
    # No block without samples: every one is followed by an evaluation.
    order = [k for k in keys(path) if k.startswith(("block", "eval_st", "run", "train_s"))]
    assert order == [
        "run_start",
        *["block_start", "block_stop", "eval_start", "eval_stop"] * order.count("eval_start"),
        "run_stop",
        "train_samples",
    ]


def test_a_missed_target_is_what_the_checker_finds(benchmark, records, tmp_path, capsys):
    config = replace(benchmark(), max_steps=5, learning_rate=0.0)
    with pytest.raises(TargetNotReachedError):
        pretrain(config, CPU)
    found = verdict(tmp_path / "result_0.txt", "5.0.0", capsys)
    assert found == "Failed checks for eval_accuracy : (v['value'] >= 0.720) and v['value'] < 1.0"


def test_a_resumed_run_has_one_log(benchmark, tmp_path, capsys):
    config, path = benchmark(), tmp_path / "result_0.txt"
    whole = pretrain(config, CPU)
    expected = keys(path)
    again = replace(config, output=str(tmp_path / "other"), steps_this_run=3)
    for _ in range(100):
        try:
            last = pretrain(again, CPU)
            break
        except StoppedError:
            continue
    assert last.step == whole.step
    assert [key for key in keys(path) if key != "tracked_stats"] == [
        key for key in expected if key != "tracked_stats"
    ]
    assert verdict(path, "5.0.0", capsys) == ""
    # The first run's log is not lost.
    assert keys(tmp_path / "result_0.txt.1") == expected


@pytest.mark.parametrize("place", ["signal", "within", "after"])
def test_a_run_that_was_killed_in_an_evaluation_has_one_log(
    benchmark, tmp_path, capsys, monkeypatch, place
):
    """The evaluation of the saved step is made again: before, within and after its lines."""
    config, path = (
        benchmark(max_steps=20, save_every=5, learning_rate=0.0),
        tmp_path / "result_0.txt",
    )
    with pytest.raises(TargetNotReachedError):
        pretrain(config, CPU)
    expected = keys(path)
    assert expected.count("eval_start") == 4

    def ending(self, *given):
        if place == "within":
            self.recorder.begin_evaluation(10)
        raise RuntimeError("killed")

    owner, name = {
        "signal": (Trainer, "_evaluate_saved"),
        "within": (Trainer, "_evaluate"),
        "after": (RunCheckpoints, "complete"),
    }[place]
    real = getattr(owner, name)
    with monkeypatch.context() as patch:
        patch.setattr(
            owner, name, lambda self, now: (ending if now.step == 10 else real)(self, now)
        )
        with pytest.raises(RuntimeError, match="killed"):
            pretrain(replace(config, output=str(tmp_path / "other")), CPU)
    with pytest.raises(TargetNotReachedError):
        pretrain(replace(config, output=str(tmp_path / "other")), CPU)
    assert keys(path) == expected


def test_lines_of_steps_that_are_done_again_are_dropped(benchmark, tmp_path, capsys):
    config, path = benchmark(max_steps=10), tmp_path / "result_0.txt"
    log = MlperfLog(config.mlperf_log, config, 24, 0, eval_records=10)
    log.begin_evaluation(5)
    log.log(5, "eval", {"mlm_accuracy": 0.5, "mlm_loss": 1.0})
    log.log(8, "train", {"loss": 1.0})
    log.close()  # killed here; the last checkpoint is of step 6
    path.write_text(path.read_text() + ':::MLLOG {"cut')
    log = MlperfLog(config.mlperf_log, config, 24, 6, eval_records=10)
    log.log(8, "train", {"loss": 0.9})
    log.begin_evaluation(10)
    log.log(10, "eval", {"mlm_accuracy": 0.73, "mlm_loss": 0.5})
    log.close()
    assert keys(path).count("tracked_stats") == 1
    assert verdict(path, "5.0.0", capsys) == ""


def test_the_preset_passes_the_rules_that_name_every_weight(tmp_path, capsys):
    given = {"output": "run", "input": ["a"], "eval_input": ["b"], "backend": "cuda"}
    given["mlperf_log"] = str(tmp_path / "result_0.txt")
    config = resolve(PretrainConfig, [preset_layer("mlperf"), Layer("--set", given)]).config
    log = MlperfLog(config.mlperf_log, config, 512, 0, eval_records=10_000, world=8)
    for step in (28, 55):
        log.begin_evaluation(step)
        log.log(step, "eval", {"mlm_accuracy": 0.7 if step == 28 else 0.7201, "mlm_loss": 1.4})
    log.close()
    for ruleset in (*RULESETS, *LARGE_ONLY):
        assert verdict(tmp_path / "result_0.txt", ruleset, capsys) == ""
    lines = (tmp_path / "result_0.txt").read_text().splitlines()
    by_key = {e["key"]: e["value"] for e in (json.loads(line.split(" ", 1)[1]) for line in lines)}
    assert by_key["opt_name"] == "lamb" and by_key["opt_lamb_epsilon"] == 1e-6
    assert by_key["gradient_accumulation_steps"] == 128  # 8,192 / 8 / 8 processes
    assert by_key["num_warmup_steps"] == 287 and by_key["start_warmup_step"] == -76
    assert by_key["submission_platform"] == "8 x cuda"
    assert by_key["train_samples"] == 55 * 8192


def test_weights_have_the_names_of_googles_program():
    names = tensor_names(2)
    assert [our_name(name)[0] for name in names] == pretraining_parameters(2)


def test_the_preset_keeps_to_the_rules():
    given = {"output": "run", "input": ["a"], "eval_input": ["b"]}
    config = resolve(PretrainConfig, [preset_layer("mlperf"), Layer("--set", given)]).config
    assert config.problems() == []
    # 230.23 x 8,192 + 3,000,000 = 4,886,044.16; 5 % of it are 244,302.2, which holds 25,000
    # nine times.
    assert config.eval_samples == 225_000
    assert config.target == ("mlm_accuracy", 0.72)
    assert (config.clip, config.max_grad_norm) == ("before", 1.0)
    # At batch 256: 3,058,938.88, of which 152,946.9 are 5 %: six times 25,000.
    assert replace(config, global_batch_size=256).eval_samples == 150_000
