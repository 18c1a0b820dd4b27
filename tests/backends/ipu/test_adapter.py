"""Runs on IPUs, played by a stand-in that refuses what PopTorch refuses.

What the stand-in demands is written in `fakes/poptorch`; that the adapter depends on each
demand is shown by changing one line of it and watching the run fail.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
import torch

from bertkit.backends import registry
from bertkit.backends.ipu.options import IpuOptions
from bertkit.errors import ConfigError, DataError, MissingDependencyError, StoppedError
from bertkit.model.config import BertConfig
from bertkit.records.files.tfrecord import encode_example, write_records
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train import checkpoint

from .copies import changed_adapter, distance, engine, require_same, weights

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=16, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip
# Layers on two IPUs and the heads back on the first: three stages.
TWO = IpuOptions(layers_per_ipu=[1, 1], embedding_serialization=4, memory_proportion=[0.3, 0.2])


@pytest.fixture
def poptorch():
    with engine() as module:
        yield module


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ipu")
    synthetic.write(folder / "train.tfrecord", 40, length=16, predictions=3, seed=1)
    synthetic.write(folder / "eval.tfrecord", 7, length=16, predictions=3, seed=2)
    return folder


@pytest.fixture
def settings(records, tmp_path):
    return lambda **changes: replace(plain(records, tmp_path / "run"), **changes)


def plain(records: Path, output: Path) -> PretrainConfig:
    """Three steps of sixteen sequences, eight micro-batches each, evaluated after two."""
    return PretrainConfig(
        input=[str(records / "train.tfrecord")], eval_input=[str(records / "eval.tfrecord")],
        output=str(output), global_batch_size=16, micro_batch_size=2, max_steps=3, layout="padded",
        learning_rate=0.5, save_every=1, eval_every=2, log_every=1, max_grad_norm=0.7,
        optimizer="sgd", model=SHAPE, ipu=TWO,
    )  # fmt: skip


@pytest.fixture(scope="module")
def on_cpu(records, tmp_path_factory):
    """The same run on the CPU."""
    config = plain(records, tmp_path_factory.mktemp("cpu") / "run")
    return pretrain(config, registry.get("cpu"))


def test_three_steps_are_the_cpus(settings, on_cpu, poptorch):
    require_same(pretrain(settings(), registry.get("ipu")), on_cpu)
    training, evaluating = poptorch.DEVICE.compiled
    assert training.training and not evaluating.training
    assert [block for block, _ in training.trace.blocks] == ["stage0", "stage1", "stage2"]
    assert [ipu for _, ipu in training.trace.blocks] == [0, 1, 0]
    assert training.trace.serialized == [4]
    assert training.trace.checkpoints == SHAPE.num_hidden_layers
    # 7 records in micro-batches of 2: one call of three and one of one, each time.
    assert poptorch.DEVICE.calls == 3 + 2 * 2
    assert poptorch.DEVICE.holder is None, "the IPUs must be free at the end"


@pytest.mark.parametrize(
    "changes",
    [
        {"ipu": IpuOptions(replicas=2)},
        {"ipu": IpuOptions(replicas=4), "mlm_normalisation": "micro_batch"},
        {"ipu": IpuOptions(pipeline_stages=["emb hid", "hid enc_out", "pool heads"],
                          device_mapping=[0, 1, 0]),
         "micro_batch_size": 1, "global_batch_size": 12},
    ],
    ids=["replicas", "micro_batch_mean", "tensorflow_form"],
)  # fmt: skip
def test_other_arrangements_are_the_cpus_too(settings, poptorch, tmp_path, changes):
    config = settings(**changes, eval_every=0, max_steps=2)
    other = pretrain(replace(config, output=str(tmp_path / "cpu")), registry.get("cpu"))
    require_same(pretrain(config, registry.get("ipu")), other)


def test_packed_rows_are_the_cpus_too(settings, poptorch, tmp_path):
    """Sequences of 6 to 12 tokens in rows of 32: a step takes half the rows."""
    config = settings(
        input=[str(short_records(tmp_path / "short.tfrecord"))], eval_every=0, max_steps=2,
        eval_input=[], layout="packed", ipu=replace(TWO, packing_factor=1.6),
        model=replace(SHAPE, max_position_embeddings=32),
    )  # fmt: skip
    other = pretrain(
        replace(config, output=str(tmp_path / "cpu"), layout="padded"), registry.get("cpu")
    )
    require_same(pretrain(config, registry.get("ipu")), other)
    accumulation = poptorch.DEVICE.compiled[0].options.Training.values["accumulation"]
    assert accumulation == 5, "8 micro-batches / 1.6"
    full = replace(config, ipu=IpuOptions(packing_factor=8.0), output=str(tmp_path / "full"))
    with pytest.raises(DataError, match=r"micro-batches, the compiled program takes 1"):
        pretrain(full, registry.get("ipu"))


def short_records(path: Path) -> Path:
    random = np.random.default_rng(3)
    rows = []
    for _ in range(40):
        row = synthetic.record(random, 12, 3)
        for name in ("input_ids", "input_mask", "segment_ids"):
            row[name] = np.pad(row[name], (0, 20))
        rows.append(encode_example(row))
    write_records(path, rows)
    return path


@pytest.mark.parametrize("name", ["nvlamb", "graphcore", "max_weight_norm", "no_debias_clamp10"])
def test_every_lamb_is_a_case_of_the_engines(settings, poptorch, tmp_path, name):
    config = settings(
        optimizer=name, max_grad_norm=0.0, eps=1e-3, learning_rate=0.01, eval_every=0, max_steps=2,
        ipu=IpuOptions(),
    )  # fmt: skip
    other = pretrain(replace(config, output=str(tmp_path / "cpu")), registry.get("cpu"))
    result = pretrain(config, registry.get("ipu"))
    assert distance(result.checkpoint, other.checkpoint) < 1e-4
    groups = poptorch.DEVICE.compiled[0].numbers["groups"]
    limits = {group["max_weight_norm"] for group in groups}
    clamp = {"no_debias_clamp10": 10.0}.get(name, 65500.0)
    assert limits == ({clamp} if name == "no_debias_clamp10" else {clamp, 0.0})


def test_clipping_and_moments_of_adamw(settings, poptorch, tmp_path):
    config = settings(
        optimizer="adamw", eps=1e-2, learning_rate=0.01, max_grad_norm=0.1, eval_every=0
    )
    other = pretrain(replace(config, output=str(tmp_path / "cpu")), registry.get("cpu"))
    assert distance(pretrain(config, registry.get("ipu")).checkpoint, other.checkpoint) < 1e-4


def test_resumed_equals_uninterrupted_with_dropout(settings, poptorch, tmp_path):
    """Moments and random generators come back, although they live on the device."""
    shape = replace(SHAPE, hidden_dropout_prob=0.3)
    config = settings(model=shape, optimizer="adamw", learning_rate=0.01, eval_every=0)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), registry.get("ipu"))
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=2), registry.get("ipu"))
    resumed = pretrain(config, registry.get("ipu"))
    assert resumed.resumed_from == 2
    assert distance(resumed.checkpoint, whole.checkpoint) == 0
    quiet = replace(config, model=SHAPE, output=str(tmp_path / "quiet"))
    assert distance(pretrain(quiet, registry.get("ipu")).checkpoint, whole.checkpoint) > 1e-4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("            self._training_model.rng_state = self._random\n", "            pass\n"),
        ("        load_saved_state(self.optimizer, state", "        (self.optimizer, state"),
    ],
    ids=["random", "moments"],
)
def test_what_a_resumed_run_needs_is_on_the_device(settings, poptorch, tmp_path, old, new):
    shape = replace(SHAPE, hidden_dropout_prob=0.3)
    config = settings(model=shape, optimizer="adamw", learning_rate=0.01, eval_every=0)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), registry.get("ipu"))
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=2), registry.get("ipu"))
    forgetful = changed_adapter("step", old, new)
    assert distance(pretrain(config, forgetful).checkpoint, whole.checkpoint) > 1e-6


def test_phase_two_takes_weights_only(settings, on_cpu, poptorch, tmp_path):
    """Rate and step begin anew: after a first step of rate 0 the weights are phase one's."""
    config = settings(init_checkpoint=on_cpu.checkpoint, max_steps=1, warmup_steps=1)
    result = pretrain(config, registry.get("ipu"))
    assert (result.resumed_from, result.step) == (0, 1)
    assert distance(result.checkpoint, on_cpu.checkpoint) == 0


