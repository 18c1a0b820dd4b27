from __future__ import annotations

import random
from itertools import chain
from pathlib import Path

import pytest

from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.splitting import split as module
from bertkit.corpus.splitting.split import plan, split
from bertkit.errors import ConfigError, DataError
from bertkit.manifests.manifest import read_manifest
from corpus.stopping import noted_writes


def write(path: Path, documents: list[list[str]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join("\n".join(item) for item in documents) + "\n", "utf-8")
    return str(path)


def corpus(count: int, seed: int = 1) -> list[list[str]]:
    rng = random.Random(seed)
    return [[f"Sentence {rng.random()}." for _ in range(rng.randint(1, 9))] for _ in range(count)]


def read(folder: Path, name: str) -> list[tuple[str, ...]]:
    files = sorted(folder.glob("train/part-*")) if name == "train" else [folder / f"{name}.txt"]
    return [item.sentences for file in files for item in read_documents(str(file))]


def test_every_document_lands_once_in_its_order(tmp_path):
    documents = corpus(500)
    path = write(tmp_path / "in/a.txt", documents)
    config = SplitConfig(valid=0.1, test=0.1, parts=7)
    result = split([path], str(tmp_path / "out"), config)
    parts = {name: read(tmp_path / "out", name) for name in ("train", "valid", "test")}
    assert sorted(chain.from_iterable(parts.values())) == sorted(map(tuple, documents))
    for name, found in parts.items():
        assert found == [tuple(item) for item in documents if tuple(item) in set(found)]
        assert result.splits[name]["documents"] == len(found)
    assert 20 < len(parts["valid"]) < 90
    assert 20 < len(parts["test"]) < 90


def test_choice_is_stable_when_the_corpus_grows_or_is_reordered(tmp_path):
    documents = corpus(300)
    config = SplitConfig(valid=0.2)
    split([write(tmp_path / "a.txt", documents)], str(tmp_path / "one"), config)
    more = corpus(300, seed=2) + documents[::-1]
    split([write(tmp_path / "b.txt", more)], str(tmp_path / "two"), config)
    assert set(read(tmp_path / "one", "valid")) <= set(read(tmp_path / "two", "valid"))
    assert set(read(tmp_path / "one", "train")) <= set(read(tmp_path / "two", "train"))


def test_larger_share_keeps_the_smaller_one(tmp_path):
    path = write(tmp_path / "a.txt", corpus(300))
    split([path], str(tmp_path / "one"), SplitConfig(valid=0.1))
    split([path], str(tmp_path / "two"), SplitConfig(valid=0.2))
    assert set(read(tmp_path / "one", "valid")) < set(read(tmp_path / "two", "valid"))


def test_another_seed_chooses_others(tmp_path):
    path = write(tmp_path / "a.txt", corpus(300))
    split([path], str(tmp_path / "one"), SplitConfig(valid=0.2))
    split([path], str(tmp_path / "two"), SplitConfig(valid=0.2, seed=1))
    assert read(tmp_path / "one", "valid") != read(tmp_path / "two", "valid")


def test_copies_lie_on_one_side_and_are_counted(tmp_path):
    documents = corpus(100)
    shouted = [[line.upper().replace(" ", "  ") for line in item] for item in documents[:30]]
    path = write(tmp_path / "a.txt", documents + documents[:20] + shouted)
    result = split([path], str(tmp_path / "out"), SplitConfig(valid=0.3))
    assert result.duplicates == 50
    valid = {" ".join(s).casefold().split()[1] for s in read(tmp_path / "out", "valid")}
    train = {" ".join(s).casefold().split()[1] for s in read(tmp_path / "out", "train")}
    assert not valid & train


@pytest.mark.parametrize("parts", [1, 2, 5, 20])
def test_parts_are_even_and_never_empty(tmp_path, parts):
    documents = corpus(20)
    documents[3] = ["A very long sentence."] * 5000
    path = write(tmp_path / "a.txt", documents)
    split([path], str(tmp_path / "out"), SplitConfig(valid=0.0, parts=parts))
    files = sorted((tmp_path / "out/train").iterdir())
    assert [path.name for path in files] == [
        f"part-{i:05d}-of-{parts:05d}.txt" for i in range(parts)
    ]
    assert all(list(read_documents(str(path))) for path in files)
    assert read(tmp_path / "out", "train") == [tuple(item) for item in documents]


def test_equal_documents_make_equal_parts(tmp_path):
    path = write(tmp_path / "a.txt", [["Ten bytes."]] * 100)
    split([path], str(tmp_path / "out"), SplitConfig(valid=0.0, parts=8))
    sizes = [len(list(read_documents(str(f)))) for f in (tmp_path / "out/train").iterdir()]
    assert sorted(set(sizes)) == [12, 13]


def test_part_size_decides_without_a_count(tmp_path):
    path = write(tmp_path / "a.txt", [["x" * 99] * 1000] * 35)
    result = split([path], str(tmp_path / "out"), SplitConfig(valid=0.0, part_megabytes=1))
    assert result.splits["train"]["files"] == 4


def test_no_valid_file_where_none_is_wanted(tmp_path):
    path = write(tmp_path / "a.txt", corpus(10))
    split([path], str(tmp_path / "out"), SplitConfig(valid=0.0))
    assert not (tmp_path / "out/valid.txt").exists()


def test_errors_are_clear(tmp_path):
    few = write(tmp_path / "few.txt", corpus(3))
    with pytest.raises(DataError, match="valid would be empty") as caught:
        split([few], str(tmp_path / "a"), SplitConfig(valid=1e-9))
    assert "--valid" in caught.value.hint
    assert "--form documents" in caught.value.hint
    one = write(tmp_path / "one.txt", corpus(1))
    with pytest.raises(DataError, match="of 1 document none"):
        split([one], str(tmp_path / "e"), SplitConfig(valid=0.5))
    with pytest.raises(DataError, match="50 parts for"):
        split([few], str(tmp_path / "b"), SplitConfig(valid=0.0, parts=50))
    with pytest.raises(DataError, match="no documents"):
        split([write(tmp_path / "none.txt", [])], str(tmp_path / "c"))
    with pytest.raises(DataError, match="no such file"):
        split([str(tmp_path / "missing")], str(tmp_path / "d"))
    (tmp_path / "bad.txt").write_bytes(b"ok\n\xff\n")
    with pytest.raises(DataError, match=r"bad\.txt:\d+: not UTF-8 at byte 3"):
        split([str(tmp_path / "bad.txt")], str(tmp_path / "e"))
    assert read_manifest(tmp_path / "e") is None


def test_shares_that_leave_no_train_are_refused():
    from bertkit.configuration.config import Layer, resolve

    with pytest.raises(ConfigError, match="leave none to train"):
        resolve(SplitConfig, [Layer("test", {"valid": 0.6, "test": 0.4})])


def test_interrupted_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    path = write(tmp_path / "a.txt", corpus(200))
    config = SplitConfig(valid=0.2, parts=5)
    split([path], str(tmp_path / "whole"), config)
    calls = noted_writes(monkeypatch, module, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        split([path], str(tmp_path / "out"), config)
    finished = [Path(name).name for name in read_manifest(tmp_path / "out").outputs]
    assert finished == calls[:2]
    reads: list[str] = []
    monkeypatch.setattr(
        module, "read_documents", lambda path: reads.append(path) or read_documents(path)
    )
    split([path], str(tmp_path / "out"), config)
    assert len(reads) == 2, "once for train and once for valid, not a third time to measure"
    assert not set(finished) & set(calls[3:]), "a finished part was written again"
    for name in read_manifest(tmp_path / "whole").outputs:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "out").glob(".*")), "notes or half-written files are left"
    assert split([path], str(tmp_path / "out"), config).up_to_date


