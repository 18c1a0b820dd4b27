"""Fixtures of the tests that run on the vendors' machines or on stand-ins for them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bertkit.train.config import PretrainConfig
from bertkit.train.vendors import CsConfig

from . import cs_runs


@pytest.fixture(scope="session")
def cs_records(tmp_path_factory):
    return cs_runs.write_records(tmp_path_factory.mktemp("cs"))


@pytest.fixture
def cstorch():
    with cs_runs.package() as module:
        yield module


@pytest.fixture
def cs_command(bertkit, monkeypatch, tmp_path):
    """`cs_command("pretrain", ...)` in the test's folder → status, out, err."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> SimpleNamespace:
        if cs_runs.REAL:
            return cs_runs.command(*words)
        with cs_runs.package():
            return bertkit(*words)

    return run


@pytest.fixture
def cs_settings(cs_records, tmp_path):
    def make(**changes) -> PretrainConfig:
        base = PretrainConfig(
            input=[str(cs_records / "train.tfrecord")], output=str(tmp_path / "run"),
            layout="padded", global_batch_size=8, micro_batch_size=4, max_steps=6,
            learning_rate=1e-2, save_every=2, log_every=1, model=cs_runs.SHAPE,
            cs=CsConfig(device="cpu", artifacts=str(tmp_path / "logs")),
        )  # fmt: skip
        return replace(base, **changes)

    return make
