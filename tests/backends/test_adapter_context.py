"""The block of an adapter: closed at its end, errors told to the others and explained."""

from __future__ import annotations

import pytest

from bertkit.backends.adapter_context import AdapterContext
from bertkit.backends.process_group import ProcessGroup
from bertkit.errors import BertkitError, DataError


class Group(ProcessGroup):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def report_failure(self, error):
        self.told.append(str(error))


class Machine(AdapterContext):
    def __init__(self) -> None:
        self.process_group = Group()
        self.events: list[str] = []

    def close(self):
        self.events.append(f"closed after {len(self.process_group.told)}")
        raise OSError("close fails, too")

    def explained(self, error):
        return BertkitError("melted", "cool it") if str(error) == "heat" else None


def test_the_others_hear_of_a_failure_before_this_process_leaves_them():
    machine = Machine()
    with pytest.raises(ValueError, match="x"), machine:
        raise ValueError("x")
    assert machine.process_group.told == ["x"] and machine.events == ["closed after 1"]


def test_errors_of_the_machine_are_explained_to_both():
    machine = Machine()
    with pytest.raises(BertkitError, match="melted") as caught, machine:
        raise RuntimeError("heat")
    assert machine.process_group.told == ["melted"]
    assert str(caught.value.__cause__) == "heat"


def test_errors_for_the_user_stay():
    machine = Machine()
    with pytest.raises(DataError, match="heat"), machine:
        raise DataError("heat")
    assert machine.process_group.told == ["heat"]
