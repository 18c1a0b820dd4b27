"""The settings that all training tasks share."""

from __future__ import annotations

import pytest

from bertkit.configuration.config import Layer, resolve
from bertkit.configuration.settings import FIXED, FREE, ROUNDING, resume_rules
from bertkit.errors import ConfigError
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tokenization.normalisation import FLAGS
from bertkit.train.config import (
    OPTIMIZERS,
    SCHEDULES,
    TrainingConfig,
    with_fitting_micro_batch,
)
from bertkit.train.optimization import optimizers, schedule


def test_the_names_here_are_those_of_the_code():
    """The module of settings imports no torch, so it repeats them."""
    assert OPTIMIZERS == optimizers.NAMES
    assert SCHEDULES == schedule.NAMES


def test_steps_and_warm_up():
    config = TrainingConfig(epochs=2.0, global_batch_size=30)
    assert config.steps(1000) == 67
    assert TrainingConfig(epochs=0.0).steps(1000) == 1
    assert TrainingConfig(epochs=2.0, max_steps=5).steps(1000) == 5
    assert config.warmup(67) == 6
    assert TrainingConfig(warmup_steps=3).warmup(67) == 3


def test_contradictions_name_their_flags():
    config = TrainingConfig(
        global_batch_size=10, micro_batch_size=4, clip="before", precision="fp16",
        learning_rate=0.1, end_learning_rate=0.2, warmup_steps=-1, eval_every=3,
        eval_every_samples="5", log_to=["paper"],
    )  # fmt: skip
    found = "; ".join(config.problems())
    for text in (
        "--output is required", "not a multiple of --micro-batch-size 4",
        "--end-learning-rate 0.2 is above --learning-rate 0.1", "--warmup-steps -1",
        "--eval-every and --eval-every-samples exclude each other",
        "--log-to paper: there are tensorboard, wandb, mlflow, trackio",
    ):  # fmt: skip
        assert text in found
    assert TrainingConfig(output="x").problems() == []


# What could change between the calls of a run before these rules stood beside the settings.
PRETRAINING_FREE = {
    "input", "text", "text_cache", "output", "eval_input", "vocab", "init_checkpoint", "resume",
    "workers",  # came later
    "model_config",  # came later; the sizes themselves are compared
    "save_every", "keep_last", "keep_every", "background_save", "eval_every", "eval_first",
    "eval_every_samples",
    "mlperf_log", "json_summary", "measure_peak", "log_every", "log_to", "target_mlm_accuracy",
    "log_project", "log_name", "log_tag",  # came later
    "steps_this_run", "epochs", "warmup_proportion", "shard_optimizer", "recompute",
    "profile_steps", "allow_other_vocab", "on_nonfinite", "process_timeout",
}  # fmt: skip
PRETRAINING_ROUNDING = {
    "backend", "layout", "micro_batch_size", "bucket_boundaries", "sequences_per_pack",
}  # fmt: skip
SQUAD_FIXED = {
    "version_2_with_negative", "max_seq_length", "doc_stride",
    "max_query_length", "precision", "global_batch_size", "epochs", "max_steps", "optimizer",
    "learning_rate", "schedule", "warmup_proportion", "weight_decay", "max_grad_norm", "limit",
    "seed", "model_config",
}  # fmt: skip
SQUAD_ROUNDING = {"backend", "layout", "micro_batch_size"}
SECTIONS = ("cuda.", "hpu.", "ipu.", "cs.")


def named(kind, rule):
    return {
        name
        for name, own in resume_rules(kind).items()
        if own == rule and not name.startswith((*SECTIONS, "records.", "model.", "submission."))
    }


def test_what_may_change_in_a_pretraining_run():
    assert named(PretrainConfig, FREE) == PRETRAINING_FREE
    assert named(PretrainConfig, ROUNDING) == PRETRAINING_ROUNDING


def test_what_may_not_change_in_a_squad_run():
    # Beside those of its own first settings, the ones it shares since with pretraining.
    shared = named(PretrainConfig, FIXED) & {*TrainingConfig.__dataclass_fields__}
    assert named(SquadConfig, FIXED) == SQUAD_FIXED | shared
    assert named(SquadConfig, ROUNDING) == SQUAD_ROUNDING


@pytest.mark.parametrize("kind", [PretrainConfig, SquadConfig])
def test_sections_of_machines_change_last_bits_and_those_of_the_model_decide(kind):
    rules = resume_rules(kind)
    for name, rule in rules.items():
        if name.startswith(SECTIONS):
            assert rule == ROUNDING, name
        if name.startswith(("records.", "model.")):
            # How text is treated is compared as a fact of the vocabulary, not as a setting.
            facts = (*FLAGS, "word_length")
            assert rule == (FREE if name.removeprefix("records.") in facts else FIXED), name
    assert {name.partition(".")[0] + "." for name in rules} >= set(SECTIONS)


def test_a_presets_micro_batch_yields_to_the_users_global_batch():
    preset = Layer("preset x", {"global_batch_size": 64, "micro_batch_size": 32})

    def sizes(*above):
        layers = with_fitting_micro_batch([preset, *above])
        found = resolve(TrainingConfig, [*layers, Layer("test", {"output": "o"})])
        return found.config.micro_batch_size, found.origins["micro_batch_size"]

    assert sizes() == (32, "preset x")
    assert sizes(Layer("--set", {"global_batch_size": 48})) == (24, "preset x, for 48 per step")
    assert sizes(Layer("a.yaml", {"global-batch-size": "16"}))[0] == 16
    assert sizes(Layer("--set", {"global_batch_size": 128})) == (32, "preset x")
    own = Layer("--set", {"global_batch_size": 16, "micro_batch_size": 4})
    assert sizes(own) == (4, "--set")
    with pytest.raises(ConfigError, match="expected a whole number"):
        sizes(Layer("a.yaml", {"global_batch_size": "many"}))
    given = [Layer("a.yaml", {"micro_batch_size": 32}), Layer("--set", {"global_batch_size": 16})]
    assert with_fitting_micro_batch(given) == given


@pytest.mark.parametrize(
    ("key", "value"),
    [("beta1", 1.0), ("beta2", 1), ("steps_this_run", -2), ("seed", 2**63), ("power", "inf")],
)
def test_values_that_no_optimizer_or_generator_takes(key, value):
    """They ended in tracebacks of torch, or in a run that stopped before its first step."""
    for kind in (PretrainConfig, SquadConfig):
        with pytest.raises(ConfigError, match=f"{key}: "):
            resolve(kind, [Layer("a.yaml", {key: value, "output": "o", "input": ["x"]})])
