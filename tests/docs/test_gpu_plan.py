"""The plan for several GPUs: numbers worked out by hand, and what was measured on one."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

PLAN = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "gpu_plan.py"))
Machine, Work, CASES = PLAN["Machine"], PLAN["Work"], PLAN["CASES"]
step, travel = PLAN["step"], PLAN["travel"]
QUIET = Machine(latency=0.0)
LARGE = CASES["large, 512 tokens"]


@pytest.mark.parametrize(
    ("case", "measured"),
    [("base, 128 tokens", 6193), ("base, 512 tokens", 2043), ("large, 512 tokens", 761)],
)
def test_one_gpu_takes_what_was_measured(case, measured):
    work = CASES[case]
    found = step(work, 1)
    assert work.sequences / found.seconds == pytest.approx(measured, rel=0.02)
    assert (found.waiting, found.exchange, found.exposed) == (0.0, 0.0, 0.0)


def test_rings_send_twice_all_but_one_part():
    """8 GPUs: 2 x 7/8 x 360 GB at 360 GB/s; 8 nodes: 2 x 7/8 x 320 GB at 320 GB/s; never both."""
    assert travel(360e9, 8, QUIET) == pytest.approx(1.75)
    assert travel(320e9, 64, QUIET) == pytest.approx(1.75)
    assert travel(320e9, 64, replace(QUIET, between=32e9)) == pytest.approx(17.5)
    assert travel(360e9, 2, QUIET) == pytest.approx(1.0)
    # Each of three exchanges of 25 MiB waits three doublings.
    assert travel(60 * 2**20, 8, replace(QUIET, latency=1.0)) == pytest.approx(9.0, rel=1e-3)


def test_the_exchange_hides_behind_two_thirds_of_the_last_pass_but_for_the_words():
    slow = replace(QUIET, between=11e9)
    plain = step(LARGE, 64, slow)
    assert plain.exposed == pytest.approx(plain.exchange - 2 / 3 * plain.compute)
    fast = step(LARGE, 64, QUIET)
    words = 30528 * 1024 / LARGE.model.parameter_count()
    assert fast.exposed == pytest.approx(words * fast.exchange)
    clipped = step(replace(LARGE, clip_before=True), 64, slow)
    assert clipped.exposed == pytest.approx(plain.exchange)
    two = step(replace(LARGE, passes=2, sequences=256), 64, slow)
    assert two.exposed == pytest.approx(plain.exposed), "the last pass is as long"
    half = step(replace(LARGE, half=True), 64, slow)
    assert half.exchange == pytest.approx(plain.exchange / 2)


def test_sharding_sends_as_much_and_updates_an_eighth():
    plain, sharded = step(LARGE, 8, QUIET), step(replace(LARGE, shard=True), 8, QUIET)
    assert sharded.exchange == pytest.approx(plain.exchange)
    assert sharded.update / plain.update == pytest.approx((28 / 8 + 18) / 46)
    half = step(replace(LARGE, shard=True, half=True), 8, QUIET)
    assert half.exchange == pytest.approx(0.75 * plain.exchange), "weights travel in fp32"


def test_small_passes_take_what_the_host_needs():
    small = step(replace(LARGE, sequences=4), 1, QUIET)
    assert small.compute == LARGE.host
    assert step(replace(LARGE, sequences=4, passes=3), 1, QUIET).compute == 3 * LARGE.host


def test_more_sequences_wait_relatively_less():
    """The longest of eight is 1.43 standard deviations above the mean (tables of order statistics: 1.424)."""
    assert PLAN["longest"](8) == pytest.approx(1.424, rel=0.01)
    assert PLAN["longest"](64) == pytest.approx(2.35, rel=0.01)
    few, many = step(LARGE, 8), step(replace(LARGE, sequences=12800, passes=100), 8)
    assert few.waiting / few.compute == pytest.approx(10 * many.waiting / many.compute)


def test_the_tables_name_every_case_and_the_presets_for_gpus():
    text = PLAN["tables"](Machine(), 11e9)
    assert all(case in text for case in CASES) and "| `mlperf` | 600 x 8,192 |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for block in (lines[:22], lines[22:]):
        assert len({line.count("|") for line in block}) == 1
