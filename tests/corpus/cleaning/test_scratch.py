from __future__ import annotations

import numpy as np

from bertkit.corpus.cleaning.scratch import Scratch, key_of


def test_arrays_come_back_small_ones_large_ones_and_empty_ones(tmp_path):
    scratch = Scratch(str(tmp_path))
    for shape in ((0,), (3,), (2, 50_000)):
        array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        assert not scratch.holds(f"a/{shape[0]}")
        scratch.save(f"a/{shape[0]}", array)
        assert scratch.holds(f"a/{shape[0]}")
        found = scratch.load(f"a/{shape[0]}")
        assert (found == array).all()
        assert isinstance(found, np.memmap) == (array.nbytes > 100_000)


def test_notes_of_other_input_do_not_count(tmp_path):
    scratch = Scratch(str(tmp_path))
    assert scratch.note("x", "key") is None
    scratch.record("x", "key", [1, 2])
    assert scratch.note("x", "key") == [1, 2]
    assert scratch.note("x", "other") is None
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": [3]})


def test_tables_are_shared_through_their_files(tmp_path):
    scratch = Scratch(str(tmp_path))
    table = scratch.table("t/x", 5, np.int64, -1)
    table[2] = 7
    assert scratch.open_table("t/x", 5, np.int64).tolist() == [-1, -1, 7, -1, -1]
    assert len(scratch.table("empty", 0, bool, False)) == 0
