from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.document import read_documents
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.splitting import lists as split_lists
from bertkit.corpus.splitting.split import plan, split
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import Manifest, read_manifest
from corpus.stopping import noted_writes


def test_mlperf_results_are_those_of_the_benchmark(shared, mlperf_sums, punkt_data, tmp_path):
    source = str(shared / "data/mlperf_sample/wiki_0?")
    extract([source], str(tmp_path / "docs"), ExtractConfig(chain="mlperf"), workers=1)
    config = SplitConfig(method="mlperf", num_test_articles=6, part_megabytes=1)
    out = tmp_path / "results"
    result = split([str(tmp_path / "docs")], str(out), config)
    for name, place in {
        "results/eval.txt": "eval.txt",
        "results/eval.md5": "eval.md5",
        "results/part-00000-of-00500": "train/part-00000-of-00500",
        "results/part-00001-of-00500": "train/part-00001-of-00500",
    }.items():
        assert hashlib.md5((out / place).read_bytes()).hexdigest() == mlperf_sums[name]
    assert sorted(result.splits) == ["eval", "train"]
    assert result.splits["eval"]["documents"] == 6
    assert result.splits["train"]["documents"] == 72
    assert result.across == 0
    assert split([str(tmp_path / "docs")], str(out), config).up_to_date


def test_gathering_goes_by_the_size_of_the_original_files(tmp_path):
    (tmp_path / "docs").mkdir()
    for i in range(6):
        (tmp_path / f"docs/part-{i}.txt").write_text(f"A{i}.\n\nB{i}.\n\n" + "x " * 200_000)
    config = SplitConfig(method="mlperf", num_test_articles=6, part_megabytes=1)
    result = split([str(tmp_path / "docs")], str(tmp_path / "size"), config)
    assert result.splits["train"]["files"] == 3
    config = SplitConfig(method="mlperf", num_test_articles=6, parts=2)
    result = split([str(tmp_path / "docs")], str(tmp_path / "count"), config)
    assert result.splits["train"]["files"] == 2
    assert (tmp_path / "count/train/part-00001-of-00500").is_file()
    with pytest.raises(DataError, match="7 parts for 6"):
        split([str(tmp_path / "docs")], str(tmp_path / "no"), SplitConfig(method="mlperf", parts=7))


def test_document_on_both_sides_is_reported(tmp_path):
    texts = [f"Same {i}." for i in range(3)] * 4
    (tmp_path / "a.txt").write_text("".join(f"{text}\n\n" for text in texts))
    config = SplitConfig(method="mlperf", num_test_articles=3)
    result = split([str(tmp_path / "a.txt")], str(tmp_path / "out"), config)
    assert result.duplicates == 9
    assert 1 <= result.across <= 3


def owt(tmp_path, count: int = 40) -> str:
    rng = random.Random(1)
    for i in range(count):
        path = tmp_path / f"owt/urlsf_subset00-{i % 3}_data/{i:07d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Title {i}.\n\nText {rng.random()}.\n")
    return str(tmp_path / "owt")


def listed(tmp_path, name: str, numbers) -> str:
    lines = [f"urlsf_subset00-{i % 3}_data/{i:07d}.txt\n" for i in numbers]
    (tmp_path / name).write_text("".join(lines))
    return str(tmp_path / name)


def test_lists_of_names_make_the_sides(tmp_path):
    prefix = owt(tmp_path)
    lists = [
        listed(tmp_path, "val_files.txt", range(30, 36)),
        listed(tmp_path, "train_30.txt", range(29, -1, -1)),
        listed(tmp_path, "test.txt", range(36, 40)),
    ]
    config = SplitConfig(method="lists", metadata=lists)
    result = split([], str(tmp_path / "out"), config, prefix=prefix)
    counts = {name: facts["documents"] for name, facts in result.splits.items()}
    assert counts == {"train": 30, "valid": 6, "test": 4}
    assert result.across == result.duplicates == 0
    path = str(tmp_path / "out/train/part-00000-of-00001.txt")
    # In the order of the list, each file one document whatever its blank lines.
    assert [d.sentences[0] for d in read_documents(path)] == [
        f"Title {i}." for i in range(29, -1, -1)
    ]
    assert plan([], str(tmp_path / "out"), config, prefix)["files"] == 40


def test_paragraphs_of_listed_files_become_sentences(shared, openwebtext, tmp_path):
    """The same documents as `extract` makes of the same list."""
    metadata = shared / "data/owt/mini/metadata/val_mini.txt"
    config = SplitConfig(method="lists", metadata=[str(metadata)])
    result = split([], str(tmp_path / "out"), config, prefix=str(openwebtext))
    extracted = extract(
        [f"@{metadata}"], str(tmp_path / "docs"), prefix=str(openwebtext), workers=1
    )
    assert result.splits["valid"]["documents"] == extracted.documents == 12
    assert result.splits["valid"]["sentences"] == extracted.sentences > 1000
    blob = (tmp_path / "docs/part-00000-of-00001.txt").read_bytes()
    assert (tmp_path / "out/valid.txt").read_bytes() == blob
    config = SplitConfig(method="lists", metadata=[str(metadata)], splitter="lines")
    lines = split([], str(tmp_path / "lines"), config, prefix=str(openwebtext))
    assert lines.splits["valid"]["sentences"] < extracted.sentences / 2


def test_splitter_of_lists_is_no_setting_of_the_others(tmp_path):
    (tmp_path / "a.txt").write_text("One.\n\nTwo.\n")
    split([str(tmp_path / "a.txt")], str(tmp_path / "out"), SplitConfig(valid=0.0))
    assert "splitter" not in read_manifest(tmp_path / "out").config


