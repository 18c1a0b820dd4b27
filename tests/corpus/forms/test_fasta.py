"""FASTA: a sequence is a document, its lines are sentences."""

from __future__ import annotations

import gzip

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.fasta import FORM, begins_fasta

RECORDS = b">chr1 a name\nACGTACGTNN\nGGCCAT\n\n;note\n>sp|P1 protein\nMKVL*\nAA-T\n>empty\n"


def test_documents(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(RECORDS)
    found = list(FORM.documents(str(path)))
    assert [document.id for document in found] == ["chr1", "sp|P1", "empty"]
    assert found[0].text.split() == ["ACGTACGTNN", "GGCCAT"]
    assert found[1].text.split() == ["MKVL*", "AA-T"]


@pytest.mark.parametrize("name", ["x.fa", "x", "x.txt.gz"])
def test_extract_recognises_it(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(RECORDS) if name.endswith(".gz") else RECORDS)
    result = extract([str(path)], str(tmp_path / "out"), ExtractConfig(), workers=1)
    assert (result.documents, result.sentences, result.empty) == (2, 4, 1)
    text = (tmp_path / "out" / "part-00000-of-00001.txt").read_text()
    assert text == "ACGTACGTNN\nGGCCAT\n\nMKVL*\nAA-T\n"


@pytest.mark.parametrize(
    ("head", "yes"),
    [
        (b">a\nACGT\n", True),
        (b">a b|c\n;x\nMK*\n", True),
        (b"> quoted mail text\nyes\n", False),
        (b">>>\nprose\n", False),
        (b">note\nprose follows here\n", False),
        (b"ACGT\n", False),
        (b">a\n", False),
    ],
)
def test_what_begins_it(head, yes):
    assert begins_fasta(head) is yes
