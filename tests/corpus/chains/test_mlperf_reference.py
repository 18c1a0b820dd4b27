from __future__ import annotations

import hashlib
import shutil

import pytest

from bertkit.corpus.chains import mlperf_reference
from bertkit.corpus.chains.mlperf_reference import compare_with_reference
from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.download.catalogue import RemoteFile, Source, find_source
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.splitting.split import split
from bertkit.errors import DataError, UsageError


def results(found) -> dict[str, str]:
    return {file.name: file.result for file in found.files}


def test_real_list_of_test_articles_is_recognised(shared, tmp_path):
    """eval.md5 is the one published file that is at hand."""
    shutil.copy(shared / "data/mlperf_sample/eval.md5", tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train/part-00000-of-00500").write_text("Not that text.\n")
    (tmp_path / "train/part-00250-of-00500").write_text("Nothing is known of it.\n")
    found = compare_with_reference(str(tmp_path))
    shown = results(found)
    assert shown.pop("eval.md5") == "the same"
    assert shown.pop("part-00000-of-00500") == "different"
    assert shown.pop("part-00250-of-00500") == "no sum is published"
    assert shown == dict.fromkeys(
        ["eval.txt", *(f"part-{n:05d}-of-00500" for n in (1, 2, 497, 498, 499))], "missing"
    )
    assert not found.same
    assert found.unknown == 502 - 9
    assert found.articles is None


def test_own_output_against_a_published_table(
    shared, mlperf_sums, punkt_data, tmp_path, monkeypatch
):
    """The table of the sample, made by MLPerf's scripts, in place of that of the benchmark."""
    names = ("eval.md5", "eval.txt", "part-00000-of-00500", "part-00001-of-00500")
    files = tuple(RemoteFile(name, md5=mlperf_sums[f"results/{name}"]) for name in names)
    table = Source("mlperf-text", "text", "", "", "drive", files=files)
    monkeypatch.setattr(mlperf_reference, "find_source", lambda name: table)
    source = str(shared / "data/mlperf_sample/wiki_0?")
    extract([source], str(tmp_path / "docs"), ExtractConfig(chain="mlperf"), workers=1)
    config = SplitConfig(method="mlperf", num_test_articles=6, part_megabytes=1)
    split([str(tmp_path / "docs")], str(tmp_path / "out"), config)
    found = compare_with_reference(str(tmp_path / "out"))
    assert found.same
    assert results(found) == dict.fromkeys(names, "the same")
    assert found.articles == (6, 6)
    # One letter in one test article.
    path = tmp_path / "out/eval.txt"
    text = path.read_text()
    path.write_text(text.replace("the", "teh", 1))
    found = compare_with_reference(str(tmp_path / "out"))
    assert not found.same
    assert results(found)["eval.txt"] == "different"
    assert found.articles == (5, 6)


def test_list_of_all_sums(tmp_path):
    part = tmp_path / "results/part-00100-of-00500"
    part.parent.mkdir()
    part.write_text("Text.\n")
    md5 = hashlib.md5(b"Text.\n").hexdigest()
    (tmp_path / "sums.md5").write_text(f"{md5}  ./results4/part-00100-of-00500\n\n")
    found = compare_with_reference(str(part.parent), sums=str(tmp_path / "sums.md5"))
    assert results(found)["part-00100-of-00500"] == "the same"
    (tmp_path / "sums.md5").write_text("nothing\n")
    with pytest.raises(DataError, match=r"sums.md5:1: not a line"):
        compare_with_reference(str(part.parent), sums=str(tmp_path / "sums.md5"))


def test_other_folders_and_names(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="none of MLPerf's files"):
        compare_with_reference(str(tmp_path))
    with pytest.raises(DataError, match="not a folder"):
        compare_with_reference(str(tmp_path / "a.txt"))
    with pytest.raises(UsageError, match="no reference"):
        compare_with_reference(str(tmp_path), "google")


def test_catalogue_has_every_published_file():
    names = [item.name for item in find_source("mlperf-text").files]
    parts = [f"part-{number:05d}-of-00500" for number in range(500)]
    assert sorted(names) == sorted([*parts, "eval.md5", "eval.txt"])
    assert len(set(names)) == 502
