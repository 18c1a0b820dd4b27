"""The devices of a job, and what its command says about them."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError, UsageError
from bertkit.launch.job import make_job
from launch.planned import settings_of

BATCH = ("pretrain", "--input", "x", "--output", "y", "--gbs", "96", "--micro-batch-size", "16")


def test_batch_must_divide_over_the_devices():
    settings = settings_of(*BATCH)
    job = make_job(BATCH, backend="cuda", devices=6, per_node=6, settings=settings)
    assert (job.devices, job.nodes) == (6, 1)
    with pytest.raises(ConfigError, match="16 x 8 devices"):
        make_job(BATCH, backend="cuda", devices=8, settings=settings)


def test_the_backend_is_the_one_given_or_the_one_of_the_command():
    words = (*BATCH, "--backend=hpu")
    job = make_job(words, settings=settings_of(*words), devices=2)
    assert job.backend == "hpu" and job.words == words
    words = ("finetune-squad", "--output", "o", "--backend", "cuda")
    assert make_job(words, settings=settings_of(*words)).backend == "cuda"
    assert make_job(("doctor",), backend="cpu").words == ("doctor",)  # computes on none
    assert make_job(("eval",), backend="cpu").words == ("eval", "--backend", "cpu")
    with pytest.raises(UsageError, match="no backend given, and the command names none"):
        make_job(BATCH, settings=settings_of(*BATCH))
    with pytest.raises(UsageError, match="no backend 'tpu'"):
        make_job(BATCH, backend="tpu")


def test_nodes_are_those_of_the_backend():
    assert make_job(("doctor",), backend="hpu", devices=32).nodes == 4
    assert make_job(("doctor",), backend="ipu", devices=32).nodes == 2
    assert make_job(("doctor",), backend="cuda", devices=32, per_node=4).nodes == 8
    with pytest.raises(UsageError, match="12 devices are not a multiple of the 8 per node"):
        make_job(("doctor",), backend="cuda", devices=12)
    with pytest.raises(UsageError, match="no command to start"):
        make_job((), backend="cuda")


def test_a_job_and_its_command_have_one_backend():
    """The script was one device's, the command another's."""
    words = (*BATCH, "--backend", "cuda")
    with pytest.raises(UsageError, match="for --backend hpu, its command says --backend cuda"):
        make_job(words, backend="hpu", settings=settings_of(*words))
    assert make_job(words, backend="cuda", settings=settings_of(*words)).backend == "cuda"
    words = (*BATCH, "--backend", "auto")
    assert make_job(words, backend="hpu", settings=settings_of(*words)).backend == "hpu"
