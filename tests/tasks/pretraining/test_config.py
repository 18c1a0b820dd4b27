from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends.torch.options import CudaOptions
from bertkit.configuration import config as configuration
from bertkit.configuration.config import Layer, as_dict, flatten, resolve
from bertkit.errors import ConfigError
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.registry import presets_of
from bertkit.train.checkpoints.run_state import RunState, require_same

GIVEN = {"input": ["a"], "output": "b"}


def made(**values) -> PretrainConfig:
    return resolve(PretrainConfig, [Layer("test", {**GIVEN, **values})]).config


def test_accumulation_is_derived():
    assert made(global_batch_size=64, micro_batch_size=16).accumulation() == 4
    assert made(global_batch_size=64, micro_batch_size=16).accumulation(world=2) == 2
    assert made(global_batch_size=64).accumulation() == 1
    equation = made(global_batch_size=65536, micro_batch_size=64).batch_equation()
    assert equation == "global batch 65,536 = micro-batch 64 x accumulation 1,024"


def test_steps_and_warmup():
    assert made(max_steps=50).steps(1000) == 50
    assert made(max_steps=50, epochs=2.0, global_batch_size=30).steps(1000) == 67
    assert made(warmup_proportion=0.25).warmup(50) == 12
    assert made(warmup_proportion=0.25, warmup_steps=3).warmup(50) == 3


def test_all_contradictions_are_reported_at_once_with_their_flags():
    with pytest.raises(ConfigError) as caught:
        made(
            input=[],
            output="",
            global_batch_size=10,
            micro_batch_size=4,
            end_learning_rate=1.0,
            epochs=-1.0,
            warmup_steps=-1,
            eval_every=5,
            target_mlm_accuracy=0.5,
            resume="some/where",
            init_checkpoint="other",
            log_to=["tensorboard", "paper"],
            mlperf_log="./config.yaml",
            json_summary="metrics.jsonl",
        )
    for text in (
        "--input is required", "--output is required",
        "--global-batch-size 10 is not a multiple of --micro-batch-size 4",
        "--end-learning-rate", "--epochs", "--warmup-steps", "--eval-every needs --eval-input",
        "--target-mlm-accuracy needs --eval-input", "--init-checkpoint", "--log-to paper",
        "--mlperf-log ./config.yaml is a file that the run itself writes",
        "--json-summary metrics.jsonl is a file that the run itself writes",
    ):  # fmt: skip
        assert text in caught.value.message


@pytest.mark.parametrize("name", configuration.preset_names())
def test_presets_are_whole_recipes(name):
    values = configuration.load_yaml(configuration.package_file("presets", f"{name}.yaml"))
    assert values["description"]
    if name not in presets_of("pretrain"):
        return
    given = GIVEN | ({"eval_input": ["e"]} if "target_mlm_accuracy" in values else {})
    layers = [Layer(name, configuration.load_preset(name)), Layer("test", given)]
    config = resolve(PretrainConfig, layers).config
    assert config.model.max_position_embeddings == 512, "both phases share their positions"
    assert config.micro_size <= 64


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("tiny", 4_433_468), ("base-phase1", 110_106_428), ("large-phase1", 336_226_108)],
)
def test_preset_sizes_are_the_published_ones(name, parameters):
    """Counted on Hugging Face's BertForPreTraining of the same shape."""
    layers = [Layer(name, configuration.load_preset(name)), Layer("test", GIVEN)]
    assert resolve(PretrainConfig, layers).config.model.parameter_count() == parameters


def test_a_run_of_before_had_its_micro_batch_as_group():
    """Saved without `mlm_group`: what a resume must find the same is what it meant then."""
    config = made(mlm_normalisation="micro_batch", micro_batch_size=64, mlm_group=8,
                  global_batch_size=64)  # fmt: skip
    before = configuration.as_dict(config)
    del before["mlm_group"]

    def differences(size, group):
        state = RunState(
            step=1, position=64, epoch=0.0, seed=1, data_fingerprint="f",
            config={**before, "micro_batch_size": size, **({"mlm_group": group} if group else {})},
        )  # fmt: skip
        return require_same(state, config, "f", "cpu")

    assert differences(8, None) == ["micro_batch_size 8, now 64"], "last bits alone"
    assert differences(64, 8) == []
    with pytest.raises(ConfigError, match="mlm_group 64, now 8"):
        differences(64, None)
    assert "mlm_group" not in PretrainConfig.completed({"mlm_normalisation": "global_step"})


@pytest.mark.parametrize("name", ["fused", "graphs"])
@pytest.mark.parametrize("known", [{}, {"value": None}, {"value": False}])
def test_layers_of_a_run_from_before_were_neither_fused_nor_recorded(known, name):
    config = PretrainConfig(backend="cuda", cuda=CudaOptions(fused=False, graphs=False))
    saved = {key: value for key, value in flatten(as_dict(config)).items() if name not in key}
    saved |= {f"cuda.{name}": value for value in known.values()}
    state = RunState(step=1, position=64, epoch=0.0, seed=1, data_fingerprint="f", config=saved)
    assert require_same(state, config, "f", "cuda") == []
    other = replace(config, cuda=replace(config.cuda, **{name: True}))
    assert require_same(state, other, "f", "cuda") == [f"cuda.{name} False, now True"]
