import contextlib
import random
from pathlib import Path

import pytest

from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.splitting import split as module
from bertkit.corpus.splitting import tasks as split_tasks
from bertkit.corpus.splitting.split import split
from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from bertkit.workers import engine as engines
from bertkit.workers.engine import Engine

CONFIG = SplitConfig(valid=0.15, test=0.1, parts=7)


@pytest.fixture(autouse=True)
def little_is_much(monkeypatch):
    monkeypatch.setattr(engines, "SMALL_BYTES", 0)
    # Tasks in this process, so that the test is quick; the last is finished first.
    monkeypatch.setattr(engines, "run_tasks", lambda work, tasks, **_: map(work, list(tasks)[::-1]))


@pytest.fixture
def corpus(tmp_path):
    chance = random.Random(1)
    folder = tmp_path / "in"
    folder.mkdir()
    number = 0
    for name, count in (("a", 40), ("b", 0), ("c", 3), ("d", 90)):
        documents = []
        for _ in range(count):
            number += 1
            lines = [f"Line {n} of {number}." for n in range(chance.randrange(1, 9))]
            documents.append("\n".join(lines) + "\n")
        (folder / f"{name}.txt").write_text("\n".join(documents) or "\n")
    return str(folder)


def content(folder):
    manifest = read_manifest(folder)
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.txt")}, list(
        manifest.outputs.items()
    )


def test_tasks_write_what_one_process_writes(corpus, tmp_path):
    split([corpus], str(tmp_path / "one"), CONFIG)
    split([corpus], str(tmp_path / "many"), CONFIG, engine=Engine(workers=2))
    one, many = content(tmp_path / "one"), content(tmp_path / "many")
    assert one == many and len(one[0]) == 9
    assert not list((tmp_path / "many").glob(".*"))


def test_an_interrupted_run_goes_on_with_any_number_of_workers(corpus, tmp_path, monkeypatch):
    split([corpus], str(tmp_path / "one"), CONFIG)
    real, written = module.Journal.record, []

    def record(self, name, facts, note=None):
        real(self, name, facts, note)
        written.append(name)
        if len(written) in (3, 5):
            raise KeyboardInterrupt

    monkeypatch.setattr(module.Journal, "record", record)
    for workers in (2, 1, 2):
        with contextlib.suppress(KeyboardInterrupt):
            split([corpus], str(tmp_path / "out"), CONFIG, engine=Engine(workers=workers))
    assert len(written) == len(set(written)) == 9, "no part is written twice"
    assert content(tmp_path / "one")[0] == content(tmp_path / "out")[0]


def test_the_parts_of_one_huge_file_are_written_in_order(corpus, tmp_path, monkeypatch):
    """A task for each would read the file from its beginning to where the part begins."""
    monkeypatch.setattr(split_tasks, "write_part", lambda task: 1 / 0)
    split([f"{corpus}/d.txt"], str(tmp_path / "out"), CONFIG, engine=Engine(workers=2))
    assert len(content(tmp_path / "out")[0]) == 9


def test_a_cluster_needs_a_folder_that_its_workers_see(corpus):
    engine = Engine(executor="dask", scheduler="tcp://x:1")
    with pytest.raises(UsageError, match="that all workers see"):
        split([corpus], "s3://bucket/x", CONFIG, engine=engine)


@pytest.fixture
def named(tmp_path):
    """Parts of `extract`, and lists that name most of their documents."""
    chance = random.Random(2)
    (tmp_path / "raw").mkdir()
    for number in range(60):
        words = [f"Line {n} of {number}." for n in range(chance.randrange(1, 30))]
        (tmp_path / f"raw/{number:02}.txt").write_text("\n".join(words))
    numbers = list(range(57))
    chance.shuffle(numbers)
    for name, part in (("train", numbers[:40]), ("val", numbers[40:50]), ("test", numbers[50:])):
        text = "".join(f"raw/{number:02}.txt\n" for number in part)
        (tmp_path / f"{name}.txt").write_text(text)
    config = ExtractConfig(splitter="lines")
    extract([f"{tmp_path}/raw"], str(tmp_path / "docs"), config, workers=1, part_bytes=2_000)
    return tmp_path


def calls(method: str, folder: Path) -> tuple[list[str], SplitConfig, str]:
    """Inputs, settings and prefix of the ways to divide by what others prescribe."""
    docs = [str(folder / "docs")]
    lists = [str(folder / f"{name}.txt") for name in ("train", "val", "test")]
    if method == "mlperf":
        return docs, SplitConfig(method="mlperf", num_test_articles=5, parts=6), ""
    config = SplitConfig(method="lists", metadata=lists, part_megabytes=0.003, splitter="lines")
    return ([], config, str(folder)) if method == "files" else (docs, config, "")


METHODS = ["mlperf", "files", "names"]


@pytest.mark.parametrize("method", METHODS)
def test_what_others_prescribe_is_written_by_tasks_too(named, method):
    inputs, config, prefix = calls(method, named)
    one = split(inputs, str(named / "one"), config, prefix=prefix)
    many = split(inputs, str(named / "many"), config, prefix=prefix, engine=Engine(workers=2))
    assert content(named / "one") == content(named / "many")
    assert one.splits == many.splits
    assert (one.duplicates, one.across) == (many.duplicates, many.across)
    assert sum(facts["files"] for facts in one.splits.values()) > 4
    assert not list((named / "many").glob(".*"))


@pytest.mark.parametrize("method", METHODS)
def test_their_parts_are_kept_too(named, monkeypatch, method):
    inputs, config, prefix = calls(method, named)
    whole = split(inputs, str(named / "one"), config, prefix=prefix)
    real, written = module.Journal.record, []

    def record(self, name, facts, note=None):
        real(self, name, facts, note)
        written.append(name)
        if len(written) in (2, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(module.Journal, "record", record)
    for workers in (2, 1, 2):
        with contextlib.suppress(KeyboardInterrupt):
            engine = Engine(workers=workers)
            last = split(inputs, str(named / "out"), config, prefix=prefix, engine=engine)
    assert len(written) == len(set(written)), "no part is written twice"
    assert content(named / "one") == content(named / "out")
    assert (last.duplicates, last.across) == (whole.duplicates, whole.across)


def test_an_error_of_a_task_names_its_file(named):
    (named / "raw/00.txt").write_bytes(b"\xff")
    inputs, config, prefix = calls("files", named)
    with pytest.raises(DataError, match=r"raw/00\.txt: not UTF-8"):
        split(inputs, str(named / "x"), config, prefix=prefix, engine=Engine(workers=2))
