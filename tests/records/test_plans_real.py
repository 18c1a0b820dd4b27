"""Fast and readable records of real text: Wikipedia through `extract`, and many scripts."""

from __future__ import annotations

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extract import extract
from bertkit.records.config import RecordsConfig
from bertkit.records.text import read_documents
from bertkit.records.tokenizer import WordPieceTokenizer
from records.test_plans import check, fast_tokenizer, vocab_of

SCRIPTS = (
    "blns", "emoji-test", "ja_gsd_dev.sentences", "ja_gsd_test.sentences",
    "ko_gsd_dev.sentences", "ko_gsd_test.sentences",
)  # fmt: skip


def check_both(shared, source, config, kind, path):
    vocab = vocab_of(shared, kind)
    documents = read_documents([source], WordPieceTokenizer(vocab, kind == "uncased"))
    text = fast_tokenizer(shared, kind).tokenize_files([source])
    return check(documents, text, config, vocab, path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wiki_00", "wiki_01"])
def test_wikipedia(shared, tmp_path, name):
    extract([str(shared / "data/mlperf_sample" / name)], str(tmp_path / "docs"), ExtractConfig())
    (part,) = (tmp_path / "docs").glob("part-*.txt")
    for length, kind in ((64, "cased"), (64, "uncased"), (512, "uncased")):
        config = RecordsConfig(max_seq_length=length, dupe_factor=2)
        assert len(check_both(shared, part, config, kind, tmp_path / "records")) > 500


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("kind", ["uncased", "cased"])
def test_many_scripts(shared, tmp_path, name, kind):
    config = RecordsConfig(max_seq_length=64, dupe_factor=2, whole_word_mask=kind == "cased")
    source = shared / f"data/multilingual/{name}.txt"
    assert len(check_both(shared, source, config, kind, tmp_path / "records")) > 50
