"""Half precision copies of the weights: what uses them, and where gradients arrive."""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import pytest
import synthetic
import torch

from backends.torch.operators import Operators
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.torch.step import TorchStepper
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.step_batch import StepBatch, unpadded, weighted
from bertkit.model.attention import UnpaddedLayout
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.optimization.optimizers import make_optimizer

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
    intermediate_size=48, max_position_embeddings=24, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip


def made(recompute=False):
    torch.manual_seed(1)
    model = BertForPreTraining(SHAPE)
    model.bert.encoder.recompute = recompute
    return model


def batches(parts, count=12):
    records = weighted(synthetic.batch(count, seed=4), "global_step", count)
    cuts = np.array_split(np.arange(count), parts)
    return StepBatch([
        unpadded({name: values[rows] for name, values in records.items()}) for rows in cuts
    ])  # fmt: skip


def stepper(model, precision="bf16", nsp=True, copies=True):
    optimizer = make_optimizer(model, OptimizerSpec())
    made = TorchStepper(
        model, PretrainingObjective(nsp), StepPlan(precision), torch.device("cpu"), optimizer,
        lambda step: 1e-3,
    )  # fmt: skip
    made.working = WorkingWeights(model) if copies else None
    return made


def gradients(model, parts=1, copies=True):
    step = stepper(model, copies=copies)
    found = {}
    step._update = lambda optimizer: found.update(
        {name: item.grad.clone() for name, item in model.named_parameters()}
    ) or torch.zeros(())  # fmt: skip
    step.train(batches(parts), 0)
    return found


def test_layers_use_copies_and_parameters_come_back():
    model = made()
    parameters = dict(model.named_parameters())
    with pytest.raises(KeyError), WorkingWeights(model).applied():
        now = {name: value.dtype for name, value in model.named_parameters()}
        projections = (".query.", ".key.", ".value.")  # copied side by side, see below
        wide = {
            name for name, kind in now.items()
            if kind == torch.float32 and not any(part in name for part in projections)
        }  # fmt: skip
        assert wide == {
            name for name in parameters
            if "embeddings." in name or name == "cls.predictions.bias" or "seq_rel" in name
        }  # fmt: skip
        raise KeyError
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert all(isinstance(value, torch.nn.Parameter) for value in model.parameters())


def test_query_key_and_value_are_joined_once_per_step():
    """And give what joining their copies would give, to the bit."""
    model = made()
    own = model.bert.encoder.layer[1].attention.self
    with WorkingWeights(model).applied():
        parts = [part.weight.to(torch.bfloat16) for part in (own.query, own.key, own.value)]
        assert torch.equal(own.joined_weight, torch.cat(parts))
        assert own.joined_bias.dtype == torch.bfloat16 and own.joined_bias.requires_grad
    assert own.joined_weight is None and own.joined_bias is None
    counts = {}
    for copies in (True, False):
        step = stepper(made(), copies=copies)
        with Operators() as seen:
            step.train(batches(4), 0)
        counts[copies] = seen.counts["cat"]
    # One in each micro-batch for the rows that the heads read; without copies two a layer more.
    assert counts == {True: 4, False: 4 + 4 * 2 * SHAPE.num_hidden_layers}


def test_gradients_are_added_by_layers_with_the_same_bits():
    found, counts = {}, {}
    for adds in (False, True):
        step = stepper(made())
        if not adds:
            step.working.__class__ = Never
        kept = {}
        step._update = lambda optimizer, kept=kept, step=step: kept.update(
            {name: item.grad.clone() for name, item in step.model.named_parameters()}
        ) or torch.zeros(())  # fmt: skip
        with Operators() as seen:
            step.train(batches(4), 0)
        found[adds], counts[adds] = kept, seen.counts
    assert all(torch.equal(value, found[True][name]) for name, value in found[False].items())
    layer = len(list(made().bert.encoder.layer[0].parameters()))
    spared = counts[False]["add_"] - counts[True]["add_"]
    assert spared >= 3 * SHAPE.num_hidden_layers * layer, "of all micro-batches but the first"


class Never(WorkingWeights):
    """As before an exchange: PyTorch adds gradients, and tells of each."""

    adds = property(lambda self: False, lambda self, value: None)


