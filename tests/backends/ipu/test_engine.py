"""The stand-in for PopTorch refuses what PopTorch refuses, in the same kinds of errors.

Sources: PopTorch 3.4's Python layer, where these errors were seen, and its user guide.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from .copies import engine


@pytest.fixture
def poptorch():
    with engine() as module:
        yield module


class Square(nn.Module):
    """(w x)^2, [N, 1] to [1]."""

    def __init__(self, parts: int = 1) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(parts))
        for part in self.parts:
            nn.init.ones_(part.weight)
        self.trains = True
        self.calls = 0

    def forward(self, x):
        import poptorch

        self.calls += 1
        for part in self.parts:
            x = part(x)
        loss = (x**2).sum()
        return poptorch.identity_loss(loss, reduction="none") if self.trains else loss.reshape(1)


def trained(poptorch, model=None, rate=0.1, optimizer=None, **options):
    model = model or Square()
    made = poptorch.Options()
    for name, value in options.items():
        getattr(made, name)(value)
    optimizer = optimizer or poptorch.optim.SGD(model.parameters(), lr=rate)
    return poptorch.trainingModel(model, made, optimizer), model, optimizer


X = torch.ones(1, 1)


def test_a_call_is_forward_backward_and_update(poptorch):
    executor, model, _ = trained(poptorch)
    assert float(executor(X)) == 1.0
    assert model.parts[0].weight.item() == 1.0, "the host does not see the update"
    executor.copyWeightsToHost()
    assert model.parts[0].weight.item() == pytest.approx(1 - 0.1 * 2)
    assert float(executor(X)) == pytest.approx(0.64)
    assert model.calls == 1, "the Python runs when it is compiled, once"


def test_a_rate_is_seen_when_it_is_set(poptorch):
    executor, model, optimizer = trained(poptorch, rate=0.0)
    executor(X)
    optimizer.param_groups[0]["lr"] = 0.1
    executor(X)
    executor.copyWeightsToHost()
    assert model.parts[0].weight.item() == 1.0
    executor.setOptimizer(optimizer)
    executor(X)
    executor.copyWeightsToHost()
    assert model.parts[0].weight.item() < 1.0


def test_outputs_of_a_call(poptorch):
    """Training gives the last micro-batch, or the sum; inference all of them."""
    rows = torch.arange(4.0).reshape(4, 1)

    def outputs(mode):
        made = poptorch.Options()
        made.Training.gradientAccumulation(2)
        made.replicationFactor(2)
        if mode:
            made.outputMode(mode)
        model = Square()
        optimizer = poptorch.optim.SGD(model.parameters(), lr=0.0)
        found = poptorch.trainingModel(model, made, optimizer)(rows)
        poptorch.DEVICE.holder.detachFromDevice()
        return found.tolist()

    assert outputs(None) == [1.0, 9.0]
    assert outputs(poptorch.OutputMode.Sum) == [1.0, 13.0]
    model = Square()
    model.trains = False
    assert poptorch.inferenceModel(model, poptorch.Options().deviceIterations(4))(
        rows
    ).tolist() == [0.0, 1.0, 4.0, 9.0]


@pytest.mark.parametrize(("name", "rate"), [("Mean", 0.5), ("Sum", 1.0)])
def test_gradients_are_the_mean_or_the_sum(poptorch, name, rate):
    made = poptorch.Options()
    made.Training.gradientAccumulation(2)
    made.Training.accumulationAndReplicationReductionType(getattr(poptorch.ReductionType, name))
    model = Square()
    optimizer = poptorch.optim.SGD(model.parameters(), lr=0.1)
    executor = poptorch.trainingModel(model, made, optimizer)
    executor(torch.tensor([[1.0], [2.0]]))
    executor.copyWeightsToHost()
    assert model.parts[0].weight.item() == pytest.approx(1 - 0.1 * rate * 2 * (1 + 4))


def test_options_freeze(poptorch):
    made = poptorch.Options()
    model = Square()
    poptorch.trainingModel(model, made, poptorch.optim.SGD(model.parameters(), lr=0.1))
    for change in (
        lambda: made.deviceIterations(2),
        lambda: made.Training.gradientAccumulation(2),
        lambda: made.Precision.setPartialsType(torch.float16),
    ):
        with pytest.raises(AttributeError, match="Can't modify frozen Options"):
            change()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda made: made.replicationFactor(4.0), AssertionError),
        (lambda made: made.deviceIterations("2"), AssertionError),
        (lambda made: made.Training.gradientAccumulation("8"), AssertionError),
        (lambda made: made.randomSeed(1.0), AssertionError),
        (lambda made: made.setAvailableMemoryProportion({"0": 0.1}), AssertionError),
        (lambda made: made.Precision.setPartialsType(torch.bfloat16), ValueError),
    ],
)
def test_wrong_options(poptorch, change, kind):
    with pytest.raises(kind):
        change(poptorch.Options())


def test_wrong_optimizers(poptorch):
    optim, weights = poptorch.optim, list(Square().parameters())
    with pytest.raises(TypeError, match="max_grad_norm"):
        optim.LAMB(weights, max_grad_norm=1.0)
    with pytest.raises(ValueError, match="amsgrad"):
        optim.AdamW(weights, amsgrad=True)
    with pytest.raises(AssertionError, match="Accumulation types"):
        optim.AdamW(weights, accum_type=torch.bfloat16)
    with pytest.raises(AssertionError, match="Unknown attribute"):
        optim.AdamW(weights).variable_attrs.markAsConstant("max_weight_norm")
    with pytest.raises(RuntimeError, match="does not run the Python"):
        optim.LAMB(weights).step()
    with pytest.raises(AssertionError, match="optimizer must be"):
        trained(poptorch, optimizer=torch.optim.Adagrad(weights))
    with pytest.raises(RuntimeError, match="Only IPU optimizer states"):
        optim.AdamW(weights).load_state_dict(torch.optim.AdamW(weights).state_dict())


def test_wrong_models(poptorch):
    model = Square()
    model.trains = False
    with pytest.raises(poptorch.Error, match="Couldn't find a loss"):
        trained(poptorch, model)[0](X)
    executor, model, _ = trained(poptorch)
    with pytest.raises(RuntimeError, match="already been wrapped"):
        poptorch.inferenceModel(model)
    executor.destroy()
    made = poptorch.Options()
    made.Training.gradientAccumulation(2)
    with pytest.raises(AssertionError, match="default value"):
        poptorch.inferenceModel(model, made)


def test_wrong_calls(poptorch):
    executor, _, _ = trained(poptorch, deviceIterations=2)
    with pytest.raises(AssertionError, match="must be a multiple of 2"):
        executor(torch.ones(3, 1))
    poptorch.DEVICE.reset()
    executor, _, _ = trained(poptorch)
    output = executor(X)
    with pytest.raises(poptorch.Error, match="Shape mismatch"):
        executor(torch.ones(2, 1))
    with pytest.raises(poptorch.Error, match="Data type mismatch"):
        executor(X.double())
    with pytest.raises(RuntimeError, match="cannot be called explicitly"):
        output.backward()
    with pytest.raises(poptorch.Error, match="another model is attached"):
        trained(poptorch)[0](X)
    executor.detachFromDevice()
    with pytest.raises(poptorch.Error, match="not attached"):
        executor.detachFromDevice()


def test_an_offline_target_compiles_only(poptorch):
    made = poptorch.Options().useOfflineIpuTarget()
    model = Square()
    executor = poptorch.trainingModel(model, made, poptorch.optim.SGD(model.parameters(), lr=0.1))
    poptorch.DEVICE.ipus = 0
    executor.compile(X)
    with pytest.raises(AssertionError, match="offline"):
        executor(X)
    with pytest.raises(AssertionError, match="offline"):
        executor.attachToDevice()


@pytest.mark.parametrize(
    ("stages", "accumulation", "replicas", "rounded", "error"),
    [
        (2, 3, 1, False, None),
        (2, 2, 1, False, "gradient accumulation 2 for 3 stages"),
        (3, 5, 1, False, "3 IPUs, which is not a power of 2"),
        (3, 5, 1, True, None),
        (1, 1, 3, False, "3 IPUs"),
    ],
)
def test_pipelines(poptorch, stages, accumulation, replicas, rounded, error):
    model = Square(stages)
    for number, part in enumerate(model.parts):
        poptorch.BeginBlock(part, user_id=f"s{number}", ipu_id=number)
    with pytest.raises(poptorch.Error, match="begins a block already"):
        poptorch.BeginBlock(model.parts[0], user_id="again", ipu_id=0)
    made = poptorch.Options().replicationFactor(replicas).autoRoundNumIPUs(rounded)
    made.Training.gradientAccumulation(accumulation)
    plan = [poptorch.Stage(f"s{number}").ipu(number) for number in range(stages)]
    made.setExecutionStrategy(poptorch.PipelinedExecution(*plan))
    optimizer = poptorch.optim.SGD(model.parameters(), lr=0.1)
    executor = poptorch.trainingModel(model, made, optimizer)
    rows = torch.ones(accumulation * replicas, 1)
    if error:
        with pytest.raises(poptorch.Error, match=error):
            executor(rows)
    else:
        executor(rows)


def test_inference_must_fill_the_pipeline(poptorch):
    model = Square(2)
    model.trains = False
    for number, part in enumerate(model.parts):
        poptorch.BeginBlock(part, user_id=f"s{number}", ipu_id=number)
    with pytest.raises(poptorch.Error, match="at least the 2 pipeline stages"):
        poptorch.inferenceModel(model)(X)
