"""What a resume may change, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from bertkit.configuration.config import setting
from bertkit.configuration.settings import FREE, ROUNDING
from bertkit.errors import ConfigError, DataError
from bertkit.train.checkpoints.run_state import (
    RunState,
    length_before,
    load_state,
    require_same,
    write_state,
)


def state(step: int, **changes) -> RunState:
    values = {"position": step * 8, "epoch": step / 5, "seed": 1, "data_fingerprint": "f" * 64,
              "config": {"learning_rate": 0.1, "model": {"hidden_size": 16}}}  # fmt: skip
    return RunState(step=step, **{**values, **changes})


@dataclass
class Sizes:
    hidden_size: int = setting(16)


@dataclass
class Toy:
    learning_rate: float = setting(0.1)
    layout: str = setting("auto", on_resume=ROUNDING)
    log_every: int = setting(10, on_resume=FREE)
    model: Sizes = field(default_factory=Sizes)
    engine: Sizes = field(default_factory=Sizes, metadata={"on_resume": ROUNDING})


def test_differences_are_refused_readably():
    with pytest.raises(ConfigError) as caught:
        changed = Toy(learning_rate=0.2, layout="padded", model=Sizes(32))
        require_same(state(4), changed, "f" * 64)
    assert caught.value.message == (
        "the run at step 4 was made with other settings: learning_rate 0.1, now 0.2;"
        " model.hidden_size 16, now 32"
    )
    with pytest.raises(DataError, match="other records"):
        require_same(state(4), Toy(), "0" * 64)


def test_differences_that_matter_little():
    found = require_same(state(4), Toy(layout="padded", log_every=3, engine=Sizes(8)), "f" * 64)
    assert found == ["engine.hidden_size 16, now 8", "layout auto, now padded"]


def test_sections_of_backends_that_are_not_in_use_change_nothing():
    changed = Toy(engine=Sizes(8))
    assert require_same(state(4), changed, "f" * 64, "cpu") == []
    found = require_same(state(4), changed, "f" * 64, "engine")
    assert found == ["engine.hidden_size 16, now 8"]


def test_a_setting_that_a_checkpoint_does_not_know_had_its_default():
    assert require_same(state(4), Toy(), "f" * 64) == []


def test_a_setting_that_is_gone_is_refused_unless_its_section_may_change():
    config = state(4).config
    gone = state(4, config={**config, "engine": {"hidden_size": 16, "old": 3}})
    assert require_same(gone, Toy(), "f" * 64) == ["engine.old 3, now None"]
    with pytest.raises(ConfigError, match="momentum 3, now None"):
        require_same(state(4, config={**config, "momentum": 3}), Toy(), "f" * 64)


@dataclass
class Long:
    max_steps: int = setting(0)
    epochs: float | None = setting(None)
    warmup_steps: int | None = setting(None)
    warmup_proportion: float = setting(0.1, on_resume=FREE)


@pytest.mark.parametrize(
    ("before", "now", "allowed"),
    [
        ({"max_steps": 20}, {"max_steps": 30}, True),
        ({"max_steps": 20}, {"max_steps": 10}, False),
        ({"max_steps": 20, "warmup_steps": 2}, {"max_steps": 30, "warmup_steps": 3}, True),
        ({"max_steps": 20, "warmup_steps": 2}, {"max_steps": 30, "warmup_steps": 2}, True),
        ({"max_steps": 20, "warmup_steps": 2}, {"max_steps": 30, "warmup_steps": 9}, False),
        ({"max_steps": 20, "warmup_steps": 2}, {"max_steps": 20, "warmup_steps": 3}, False),
        ({"epochs": 2.0}, {"epochs": 3.0}, True),
        ({"epochs": 3.0}, {"epochs": 2.0}, False),
        ({"epochs": 2.0, "max_steps": 5}, {"epochs": 3.0, "max_steps": 5}, False),
        ({"epochs": 2.0}, {"epochs": 2.0, "max_steps": 9}, False),
    ],
)
def test_a_run_may_be_prolonged_and_nothing_else(before, now, allowed):
    saved, wanted = state(4, config=before), Long(**now)
    if not allowed:
        assert length_before(saved, wanted) is None or now.get("warmup_steps") == 9
        with pytest.raises(ConfigError, match="made with other settings"):
            require_same(saved, wanted, "f" * 64)
        return
    assert require_same(saved, wanted, "f" * 64) == []
    old = length_before(saved, wanted)
    assert (old.max_steps, old.epochs) == (before.get("max_steps", 0), before.get("epochs"))
    assert length_before(saved, Long(**before)) is None


def test_facts_that_were_not_recorded_are_not_known(tmp_path):
    write_state(tmp_path, state(3, start={"path": "a", "digest": "b"}, overwrote=True))
    assert load_state(tmp_path).start == {"path": "a", "digest": "b"}
    path = tmp_path / "state.json"
    known = json.loads(path.read_text())
    for name in ("start", "resumed_from", "overwrote", "damaged", "files", "checksum"):
        del known[name]
    path.write_text(json.dumps(known))
    assert load_state(tmp_path) == replace(state(3), versions=known["versions"])


def test_a_changed_state_and_a_newer_one_are_refused(tmp_path):
    write_state(tmp_path, state(3))
    path = tmp_path / "state.json"
    whole = path.read_text()
    path.write_text(whole.replace('"position": 24', '"position": 25'))
    with pytest.raises(DataError, match="damaged, or changed by hand"):
        load_state(tmp_path)
    known = json.loads(whole)
    del known["checksum"]
    path.write_text(json.dumps({**known, "invented": 1}))
    with pytest.raises(DataError, match="invented") as caught:
        load_state(tmp_path)
    assert "newer bertkit" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [("step", "3"), ("step", -1), ("position", True), ("epoch", 10**400), ("config", []),
     ("data_fingerprint", 5), ("start", "x"), ("finished", 1)],
)  # fmt: skip
def test_facts_of_another_type_are_refused_by_name(tmp_path, name, value):
    write_state(tmp_path, state(3))
    path = tmp_path / "state.json"
    known = json.loads(path.read_text())
    del known["checksum"]
    path.write_text(json.dumps({**known, name: value}))
    with pytest.raises(DataError, match=f"not the state of a run: {name}$"):
        load_state(tmp_path)
