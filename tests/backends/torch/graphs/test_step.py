"""A step that is started from recordings gives the bits of one that is run.

Recorded by `replaying`, on a CPU, with the operators that GPUs compute.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import synthetic
import torch
from slow_cases import slow

from backends.torch.graphs.as_on_a_gpu import take_operators_of_gpus
from backends.torch.graphs.replaying import ReplayingRecorder
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.graphs import step as graphs
from bertkit.backends.torch.host_buffers import staged
from bertkit.backends.torch.step import TorchStepper
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.data.record_feed import RecordFeed
from bertkit.data.sample_feed import side_by_side
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import rescaled
from bertkit.data.token_budget import budget_for
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.checkpoints.background_save import copied
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.optimizers import make_optimizer

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=32,
)  # fmt: skip
RATE = 2.0**-7  # exact in float32, as which the device reads it
STEPS = 8


class Source:
    max_seq_length, max_predictions_per_seq = 24, 4

    def __init__(self):
        self.records = synthetic.batch(16 * STEPS, seed=4)

    def __len__(self):
        return 16 * STEPS

    def at_epoch(self, epoch):
        return self

    def batch(self, indices):
        return {name: values[indices] for name, values in self.records.items()}


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    take_operators_of_gpus(monkeypatch)


def batches(layout="unpadded", micro=16, totals=3):
    source = Source()
    feed = RecordFeed(
        source, SampleOrder(len(source), 1, shuffle=False), 16, micro, layout, "global_step",
        synthetic.VOCAB, fixed=layout != "unpadded", stretches=True,
        budget=budget_for(source, 16, micro, totals) if layout == "unpadded" else None,
    )  # fmt: skip
    return list(staged(feed.steps(0, STEPS), pin=False))


def trained(kind, steps, precision="bf16", optimizer="adamw", nsp=True, recorder=None, clip=0.5):
    """Losses, norms and weights of a run; the dropout of `SHAPE` included."""
    torch.manual_seed(1)
    model = BertForPreTraining(SHAPE)
    made = make_optimizer(model, OptimizerSpec(optimizer))
    more = {"recorder": recorder or ReplayingRecorder()} if kind is graphs.GraphedStepper else {}
    stepper = kind(
        model=model, task=PretrainingObjective(nsp), plan=StepPlan(precision, max_grad_norm=clip),
        device=torch.device("cpu"), optimizer=made, schedule=lambda step: RATE / (1 + step % 2),
        working=WorkingWeights(model) if precision == "bf16" else None, pins=False, **more,
    )  # fmt: skip
    found = stepper.read([stepper.train(batch, step) for step, batch in enumerate(steps)])
    return found, {name: value.clone() for name, value in model.state_dict().items()}, stepper


def assert_alike(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        assert a == b
    for name, value in one[1].items():
        assert torch.equal(value, other[1][name]), name


@pytest.mark.parametrize("layout", ["unpadded", "padded", "packed", "bucketed"])
@pytest.mark.parametrize(("precision", "micro"), [("bf16", 4), *slow(("bf16", 16), ("fp32", 8))])
def test_replayed_steps_are_those_that_are_run(layout, precision, micro):
    steps = batches(layout, micro)
    recorder = ReplayingRecorder()
    run = trained(TorchStepper, steps, precision)
    replayed = trained(graphs.GraphedStepper, steps, precision, recorder=recorder)
    assert_alike(run, replayed)
    # Each shape is run once as the first of a step and once as a later one, at most.
    passes = sum(len(step.micro_batches) for step in steps)
    assert recorder.records >= 2 and recorder.runs < (passes + STEPS) / 2


@pytest.mark.parametrize("optimizer", [UNCORRECTED, "nvlamb", "no_debias_clamp10", "sgd"])
def test_every_optimizer_goes_with_it(optimizer):
    steps = batches(micro=8)
    recorder = ReplayingRecorder()
    run = trained(TorchStepper, steps, optimizer=optimizer)
    assert_alike(run, trained(graphs.GraphedStepper, steps, optimizer=optimizer, recorder=recorder))


def test_parts_without_a_gradient_stay_as_they_are():
    steps = batches(micro=8)
    run = trained(TorchStepper, steps, nsp=False)
    replayed = trained(graphs.GraphedStepper, steps, nsp=False)
    assert_alike(run, replayed)
    torch.manual_seed(1)
    fresh = BertForPreTraining(SHAPE).state_dict()
    assert torch.equal(
        fresh["cls.seq_relationship.weight"], replayed[1]["cls.seq_relationship.weight"]
    )


def test_a_step_that_is_not_finite_is_left_out_and_the_next_is_not():
    steps = batches(micro=8)
    for number in (4, 5):  # both from recordings
        masked = steps[number].micro_batches[0].arrays["mlm_weights"]
        masked[masked > 0] = math.inf
    run = trained(TorchStepper, steps)
    replayed = trained(graphs.GraphedStepper, steps)
    assert [math.isfinite(line["grad_norm"]) for line in replayed[0]] == [
        number not in (4, 5) for number in range(STEPS)
    ]
    for name, value in run[1].items():
        assert torch.equal(value, replayed[1][name]), name


class NoNumber(PretrainingObjective):
    """The loss of some batches is NaN over gradients that are finite."""

    def losses(self, model, tensors, batch):
        loss, sums = super().losses(model, tensors, batch)
        return loss + torch.where(tensors["mlm_weights"].max() > 10, math.nan, 0.0), sums


def test_a_loss_that_is_no_number_leaves_the_step_out(monkeypatch):
    monkeypatch.setitem(globals(), "PretrainingObjective", NoNumber)
    steps = batches(micro=8)
    steps[4].micro_batches[0].arrays["mlm_weights"][:] = 20.0
    run, replayed = trained(TorchStepper, steps), trained(graphs.GraphedStepper, steps)
    for found in (run, replayed):
        assert [math.isfinite(line["grad_norm"]) for line in found[0]] == [
            number != 4 for number in range(STEPS)
        ]
    for name, value in run[1].items():
        assert torch.equal(value, replayed[1][name]), name


def test_dropout_draws_anew_in_every_replay():
    steps = [batches()[0]] * 6  # the same batch; the rate is 0 and changes no weight
    stepper = trained(graphs.GraphedStepper, steps)[2]
    stepper.schedule = lambda step: 0.0
    losses = [line["loss"] for line in stepper.read([stepper.train(steps[0], n) for n in range(4)])]
    assert len(set(losses)) == 4
    again = [line["loss"] for line in stepper.read([stepper.train(steps[0], n) for n in range(4)])]
    assert again == losses  # seeds of the steps decide


def test_evaluation_and_a_loaded_state_come_between_recorded_steps():
    steps = batches(micro=8)

    def through(kind):
        _, weights, stepper = trained(kind, steps[:2])
        state = copied(stepper.state())
        for number in (2, 3):
            stepper.train(steps[number], number)
        found = stepper.read([stepper.evaluate(steps[5])])
        # Back to the second step: moments of then, at other places in memory.
        stepper.load_state(state)
        stepper.model.load_state_dict(weights)
        found += stepper.read([stepper.train(steps[number], number) for number in range(2, 8)])
        return found, stepper.model.state_dict()

    assert_alike(through(TorchStepper), through(graphs.GraphedStepper))


def test_weights_that_another_process_has_scaled_arrive():
    steps = batches(micro=8)
    changed = [
        replace(step, micro_batches=[rescaled(micro, {"mlm": 0.5}) for micro in step.micro_batches])
        for step in steps
    ]
    run = trained(TorchStepper, changed)
    assert_alike(run, trained(graphs.GraphedStepper, changed))
    assert run[0] != trained(TorchStepper, steps)[0]


def test_lengths_that_kernels_are_told_by_the_host_tell_passes_apart():
    """5 + 3 tokens have the shapes of 4 + 4; a record of the second would cut the first."""
    micro = batches()[0].micro_batches[0]
    keys = {
        graphs._key(replace(micro, lengths=np.array(lengths), spans=None, longest=longest))
        for lengths in ((5, 3), (4, 4))
        for longest in (0, 24)
    }
    assert len(keys) == 3  # 5, 4 and 24


def test_sizes_without_end_are_run_and_told_once(monkeypatch, caplog):
    steps = batches("bucketed", micro=4)
    kinds = {graphs._key(micro) for step in steps for micro in step.micro_batches}
    monkeypatch.setattr(graphs, "_MOST_SHAPES", 2)
    run, recorder = trained(TorchStepper, steps), ReplayingRecorder()
    with caplog.at_level("WARNING", "bertkit"):
        replayed = trained(graphs.GraphedStepper, steps, recorder=recorder)
    assert_alike(run, replayed)
    assert len(kinds) > len(replayed[2]._shapes) == 2 and recorder.records >= 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("passes come in more than 2 sizes; others are not recorded")


def test_lengths_beside_a_mask_tell_no_passes_apart():
    """Rows of fine-tuning's padded batches: what is real, the device reads from the mask."""
    made = [
        side_by_side([np.arange(a), np.arange(b)], [np.zeros(a), np.zeros(b)], 8)
        for a, b in ((8, 2), (5, 5))
    ]
    assert graphs._key(made[0]) == graphs._key(made[1])


def test_one_built_to_evaluate_does_not_train():
    _, _, stepper = trained(graphs.GraphedStepper, [])
    stepper.optimizer = None
    with pytest.raises(RuntimeError, match="built to evaluate"):
        stepper.train(batches()[0], 0)