def test_the_state_of_another_machine_is_refused(settings, on_cpu, poptorch):
    config = settings(resume=on_cpu.checkpoint)
    with pytest.raises(ConfigError, match="not written on IPUs"):
        pretrain(config, registry.get("ipu"))


def test_half_precision_trains_and_saves_full_numbers(settings, on_cpu, poptorch):
    config = settings(precision="fp16", loss_scale=128.0)
    result = pretrain(config, registry.get("ipu"))
    assert {value.dtype for value in weights(result.checkpoint).values()} == {torch.float32}
    training, evaluating = poptorch.DEVICE.compiled
    assert {value.dtype for value in training.weights.values()} == {torch.float16}
    assert training.numbers["loss_scaling"] == 128.0
    assert training.numbers["accum_type"] == torch.float16
    assert training.options.Precision.values == {"partials": "half", "stochastic": True}
    assert evaluating.options.Precision.values["stochastic"] is False
    assert result.train["loss"] == pytest.approx(on_cpu.train["loss"], rel=0.02)


def test_the_loss_scale_is_found_by_the_engine_where_none_is_given(settings, poptorch):
    options = replace(TWO, automatic_loss_scaling=True)
    pretrain(settings(precision="fp16", ipu=options, max_steps=1), registry.get("ipu"))
    training = poptorch.DEVICE.compiled[0]
    assert training.options.Training.values["automatic"] is True
    assert training.numbers["loss_scaling"] == 1.0


