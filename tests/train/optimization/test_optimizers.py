from __future__ import annotations

import math

import pytest
import torch

from bertkit.backends.base import OptimizerSpec
from bertkit.errors import ConfigError
from bertkit.train.checkpoints.background_save import copied
from bertkit.train.optimization.lamb import Lamb, LambVariant
from bertkit.train.optimization.optimizers import (
    NAMES,
    clip_gradients,
    gradient_norm,
    load_named_state,
    make_optimizer,
    named_state,
    not_finite,
    parameter_groups,
    step_unless,
)

# What each variant does to a matrix, a bias and a LayerNorm weight, from the systems' sources.
EXPECTED = {
    "nvlamb": {"debias": True, "clamp": None, "adapt": "matrix", "decay": "matrix"},
    "mlperf": {"debias": True, "clamp": None, "adapt": "matrix", "decay": "matrix"},
    "graphcore": {"debias": True, "clamp": None, "adapt": "matrix", "decay": "matrix norm"},
    "max_weight_norm": {
        "debias": True, "clamp": 65500.0, "adapt": "matrix norm", "decay": "matrix",
    },
    "max_weight_norm_no_debias": {
        "debias": False, "clamp": 65500.0, "adapt": "matrix norm", "decay": "matrix",
    },
    "no_debias_clamp10": {
        "debias": False, "clamp": 10.0, "adapt": "matrix bias norm", "decay": "matrix",
    },
}  # fmt: skip
SHAPES = {
    "dense.weight": ("matrix", (7, 5)),
    "dense.bias": ("bias", (7,)),
    "LayerNorm.weight": ("norm", (7,)),
    "LayerNorm.bias": ("bias", (7,)),
}


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.dense = torch.nn.Linear(5, 7)
        self.LayerNorm = torch.nn.LayerNorm(7)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, generator=generator)
        # A zero norm must leave the trust ratio at 1.
        torch.nn.init.zeros_(self.dense.bias)


def gradients(step):
    generator = torch.Generator().manual_seed(100 + step)
    return {name: torch.randn(shape, generator=generator) for name, (_, shape) in SHAPES.items()}


def plain_lamb(name, steps, lr, spec):
    """The formula of `Lamb`'s docstring, tensor by tensor in float64."""
    rule = EXPECTED[name]
    weights = {key: value.double() for key, value in Small().state_dict().items()}
    m = {key: torch.zeros_like(value) for key, value in weights.items()}
    v = {key: torch.zeros_like(value) for key, value in weights.items()}
    for t in range(1, steps + 1):
        for key, g in gradients(t - 1).items():
            kind, g = SHAPES[key][0], g.double()
            m[key] = spec.beta1 * m[key] + (1 - spec.beta1) * g
            v[key] = spec.beta2 * v[key] + (1 - spec.beta2) * g * g
            c1, c2 = 1 - spec.beta1**t, 1 - spec.beta2**t
            if not rule["debias"]:
                c1 = c2 = 1.0
            u = (m[key] / c1) / ((v[key] / c2).sqrt() + spec.eps)
            if kind in rule["decay"].split():
                u = u + spec.weight_decay * weights[key]
            trust = 1.0
            top, bottom = float(weights[key].norm()), float(u.norm())
            if rule["clamp"] is not None:
                top = min(top, rule["clamp"])
            if kind in rule["adapt"].split() and top > 0 and bottom > 0:
                trust = top / bottom
            weights[key] = weights[key] - lr * trust * u
    return weights


def as_here(optimizer):
    """A step as this machine does it."""
    optimizer.step()


@torch.no_grad()
def as_on_a_gpu(optimizer):
    """A step of LAMB in the form that it takes on GPUs."""
    for group in optimizer.param_groups:
        optimizer.update_together(group["params"], group)


def run(optimizer, model, steps, first=0, lr=0.05, step_of=as_here):
    for group in optimizer.param_groups:
        group["lr"] = lr
    for step in range(first, first + steps):
        for key, gradient in gradients(step).items():
            model.get_parameter(key).grad = gradient.clone()
        step_of(optimizer)


FORMS = [as_here, as_on_a_gpu]


@pytest.mark.parametrize("step_of", FORMS)
@pytest.mark.parametrize("name", EXPECTED)
def test_lamb_equals_its_formula(name, step_of):
    spec = OptimizerSpec(name, beta1=0.88, beta2=0.95, eps=1e-6, weight_decay=0.02)
    model = Small()
    run(make_optimizer(model, spec), model, 6, step_of=step_of)
    for key, expected in plain_lamb(name, 6, 0.05, spec).items():
        torch.testing.assert_close(model.state_dict()[key].double(), expected, rtol=2e-6, atol=2e-6)


