"""A run of the engine, driven step by step."""

from __future__ import annotations

import pytest

from bertkit.backends.cs.session import CsLoader, explain_errors
from bertkit.data.prefetch import StepRange
from bertkit.errors import BertkitError, MissingDependencyError

from .runs import LENGTH, feed, tiny


def test_a_system_that_is_not_there_is_one_clear_line(cs_command, cs_records):
    done = cs_command(
        "pretrain", "--backend", "cs", "--input", cs_records / "train.tfrecord", "--output", "run",
        "--gbs", 8, "--max-steps", 2, "--precision", "bf16", "--set", "cs.compile_only=true",
        *tiny(),
    )  # fmt: skip
    assert done.status == 4
    assert "no Cerebras system can be reached" in done.err
    assert "Traceback" not in done.err


class ClusterConfigError(Exception):
    """Of the name that the package gives it."""


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            ClusterConfigError("no route\n  to it"),
            MissingDependencyError,
            "reached: no route to it",
        ),
        (RuntimeError("lowering failed: x"), BertkitError, "its compiler failed: lowering failed"),
        (RuntimeError("anything else"), RuntimeError, "anything else"),
    ],
)
def test_errors_of_the_package_become_one_line(error, kind, message):
    with pytest.raises(kind, match=message), explain_errors():
        raise error


def test_every_batch_of_a_loop_knows_its_position(cstorch, cs_records):
    """The engine is not started before the first step."""
    steps = StepRange(feed(cs_records, "padded", fixed=True), 8, 3)
    loader = CsLoader(cstorch, steps, training=True, layout="padded", length=LENGTH, packed_rows=0)
    with loader as batches:
        assert [batch.next_position for batch in batches] == [16, 24, 32]
        assert [dict(batch.facts) for batch in batches] == [{"sequences": 8.0}] * 3
        assert not loader.session.begun
