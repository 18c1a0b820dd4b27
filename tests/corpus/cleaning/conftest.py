from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from corpus.cleaning import readable


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk() -> Iterator[None]:
    """A run of a few documents would mostly wait for it; no test here cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def families(tmp_path):
    """150 documents: 25 families of 6, whose members differ in 0 to 5 random words."""
    documents = readable.mutated_corpus(families=25, members=6)
    middle = len(documents) // 3
    readable.write(tmp_path / "in/a.txt", documents[:middle])
    readable.write(tmp_path / "in/b.txt", documents[middle:])
    return tmp_path, documents
