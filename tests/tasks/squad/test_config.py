"""Settings of SQuAD: defaults of run_squad.py, and those that it shares with pretraining."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import Layer, as_dict, dump_yaml, resolve
from bertkit.tasks.squad.config import SquadConfig, settings_of_run


def test_defaults_are_those_of_run_squad():
    config = SquadConfig()
    assert (config.max_seq_length, config.doc_stride, config.max_query_length) == (384, 128, 64)
    assert (config.learning_rate, config.epochs, config.global_batch_size) == (5e-5, 3.0, 32)
    assert (config.warmup_proportion, config.n_best_size, config.max_answer_length) == (0.1, 20, 30)


def test_settings_shared_with_pretraining_can_be_given():
    given = {
        "output": "o", "train_file": "t", "init_checkpoint": "c", "beta1": 0.8, "beta2": 0.99,
        "eps": 1e-8, "warmup_steps": 7, "end_learning_rate": 1e-6, "loss_scale": 8.0,
        "recompute": True, "shard_optimizer": True, "steps_this_run": 5, "cuda.compile": True,
        "keep_every": 10, "resume": "run/step-0000005",
    }  # fmt: skip
    config = resolve(SquadConfig, [Layer("test", given)]).config
    assert (config.beta1, config.warmup(100), config.recompute) == (0.8, 7, True)
    assert as_dict(config)["cuda"]["compile"] is True


@pytest.mark.parametrize("given", [{"eval_every": 5}, {"eval_every_samples": "50"}])
def test_evaluations_during_training_need_questions(given):
    config = SquadConfig(output="o", train_file="t", init_checkpoint="c", **given)
    assert config.evaluates
    assert config.problems() == ["--eval-every needs --predict-file"]
    answering = SquadConfig(output="o", predict_file="p", **given)
    assert not answering.evaluates and not answering.problems()


def test_the_log_is_no_file_of_the_run():
    config = SquadConfig(output="o", predict_file="p", json_summary="o/x/../metrics.jsonl")
    assert config.problems() == [
        "--json-summary o/x/../metrics.jsonl is a file that the run itself writes"
    ]
    assert not SquadConfig(output="o", predict_file="p", json_summary="o/log.json").problems()


def test_the_settings_of_a_run_are_found_from_its_checkpoints(tmp_path):
    config = SquadConfig(max_seq_length=48, seed=7, version_2_with_negative=True)
    (tmp_path / "config.yaml").write_text(dump_yaml(as_dict(config)))
    (tmp_path / "step-0000001").mkdir()
    for place in (tmp_path, tmp_path / "step-0000001"):
        (layer,) = settings_of_run(str(place))
        assert layer.values["max_seq_length"] == 48 and layer.values["version_2_with_negative"]
        assert "seed" not in layer.values
    assert settings_of_run(str(tmp_path / "elsewhere" / "x")) == []
    assert settings_of_run(None) == []
