"""What every checkpoint says of its run; how they are used, the tests of runs show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends import registry
from bertkit.errors import StoppedError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state

CPU = registry.get("cpu")


def test_a_checkpoint_carries_the_facts_of_its_run(settings, tmp_path):
    first = pretrain(settings(max_steps=2, output=str(tmp_path / "first")), CPU)
    config = settings(max_steps=4, init_checkpoint=first.checkpoint, steps_this_run=2)
    with pytest.raises(StoppedError):
        pretrain(config, CPU, overwrite=True)
    state = load_state(checkpoint.latest(config.output))
    assert state.start["path"] == first.checkpoint and len(state.start["digest"]) == 64
    assert (state.overwrote, state.resumed_from, state.damaged) == (True, None, 0)
    assert state.config["init_checkpoint"] == first.checkpoint
    last = load_state(pretrain(replace(config, steps_this_run=0), CPU).checkpoint)
    assert (last.start, last.overwrote) == (state.start, True), "they go on with the run"
    assert load_state(first.checkpoint).start == {"path": None, "digest": None}
