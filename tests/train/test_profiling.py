from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.backends import registry
from bertkit.errors import ConfigError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.profiling import steps_to_profile


@pytest.mark.slow
def test_the_trace_has_the_operations_of_its_steps(settings):
    config = settings(max_steps=4, profile_steps="2:3")
    pretrain(config, registry.get("cpu"))
    trace = json.loads((Path(config.output) / "profile-0000002-0000003.json").read_text())
    names = [event.get("name") for event in trace["traceEvents"]]
    assert "aten::addmm" in names
    # One call for each of the two groups of parameters.
    assert names.count("aten::_fused_adamw_") == 2 * 2


@pytest.mark.slow
def test_a_profile_changes_no_number(settings, tmp_path):
    plain = pretrain(settings(max_steps=3, output=str(tmp_path / "a")), registry.get("cpu"))
    seen = settings(max_steps=3, output=str(tmp_path / "b"), profile_steps="1:3")
    assert pretrain(seen, registry.get("cpu")).train["loss"] == plain.train["loss"]


@pytest.mark.parametrize("text", ["", "3", "2:1", "0:1", "1:11", "a:b", "-1:2"])
def test_a_range_outside_the_run_is_refused(text):
    with pytest.raises(ConfigError, match="FIRST:LAST with 1 <= FIRST <= LAST <= 10"):
        steps_to_profile(text, 10)
