"""Settings that build on each other, and what a resumed run may change."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import pytest

from bertkit.configuration.config import as_dict, setting
from bertkit.configuration.settings import (
    FIXED,
    FREE,
    ROUNDING,
    default_values,
    ordered_fields,
    override,
    resume_rules,
)


@dataclass(frozen=True)
class Engine:
    speed: int = setting(3)
    name: str = setting("a", on_resume=FREE)


@dataclass(frozen=True)
class Shared:
    rate: float = setting(0.1, help="Of learning.", flags=("--lr",), minimum=0.0)
    folders: list[str] = setting(factory=list, on_resume=FREE)


@dataclass(frozen=True)
class Task(Shared):
    text: str = setting("none", on_resume=ROUNDING)
    rate: float = override(Shared, "rate", 0.5, help="Of this task.")
    folders: list[str] = override(Shared, "folders", help="Of this task.")  # noqa: RUF009
    engine: Engine = field(default_factory=Engine)
    machine: Engine = field(default_factory=Engine, metadata={"on_resume": ROUNDING})


def by_name(kind):
    return {item.name: item for item in fields(kind)}


def test_an_override_changes_what_it_names_and_nothing_else():
    rate = by_name(Task)["rate"]
    assert (Task().rate, Shared().rate) == (0.5, 0.1)
    assert rate.metadata["help"] == "Of this task."
    assert (rate.metadata["flags"], rate.metadata["minimum"]) == (("--lr",), 0.0)
    assert by_name(Shared)["rate"].metadata["help"] == "Of learning."
    assert by_name(Task)["folders"].metadata["on_resume"] == FREE
    assert Task().folders == [] and Task().folders is not Task().folders


def test_an_override_of_nothing_known_is_refused():
    with pytest.raises(TypeError, match="a setting has no speed"):
        override(Shared, "rate", 0.5, speed=3)


def test_own_settings_come_before_inherited_ones_which_keep_their_order():
    names = ["text", "engine", "machine", "rate", "folders"]
    assert [item.name for item in ordered_fields(Task)] == names
    assert [item.name for item in ordered_fields(Task())] == names
    assert list(as_dict(Task())) == names


def test_rules_are_strict_unless_a_setting_or_its_section_says_otherwise():
    assert resume_rules(Task) == {
        "rate": FIXED, "folders": FREE, "text": ROUNDING,
        "engine.speed": FIXED, "engine.name": FREE,
        "machine.speed": ROUNDING, "machine.name": ROUNDING,
    }  # fmt: skip


def test_defaults_by_dotted_key():
    assert default_values(Task) == {
        "rate": 0.5, "folders": [], "text": "none", "engine.speed": 3, "engine.name": "a",
        "machine.speed": 3, "machine.name": "a",
    }  # fmt: skip
