from __future__ import annotations

import logging

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.extraction.language_notes import language_problems, wiki_languages
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, read_manifest


def problems(scripts: dict[str, int], splitter: str = "rule", language: str = "en") -> list[str]:
    return language_problems(scripts, ExtractConfig(splitter=splitter, language=language))


def test_the_flag_for_the_script_is_named():
    (text,) = problems({"Kana": 9, "Latin": 1})
    assert text.startswith("9 of 10 documents are mostly in Japanese, where --language en")
    (text,) = problems({"Kana": 10})
    assert text.endswith("give --language ja")
    (text,) = problems({"Latin": 10}, language="zh")
    assert "give --language en (or " in text
    (text,) = problems({"Armenian": 10})
    assert "give --language hy" in text
    (text,) = problems({"Cyrillic": 5, "Han": 4, "Latin": 30})
    assert "Cyrillic (5), Chinese characters (4)" in text
    assert "--splitter unicode" in text
    assert "--language el" in problems({"Greek": 3}, "punkt")[0]


def test_nothing_is_said_where_all_is_well():
    assert not problems({"Latin": 97, "Cyrillic": 3})
    assert not problems({"Cyrillic": 5}, language="ru")
    assert not problems({"Han": 5, "Kana": 5}, language="ja")
    assert not problems({"Han": 5, "Latin": 5}, language="xx")
    assert not problems({"Han": 5}, "unicode")
    assert not problems({})


def test_scripts_without_marks_are_said_plainly():
    for splitter in ("rule", "unicode"):
        (text,) = problems({"Thai": 4}, splitter, "th")
        assert "no marks for the ends of sentences" in text
        assert "--splitter lines" in text


def test_extract_warns_once_and_keeps_the_counts(shared, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("bertkit"), "propagate", True)
    folder = shared / "data/reports/12-sentences"
    inputs = [str(folder / "ja.txt"), str(folder / "zh.txt")]
    extract(inputs, str(tmp_path / "en"), ExtractConfig(form="text"), workers=1)
    # Two handlers of the log may hold the same record.
    warned = {id(record) for record in caplog.records if "may not know" in record.message}
    assert len(warned) == 1
    assert read_manifest(tmp_path / "en").stats["scripts"] == {"Han": 1, "Kana": 1}
    caplog.clear()
    config = ExtractConfig(form="text", language="ja")
    assert extract(inputs, str(tmp_path / "ja"), config, workers=1).sentences == 8
    assert not [record for record in caplog.records if "--language" in record.message]


def test_the_version_of_a_model_is_a_fact_of_the_folder(tmp_path):
    import spacy

    pipeline = spacy.blank("de")
    pipeline.add_pipe("sentencizer")
    pipeline.meta.update({"name": "tiny", "version": "1.2.3"})
    pipeline.to_disk(tmp_path / "model")
    (tmp_path / "a.txt").write_text("Eins. Zwei.\n\n日本語です。はい。")
    config = ExtractConfig(form="documents", splitter=f"spacy:{tmp_path / 'model'}")
    out = tmp_path / "out"
    assert extract([str(tmp_path / "a.txt")], str(out), config, workers=1).documents == 2
    manifest = read_manifest(out)
    assert manifest.versions["de_tiny"] == "1.2.3"
    assert manifest.versions["spacy"] == spacy.__version__
    (text,) = language_problems(manifest.stats["scripts"], config)
    assert "the model de_tiny (of the language de)" in text
    # An interrupted run does not go on with another version.
    manifest.state, manifest.versions["de_tiny"] = "incomplete", "1.2.2"
    manifest.write(out)
    with pytest.raises(DataError, match=r"de_tiny 1\.2\.2, installed is 1\.2\.3"):
        extract([str(tmp_path / "a.txt")], str(out), config, workers=1)


def test_the_language_of_a_wiki_is_the_advice():
    manifest = Manifest("extract", {}, [])
    manifest.stats["noticed"] = {"wiki": {"bgwiki (bg)": [2, ""], "enwiki (en)": [1, ""]}}
    told = wiki_languages(manifest)
    assert told == ["bg", "en"]
    (text,) = language_problems({"Cyrillic": 9}, ExtractConfig(language="en"), told)
    assert text.endswith("give --language bg, the language of the wiki")
    (text,) = language_problems({"Cyrillic": 9}, ExtractConfig(language="en"))
    assert "give --language ru (or " in text
    assert wiki_languages(Manifest("extract", {}, [])) == []
