from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
import torch

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.errors import ConfigError, MissingDependencyError, UsageError


def test_every_backend_answers_without_its_machine():
    probes = registry.probe_all()
    assert [probe.name for probe in probes] == registry.names()
    for probe in probes:
        assert probe.reason
        assert probe.present or probe.hint


def test_auto_takes_the_best_that_is_present():
    present = [probe.name for probe in registry.probe_all() if probe.present]
    assert registry.get("auto").caps.name == present[0]
    assert registry.get("cpu").caps.name == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_says_why():
    with pytest.raises(MissingDependencyError, match=r"no backend cuda here: torch .*") as caught:
        registry.get("cuda")
    assert caught.value.exit_code == 4
    assert caught.value.hint


def test_unknown_backend():
    with pytest.raises(UsageError, match="tpu"):
        registry.get("tpu")


@pytest.mark.parametrize("name", registry.names())
def test_settings_outside_the_caps_are_all_reported(name):
    adapter = registry.make(name)
    good = StepPlan(adapter.caps.precisions[0], adapter.caps.layouts[0])
    assert adapter.validate(good, OptimizerSpec()) == []
    problems = adapter.validate(StepPlan("int4", "diagonal"), OptimizerSpec("sgdw"))
    assert [problem.flag for problem in problems] == ["--precision", "--layout", "--optimizer"]
    assert all(f"does not work on {name}" in problem.text for problem in problems)


def test_every_row_leads_to_its_classes():
    for row in registry.BUILT_IN:
        adapter = row.make_adapter()
        assert adapter.caps.name == row.name
        options = row.options_class()
        assert options is None or {*row.flags} <= set(options.__dataclass_fields__)


def test_the_backend_that_alone_has_a_launcher():
    assert registry.only_with_launcher("poprun") == "ipu"
    assert registry.only_with_launcher("torchrun") == ""  # several have it
    assert registry.only_with_launcher("slurm") == ""  # none does


def test_naming_backends_imports_neither_torch_nor_numpy():
    words = (
        "import sys; from bertkit.backends import registry, sections; registry.choices();"
        " sections.section_names(); from bertkit.tasks.pretraining.config import PretrainConfig;"
        " from bertkit.tasks.squad.config import SquadConfig;"
        " print([name for name in ('torch', 'numpy', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_broken_entry_point_is_named(monkeypatch):
    point = importlib.metadata.EntryPoint("toy", "bertkit.errors:UsageError", "bertkit.backends")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    registry.backends.cache_clear()
    try:
        with pytest.raises(ConfigError, match="errors:UsageError of bertkit"):
            registry.names()
    finally:
        registry.backends.cache_clear()
