"""The backend for any accelerator of PyTorch, on a device that is pretended to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch import accel
from bertkit.backends.torch.accel import AccelAdapter

HERE = Path(__file__).parent
NO_COMPILER = shutil.which("g++") is None or shutil.which("ninja") is None


def test_without_an_accelerator_it_says_what_would_bring_one(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    probe = AccelAdapter().probe()
    assert not probe.present and "finds no accelerator" in probe.reason
    assert "the build of PyTorch for your device" in probe.hint


def test_what_a_trial_gets_right_is_offered_and_nothing_else(monkeypatch):
    """As on a device whose bf16 products are wrong, and that has no kernel for LAMB."""
    right = accel._layer

    def wrong_in_half(inputs, weight, device, kind):
        found = right(inputs, weight, device, kind)
        return [item * (2 if kind == torch.bfloat16 else 1) for item in found]

    monkeypatch.setattr(accel, "_layer", wrong_in_half)
    assert accel._computes("cpu", "fp32") and not accel._computes("cpu", "bf16")

    def no_kernel(*args, **kwargs):
        raise NotImplementedError("no such operator")

    assert accel._updates("cpu", "nvlamb")
    monkeypatch.setattr(torch, "_fused_adam_", no_kernel)
    assert not accel._updates("cpu", "nvlamb") and accel._updates("cpu", "adamw")


def test_a_trial_changes_no_random_number():
    torch.manual_seed(1)
    accel._computes("cpu", "fp32")
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(3))


def test_settings_beyond_the_device_are_named():
    problems = AccelAdapter().validate(StepPlan("tf32", profile=True), OptimizerSpec())
    assert {problem.flag for problem in problems} == {"--precision", "--profile-steps"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What runs on the pretended device gave."""
    if NO_COMPILER:
        pytest.skip("no C++ compiler or no ninja here, which the pretended device is built with")
    folder = tmp_path_factory.mktemp("accel")
    paths = os.pathsep.join(map(str, (HERE.parents[2], HERE.parents[1])))
    done = subprocess.run(
        [sys.executable, str(HERE / "accel_runs.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_pretended_device_is_found_and_its_abilities_are(found):
    assert found["probe"]["present"] and found["probe"]["devices"] == ["pretended:0"]
    assert found["precisions"] == ["bf16", "fp32"]
    assert {"adamw", "nvlamb", "sgd"} <= set(found["optimizers"])


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["unpadded", "padded", "bucketed", "packed"])
def test_runs_there_equal_runs_on_the_processor(found, layout):
    cpu, device = found["losses"][f"{layout} fp32"]
    assert device == pytest.approx(cpu, rel=1e-6)
    cpu, device = found["losses"][f"{layout} bf16"]
    assert device == pytest.approx(cpu, rel=1e-3)


@pytest.mark.slow
def test_a_stopped_run_there_goes_on_bit_for_bit(found):
    assert found["resumed"] == []
