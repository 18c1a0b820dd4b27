"""Pairs are the same, however the work is cut into ranges, pieces and portions."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning import blocks, duplicates, survey
from bertkit.corpus.cleaning.clean_corpus import clean_corpus as clean
from corpus.cleaning import readable
from corpus.cleaning.readable import PLAIN, plain


def small_portions(patch: pytest.MonkeyPatch) -> None:
    """Sizes at which a small corpus goes through everything that a large one does."""
    patch.setattr(duplicates, "RANGE", 20)
    patch.setattr(duplicates, "SMALL", 20)
    patch.setattr(duplicates, "CANDIDATES", 5)
    patch.setattr(survey, "PIECE_DOCUMENTS", 8)
    patch.setattr(blocks.read_blocks, "__defaults__", (300,))


@given(
    st.lists(
        st.lists(st.sampled_from(["a b c d e", "b c d e f", "c d e f g", "x"]), min_size=1,
                 max_size=6), min_size=1, max_size=25)
)  # fmt: skip
@settings(max_examples=6)
def test_nothing_depends_on_how_the_work_is_cut(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("cut")
    half = len(documents) // 2
    readable.write(folder / "in/a.txt", documents[:half]).open("a").close()
    readable.write(folder / "in/b.txt", documents[half:])
    config = dataclasses.replace(PLAIN, near=0.5, line_words=2)
    whole = clean([str(folder / "in")], config=config, workers=1, examples=9)
    with pytest.MonkeyPatch.context() as patch:
        small_portions(patch)
        cut = clean([str(folder / "in")], config=config, workers=1, examples=9)
    ignored = {"seconds": 0, "scratch_bytes": 0}
    assert dataclasses.replace(cut, **ignored) == dataclasses.replace(whole, **ignored)


def test_a_large_group_is_compared_in_portions(families, monkeypatch):
    folder, documents = families
    small_portions(monkeypatch)
    readable.write(folder / "one.txt", [[f"{documents[0][0]} {n}"] for n in range(40)])
    result = clean([str(folder / "one.txt")], config=plain(near=0.6), workers=1)
    assert result.criteria["near"]["documents"] == 39
