"""What a check of the kernel of updates finds: nothing where it is right, else the fault."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="Triton is only made for Linux")

import triton.language as tl

from bertkit.model.fused.launch import Kernel
from bertkit.train.optimization import one_pass, update_check
from bertkit.train.optimization.one_pass import OnePassAdamW
from bertkit.train.optimization.update_check import what_is_wrong
from train.optimization.gpu_rounding import as_gpus_do


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def few_elements(monkeypatch, device):
    """The interpreter takes its time; and PyTorch's step on CPUs takes 1 - beta in float64."""
    as_gpus_do(monkeypatch)
    if device.type == "cpu":
        monkeypatch.setattr(one_pass, "_BLOCK", 64)
        monkeypatch.setattr(update_check, "NEAR", 1e-5)


def test_a_right_kernel_passes(device):
    assert what_is_wrong(device, torch.bfloat16) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_on_a_gpu_it_has_pytorchs_bits(device, monkeypatch):
    monkeypatch.setattr(update_check, "NEAR", 0.0)
    assert what_is_wrong(device, torch.bfloat16) is None


TABLE, WORK, RATE, CORRECTIONS, LEFT_OUT, DIVISOR, BETA1, BETA2, EPSILON, DECAY = range(10)


def argument(place, change):
    """Launches get another argument."""

    def changed(programs, arguments, constants):
        given = list(arguments)
        given[place] = change(given[place])
        return programs, tuple(given), constants

    return changed


def constant(name, value):
    """Launches get another constant."""
    return lambda programs, arguments, constants: (programs, arguments, constants | {name: value})


def a_program_left_out(programs, arguments, constants):
    return (max(1, programs[0] - 1), 1, 1), arguments, constants


def neighbours(table):
    """Two tensors have each other's gradients (both float32)."""
    table = table.clone()
    both = (table[:, 5] == 3 * one_pass._BLOCK) | (table[:, 5] == one_pass._BLOCK + 7)
    table[both, 3] = table[both, 3].flip(0)
    return table


def copies_elsewhere(table):
    """Copies are written one element further behind."""
    table = table.clone()
    table[table[:, 5] == 33, 4] += 2
    return table


def widened_wrongly(programs, arguments, constants):
    """float16's bits are taken for bfloat16's."""
    half = constants["GRADIENT"] == tl.bfloat16
    return programs, arguments, constants | ({"GRADIENT": tl.float16} if half else {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (argument(RATE, lambda rate: rate * 1.001), "a weight of"),
        (argument(CORRECTIONS, lambda found: found.flip(1).contiguous()), "a weight of"),
        (argument(CORRECTIONS, lambda found: found.roll(1, 0)), "a weight of"),
        (argument(LEFT_OUT, lambda flag: flag * 0), "after update 3"),
        (argument(DIVISOR, lambda number: number * 1.001), "after update 1"),
        (constant("DIVIDES", False), "after update 1"),
        (constant("DECAYS", False), "a weight of"),
        (constant("DECAYS", True), None),  # 0 times a weight is nothing
        (argument(BETA1, lambda beta: beta + 1e-4), "after update 1"),
        (argument(BETA2, lambda beta: beta + 1e-5), "after update 1"),
        (argument(EPSILON, lambda epsilon: epsilon * 1.1), "a weight of"),
        (argument(DECAY, lambda decay: decay * 1.01), "a weight of"),
        (constant("COPY", None), "the copy of"),
        (a_program_left_out, "a weight of"),
        (argument(TABLE, neighbours), "a weight of"),
        (argument(TABLE, copies_elsewhere), "the copy of"),
        (widened_wrongly, "a weight of"),
    ],
)
def test_launches_that_are_wrong_are_found(device, monkeypatch, change, said):
    launch = Kernel.launch

    def changed(kernel, programs, arguments, constants, warps):
        launch(kernel, *change(programs, arguments, constants), warps)

    monkeypatch.setattr(Kernel, "launch", changed)
    found = what_is_wrong(device, torch.bfloat16)
    assert found is None if said is None else said in (found or "nothing")


def test_a_kernel_that_is_not_run_is_found(device, monkeypatch):
    monkeypatch.setattr(Kernel, "launch", lambda *given: None)
    assert "a weight of" in what_is_wrong(device, torch.bfloat16)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("room", [3, -1])
def test_what_is_written_beside_a_tensor_is_found(device, monkeypatch, room, place):
    draw, launch, drawn = update_check._drawn, Kernel.launch, []
    monkeypatch.setattr(update_check, "_drawn", lambda *of: drawn.append(draw(*of)) or drawn[0])

    def beside(*given):
        launch(*given)
        drawn[0].rooms[room][place] = 0.5

    monkeypatch.setattr(Kernel, "launch", beside)
    assert "memory beside a tensor has changed" in what_is_wrong(device, torch.bfloat16)


def test_a_step_that_is_counted_although_it_is_left_out_is_found(device, monkeypatch):
    monkeypatch.setattr(one_pass, "_count", lambda steps, left_out: torch._foreach_add_(steps, 1))
    assert "elements after update 3" in what_is_wrong(device, torch.bfloat16)


def test_moments_that_are_forgotten_are_found(device, monkeypatch):
    step = OnePassAdamW.step

    def forgetful(self, *given):
        self._optimizer.state.clear()
        step(self, *given)

    monkeypatch.setattr(OnePassAdamW, "step", forgetful)
    assert "a weight of 16 elements after update 1" in what_is_wrong(device, torch.bfloat16)


def test_a_norm_that_is_wrong_is_found(device, monkeypatch):
    norm = update_check.norm_of
    monkeypatch.setattr(
        update_check, "norm_of",
        lambda given: norm([item for item in given if item.itemsize == 4]),
    )  # fmt: skip
    assert what_is_wrong(device, torch.bfloat16).startswith("the norm of gradients is")
