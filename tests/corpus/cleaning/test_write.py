"""What stays keeps its bytes, and its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning.clean_corpus import clean_corpus as clean
from bertkit.corpus.document import read_documents
from bertkit.corpus.document_names import names_beside
from bertkit.errors import DataError
from corpus.cleaning import readable
from corpus.cleaning.readable import plain


def test_what_nothing_is_dropped_from_keeps_its_bytes(tmp_path):
    text = b"\n\nOne a.\r\n  Two b. \n\n\n \nThree c.\n\t\nFour d."
    (tmp_path / "in.txt").write_bytes(text)
    config = plain("exact", "lines", line_words=1)
    clean([str(tmp_path / "in.txt")], str(tmp_path / "out"), config, workers=1)
    assert (tmp_path / "out/part-00000-of-00001.txt").read_bytes() == text


@given(st.text("ab \n\n\r.", max_size=40), st.booleans())
@settings(max_examples=15)
def test_what_is_kept_reads_like_the_input(tmp_path_factory, text, lines):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "in.txt").write_bytes(text.encode())
    config = plain("exact", *(["lines"] if lines else []), line_words=1)
    expected = []
    seen: set[str] = set()
    seen_lines: set[str] = set()
    for document in read_documents(str(folder / "in.txt")):
        key = " ".join(" ".join(document.sentences).casefold().split())
        if key in seen:
            continue
        seen.add(key)
        sentences = []
        for each in document.sentences:
            line = " ".join(each.casefold().split())
            if not lines or line not in seen_lines or not readable.words(each):
                sentences.append(each)
            seen_lines.add(line)
        if sentences:
            expected.append(tuple(sentences))
    if not seen:
        with pytest.raises(DataError, match="no documents"):
            clean([str(folder / "in.txt")], str(folder / "out"), config, workers=1)
        return
    result = clean([str(folder / "in.txt")], str(folder / "out"), config, workers=1)
    part = folder / "out/part-00000-of-00001.txt"
    assert [each.sentences for each in read_documents(str(part))] == expected
    assert result.kept["documents"] == len(expected)
    assert result.kept["sentences"] == sum(map(len, expected))
    assert result.kept["bytes"] == part.stat().st_size


def test_names_beside_a_part_go_along(families):
    folder, documents = families
    names = [f"archive.tar!{n}.txt" for n in range(50)]
    beside = Path(names_beside(str(folder / "in/a.txt")))
    beside.write_text("".join(f"{name}\n" for name in names))
    result = clean([str(folder / "in")], str(folder / "out"), plain("near"), workers=1)
    part = folder / "out/part-00000-of-00002.txt"
    kept_names = Path(names_beside(str(part))).read_text().splitlines()
    whole = [tuple(each) for each in documents]
    assert kept_names == [names[whole.index(tuple(each))] for each in readable.read(part)]
    assert not Path(names_beside(str(folder / "out/part-00001-of-00002.txt"))).exists()
    assert {"name"} <= result.criteria["near"]["examples"][0].keys()
    beside.write_text("".join(f"{name}\n" for name in names[:-1]))
    with pytest.raises(DataError, match="names of its documents beside it do not fit"):
        clean([str(folder / "in")], str(folder / "out2"), plain("near"), workers=1)
