import os

import numpy as np
import pytest

from bertkit.data import stored_order as module
from bertkit.data.stored_order import stored_order
from bertkit.errors import DataError

COUNT = 150_000


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bertkit" / "orders"


def values(epoch):
    return np.random.default_rng(epoch).permutation(COUNT).astype(np.uint32)


def test_it_is_made_once_and_mapped(cache):
    made = []

    def make():
        made.append(1)
        return values(0)

    orders = [stored_order(COUNT, 1, 0, make) for _ in range(3)]
    assert len(made) == 1
    for start, stop in ((0, 1), (65_530, 65_540), (149_990, 150_000), (0, COUNT)):
        assert np.array_equal(orders[1][start:stop], values(0)[start:stop])


def test_damage_is_found_where_it_is_read(cache):
    stored_order(COUNT, 1, 0, lambda: values(0))
    (path,) = cache.glob("*.u32")
    blob = bytearray(path.read_bytes())
    blob[4 * 70_000] ^= 1
    path.write_bytes(blob)
    order = stored_order(COUNT, 1, 0, lambda: values(0))
    assert len(order[0:1000]) == 1000
    with pytest.raises(DataError, match=r"\.u32 is damaged"):
        order[69_999:70_001]
    path.write_bytes(blob[:-8])
    with pytest.raises(DataError, match="cut off"):
        stored_order(COUNT, 1, 0, lambda: values(0))


def test_orders_of_earlier_epochs_go_and_a_mapped_one_is_still_read(cache):
    first = stored_order(COUNT, 1, 0, lambda: values(0))
    other = stored_order(COUNT, 2, 0, lambda: values(9))
    for epoch in (1, 2, 3):
        stored_order(COUNT, 1, epoch, lambda: values(epoch))  # noqa: B023
    names = {path.name for path in cache.glob("*.u32")}
    assert names == {f"{COUNT}-1-2.u32", f"{COUNT}-1-3.u32", f"{COUNT}-2-0.u32"}
    assert np.array_equal(first[0:COUNT], values(0))
    (old,) = cache.glob(f"{COUNT}-2-0.u32")
    os.utime(old, (1, 1))
    stored_order(COUNT, 1, 4, lambda: values(4))
    assert not old.exists() and np.array_equal(other[0:10], values(9)[:10])


def test_without_room_there_is_none(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda folder: 4 * COUNT)
    assert stored_order(COUNT, 1, 0, lambda: values(0)) is None