def test_lists_must_exclude_each_other(tmp_path):
    prefix = owt(tmp_path)
    train = listed(tmp_path, "train.txt", range(10))
    valid = listed(tmp_path, "val.txt", range(9, 12))
    out = str(tmp_path / "out")
    with pytest.raises(DataError, match=r"0000009.txt is listed in .*train.txt and in .*val.txt"):
        split([], out, SplitConfig(method="lists", metadata=[train, valid]), prefix=prefix)
    twice = listed(tmp_path, "test.txt", [1, 2, 1])
    with pytest.raises(DataError, match="listed in"):
        split([], out, SplitConfig(method="lists", metadata=[twice]), prefix=prefix)
    other = listed(tmp_path, "names.txt", [1])
    for lists in ([other], [train, train], []):
        with pytest.raises(UsageError):
            split([], out, SplitConfig(method="lists", metadata=lists), prefix=prefix)
    missing = listed(tmp_path, "valid.txt", [99])
    with pytest.raises(DataError, match="no such file"):
        split([], out, SplitConfig(method="lists", metadata=[missing]), prefix=prefix)
    with pytest.raises(UsageError, match="--input-prefix is for unpacked files"):
        lists = SplitConfig(method="lists", metadata=[train])
        split([str(tmp_path)], out, lists, prefix=prefix)
    with pytest.raises(UsageError, match="--input"):
        split([], out, SplitConfig())


def test_copy_under_another_name_is_reported(tmp_path):
    prefix = owt(tmp_path)
    (tmp_path / "owt/urlsf_subset00-1_data/0000001.txt").write_text("TITLE 0.\n\n\n  text same.\n")
    (tmp_path / "owt/urlsf_subset00-0_data/0000000.txt").write_text("Title 0.\nText  same.\n")
    lists = [listed(tmp_path, "train.txt", [0, 3]), listed(tmp_path, "val.txt", [1])]
    config = SplitConfig(method="lists", metadata=lists)
    assert split([], str(tmp_path / "out"), config, prefix=prefix).across == 1


@pytest.mark.parametrize("method", ["mlperf", "lists"])
def test_interrupted_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch, method):
    prefix = owt(tmp_path)
    for i in range(0, 30, 3):  # ten copies, and parts of about a third of the documents
        (tmp_path / f"owt/urlsf_subset00-0_data/{i:07d}.txt").write_text("Same.\n" * 20_000)
    (tmp_path / "owt/urlsf_subset00-2_data/0000002.txt").write_text("Same.\n" * 20_000)
    lists = [listed(tmp_path, "train.txt", range(30)), listed(tmp_path, "val.txt", range(30, 40))]
    if method == "lists":
        config, inputs = SplitConfig(method="lists", metadata=lists, part_megabytes=1), []
    else:
        config = SplitConfig(method="mlperf", num_test_articles=20, parts=4)
        inputs = [prefix]
    prefix = prefix if method == "lists" else ""
    whole = split(inputs, str(tmp_path / "whole"), config, prefix=prefix)
    writes = iter(range(100))
    write = Manifest.write

    def killed(self, folder):
        if next(writes) == 3:  # the plan and two parts come before
            raise KeyboardInterrupt
        write(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            split(inputs, str(tmp_path / "cut"), config, prefix=prefix)
    finished = set(read_manifest(tmp_path / "cut").outputs)
    assert len(finished) == 2
    made = noted_writes(monkeypatch, split_lists)
    again = split(inputs, str(tmp_path / "cut"), config, prefix=prefix)
    wanted, found = read_manifest(tmp_path / "whole"), read_manifest(tmp_path / "cut")
    assert found.outputs == wanted.outputs
    assert made == [Path(name).name for name in wanted.outputs if name not in finished]
    assert (again.duplicates, again.across) == (whole.duplicates, whole.across)
    assert again.duplicates == 10
    for name in wanted.outputs:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "cut").glob(".*")), "notes or half-written files are left"


def test_parts_are_gathered_by_the_block_size_of_the_benchmark(tmp_path, monkeypatch):
    """do_gather.py: 26.92 MiB of raw files a part; 27 files of 1,045,468 bytes are just less."""
    (tmp_path / "docs").mkdir()
    for i in range(54):
        (tmp_path / f"docs/part-{i:02d}.txt").write_text(f"A{i}.\n\n")
    config = SplitConfig(method="mlperf", num_test_articles=1)
    for size, parts in [(1_045_468, 2), (1_045_470, 3)]:
        monkeypatch.setattr(split_lists, "original_size", lambda path, size=size: size)
        result = split([str(tmp_path / "docs")], str(tmp_path / f"out{parts}"), config)
        assert result.splits["train"]["files"] == parts
    assert read_manifest(tmp_path / "out2").config["part_megabytes"] == 26.92


def test_sizes_of_many_parts_parse_their_manifest_once(tmp_path, monkeypatch):
    from bertkit.manifests import cache as manifest_cache
    from bertkit.manifests.manifest import Manifest, read_manifest

    names = [f"part-{number}.txt" for number in range(50)]
    inputs = [{"path": "x", "bytes": number, "sha256": ""} for number in range(50)]
    Manifest("extract", {}, inputs, {name: {} for name in names}, state="complete").write(tmp_path)
    parsed = []
    monkeypatch.setattr(
        manifest_cache, "read_manifest", lambda folder: parsed.append(1) or read_manifest(folder)
    )
    sizes = [split_lists.original_size(str(tmp_path / name)) for name in names]
    assert sizes == list(range(50)) and len(parsed) == 1