def test_the_formulas_differ():
    """Otherwise the comparison above would not tell the variants apart."""
    spec = OptimizerSpec("x", beta1=0.88, beta2=0.95, weight_decay=0.02)
    results = [
        plain_lamb(name, 3, 0.05, spec) for name in ("nvlamb", "graphcore", "no_debias_clamp10")
    ]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert any(not torch.equal(results[first][key], results[second][key]) for key in SHAPES)


@pytest.mark.parametrize("step_of", FORMS)
@pytest.mark.parametrize(
    ("name", "bound"),
    [("nvlamb", math.inf), ("max_weight_norm", 65500.0), ("no_debias_clamp10", 10.0)],
)
def test_the_clamp_bounds_long_weights(name, bound, step_of):
    for factor in (1.0, 1e2, 1e5):
        model = Small()
        with torch.no_grad():
            model.dense.weight.mul_(factor)
        start = model.dense.weight.detach().double()
        run(make_optimizer(model, OptimizerSpec(name)), model, 1, step_of=step_of)
        moved = float((model.dense.weight.detach().double() - start).norm())
        assert moved == pytest.approx(0.05 * min(float(start.norm()), bound), rel=1e-2)


def test_adamw_equals_torch_without_decay_on_bias_and_norm():
    spec = OptimizerSpec("adamw", eps=1e-6, weight_decay=0.1)
    model, other = Small(), Small()
    run(make_optimizer(model, spec), model, 4)
    groups = [
        {"params": [other.dense.weight], "weight_decay": 0.1},
        {
            "params": [other.dense.bias, other.LayerNorm.weight, other.LayerNorm.bias],
            "weight_decay": 0.0,
        },
    ]
    run(torch.optim.AdamW(groups, eps=1e-6), other, 4)
    for key, value in other.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=1e-6, atol=1e-7)


def test_groups_carry_names():
    groups = parameter_groups(Small(), OptimizerSpec("nvlamb"))
    found = {name: group["weight_decay"] for group in groups for name in group["names"]}
    assert found == {
        "dense.weight": 0.01, "dense.bias": 0.0, "LayerNorm.weight": 0.0, "LayerNorm.bias": 0.0,
    }  # fmt: skip
    assert [group["adapt"] for group in groups if "dense.weight" in group["names"]] == [True]


@pytest.mark.parametrize("name", NAMES)
def test_layer_norms_of_any_name_are_treated_alike(name):
    own, other = Small(), Small()
    other.closing, other.LayerNorm = other.LayerNorm, None
    found = [
        [(sorted(group["names"]), group["weight_decay"], group["adapt"]) for group in groups]
        for groups in (parameter_groups(model, OptimizerSpec(name)) for model in (own, other))
    ]
    renamed = [
        (sorted(item.replace("LayerNorm", "closing") for item in names), *rest)
        for names, *rest in found[0]
    ]
    assert renamed == found[1]


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_on_bit_for_bit(name):
    spec = OptimizerSpec(name)
    whole, model = Small(), Small()
    run(make_optimizer(whole, spec), whole, 6)
    optimizer = make_optimizer(model, spec)
    run(optimizer, model, 3)
    saved = named_state(optimizer)
    assert set(saved) == set(SHAPES)
    resumed = make_optimizer(model, spec)
    load_named_state(resumed, saved)
    run(resumed, model, 3, first=3)
    for key, value in whole.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@pytest.mark.parametrize("name", ["adamw", "nvlamb"])
def test_state_of_another_model_is_refused(name):
    model = Small()
    optimizer = make_optimizer(model, OptimizerSpec(name))
    run(optimizer, model, 1)
    saved = named_state(optimizer)
    renamed = {key.replace("dense", "other"): value for key, value in saved.items()}
    with pytest.raises(ConfigError, match="another model"):
        load_named_state(optimizer, renamed)
    saved["dense.bias"] = {"exp_avg": torch.zeros(3)}
    with pytest.raises(ConfigError, match=r"dense\.bias"):
        load_named_state(optimizer, saved)


@pytest.mark.parametrize("name", ["adamw", "nvlamb"])
def test_parameters_without_gradient_stay(name):
    model = Small()
    optimizer = make_optimizer(model, OptimizerSpec(name))
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    model.dense.weight.grad = torch.ones(7, 5)
    before = model.LayerNorm.weight.clone()
    optimizer.step()
    assert torch.equal(model.LayerNorm.weight, before)
    assert not torch.equal(model.dense.weight, Small().dense.weight)


def test_unknown_optimizer():
    with pytest.raises(ConfigError, match="sgdw"):
        make_optimizer(Small(), OptimizerSpec("sgdw"))