def test_options_reach_the_engine(settings, poptorch, tmp_path):
    options = replace(
        TWO, replicas=2, replicated_tensor_sharding=True, half_first_moment=True,
        executable_cache=str(tmp_path / "cache"), synthetic_data=True, auto_round=True,
        accumulation="fp16", recomputation=False, inference_device_iterations=4,
    )  # fmt: skip
    config = settings(
        ipu=options, optimizer="adamw", global_batch_size=20, micro_batch_size=1, max_steps=1
    )
    pretrain(config, registry.get("ipu"))
    training, evaluating = poptorch.DEVICE.compiled
    for found in (training, evaluating):
        values = found.options.values
        assert (values["replication"], values["round"], values["synthetic"]) == (2, True, True)
        assert values["cache"] == str(tmp_path / "cache")
        assert values["memory"] == {0: 0.3, 1: 0.2}
    assert training.options.TensorLocations.values["optimizer"] == {
        "on_chip": False, "sharded": True,
    }  # fmt: skip
    assert training.options.Training.values["accumulation"] == 10
    assert training.options.values["seed"] == config.seed
    assert evaluating.options.values["iterations"] == 4
    assert training.numbers["first_order_momentum_accum_type"] == torch.float16
    assert training.numbers["accum_type"] == torch.float16
    assert training.trace.checkpoints == 0
    assert training.optimizer.constants() >= {"betas", "eps", "weight_decay"}
    assert not training.optimizer.variable_attrs.isConstant("lr")


def test_compile_only_needs_no_ipu_and_writes_no_checkpoint(settings, poptorch, monkeypatch):
    monkeypatch.setattr(poptorch.DEVICE, "ipus", 0)
    result = pretrain(settings(ipu=replace(TWO, compile_only=True)), registry.get("ipu"))
    assert result.step == 0
    assert len(poptorch.DEVICE.compiled) == 1 and poptorch.DEVICE.calls == 0
    assert checkpoint.in_run(settings().output) == []
    with pytest.raises(MissingDependencyError, match="finds no IPU") as caught:
        pretrain(settings(), registry.get("ipu"))
    assert caught.value.exit_code == 4
    assert pretrain(settings(ipu=replace(TWO, simulator=True)), registry.get("ipu")).step == 3


# What a broken adapter may run into: the engine's errors, PyTorch's, or other numbers.
REFUSALS = (Exception,)

