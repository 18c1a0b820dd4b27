"""What `extract` noted of its text goes on through `clean`, and `split` takes it."""

from __future__ import annotations

import pytest

from bertkit.corpus.cleaning.clean_corpus import clean_corpus
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.facts import facts_of
from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.splitting.lists import original_size
from bertkit.corpus.splitting.split import split
from bertkit.manifests.manifest import read_manifest

DROP = CleanConfig(drop=["exact"], min_words=0)


@pytest.fixture
def extracted(tmp_path):
    (tmp_path / "raw").mkdir()
    for number in range(6):
        text = f"Das ist Text {number % 4}. Er hat zwei Sätze.\n"
        (tmp_path / f"raw/{number}.txt").write_text(text)
    config = ExtractConfig(language="de", splitter="lines")
    extract([str(tmp_path / "raw")], str(tmp_path / "docs"), config, workers=1)
    return tmp_path


def test_facts_of_the_text_are_kept(extracted):
    clean_corpus([str(extracted / "docs")], str(extracted / "clean"), DROP, workers=1)
    config = read_manifest(extracted / "clean").config
    assert (config["language"], config["splitter"], config["chain"]) == ("de", "lines", "own")
    # And once more.
    clean_corpus([str(extracted / "clean")], str(extracted / "again"), DROP, workers=1)
    assert read_manifest(extracted / "again").config["language"] == "de"
    assert detect_form(str(extracted / "clean/part-00000-of-00001.txt")).name == "sentences"


def test_texts_that_differ_keep_both_facts(extracted):
    config = ExtractConfig(language="fr", splitter="lines")
    extract([str(extracted / "raw")], str(extracted / "french"), config, workers=1)
    names = [str(extracted / name / "part-00000-of-00001.txt") for name in ("docs", "french")]
    assert facts_of(names)["language"] == ["de", "fr"]
    assert facts_of(names)["splitter"] == "lines"
    assert facts_of([str(extracted / "raw/0.txt"), "s3://bucket/x"]) == {}


def test_split_takes_what_was_cleaned_by_hash_and_by_names(extracted):
    result = clean_corpus([str(extracted / "docs")], str(extracted / "clean"), DROP, workers=1)
    assert result.kept["documents"] == 4
    done = split([str(extracted / "clean")], str(extracted / "split"), SplitConfig(valid=0.5))
    assert done.documents == 4 and done.duplicates == 0
    (extracted / "train_x.txt").write_text("0.txt\n3.txt\n")
    config = SplitConfig(method="lists", metadata=[str(extracted / "train_x.txt")])
    listed = split([str(extracted / "clean")], str(extracted / "listed"), config)
    assert listed.documents == 2


def test_the_size_of_the_raw_text_is_kept_for_mlperf(extracted):
    clean_corpus([str(extracted / "docs")], str(extracted / "clean"), DROP, workers=1)
    part = "part-00000-of-00001.txt"
    assert original_size(str(extracted / "clean" / part)) == original_size(
        str(extracted / "docs" / part)
    )