@pytest.mark.parametrize(("limit", "factor"), [(1.0, 0.2), (10.0, 1.0), (0.0, 1.0)])
def test_clipping_is_by_the_global_norm(limit, factor):
    tensors = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    tensors[0].grad, tensors[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert float(clip_gradients(tensors, limit)) == 5.0
    assert [float(item.grad) for item in tensors[:2]] == pytest.approx([3 * factor, 4 * factor])
    assert tensors[2].grad is None


@pytest.mark.parametrize("clamp", [None, 2.0])
def test_updating_together_bounds_the_norm_of_weights(clamp):
    """With a weight of norm 8 and a first direction of norm sqrt(16): the step is known."""
    weight = torch.nn.Parameter(torch.full((4, 4), 2.0))
    weight.grad = torch.full((4, 4), 3.0)
    groups = [{"params": [weight], "names": ["w"], "weight_decay": 0.0, "adapt": True}]
    optimizer = Lamb(groups, OptimizerSpec("nvlamb", eps=0.0), LambVariant(clamp=clamp))
    group = {**optimizer.param_groups[0], "lr": 0.1}
    with torch.no_grad():
        optimizer.update_together([weight], group)
    length = 8.0 if clamp is None else clamp
    assert torch.allclose(weight, torch.full((4, 4), 2.0 - 0.1 * length / 4))


def test_clipping_adds_nothing_to_the_norm():
    """torch's own clipping does, which shows where gradients are small."""
    ours, theirs = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    for item in (ours, theirs):
        item.grad = torch.tensor([3e-6, 4e-6])
    clip_gradients([ours], 1e-6)
    assert float(ours.grad.norm()) == pytest.approx(1e-6, rel=1e-6)
    torch.nn.utils.clip_grad_norm_([theirs], 1e-6)
    assert float(theirs.grad.norm()) < 0.9e-6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_is_flagged(value):
    assert float(not_finite(torch.tensor(value))) == 1.0
    assert float(not_finite(torch.tensor(3e38))) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_step_that_is_left_out_changes_nothing(name):
    model = Small()
    optimizer = make_optimizer(model, OptimizerSpec(name, weight_decay=0.1))
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for step, flag in enumerate((0.0, 1.0, 0.0)):
        for key, value in gradients(step).items():
            model.get_parameter(key).grad = value
        before = {key: value.clone() for key, value in model.state_dict().items()}
        state = copied(named_state(optimizer))
        step_unless(torch.tensor(flag), optimizer)
        moved = any(not torch.equal(before[k], v) for k, v in model.state_dict().items())
        assert moved == (flag == 0.0)
        if flag:
            assert same(state, named_state(optimizer))


@pytest.mark.parametrize("name", ["adamw", *EXPECTED])
def test_kernels_that_read_the_flag_themselves(name):
    """The way of accelerators, on which nobody reads the flag: without it, the same bits."""
    ends = []
    for flags in ((None, None), (0.0, 1.0, 0.0)):
        model = Small()
        optimizer = make_optimizer(model, OptimizerSpec(name, weight_decay=0.1))
        assert optimizer._step_supports_amp_scaling
        for number, flag in enumerate(flags):
            seen = {None: number, 0.0: number // 2}.get(flag, 7)
            for key, value in gradients(seen).items():
                model.get_parameter(key).grad = value if flag != 1.0 else value * math.nan
            if flag is not None:
                optimizer.found_inf, optimizer.grad_scale = torch.tensor(flag), None
            update(optimizer)
        ends.append((model.state_dict(), named_state(optimizer)))
    assert same(*[end[0] for end in ends])
    assert same(*[end[1] for end in ends])


@pytest.mark.parametrize("name", ["adamw", *EXPECTED])
def test_kernels_that_clip_themselves(name):
    """The way of accelerators: gradients are divided where they are read anyway."""
    ends, limit = [], 0.5
    for folded in (True, False):
        model = Small()
        optimizer = make_optimizer(model, OptimizerSpec(name, weight_decay=0.1))
        for step in range(3):
            for key, value in gradients(step).items():
                model.get_parameter(key).grad = value
            norm = gradient_norm(list(model.parameters()))
            assert norm > 2 * limit
            if folded:
                optimizer.found_inf = torch.tensor(0.0)
                optimizer.grad_scale = norm.clamp(min=limit) / limit
            else:
                clip_gradients(list(model.parameters()), limit)
            update(optimizer)
        ends.append((model.state_dict(), named_state(optimizer)))
    for own, other in zip(*[end[0].values() for end in ends], strict=True):
        assert torch.allclose(own, other, rtol=1e-5, atol=1e-6)
    for key, states in ends[0][1].items():
        for kind, value in states.items():
            assert torch.allclose(value, ends[1][1][key][kind], rtol=1e-5, atol=1e-9)


def update(optimizer):
    """One step as on a GPU."""
    for group in optimizer.param_groups:
        group["lr"] = 0.1
        if isinstance(optimizer, Lamb):
            with torch.no_grad():
                optimizer.update_together(group["params"], group)
    if not isinstance(optimizer, Lamb):
        optimizer.step()


def same(one, other):
    """Whether nested mappings hold equal tensors."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return torch.equal(one, other)