BREAKS = {
    # What the engine does not see unless it is told.
    "rate_without_set_optimizer": (
        "step", "        executor.setOptimizer(self.optimizer)\n", ""),
    "weights_not_fetched_for_a_checkpoint": (
        "step", "        self.attached.fetch_weights()\n        save()", "        save()"),
    "weights_not_fetched_for_an_evaluation": (
        "step", "        self.fetch_weights()\n        if self._model", "        if self._model"),
    "two_models_on_the_same_ipus": (
        "step", "        self.detach()\n        if executor", "        if executor"),
    "compiled_anew_for_every_step": (
        "step", "if self._training_model is None:", "if True:"),
    # The loss and what is added up.
    "loss_not_marked": ("model", 'poptorch().identity_loss(loss, reduction="none")', "loss + 0"),
    "loss_not_among_the_outputs": (
        "model", "return (loss.reshape(1),", "return ((loss + 0).reshape(1),"),
    "mean_instead_of_sum": ("step", "number = float(self._micro_batches)", "number = 1.0"),
    "sum_instead_of_mean": (
        "engine_options", "engine.ReductionType.Mean", "engine.ReductionType.Sum"),
    "last_output_instead_of_the_sum": (
        "engine_options", "    made.outputMode(engine.OutputMode.Sum)\n", ""),
    "no_reduction": (
        "engine_options", "engine.ReductionType.Mean", "engine.ReductionType.NoReduction"),
    # Shapes and types.
    "sixty_four_bit_integers": ("model", "else np.int32", "else np.int64"),
    "row_numbers_across_replicas": (
        "model", "            found = found % table.shape[1]\n", "            pass\n"),
    "ragged_last_batch": (
        "model", "np.zeros((sequences, *first",
        "np.zeros((sum(len(p[name]) for p in parts), *first"),
    "numbers_read_while_compiling": (
        "model", "self.outputs = (", "loss.item()\n        self.outputs = ("),
    "tensor_made_on_the_host": (
        "model", "self.outputs = (", "loss = loss + torch.ones(1).sum()\n        self.outputs = ("),
    "boolean_index": (
        "model", "self.outputs = (",
        "loss = loss + loss[loss > 0].sum()\n        self.outputs = ("),
    # Options.
    "replicas_not_an_integer": (
        "engine_options", "replicationFactor(options.replicas)",
        "replicationFactor(float(options.replicas))"),
    "iterations_not_an_integer": ("engine_options", "deviceIterations(1)", "deviceIterations(1.0)"),
    "accumulation_as_text": (
        "engine_options", "gradientAccumulation(accumulation(options, plan.shape))",
        "gradientAccumulation('8')"),
    "seed_not_an_integer": (
        "engine_options", "randomSeed(plan.seed)", "randomSeed(float(plan.seed))"),
    "memory_of_a_bare_number": ("engine_options", 'f"IPU{n}": share', 'f"{n}": share'),
    "no_accumulation": (
        "engine_options",
        "    made.Training.gradientAccumulation(accumulation(options, plan.shape))\n", ""),
    "accumulation_in_inference": (
        "engine_options", "    made.outputMode(poptorch().OutputMode.All)\n",
        "    made.outputMode(poptorch().OutputMode.All).Training.gradientAccumulation(2)\n"),
    "too_few_iterations_in_inference": ("engine_options", "or len(pipeline.stages)", "or 1"),
    "options_changed_after_the_model_took_them": (
        "step", "        self.attached.attach(self._training_model, trains=True)",
        "            options.deviceIterations(2)\n"
        "        self.attached.attach(self._training_model, trains=True)"),
    # Stages.
    "stages_out_of_order": ("engine_options", "for stage in pipeline.stages]",
                            "for stage in reversed(pipeline.stages)]"),
    "stage_that_never_begins": (
        "model", '            where = parts["heads"]\n', "            continue\n"),
    "blocks_marked_twice": (
        "model", "    engine.removeBlocks(model)\n",
        "    engine.removeBlocks(model)\n    engine.BeginBlock(model.bert.embeddings)\n"),
    # The optimizer.
    "optimizer_the_engine_does_not_know": (
        "optimizers", "_constant(optim.SGD(_groups(chosen), **keywords, **clip))",
        "torch.optim.RMSprop(_groups(chosen), lr=0.0)"),
    "accumulators_of_another_type": (
        "optimizers", 'keywords["accum_type"] = half', 'keywords["accum_type"] = torch.bfloat16'),
    "norm_not_clipped": ("optimizers", "if plan.max_grad_norm > 0 else {}", "if False else {}"),
    "rate_compiled_in": ("optimizers", '{"lr": 0.0,', '{"lr": None,'),
    "norm_of_gradients_in_lamb": (
        "optimizers", "bias_correction=variant.bias_correction,",
        "bias_correction=variant.bias_correction, max_grad_norm=1.0,"),
    "loss_scale_found_with_wide_accumulators": (
        "optimizers",
        "torch.float16 if half_accumulation(options, plan.precision) else torch.float32",
        "torch.float32"),
}  # fmt: skip


# Runs that a break needs, where it is not the plain one.
OTHER_RUNS = {
    "norm_of_gradients_in_lamb": {"optimizer": "graphcore", "max_grad_norm": 0.0},
    "loss_scale_found_with_wide_accumulators": {"precision": "fp16"},
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_demand_of_the_engine_matters(settings, on_cpu, poptorch, name):
    """A run by an adapter with one line changed fails, or is another run."""
    adapter = changed_adapter(*BREAKS[name])
    try:
        result = pretrain(settings(**OTHER_RUNS.get(name, {})), adapter)
        if name not in OTHER_RUNS:
            require_same(result, on_cpu)
            assert len(poptorch.DEVICE.compiled) == 2
    except REFUSALS as error:
        assert not isinstance(error, (NameError, ImportError)), error
    else:
        pytest.fail("nothing noticed the change")


def test_the_copy_without_a_change_passes(settings, on_cpu, poptorch):
    adapter = changed_adapter("step", "number = float(self._micro_batches)",
                              "number = float(self._micro_batches) + 0")  # fmt: skip
    require_same(pretrain(settings(), adapter), on_cpu)
    assert len(poptorch.DEVICE.compiled) == 2
