"""A tiny BERT in TensorFlow 1: its outputs, gradients, and six steps of MLPerf's LAMB."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.model.checkpoints.loading import load_into, load_weights
from bertkit.model.checkpoints.tensorflow.tf1 import our_name
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective, token_batch
from bertkit.train.optimization.schedule import make_schedule

# The reference computes in fp32 as well, in another order of summation.
RELATIVE = 2e-5


@pytest.fixture
def numerics(shared):
    return shared / "goldens/numerics"


@pytest.fixture
def model(numerics):
    # Google's "gelu" is the approximation by tanh; transformers reads the word as the exact one.
    shape = replace(BertConfig.from_file(numerics / "bert_config.json"), hidden_act="gelu_new")
    made = BertForPreTraining(shape)
    load_into(made, load_weights(numerics / "init/model.ckpt-0"), source="init")
    return made


@pytest.fixture
def steps(shared):
    def make(layout):
        source = RecordSource([str(shared / "goldens/records/google_sample_128.tfrecord")])
        order = SampleOrder(len(source), 0, shuffle=False)
        return RecordFeed(source, order, 8, 8, layout, "micro_batch", 30522).steps(0, 6)

    return make


def ours(arrays):
    """TensorFlow's arrays by our names, in our orientation."""
    found = {}
    for name in arrays.files:
        mine, turned = our_name(name.replace("|", "/"))
        assert mine, name
        found[mine] = arrays[name].T if turned else arrays[name]
    return found


def far(mine, theirs):
    """Largest difference, relative to the largest number of the tensor."""
    return float(np.abs(mine - theirs).max() / max(float(np.abs(theirs).max()), 1e-6))


def test_the_forward_pass_is_tensorflows(numerics, model, steps):
    expected = np.load(numerics / "forward_batch0.npz")
    micro = next(steps("padded")).micro_batches[0]
    tensors = {name: torch.from_numpy(values) for name, values in micro.arrays.items()}
    model.eval()
    with torch.no_grad():
        hidden = model.bert(token_batch(tensors, micro))
        _, sums = PretrainingObjective().losses(model, tensors, micro)
    mask = micro.arrays["mask"]
    mine = hidden.reshape(8, 128, 16).numpy()[mask]
    assert far(mine, expected["seq"][mask]) < RELATIVE
    assert float(sums["mlm_loss_sum"]) / int(sums["mlm_count"]) == pytest.approx(
        float(expected["mlm_loss"]), rel=1e-5
    )
    assert float(sums["nsp_loss_sum"]) / 8 == pytest.approx(float(expected["nsp_loss"]), rel=1e-5)


@pytest.mark.parametrize("layout", ["unpadded", "padded"])
def test_the_gradients_are_tensorflows(numerics, model, steps, layout):
    expected = ours(np.load(numerics / "grads_batch0.npz"))
    micro = next(steps(layout)).micro_batches[0]
    tensors = {name: torch.from_numpy(values) for name, values in micro.arrays.items()}
    loss, _ = PretrainingObjective().losses(model, tensors, micro)
    loss.backward()
    mine = dict(model.named_parameters())
    assert len(expected) >= 45
    wrong = {
        name: far(mine[name].grad.numpy(), theirs)
        for name, theirs in expected.items()
        if "key.bias" not in name and far(mine[name].grad.numpy(), theirs) > 1e-4
    }
    assert wrong == {}


@pytest.mark.parametrize("layout", ["unpadded", "padded"])
def test_six_steps_of_mlperfs_lamb(numerics, model, steps, layout):
    """With a negative start_warmup_step: the first step has a rate already."""
    log = json.loads((numerics / "lamb_log.json").read_text())
    adapter = registry.get("cpu")
    schedule = make_schedule(
        "polynomial", learning_rate=0.0288293, max_steps=10, warmup_steps=3, start_warmup_step=-2
    )
    spec = OptimizerSpec("mlperf", beta1=0.88, beta2=0.88, eps=1e-6, weight_decay=0.0166629)
    optimizer = adapter.optimizer(model, spec)
    stepper = adapter.build(
        model, PretrainingObjective(), StepPlan(layout=layout), optimizer, schedule
    )
    for number, batch in enumerate(steps(layout)):
        (numbers,) = stepper.read([stepper.train(batch, number)])
        assert numbers["loss"] == pytest.approx(log[number]["loss"], rel=5e-5)
        assert numbers["grad_norm"] == pytest.approx(log[number]["grad_norm"], rel=1e-3)
    expected = ours(np.load(numerics / "lamb_after6_trainables.npz"))
    mine = {name: value.detach().numpy() for name, value in model.named_parameters()}
    wrong = {
        name: far(mine[name], theirs)
        for name, theirs in expected.items()
        if "key.bias" not in name and far(mine[name], theirs) > 2e-4
    }
    assert wrong == {}
