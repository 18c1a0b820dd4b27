"""Commands on a real S3 server: text and records from a bucket, kept in the cache."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
import torch
from commands.conftest import TINY_MODEL
from storage_server import s3_server

from bertkit.remote.copies import fetch_plan, local_inputs


@pytest.fixture(scope="module")
def bucket():
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with s3_server():
        system = fsspec.filesystem("s3")
        system.mkdir("corpus")
        yield system


def test_copies_are_true(bucket, cache):
    for name in ("a.txt", "b.txt", ".hidden"):
        bucket.pipe(f"corpus/text/{name}", name.encode())
    bucket.pipe("corpus/manifest.json", b'{"command": "split", "config": {}}')
    url = "s3://corpus/text"
    assert fetch_plan([url])[:2] == (3, 44)
    (folder,) = local_inputs([url])
    assert sorted(path.name for path in Path(folder).glob("[a-z]*")) == ["a.txt", "b.txt"]
    assert (Path(folder).parent / "manifest.json").is_file()
    # However a file is named, storage says the same of it.
    for again in (url, f"{url}/", f"{url}/a.txt", f"{url}/*.txt", "s3://corpus/*/a.txt"):
        assert fetch_plan([again]).files == 0, again
    bucket.pipe("corpus/text/a.txt", b"A.TXT")
    bucket.rm("corpus/text/b.txt")
    assert local_inputs([url]) == [folder]
    assert Path(folder, "a.txt").read_bytes() == b"A.TXT" and not Path(folder, "b.txt").exists()


def test_wrong_names(bucket, cache, bertkit, tmp_path):
    for url, reason in (
        ("s3://no-such-bucket/text", "The specified bucket does not exist"),
        ("s3://corpus/none.txt", "there is no such file or folder"),
        ("s3://corpus/none*.txt", "no files at"),
    ):
        for words in (["train-vocab"], ["pick-eval", "--count", "1"]):
            done = bertkit(*words, "--input", url, "--output", tmp_path / "out")
            assert (done.status, "Traceback" in done.err) == (3, False)
            assert url in done.err and reason in done.err


def test_a_file_that_goes_or_changes_on_the_way(bucket, cache, bertkit, tmp_path, monkeypatch):
    words = ["train-vocab", "--input", "s3://corpus/way", "--output", tmp_path / "v.txt"]
    get = bucket.get_file

    def going(name, here):
        bucket.rm_file(name)
        get(name, here)

    def changing(name, here):
        get(name, here)
        bucket.pipe_file(name, b"Three four.\n")

    for way, said in ((going, "cannot copy s3://corpus/way/a.txt"), (changing, "changed while")):
        bucket.pipe("corpus/way/a.txt", b"One of two.\n")
        monkeypatch.setattr(bucket, "get_file", way)
        done = bertkit(*words)
        assert (done.status, said in done.err) == (3, True), done.err
        assert "run the same command again" in done.err
    assert not (tmp_path / "v.txt").exists()


@pytest.mark.slow
def test_from_text_in_a_bucket_to_a_checkpoint_in_it(bucket, cache, bertkit, tmp_path):
    """train-vocab, make-records, pick-eval, pretrain and eval, each on what lies in storage."""
    torch.set_num_threads(1)
    words = [
        "the",
        "cat",
        "runs",
        "over",
        "green",
        "hills",
        "and",
        "a",
        "dog",
        "sees",
        "blue",
        "rivers",
        "under",
        "stars",
    ]
    sentence = [" ".join(words[n % 7 : n % 7 + 6]) + "." for n in range(40)]
    documents = "\n\n".join("\n".join(sentence[n : n + 5]) for n in range(0, 40, 5))
    bucket.pipe("corpus/split/train/part.txt", documents.encode())

    def run(*words):
        done = bertkit(*words, "--json")
        assert done.status == 0, done.err
        return done.result

    def upload(folder, url):
        bucket.put(str(folder), url, recursive=True)

    vocab = tmp_path / "vocab.txt"
    text = ["--input", "s3://corpus/split/train"]
    run("train-vocab", *text, "--output", vocab, "--size", 64)
    run(
        "make-records",
        *text,
        "--output",
        tmp_path / "records",
        "--vocab",
        vocab,
        "--msl",
        32,
        "--dupe-factor",
        2,
    )
    upload(tmp_path / "records", "corpus/records")
    records = ["--input", "s3://corpus/records"]
    picked = run("pick-eval", *records, "--output", tmp_path / "picked", "--count", 4)
    assert picked["records"] == 4
    upload(tmp_path / "picked", "corpus/picked")
    short = ["--max-steps", 2, "--gbs", 4, "--save-every", 1, "--backend", "cpu", *TINY_MODEL]
    run(
        "pretrain",
        *records,
        "--eval-input",
        "s3://corpus/picked",
        "--output",
        tmp_path / "run",
        *short,
    )
    upload(tmp_path / "run", "corpus/run")
    for place in ("corpus/run", "corpus/run/step-*"):
        found = run(
            "eval",
            "--input",
            "s3://corpus/picked",
            "--checkpoint",
            f"s3://{place}",
            "--baseline",
            "s3://corpus/records",
        )
        assert [item["step"] for item in found["checkpoints"]] == [1, 2]
    here = run("eval", "--input", tmp_path / "picked", "--checkpoint", tmp_path / "run")
    assert [item["mlm_loss"] for item in found["checkpoints"]] == [
        item["mlm_loss"] for item in here["checkpoints"]
    ]
