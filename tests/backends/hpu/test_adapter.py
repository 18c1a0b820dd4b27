"""The hpu adapter: what it finds, what it refuses, and its modes."""

from __future__ import annotations

import os
import sys

import pytest
import torch

from backends.hpu import gaudi
from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.hpu import adapter as hpu
from bertkit.backends.hpu.adapter import HpuAdapter
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.errors import ConfigError, MissingDependencyError

# ---------------------------------------------------------------- what is here


def test_without_the_package_it_says_what_to_install(bertkit, tmp_path):
    probe = HpuAdapter().probe()
    assert not probe.present and "habana_frameworks.torch is not installed" in probe.reason
    done = bertkit("pretrain", "--input", tmp_path, "--output", tmp_path / "run",
                   "--backend", "hpu")  # fmt: skip
    assert done.status == 4
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error")]
    assert "no backend hpu here" in line
    assert "habanalabs-installer.sh install --type pytorch" in done.err
    listed = next(line for line in bertkit("doctor").out.splitlines() if line.startswith("hpu"))
    assert "missing" in listed


def test_without_a_card_it_says_so(stand_in, monkeypatch, tmp_path):
    monkeypatch.setattr(hpu, "DEVICE_NODES", (str(tmp_path / "accel*"),))
    probe = HpuAdapter().probe()
    assert not probe.present and "no Gaudi card" in probe.reason and "hl-smi" in probe.hint


def test_looking_for_cards_imports_nothing_and_sets_nothing(stand_in, monkeypatch, tmp_path):
    for number in range(2):
        (tmp_path / f"accel{number}").touch()
    monkeypatch.setattr(hpu, "DEVICE_NODES", (str(tmp_path / "accel*"),))
    before = dict(os.environ)
    probe = HpuAdapter().probe()
    assert probe.present and len(probe.devices) == 2 and "2 x Gaudi" in probe.reason
    assert dict(os.environ) == before
    assert "habana_frameworks" not in sys.modules


def test_a_package_that_does_not_load_is_told_in_one_line(stand_in, monkeypatch, tmp_path):
    broken = tmp_path / "habana_frameworks" / "torch"
    broken.mkdir(parents=True)
    (broken.parent / "__init__.py").touch()
    (broken / "__init__.py").write_text(
        "raise AssertionError('Stock PyTorch is not supported in Lazy mode')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependencyError, match="does not load: Stock PyTorch") as caught:
        HpuAdapter().start()
    assert caught.value.exit_code == 4


# ---------------------------------------------------------------- what is refused


def test_all_problems_are_told_at_once():
    options = HpuOptions(mode="eager", graphs=True, compiled_autograd=True, bf16_ops="/no/such")
    plan = StepPlan(
        "fp16", "unpadded", clip="before", shape=StepShape(4, 2, 24, world=8), options=options
    )
    problems = HpuAdapter().validate(plan, OptimizerSpec("mlperf"))
    assert [problem.flag for problem in problems] == [
        "--precision", "--layout", "--optimizer", "--set hpu.graphs",
        "--set hpu.compiled_autograd", "--clip", "--set hpu.bf16_ops",
    ]  # fmt: skip
    known = "adamw or adamw_no_bias_correction or nvlamb or sgd"
    texts = [problem.text for problem in problems]
    assert f"--optimizer mlperf does not work on hpu; use {known}" in texts


def test_the_environment_is_set_before_the_import(stand_in, tmp_path):
    (tmp_path / "ops.txt").write_text("matmul\n")
    place = str(tmp_path / "ops.txt")
    HpuAdapter().start(HpuOptions(mode="eager", bf16_ops=place, fp32_ops=place))
    assert os.environ["PT_HPU_LAZY_MODE"] == "0"
    assert not gaudi.engine().is_lazy()
    assert os.environ["PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST"] == place
    assert os.environ["PT_HPU_AUTOCAST_FP32_OPS_LIST"] == place


def test_another_mode_of_the_environment_is_told(stand_in, monkeypatch, caplog):
    monkeypatch.setenv("PT_HPU_LAZY_MODE", "0")
    HpuAdapter().start(HpuOptions(mode="lazy"))
    assert "hpu.mode lazy decides, not PT_HPU_LAZY_MODE=0" in caplog.text
    assert gaudi.engine().is_lazy()


def test_a_package_imported_too_early_is_refused(stand_in, monkeypatch):
    monkeypatch.setenv("PT_HPU_LAZY_MODE", "0")
    gaudi.engine()
    with pytest.raises(ConfigError, match="was imported with PT_HPU_LAZY_MODE=0") as caught:
        HpuAdapter().start(HpuOptions(mode="lazy"))
    assert "PT_HPU_LAZY_MODE=1" in str(caught.value.hint)


def test_several_machines_need_a_meeting_point(stand_in, monkeypatch):
    for name, value in {"SIZE": "16", "LOCAL_SIZE": "8", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(f"OMPI_COMM_WORLD_{name}", value)
    with pytest.raises(ConfigError, match="MASTER_ADDR is not set"):
        HpuAdapter().start(distributed=True)


def test_a_single_card_starts_no_process_group(stand_in):
    assert HpuAdapter().start().world == 1
    assert not torch.distributed.is_initialized()
    assert not any("hccl" in name for name in sys.modules)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_the_speed_of_products_is_that_of_products_done(stand_in, mode):
    adapter = HpuAdapter()
    adapter.start(HpuOptions(mode=mode))
    found = matrix_flops(torch.device("hpu"), "fp32", 0.01, wait=adapter.engine.finish, size=256)
    # No core does more than 10^12 of these per second; products left out would seem to.
    assert 0 < found < 1e12
