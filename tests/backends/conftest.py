"""Fixtures of the tests that run on the vendors' machines or on stand-ins for them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from backends.cs import runs
from bertkit.backends.cs.options import CsOptions
from bertkit.tasks.pretraining.config import PretrainConfig


@pytest.fixture(scope="session")
def cs_records(tmp_path_factory):
    return runs.write_records(tmp_path_factory.mktemp("cs"))


@pytest.fixture
def cstorch():
    with runs.package() as module:
        yield module


@pytest.fixture
def cs_command(bertkit, monkeypatch, tmp_path):
    """`cs_command("pretrain", ...)` in the test's folder → status, out, err."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> SimpleNamespace:
        if runs.REAL:
            return runs.command(*words)
        with runs.package():
            return bertkit(*words)

    return run


@pytest.fixture
def cs_settings(cs_records, tmp_path):
    def make(**changes) -> PretrainConfig:
        base = PretrainConfig(
            input=[str(cs_records / "train.tfrecord")], output=str(tmp_path / "run"),
            layout="padded", global_batch_size=8, micro_batch_size=4, max_steps=6,
            learning_rate=1e-2, save_every=2, log_every=1, model=runs.SHAPE,
            cs=CsOptions(device="cpu", artifacts=str(tmp_path / "logs")),
        )  # fmt: skip
        return replace(base, **changes)

    return make
