"""What can be known of the CUDA adapter without a GPU; with one, a run equals the CPU's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
import torch
from safetensors.torch import load_file

from backends.torch.two_processes import batches, make, weights
from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import Topology
from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.backends.torch.options import CudaOptions
from bertkit.errors import MissingDependencyError, StoppedError
from bertkit.model.config import BertConfig
from bertkit.model.fused.dispatch import gpu_has_fp8
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.step_settings import chosen_precision

SMALL = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=256, max_position_embeddings=32,
)  # fmt: skip
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


def test_probe_tells_a_cpu_build_from_a_missing_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA and without ROCm" in CudaAdapter().probe().reason
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "with CUDA 13.0 finds no usable GPU" in CudaAdapter().probe().reason
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", "7.0")
    probe = CudaAdapter().probe()
    assert "with ROCm 7.0 finds no usable GPU" in probe.reason and "rocm-smi" in probe.hint


def test_a_rocm_build_is_a_gpu_like_another(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", "7.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "AMD Instinct MI300X")
    # AMD's numbers are those of its architectures, not of compute capabilities.
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 4))
    adapter = CudaAdapter()
    probe = adapter.probe()
    assert probe.present and probe.reason == "1 x AMD Instinct MI300X, ROCm 7.0"
    assert adapter.best_precision(1024) == "bf16"


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled")
@pytest.mark.parametrize(("precision", "scales"), [("fp16", True), ("bf16", False)])
def test_only_fp16_is_scaled(precision, scales):
    model = torch.nn.Linear(2, 2)
    adapter = CudaAdapter()
    optimizer = adapter.optimizer(model, OptimizerSpec())
    step = adapter.build(
        model, PretrainingObjective(), StepPlan(precision), optimizer, lambda step: 0.1
    )
    assert (step.scaler is not None) == scales
    assert adapter.build(model, PretrainingObjective(), StepPlan(precision)).scaler is None


@needs_gpu
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_a_run_on_the_gpu_equals_the_cpu(tmp_path, layout):
    path = synthetic.write(tmp_path / "r.tfrecord", 40, seed=1)
    shape = BertConfig(
        vocab_size=synthetic.VOCAB, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=256, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config = PretrainConfig(
        input=[str(path)], global_batch_size=8, micro_batch_size=4, max_steps=5, layout=layout,
        precision="fp32", learning_rate=1e-3, model=shape,
    )  # fmt: skip
    results = [
        pretrain(replace(config, output=str(tmp_path / name)), registry.get(name))
        for name in ("cpu", "cuda")
    ]
    assert results[0].train["loss"] == pytest.approx(results[1].train["loss"], rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_every_layout_can_be_compiled_in_every_precision(precision, layout):
    plan = StepPlan(precision, layout, options=CudaOptions(compile=True))
    assert CudaAdapter().validate(plan, OptimizerSpec()) == []


def test_8_bits_bring_fused_layers_along_where_nobody_settled_options(monkeypatch):
    """As in fine-tuning, prediction and `eval`."""
    monkeypatch.setattr("bertkit.backends.torch.cuda.require_fp8", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    model = BertForPreTraining(SMALL)
    plan = StepPlan("bf16", options=CudaOptions(fp8=True), model=SMALL)
    CudaAdapter().build(model, PretrainingObjective(), plan)
    assert all(layer.fp8 and layer.fused for layer in model.bert.encoder.layer)


@pytest.mark.parametrize("wanted", [True, False])
def test_layers_are_told_whether_they_are_fused(monkeypatch, wanted):
    """Such layers are not compiled where the kernels run."""
    monkeypatch.setattr("bertkit.backends.torch.compiled.gpu_has_kernels", lambda: True)
    model = BertForPreTraining(SMALL)
    plan = StepPlan("bf16", options=CudaOptions(fused=wanted, compile=True))
    CudaAdapter().build(model, PretrainingObjective(), plan)
    for part in (model.bert.embeddings, *model.bert.encoder.layer):
        assert part.fused == wanted and (part._compiled_call_impl is None) == wanted
    assert model.fused == wanted
    compiled = {name for name in ("scored", "transformed", "pairs") if name in vars(model)}
    assert compiled == ({"transformed", "pairs"} if wanted else {"scored"})


def test_half_precision_is_the_default_where_there_is_any(monkeypatch):
    adapter = CudaAdapter()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, expected in (((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda found=capability: found)
        assert chosen_precision(adapter, "auto", 768) == expected
        assert chosen_precision(adapter, "tf32", 768) == "tf32"


def test_only_tf32_rounds_the_factors_of_products(monkeypatch):
    """bf16 computes with copies of the weights, other precisions do not."""
    asked = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    for precision, copies in (("fp32", False), ("tf32", False), ("bf16", True), ("fp16", False)):
        model = torch.nn.Linear(2, 2)
        step = CudaAdapter().build(model, PretrainingObjective(), StepPlan(precision))
        assert (step.working is not None) == copies
    assert asked == ["highest", "high", "highest", "highest"]


@needs_gpu
def test_precisions_differ_by_their_rounding_alone(run):
    exact = run(dropout=0.0, precision="fp32").train["loss"]
    # The dynamic loss scale of fp16 leaves out the first steps; a constant one leaves out none.
    for precision, difference, scale in (
        ("tf32", 2e-3, 0),
        ("bf16", 1e-2, 0),
        ("fp16", 1e-2, 1024),
    ):
        loss = run(dropout=0.0, precision=precision, loss_scale=float(scale)).train["loss"]
        assert loss == pytest.approx(exact, rel=difference), precision


@needs_gpu
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_fused_layers_give_the_numbers_of_others(run, layout):
    plain, fused = (
        run(dropout=0.0, layout=layout, cuda=CudaOptions(fused=wanted)).train["loss"]
        for wanted in (False, True)
    )
    assert fused == pytest.approx(plain, rel=1e-3)


needs_fp8 = pytest.mark.skipif(not gpu_has_fp8(), reason="no GPU with products in 8 bits here")


@needs_fp8
@pytest.mark.parametrize("more", [{}, {"cuda": CudaOptions(fp8=True, graphs=True)}])
def test_products_in_8_bits_learn_what_others_learn(run, more):
    plain = run(max_steps=30, cuda=CudaOptions(fused=True)).train["loss"]
    eight = run(max_steps=30, **({"cuda": CudaOptions(fp8=True)} | more)).train["loss"]
    assert eight == pytest.approx(plain, rel=2e-2) and eight != plain


@needs_gpu
@pytest.mark.parametrize(("passes", "graphs"), [(1, False), (2, False), (1, True)])
def test_updates_in_one_pass_have_the_bits_of_pytorchs(run, tmp_path, monkeypatch, passes, graphs):
    from bertkit.backends.torch import cuda
    from bertkit.backends.torch.fused.one_pass_update import OnePassUpdate

    steps, taken = OnePassUpdate.run, []
    monkeypatch.setattr(OnePassUpdate, "run", lambda *given: taken.append(1) or steps(*given))
    options = {
        "cuda": CudaOptions(deterministic=True, fused=True, graphs=graphs),
        "micro_batch_size": 8 // passes, "max_steps": 12,
    }  # fmt: skip
    mine = run(into=tmp_path / "mine", **options).checkpoint
    assert taken
    monkeypatch.setattr(cuda, "one_pass_update", lambda *given: None)
    count = len(taken)
    right = run(into=tmp_path / "right", **options).checkpoint
    assert len(taken) == count
    one, other = (load_file(Path(place) / "model.safetensors") for place in (mine, right))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@needs_gpu
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "nvlamb", "no_debias_clamp10"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_stopped_run_goes_on_with_the_same_bits(run, tmp_path, optimizer, recompute, fused):
    options = {
        "cuda": CudaOptions(deterministic=True, fused=fused),
        "optimizer": optimizer, "recompute": recompute,
    }  # fmt: skip
    whole = run(**options).checkpoint
    with pytest.raises(StoppedError):
        run(into=tmp_path / "stopped", steps_this_run=3, **options)
    resumed = run(into=tmp_path / "stopped", **options).checkpoint
    one, other = (load_file(Path(place) / "model.safetensors") for place in (whole, resumed))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@needs_gpu
@pytest.mark.slow
@pytest.mark.parametrize("totals", [0, 3])
def test_compiled_parts_give_the_numbers_of_eager_ones(run, totals):
    for more in ({}, {"precision": "fp32"}, {"recompute": True}):
        plain = run(dropout=0.0, **more).train["loss"]
        compiled = run(dropout=0.0, cuda=CudaOptions(compile=True, totals=totals), **more)
        assert compiled.train["loss"] == pytest.approx(plain, rel=1e-2)


@needs_gpu
def test_a_step_whose_gradients_overflow_in_fp16_is_left_out(run):
    """The scale begins far too high and is halved until steps count."""
    result = run(dropout=0.0, precision="fp16", max_steps=30)
    assert math.isfinite(result.train["loss"])
    weights = load_file(Path(result.checkpoint) / "model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize(("count", "seen"), [(1, "3"), (2, None)])
def test_a_rank_beyond_the_gpus_is_one_line(monkeypatch, count, seen):
    """As srun --gpus-per-task=1 gives each process: one GPU, but a LOCAL_RANK of 3."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", lambda wanted: None)
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "3")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    with pytest.raises(MissingDependencyError) as caught:
        CudaAdapter().start(distributed=True)
    assert caught.value.message.startswith(f"LOCAL_RANK is 3, but this process sees {count} GPU")
    assert "--gpus-per-node" in caught.value.hint
    assert ("CUDA_VISIBLE_DEVICES=3" in caught.value.message) == bool(seen)


@needs_gpu
@pytest.mark.parametrize("name", ["adamw", "nvlamb", "no_debias_clamp10", "sgd"])
@pytest.mark.parametrize("norm", [0.0, 1.0])
def test_a_gradient_that_is_not_finite_changes_nothing_on_the_gpu(name, norm):
    with registry.get("cuda") as adapter:
        adapter.start()
        model, _, stepper = make(adapter, name, 1e-2, max_grad_norm=norm)
        for step, batch in enumerate(batches(Topology(), "micro_batch")):
            before = weights(model)
            counts = {k: v.get("step") for k, v in stepper.state()["optimizer"].items()}
            if step == 1:
                masked = batch.micro_batches[0].arrays["mlm_weights"]
                masked[masked > 0] = math.inf
            (numbers,) = stepper.read([stepper.train(batch, step)])
            same = all(torch.equal(value, weights(model)[key]) for key, value in before.items())
            assert same == (step == 1) and math.isfinite(numbers["grad_norm"]) == (step != 1)
            if step == 1:
                after = stepper.state()["optimizer"]
                assert counts == {key: value.get("step") for key, value in after.items()}
