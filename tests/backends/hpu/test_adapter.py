"""The hpu adapter: what it finds, what it refuses, and its modes."""

from __future__ import annotations

import os
import sys

import pytest
import synthetic
import torch

from backends.hpu import gaudi
from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.hpu import adapter as hpu
from bertkit.backends.hpu.adapter import HpuAdapter
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.torch.matmul_speed import matrix_flops
from bertkit.errors import ConfigError, MissingDependencyError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "r.tfrecord"
    return synthetic.write(place, gaudi.RECORDS, seed=5)


@pytest.fixture
def stand_in():
    with gaudi.machine():
        yield


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
    assert "--optimizer mlperf does not work on hpu; use adamw or nvlamb or sgd" in [
        problem.text for problem in problems
    ]


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


def test_graphs_need_the_whole_model(path, stand_in):
    with pytest.raises(ConfigError, match="trains some only"):
        gaudi.run(path, options=HpuOptions(graphs=True), nsp=False)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("layout", ["packed", "bucketed"])
def test_layouts_give_the_numbers_of_the_cpu(path, layout):
    with gaudi.machine():
        seen = gaudi.run(path, layout=layout, steps=2)
    expected = gaudi.on_the_cpu(path, steps=2)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-5


@pytest.mark.parametrize(
    ("settings", "reference"),
    [({"optimizer": "nvlamb"}, {}), ({"optimizer": "adamw"}, {"eps_before": True}),
     ({"nsp": False}, {})],
)  # fmt: skip
def test_eager_mode_gives_the_numbers_of_the_cpu(path, settings, reference):
    with gaudi.machine():
        seen = gaudi.run(path, **settings, options=HpuOptions(mode="eager"))
    assert seen.marks == [0] * len(seen.marks)
    expected = gaudi.on_the_cpu(path, **settings, **reference)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("autograd", [False, True])
def test_compile_mode_gives_the_numbers_of_the_cpu(path, autograd):
    options = HpuOptions(mode="compile", compiled_autograd=autograd)
    torch._dynamo.reset()  # programs of a test before would be taken again
    with gaudi.machine():
        seen = gaudi.run(path, options=options, watched=False)
        assert ({"compiled autograd"} if autograd else set()) == gaudi.engine().SWITCHES
    expected = gaudi.on_the_cpu(path)
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert gaudi.distance(seen, expected) < 1e-5
    # Compiled with the first step and the first evaluation, never again.
    assert seen.graphs[0] > 0 and seen.graphs[2:] == [0] * (gaudi.STEPS - 2)


@pytest.mark.parametrize("optimizer", ["adamw", "nvlamb"])
def test_a_run_of_the_cpu_goes_on_here(path, optimizer):
    """The state has the same form on all machines."""
    settings = {"optimizer": optimizer, "eps": 1e-12, "clip": 0.0}
    half, whole = gaudi.on_the_cpu(path, steps=2, **settings), gaudi.on_the_cpu(path, **settings)
    model = gaudi.fresh_model(seed=99)
    model.load_state_dict(half.weights)
    with gaudi.machine():
        rest = gaudi.run(
            path, **settings, steps=2, first=2, model=model, state=half.state,
            options=HpuOptions(mode="eager"),
        )  # fmt: skip
    assert rest.losses == pytest.approx(whole.losses[2:], rel=1e-4)
    assert rest.state["optimizer"].keys() == whole.state["optimizer"].keys()
    for name, own in rest.state["optimizer"].items():
        assert own.keys() == whole.state["optimizer"][name].keys()
        assert float(own["step"]) == 4


def test_the_state_of_another_model_is_refused(path, stand_in):
    state = {"optimizer": {"other": {"step": torch.tensor(1.0)}}}
    with pytest.raises(ConfigError, match="belongs to another model"):
        gaudi.run(path, "nvlamb", state=state, options=HpuOptions(mode="eager"))


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_the_speed_of_products_is_that_of_products_done(stand_in, mode):
    adapter = HpuAdapter()
    adapter.start(HpuOptions(mode=mode))
    found = matrix_flops(torch.device("hpu"), "fp32", 0.01, wait=adapter.engine.finish, size=256)
    # No core does more than 10^12 of these per second; products left out would seem to.
    assert 0 < found < 1e12
