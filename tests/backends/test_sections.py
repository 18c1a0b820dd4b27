"""A backend of another package: an entry point, and nothing else, makes it usable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import synthetic

from bertkit.backends.cs.options import CsOptions
from bertkit.backends.sections import (
    BackendSections,
    completed_sections,
    options_of,
    section_names,
    section_prefixes,
)
from bertkit.configuration.config import Layer, resolve, setting
from bertkit.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
TOY = """
from dataclasses import dataclass, replace

from bertkit import log
from bertkit.backends.registry import Backend
from bertkit.configuration.config import setting

BACKEND = Backend(
    name="toy", help="a processor in disguise", adapter="toy_adapter:ToyAdapter",
    options="toy_row:ToyOptions", flags=("greeting",),
)


@dataclass(frozen=True)
class ToyOptions:
    x: int = setting(0, help="A number.", minimum=0)
    greeting: str = setting("hello", help="On toy: what is said first.")
"""
ADAPTER = """
from dataclasses import replace

from bertkit import log
from bertkit.backends.torch.cpu import CpuAdapter


class ToyAdapter(CpuAdapter):
    caps = replace(CpuAdapter.caps, name="toy")

    def start(self, options=None, distributed=False, **settings):
        log.logger.warning("%s, x is %d", options.greeting, options.x)
        return super().start(options, distributed, **settings)
"""


@dataclass(frozen=True)
class Config(BackendSections):
    first: int = setting(1)


@dataclass(frozen=True)
class Longer(Config):
    last: int = setting(2)


def test_every_backend_with_settings_is_a_field_after_the_own_ones():
    assert section_names() == ["cuda", "hpu", "ipu", "cs"]
    assert section_prefixes() == ("cuda.", "hpu.", "ipu.", "cs.")
    assert [item.name for item in fields(Config)] == ["first", *section_names()]
    assert [item.name for item in fields(Longer)] == ["first", *section_names(), "last"]


def test_sections_are_resolved_and_found_by_the_name_of_the_backend():
    config = resolve(Longer, [Layer("--set", {"cs.systems": 2, "last": 3})]).config
    assert options_of(config, "cs") == CsOptions(systems=2)
    assert options_of(config, "cpu") is None  # no settings of its own
    assert config.last == 3
    with pytest.raises(UsageError, match=r"did you mean 'cs\.systems'"):
        resolve(Longer, [Layer("--set", {"cs.system": 2})])


@pytest.fixture
def toy(tmp_path):
    """Runs bertkit where a package with a backend of its own is installed."""
    site = tmp_path / "site"
    info = site / "toy_backend-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bertkit.backends]\ntoy = toy_row:BACKEND\n")
    (site / "toy_row.py").write_text(TOY)
    (site / "toy_adapter.py").write_text(ADAPTER)
    path = os.pathsep.join([str(site), str(ROOT)])

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bertkit", *map(str, words)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.slow
def test_a_backend_of_another_package_trains(toy, tmp_path):
    synthetic.write(tmp_path / "train.tfrecord", 8, seed=1)
    shape = (
        "vocab_size=64", "hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2",
        "intermediate_size=32", "max_position_embeddings=32",
    )  # fmt: skip
    done = toy(
        "pretrain", "--backend", "toy", "--set", "toy.x=1", "--greeting", "good morning",
        "--input", tmp_path / "train.tfrecord", "--output", tmp_path / "run", "--gbs", 4,
        "--max-steps", 2, "--json",
        *(word for item in shape for word in ("--set", f"model.{item}")),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "good morning, x is 1" in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["step"] == 2
    state = json.loads((Path(result["checkpoint"]) / "state.json").read_text())
    assert state["config"]["backend"] == "toy"
    assert state["config"]["toy"] == {"x": 1, "greeting": "good morning"}


@pytest.mark.slow
def test_doctor_and_checks_know_a_backend_of_another_package(toy):
    found = json.loads(toy("doctor", "--json").stdout.splitlines()[-1])
    assert [probe["name"] for probe in found["backends"]][-2:] == ["toy", "cpu"]
    refused = toy("pretrain", "--backend", "toy", "--set", "toy.x=-1", "--input", "a")
    assert refused.returncode == 2 and "toy.x: -1 is below" in refused.stderr


def test_settings_of_another_backend_do_nothing_and_are_named(caplog):
    from bertkit.backends.sections import warn_of_other_backends
    from bertkit.configuration.config import ASSIGNMENT, COMMAND_LINE

    @dataclass(frozen=True)
    class Run(BackendSections):
        steps: int = setting(1, help="Steps.")

    layers = [
        Layer("runs/a/config.yaml", {"cuda": {"totals": 3}, "cs": {"systems": 3}}),
        Layer(COMMAND_LINE, {"steps": 2, "cuda.compile": True, "cuda.deterministic": False}),
        Layer(ASSIGNMENT, {"cs.workers_per_system": 2, "cuda.gradient_exchange": "fp32"}),
    ]
    resolved = resolve(Run, layers)
    warn_of_other_backends(resolved, "cpu")
    assert [record.getMessage() for record in caplog.records] == [
        "cuda.compile=true does nothing here: the backend is cpu",
        "cs.workers_per_system=2 does nothing here: the backend is cpu",
    ]
    caplog.clear()
    warn_of_other_backends(resolved, "cuda")
    assert [record.getMessage()[:9] for record in caplog.records] == ["cs.worker"]


def test_a_backend_says_what_its_saved_settings_meant(monkeypatch):
    """Others' settings, and those that it says nothing of, stay as they are."""
    saved = {"first": 1, "cs.keep": 2, "cs.x": None, "csx.y": 3}
    assert completed_sections(saved) == {**saved, "cuda.fused": False, "cuda.graphs": False}
    monkeypatch.setattr(
        CsOptions, "completed", lambda own: {"x": len(own)} | {"z": "keep" in own}, raising=False
    )
    found = completed_sections(saved)
    assert (found["cs.x"], found["cs.keep"], found["cs.z"], found["csx.y"]) == (2, 2, True, 3)
