from __future__ import annotations

import pytest

from bertkit.corpus.chains.cerebras_pubmed import cerebras_article
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Skipped
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.errors import DataError

GOLDENS = {
    "abstracts.pubmed20n1016.txt": "baseline_other/pubmed20n1016.xml.gz",
    "abstracts.pubmed21n0001.txt": "baseline_other/pubmed21n0001.xml.gz",
    "abstracts.pubmed21n1003.txt": "baseline_other/pubmed21n1003.xml.gz",
    "fulltext.1471-2180-11-174.txt": "pmc_nxml/1471-2180-11-174.nxml",
    "fulltext.pntd_0002065.txt": "pmc_nxml/pntd.0002065.nxml",
}


@pytest.mark.parametrize("golden", GOLDENS)
def test_bytes_are_those_of_the_reference(shared, tmp_path, golden):
    source = shared / "data/pubmed" / GOLDENS[golden]
    wanted = (shared / "goldens/pubmed" / golden).read_bytes()
    form = "pmc" if source.suffix == ".nxml" else "pubmed"
    assert detect_form(str(source)).name == form
    config = ExtractConfig(chain="cerebras", form=form)
    result = extract([str(source)], str(tmp_path / "out"), config, workers=1)
    assert result.rejected == 0
    assert (tmp_path / "out/part-00000-of-00001.txt").read_bytes() == wanted


@pytest.mark.parametrize("text", ["x\n", "<mediawiki>"])
def test_only_pubmed_goes_with_that_chain(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    config = ExtractConfig(chain="cerebras")
    with pytest.raises(DataError, match="not pubmed or pmc"):
        extract([str(tmp_path / "a.txt")], str(tmp_path / "o"), config, workers=1)


def test_blank_line_only_for_deleted_records():
    assert cerebras_article(Skipped("deleted")) == b"\n\n"
    assert cerebras_article(Skipped("no abstract")) == b""
    assert cerebras_article(RawDocument("1", "", "")) == b"\n\n"