@pytest.mark.parametrize(("world", "expected"), [(1, [True] * 3), (2, [True, True, False])])
def test_gradients_that_are_exchanged_are_added_by_pytorch(monkeypatch, world, expected):
    """DistributedDataParallel counts on it."""
    step, seen = stepper(made()), []
    step.process_group = ProcessGroup(Topology(world=world))
    step._exchange = lambda number, last: contextlib.nullcontext()
    step._update = lambda optimizer: torch.zeros(())
    losses = PretrainingObjective.losses

    def watched(self, *words):
        seen.append(step.working.adds)
        return losses(self, *words)

    monkeypatch.setattr(PretrainingObjective, "losses", watched)
    step.train(batches(3), 0)
    assert seen == expected


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_float32_and_those_of_autocast(recompute):
    own, cast = gradients(made(recompute)), gradients(made(recompute), copies=False)
    assert own.keys() == cast.keys()
    assert {value.dtype for value in own.values()} == {torch.float32}
    for name, value in own.items():
        if name.endswith("key.bias"):  # nothing but rounding
            continue
        assert float((value - cast[name]).norm()) < 0.05 * float(cast[name].norm()) + 1e-3, name


def test_gradients_of_micro_batches_are_added_up_in_float32():
    whole_step = gradients(made(), parts=1)
    for name, value in gradients(made(), parts=4).items():
        whole = whole_step[name]
        if not name.endswith("key.bias"):
            assert float((value - whole).norm()) < 0.05 * float(whole.norm()) + 1e-3, name


def test_a_run_follows_that_of_float32():
    losses = {}
    for precision in ("fp32", "bf16"):
        step = stepper(made(), precision, copies=precision == "bf16")
        tickets = [step.train(batches(2), number) for number in range(8)]
        losses[precision] = [numbers["loss"] for numbers in step.read(tickets)]
        assert all(value.dtype == torch.float32 for value in step.model.parameters())
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=5e-3)
    assert losses["fp32"][-1] < 0.97 * losses["fp32"][0]


def test_evaluation_uses_the_weights_of_now():
    step = stepper(made())
    before = step.read([step.evaluate(batches(1))])[0]
    for number in range(4):
        step.train(batches(1), number)
    after = step.read([step.evaluate(batches(1))])[0]
    assert after["mlm_loss_sum"] < before["mlm_loss_sum"]
    other = stepper(copy.deepcopy(step.model))
    assert other.read([other.evaluate(batches(1))])[0] == after


def test_a_head_that_is_not_trained_gets_no_gradient():
    model = made()
    step = stepper(model, nsp=False)
    step._update = lambda optimizer: torch.zeros(())
    step.train(batches(2), 0)
    assert model.cls.seq_relationship.weight.grad is None
    assert model.bert.pooler.dense.weight.grad is None


@pytest.mark.parametrize("compiled", [True, False])
def test_compiled_layers_know_the_sizes_of_joined_copies(compiled):
    """A batch's rows change, weights do not; only told so does the compiler see a number."""
    with torch.device("meta"):
        model = BertForPreTraining(SHAPE)
    working = WorkingWeights(model)
    working.compiled = compiled
    seen = []

    def compiler(graph, examples):
        inputs = graph.graph.find_nodes(op="placeholder")
        values = [node.meta["example_value"] for node in inputs]
        seen.extend(value.shape for value in values if isinstance(value, torch.Tensor))
        return graph.forward

    layer = model.bert.encoder.layer[0]
    layer.compile(dynamic=True, backend=compiler)
    rows = torch.empty(9, 32, dtype=torch.bfloat16, device="meta")
    with working.applied():
        layer(rows, UnpaddedLayout([4, 5]).to("meta"))
    fixed = [all(type(size) is int for size in shape) for shape in seen]
    assert not all(fixed), "rows are no constant"
    constant = {tuple(shape) for shape, known in zip(seen, fixed, strict=True) if known}
    assert (48, 32) in constant, "a weight of the feed-forward block"
    assert ((96, 32) in constant) == ((96,) in constant) == compiled


def test_without_updates_copies_are_made_once_and_anew_where_weights_have_changed():
    model, batch = made(), batches(2)
    step = TorchStepper(model, PretrainingObjective(True), StepPlan("bf16"), torch.device("cpu"))
    step.working = WorkingWeights(model)
    copied, losses = [], []
    for change in (0.0, 0.0, 0.5, 0.0):
        if change:
            with torch.no_grad():
                model.bert.encoder.layer[0].output.dense.weight.add_(change)
        with Operators() as seen:
            losses.append(step.read([step.evaluate(batch)])[0]["mlm_loss_sum"])
        copied.append(seen.counts["_foreach_copy_"])
    groups = copied[0]
    assert groups and copied == [groups, 0, groups, 0]
    fresh = stepper(model)
    assert losses[0] == losses[1] != losses[2] == losses[3]
    assert fresh.read([fresh.evaluate(batch)])[0]["mlm_loss_sum"] == losses[3]
