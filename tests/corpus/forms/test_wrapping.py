"""One corpus, however it is wrapped, gives the same documents."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from corpus.forms.wrapping import ARCHIVES, COMPRESSIONS, ENCODINGS, FORMS, TEXTS

NAMES = ["a", "a.txt", "data.bin"]
WAYS = list(itertools.product(FORMS, ENCODINGS, COMPRESSIONS, ARCHIVES, COMPRESSIONS))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WAYS), st.sampled_from(NAMES))
def test_the_same_documents_come_out_of_every_wrapping(way, name):
    form, encoding, inner, archive, outer = way
    made = FORMS[form](TEXTS)
    blob = made.encode(encoding) if isinstance(made, str) else made
    blob = COMPRESSIONS[outer](ARCHIVES[archive](COMPRESSIONS[inner](blob)))
    flags = {"encoding": ENCODINGS[encoding]} if isinstance(made, str) else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(blob)
        config = ExtractConfig(splitter="lines", **flags)
        result = extract([str(path)], f"{folder}/out", config, workers=1)
        text = Path(folder, "out/part-00000-of-00001.txt").read_text("utf-8")
    assert result.rejected == result.empty == 0
    lines = [line.replace("\t", " ") for line in text.splitlines() if line]
    assert lines == [line.replace("\t", " ") for line in TEXTS], way
