"""Runs on IPUs, played by a stand-in that refuses what PopTorch refuses.

What the stand-in demands is written in `fakes/poptorch`; that the adapter depends on each
demand is shown by changing one line of it and watching the run fail.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.backends.ipu.options import IpuOptions
from bertkit.errors import MissingDependencyError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint

from .conftest import SHAPE, TWO
from .copies import changed_adapter, distance, require_same, trained


def test_three_steps_are_the_cpus(settings, on_cpu, poptorch):
    require_same(trained(settings()), on_cpu)
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
    require_same(trained(config), other)


def test_phase_two_takes_weights_only(settings, on_cpu, poptorch, tmp_path):
    """Rate and step begin anew: after a first step of rate 0 the weights are phase one's."""
    config = settings(init_checkpoint=on_cpu.checkpoint, max_steps=1, warmup_steps=1)
    result = trained(config)
    assert (result.resumed_from, result.step) == (0, 1)
    assert distance(result.checkpoint, on_cpu.checkpoint) == 0


def test_compile_only_needs_no_ipu_and_writes_no_checkpoint(settings, poptorch, monkeypatch):
    monkeypatch.setattr(poptorch.DEVICE, "ipus", 0)
    result = trained(settings(ipu=replace(TWO, compile_only=True)))
    assert result.step == 0
    assert len(poptorch.DEVICE.compiled) == 1 and poptorch.DEVICE.calls == 0
    assert checkpoint.in_run(settings().output) == []
    with pytest.raises(MissingDependencyError, match="finds no IPU") as caught:
        trained(settings())
    assert caught.value.exit_code == 4
    assert trained(settings(ipu=replace(TWO, simulator=True))).step == 3


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


# The same run, in which an evaluation does not come after a checkpoint.
UNSAVED = {"weights_not_fetched_for_an_evaluation": {"save_every": 0}}


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_each_demand_of_the_engine_matters(settings, on_cpu, poptorch, name):
    """A run by an adapter with one line changed fails, or is another run."""
    adapter = changed_adapter(*BREAKS[name])
    try:
        result = trained(settings(**{**OTHER_RUNS, **UNSAVED}.get(name, {})), adapter)
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
    require_same(trained(settings(), adapter), on_cpu)
    assert len(poptorch.DEVICE.compiled) == 2
