"""The batch layouts give the same losses, counts and gradients on the same instances."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import synthetic
import torch

from bertkit.backends.torch.compiled import compile_parts
from bertkit.backends.torch.host_buffers import on_device, staged
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.token_budget import Budget, budget_for
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=48, max_position_embeddings=24, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip


@pytest.fixture
def source(tmp_path):
    return RecordSource([str(synthetic.write(tmp_path / "r.tfrecord", 30, seed=5))])


def outcome(source, layout, nsp=True, normalisation="global_step", model=None, **more):
    """(loss, sums, gradients) of the first step."""
    if model is None:
        torch.manual_seed(2)
        model = BertForPreTraining(SHAPE)
    model.zero_grad()
    order = SampleOrder(len(source), seed=7)
    vocab = model.config.vocab_size
    feed = RecordFeed(source, order, 12, 4, layout, normalisation, vocab, **more)
    (step,) = feed.steps(0, 1)
    task = PretrainingObjective(nsp=nsp)
    total, sums = 0.0, {}
    for micro in step.micro_batches:
        tensors = {name: torch.from_numpy(values) for name, values in micro.arrays.items()}
        loss, parts = task.losses(model, tensors, micro)
        loss.backward()
        total += float(loss.detach())
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value)
    gradients = {
        name: value.grad for name, value in model.named_parameters() if value.grad is not None
    }
    return total, sums, gradients


def require_same(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-5)
    assert one[1] == pytest.approx(other[1], rel=1e-5)
    assert one[2].keys() == other[2].keys()
    for name, gradient in one[2].items():
        torch.testing.assert_close(gradient, other[2][name], rtol=1e-4, atol=1e-6, msg=name)


FORMS = [
    ("padded", {}),
    ("bucketed", {"boundaries": (16, 20)}),
    ("packed", {}),
    ("packed", {"cls_place": "end_of_pack"}),
    ("padded", {"stretches": True}),
    ("bucketed", {"stretches": True, "boundaries": (16, 20)}),
    ("packed", {"stretches": True}),
]


@pytest.mark.parametrize("normalisation", ["global_step", "micro_batch"])
@pytest.mark.parametrize("nsp", [True, False])
@pytest.mark.parametrize(("layout", "more"), FORMS)
def test_every_layout_gives_the_numbers_of_the_unpadded_one(
    source, layout, more, nsp, normalisation
):
    plain = outcome(source, "unpadded", nsp, normalisation)
    assert plain[0] > 1
    for fixed in (True, False):
        if fixed or "cls_place" not in more:
            found = outcome(source, layout, nsp, normalisation, fixed=fixed, **more)
            require_same(plain, found)


REAL = ["google_sample_128", "cerebras_sample_mlmonly_128_dupe2_seed0", "mlperf_sample_512"]


@pytest.mark.parametrize(
    "name", [REAL[0], *(pytest.param(name, marks=pytest.mark.slow) for name in REAL[1:])]
)
def test_layouts_agree_on_records_that_tensorflow_wrote(shared, name):
    """One of them has 512 tokens, one no sentence pairs."""
    source = RecordSource([str(shared / "goldens" / "records" / f"{name}.tfrecord")])
    shape = replace(SHAPE, vocab_size=30522, max_position_embeddings=512)
    torch.manual_seed(2)
    model = BertForPreTraining(shape)
    nsp = "mlmonly" not in name
    plain = outcome(source, "unpadded", nsp=nsp, model=model)
    assert plain[0] > 9
    assert plain[1]["nsp_count"] == 12 * nsp
    budget = budget_for(source, 12, 4)
    forms = [("padded", {}), ("bucketed", {}), ("packed", {}), ("unpadded", {"budget": budget})]
    for layout, more in forms:
        for fixed in (False, True) if layout != "unpadded" else (False,):
            found = outcome(source, layout, nsp=nsp, model=model, fixed=fixed, **more)
            require_same(plain, found)


@pytest.mark.parametrize("normalisation", ["global_step", "micro_batch"])
def test_constant_totals_give_the_same_numbers(source, normalisation):
    plain = outcome(source, "unpadded", normalisation=normalisation)
    budget = Budget(24, tokens=(70, 90), predictions=(20, 20), sequences=6)
    found = outcome(source, "unpadded", normalisation=normalisation, budget=budget)
    require_same(plain, found)


def graphs_after_each_step(source, rate, steps, budget, parts=False, copies=False):
    """Compiled graphs so far, on the way of CUDA: `meta` tensors have shapes only.

    `copies`: as there, with half precision copies of the weights and one buffer a batch.
    """
    shape = replace(
        SHAPE, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate, hidden_size=64,
        num_hidden_layers=3 if parts else 1,
    )  # fmt: skip
    model = BertForPreTraining(shape).to("meta", torch.float32 if copies else torch.bfloat16)
    working = WorkingWeights(model) if copies else None
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = model
    if parts:
        compile_parts(model, dynamic=not budget.tokens, backend="eager")
    else:
        compiled = torch.compile(model, backend="eager", dynamic=False, fullgraph=True)
    order = SampleOrder(len(source), seed=7)
    feed = RecordFeed(
        source, order, 12, 4, "unpadded", "global_step", synthetic.VOCAB, budget=budget
    )
    task, lengths, graphs = PretrainingObjective(), set(), []
    batches = feed.steps(0, steps)
    for step in staged(batches, pin=False) if copies else batches:
        with working.applied() if working else contextlib.nullcontext():
            for micro in step.micro_batches:
                lengths.add(tuple(micro.lengths))
                tensors = on_device(micro, torch.device("meta"), pin=False)
                task.losses(compiled, tensors, micro)[0].backward()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert len(lengths) > steps, "batches that are all alike would tell nothing"
    return graphs


@pytest.mark.slow
# Of the meta device only: its nll_loss has no autograd kernel registered.
@pytest.mark.filterwarnings("ignore:aten..nll_loss")
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_constant_totals_compile_once(source, rate):
    assert graphs_after_each_step(source, rate, 3, budget_for(source, 12, 4, 1)) == [1] * 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:aten..nll_loss")
def test_parts_compile_once_for_any_total_or_once_for_each(source):
    """Embeddings, heads, the last layer, and all other layers together."""
    found = graphs_after_each_step(source, 0.1, 3, budget_for(source, 12, 4), parts=True)
    assert found == [4, 4, 4]
    few = Budget(24, tokens=(64, 100), predictions=(19, 20), sequences=4)
    found = graphs_after_each_step(source, 0.1, 6, few, parts=True)
    assert found[-1] == 8 and found[0] < 8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:aten..nll_loss")
def test_half_precision_copies_and_views_of_one_buffer_compile_no_more_often(source):
    """Although copies are new tensors in every step, and arrays begin elsewhere in every batch."""
    budget = budget_for(source, 12, 4)
    found = graphs_after_each_step(source, 0.1, 3, budget, parts=True, copies=True)
    assert found == [4, 4, 4]


@pytest.mark.slow
def test_batches_of_any_size_do_not_compile_once(source):
    """The test above could not fail if this one did."""
    assert graphs_after_each_step(source, 0.0, 1, None)[0] > 1


@pytest.mark.parametrize("layout", ["padded", "packed"])
def test_a_ragged_evaluation_batch_counts_only_its_records(source, layout):
    """The last of 30 records in batches of 4 and 12 are padded by fill."""
    torch.manual_seed(2)
    model, task = BertForPreTraining(SHAPE), PretrainingObjective()
    results = []
    for fixed in (False, True):
        order = SampleOrder(len(source), 0, shuffle=False)
        name = layout if fixed else "unpadded"
        feed = RecordFeed(source, order, 4, 4, name, "global_step", synthetic.VOCAB, fixed=fixed)
        sums = {}
        for step in feed.once():
            for micro in step.micro_batches:
                tensors = {key: torch.from_numpy(value) for key, value in micro.arrays.items()}
                with torch.no_grad():
                    _, parts = task.losses(model, tensors, micro)
                for key, value in parts.items():
                    sums[key] = sums.get(key, 0.0) + float(value)
        results.append(sums)
    records = source.batch(np.arange(30))
    assert results[0]["mlm_count"] == records["masked_lm_weights"].sum()
    assert results[0]["nsp_count"] == 30
    assert results[0] == pytest.approx(results[1], rel=1e-5)