def test_notes_of_another_run_are_not_believed(tmp_path):
    many = write(tmp_path / "many.txt", corpus(40, seed=5))
    few = write(tmp_path / "few.txt", corpus(30))
    with pytest.raises(DataError, match="50 parts"):
        split([many], str(tmp_path / "out"), SplitConfig(valid=0.2, parts=50))
    config = SplitConfig(valid=0.2, seed=7)
    split([few], str(tmp_path / "out"), config, overwrite=True)
    split([few], str(tmp_path / "whole"), config)
    for name in ("train", "valid"):
        assert read(tmp_path / "out", name) == read(tmp_path / "whole", name)
    assert not list((tmp_path / "out").glob(".*"))


def test_plan_writes_nothing(tmp_path):
    path = write(tmp_path / "a.txt", corpus(5))
    values = plan([path], str(tmp_path / "out"))
    assert values["files"] == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("raw", [True, False])
def test_text_that_was_not_split_into_sentences_is_said(tmp_path, caplog, raw):
    sentences = [
        [f"Whale {number} dives deep at night.", "It comes up after an hour to breathe."]
        for number in range(60)
    ]
    documents = [[" ".join(lines)] if raw else lines for lines in sentences]
    split([write(tmp_path / "a.txt", documents)], str(tmp_path / "out"), SplitConfig(valid=0.2))
    assert ("not split yet" in caplog.text) == raw
