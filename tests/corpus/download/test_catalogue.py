from __future__ import annotations

import hashlib
import re

import pytest

from bertkit.corpus.download.catalogue import STATES, catalogue, find_source
from bertkit.errors import UsageError


def test_every_row_is_complete():
    sources = catalogue()
    names = [source.name for source in sources]
    assert len(names) == len(set(names))
    assert {"sample", "squad-v1.1", "squad-v2.0", "openwebtext", "enwiki-20200101"} <= set(names)
    for source in sources:
        assert source.state in STATES, source.name
        assert source.title, source.name
        assert source.licence, source.name
        for item in source.files:
            assert re.fullmatch("([0-9a-f]{32})?", item.md5), item
            assert re.fullmatch("([0-9a-f]{64})?", item.sha256), item
            checked = item.md5 or item.sha256 or source.checksums
            if source.name != "mlperf-text":  # which has sums of 8 of its 502 files
                assert checked or source.state == "browser", f"{item.name} could not be checked"


def test_every_task_of_glue_names_its_preset_and_its_folder():
    from bertkit.configuration.config import preset_names
    from bertkit.corpus.download.unpack import KINDS

    tasks = {source.name: source for source in catalogue() if source.name.startswith("glue-")}
    assert set(tasks) == {name for name in preset_names() if name.startswith("glue-")}
    for name, source in tasks.items():
        assert f"--preset {name} --data-dir {{output}}/" in source.used_by
        assert all(item.size and item.sha256 and item.urls for item in source.files)
    assert all(source.unpack in KINDS for source in catalogue())


def test_facts_about_squad_agree_with_the_real_file(shared):
    dev = find_source("squad-v1.1").files[1]
    blob = (shared / "data/squad/dev-v1.1.json").read_bytes()
    assert dev.size == len(blob)
    assert dev.md5 == hashlib.md5(blob).hexdigest()
    assert dev.sha256 == hashlib.sha256(blob).hexdigest()


def test_facts_about_mlperf_agree_with_the_real_file_and_document(shared):
    source = find_source("mlperf-text")
    blob = (shared / "data/mlperf_sample/eval.md5").read_bytes()
    assert (source.files[0].size, source.files[0].md5) == (
        len(blob),
        hashlib.md5(blob).hexdigest(),
    )
    text = (shared / "seeds/001_mlperf_bert.md").read_text("utf-8")
    published = [item for item in source.files if item.md5]
    assert len(published) == 8
    for item in published:
        assert re.search(rf"{item.name}\s*\|\s*{item.size} \| {item.md5}", text), item.name


def test_uncased_vocabulary_agrees_with_the_real_file(shared):
    vocabularies = {source.name: source for source in catalogue() if source.kind == "vocab"}
    (item,) = vocabularies["bert-base-uncased-vocab"].files
    blob = (shared / "data/vocab/bert-base-uncased-vocab.txt").read_bytes()
    assert item.size == len(blob) == 231_508
    assert item.md5 == hashlib.md5(blob).hexdigest()


@pytest.mark.parametrize(
    ("name", "options", "file"),
    [
        ("wikipedia", {}, "enwiki-latest-pages"),
        ("wikipedia", {"language": "de", "date": "20260901"}, "dewiki-20260901-pages"),
        ("dewiki", {}, "dewiki-latest-pages"),
        ("frwiki-20260101", {}, "frwiki-20260101-pages"),
        ("zh_yuewiki", {}, "zh_yuewiki-latest-pages"),
    ],
)
def test_dump_of_any_language_and_date(name, options, file):
    source = find_source(name, **options)
    (item,) = source.files
    assert item.name.startswith(file)
    assert all(url.endswith(item.name) for url in item.urls)
    assert "{" not in source.checksums + source.homepage + source.title + item.name


def test_mlperf_dump_keeps_its_own_row():
    assert find_source("enwiki-20200101").files[0].md5 == "00d47075e0f583fb7c0791fac1c57cb3"


def test_unknown_name_gets_a_suggestion():
    with pytest.raises(UsageError, match=r"did you mean squad-v1\.1"):
        find_source("squad-1.1")
