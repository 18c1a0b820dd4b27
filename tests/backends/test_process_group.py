from __future__ import annotations

import pytest

from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.errors import ConfigError


class Three(ProcessGroup):
    """The middle one of three processes that all have the same to say."""

    def __init__(self, rank: int) -> None:
        super().__init__(Topology(world=3, rank=rank, local_rank=rank))
        self.calls: list[str] = []

    def sum(self, values):
        self.calls.append("sum")
        return [3 * value for value in values]

    def gather(self, item):
        return [item] * 3


def test_one_process_is_the_main_one():
    group = ProcessGroup()
    assert group.topology == Topology(world=1, rank=0, local_rank=0)
    assert group.topology.is_main
    assert group.sum([1.0, 2.0]) == [1.0, 2.0]
    assert group.gather("a") == ["a"] == group.collect("a")
    assert group.total({"a": 1.0}) == {"a": 1.0}
    assert group.collect_union({"a": 1}) == {"a": 1}


def test_totals_and_unions_are_those_of_all_processes():
    main, other = Three(rank=0), Three(rank=1)
    assert main.total({"a": 1.0, "b": 2.0}) == {"a": 3.0, "b": 6.0}
    assert main.collect_union({"a": 1}) == {"a": 1}
    assert other.collect_union({"a": 1}) == {}, "the main process alone gets them"


@pytest.mark.parametrize(("rank", "seen"), [(0, ["looked", "sum"]), (1, ["sum", "looked"])])
def test_the_main_process_looks_first(rank, seen):
    group = Three(rank)

    def look(main):
        group.calls.append("looked")
        return main

    assert group.in_turn(look) == (rank == 0)
    assert group.calls == seen


def test_the_place_is_that_of_the_environment(monkeypatch):
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert Topology.from_environment() == Topology(world=4, rank=3, local_rank=1)
    assert not Topology.from_environment().is_main
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert Topology.from_environment() == Topology()
    monkeypatch.setenv("WORLD_SIZE", "")
    assert Topology.from_environment() == Topology()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two' in the environment"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK is '-1' in the environment"),
        ({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "x"}, "LOCAL_RANK is 'x'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK is 2, but WORLD_SIZE is 2"),
    ],
)
def test_a_place_that_no_process_has_is_refused(place, said, bertkit, monkeypatch):
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        Topology.from_environment()
    done = bertkit("pretrain", "--preset", "tiny", "--input", "r", "--output", "o", "--dry-run")
    assert (done.status, done.err.count("\n")) == (3, 2)
    assert said in done.err
