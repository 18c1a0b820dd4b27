from __future__ import annotations

import threading

import pytest

from bertkit.data.prefetch import Prefetch


def alive() -> bool:
    return any(thread.name == "bertkit-loader" for thread in threading.enumerate())


def test_items_come_in_order():
    with Prefetch(iter(range(100))) as items:
        assert list(items) == list(range(100))
    assert not alive()


def test_an_error_comes_where_its_item_would():
    def broken():
        yield 1
        raise KeyError("broken record")

    seen = []
    with pytest.raises(KeyError, match="broken record"), Prefetch(broken()) as items:
        for item in items:
            seen.append(item)  # noqa: PERF402 - the error must come after the first item
    assert seen == [1]
    assert not alive()


def test_leaving_early_ends_the_thread():
    def endless():
        number = 0
        while True:
            yield number
            number += 1

    with Prefetch(endless(), depth=1) as items:
        assert next(iter(items)) == 0
    assert not alive()


def test_only_so_many_are_prepared_ahead():
    made = []

    def counted():
        for number in range(50):
            made.append(number)
            yield number

    with Prefetch(counted(), depth=3) as items:
        next(iter(items))
        assert len(made) <= 6
