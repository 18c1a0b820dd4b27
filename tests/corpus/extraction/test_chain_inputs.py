from __future__ import annotations

import bz2

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.chain_inputs import check_chain_input
from bertkit.corpus.extraction.extract import extract
from bertkit.errors import DataError

WIKI = '<doc id="1" url="u" title="T">\nT\n\nText.\n</doc>\n'
DUMPS = ["enwiki-table-markup.xml.bz2", "bgwiki-latest-pages-articles-shortened.xml.bz2"]


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("chain", ["mlperf", "cerebras"])
def test_dump_is_refused_and_the_missing_step_named(shared, punkt_data, tmp_path, chain, name):
    path = str(shared / "data/wikidump" / name)
    with pytest.raises(DataError, match=f"{name} is mediawiki .*, not ") as caught:
        extract([path], str(tmp_path / "out"), ExtractConfig(chain=chain), workers=1)
    assert not (tmp_path / "out").exists()
    if chain == "mlperf":
        assert "3162bb6" in caught.value.hint
        assert "Python 3.7 to 3.10" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "chain", "hint"),
    [
        ("Plain text. Two sentences.\n", "mlperf", "leave out --chain"),
        ('{"id": "1", "text": "One."}\n', "mlperf", "without --json"),
        ("Plain text. Two sentences.\n", "cerebras", "leave out --chain"),
        (WIKI, "cerebras", "leave out --chain"),
    ],
)
def test_other_text_is_refused(punkt_data, tmp_path, text, chain, hint):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=r"a.txt is ") as caught:
        extract([str(tmp_path / "a.txt")], str(tmp_path / "o"), ExtractConfig(chain=chain))
    assert hint in caught.value.hint


def test_one_wrong_file_among_many_is_found_and_named(punkt_data, tmp_path):
    for number in range(3):
        (tmp_path / f"wiki_0{number}").write_text(WIKI)
    (tmp_path / "wiki_01").write_text("Plain.\n")
    with pytest.raises(DataError, match="wiki_01 is plain text"):
        extract([str(tmp_path / "wiki_*")], str(tmp_path / "o"), ExtractConfig(chain="mlperf"))


def test_output_of_extract_is_not_its_input(punkt_data, tmp_path):
    (tmp_path / "wiki_00").write_text(WIKI)
    config = ExtractConfig(chain="mlperf")
    extract([str(tmp_path / "wiki_00")], str(tmp_path / "once"), config, workers=1)
    with pytest.raises(DataError, match="not wikiextractor") as caught:
        extract([str(tmp_path / "once")], str(tmp_path / "twice"), config, workers=1)
    assert "split --method mlperf" in caught.value.hint


def test_what_the_chains_take(shared, tmp_path):
    mlperf = ExtractConfig(chain="mlperf")
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "packed.bz2").write_bytes(bz2.compress(WIKI.encode()))
    (tmp_path / "odd").write_text(f"Text before the first article.\n{WIKI}")
    for path in [tmp_path / "empty", tmp_path / "packed.bz2", *wiki_files(shared)]:
        check_chain_input(str(path), mlperf)
    for path in (shared / "data/pubmed/baseline").glob("*.xml.gz"):
        check_chain_input(str(path), ExtractConfig(chain="cerebras"))
    # A form that is given is trusted, unless the file plainly has another.
    check_chain_input(str(tmp_path / "odd"), ExtractConfig(chain="mlperf", form="wikiextractor"))
    with pytest.raises(DataError, match="plain text"):
        check_chain_input(str(tmp_path / "odd"), mlperf)
    with pytest.raises(DataError, match="is mediawiki"):
        check_chain_input(
            str(shared / "data/wikidump" / DUMPS[0]),
            ExtractConfig(chain="mlperf", form="wikiextractor"),
        )


def wiki_files(shared):
    return sorted((shared / "data/mlperf_sample").glob("wiki_*"))
