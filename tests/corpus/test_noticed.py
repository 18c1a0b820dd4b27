from __future__ import annotations

from bertkit.corpus.document import Noticed
from bertkit.corpus.noticed import Tally, count, merge, most_frequent, table, total


def test_counts_do_not_depend_on_the_order():
    things = [Noticed("t", "a", "z"), Noticed("t", "b", "x\ty"), Noticed("t", "a", "c")]
    forwards: Tally = {}
    backwards: Tally = {}
    for thing in things:
        count(forwards, thing)
    for thing in reversed(things):
        one: Tally = {}
        count(one, thing)
        merge(backwards, one)
    assert forwards == backwards == {"t": {"a": [2, "c"], "b": [1, "x\ty"]}}
    assert total(forwards, "t") == 3
    assert total(forwards, "none") == 0


def test_the_most_frequent_come_first():
    tally: Tally = {"t": {"b": [1, ""], "c": [5, "e"], "a": [1, ""]}}
    assert list(most_frequent(tally)["t"]) == ["c", "a", "b"]
    assert list(most_frequent(tally, 1)["t"]) == ["c"]
    assert table(most_frequent(tally, 2), "t") == "count\tname\texample\n5\tc\te\n1\ta\t\n"
