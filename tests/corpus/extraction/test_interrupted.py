"""kill -9, then the same command: the bytes of an undisturbed run, nothing finished made twice."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import lzma
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from slow_cases import slow

from bertkit.corpus.download.catalogue import RemoteFile, Source
from bertkit.corpus.download.download import download
from bertkit.corpus.download.http import Settings
from bertkit.manifests.manifest import read_manifest
from corpus.conftest import ranged, stall
from corpus.stopping import blobs, identities, killed_in


def words_of(seed: int, size: int) -> str:
    rng = random.Random(seed)
    lines = (" ".join(rng.choices(VOCABULARY, k=20)) + ".\n" for _ in range(size // 100))
    return "".join(lines)


EXTRACT = ["extract", "--splitter", "lines", "--part-megabytes", "1"]
LETTERS = str.maketrans("0123456789", "ghijklmnop")
WRITER = "bertkit.corpus.document:DocumentWriter"
VOCABULARY = [hashlib.md5(bytes([i])).hexdigest()[: 2 + i % 7] for i in range(200)]


def words(seed: int, size: int) -> str:
    """Words that no compression makes smaller than so many bytes."""
    letters = random.Random(seed).randbytes(size).hex().translate(LETTERS)
    return " ".join(letters[at : at + 7] for at in range(0, len(letters), 7))


def dump(folder) -> str:
    """A multi-stream dump whose streams are larger than a megabyte of bz2."""
    blobs = ["<mediawiki>\n"]
    for stream in range(3):
        pages = []
        for number in range(22):
            text = random.Random(100 * stream + number).randbytes(50_000).hex()
            text = "\n".join(text[at : at + 80] for at in range(0, len(text), 80))
            pages.append(
                f"<page><title>T</title><ns>0</ns><id>{number}</id><revision>"
                f"<text>{text}</text></revision></page>\n"
            )
        blobs.append("".join(pages))
    path = folder / "dump.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(blob.encode()) for blob in (*blobs, "</mediawiki>\n")))
    return str(path)


def one_stream(folder) -> str:
    """The same dump in a single stream of bzip2."""
    path = folder / "dump.xml.bz2"
    path.write_bytes(bz2.compress(bz2.decompress(Path(dump(folder)).read_bytes()), 1))
    return str(path)


def one_archive(folder) -> str:
    """A plain tar of packed members, larger than parts."""
    path = folder / "all.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(40):
            add(archive, f"{number}.txt", words(number, 50_000))
    return str(path)


def one_list(folder) -> str:
    """JSON lines, larger than parts."""
    path = folder / "all.jsonl"
    texts = (random.Random(number).randbytes(50_000).hex() for number in range(40))
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def archives(folder) -> str:
    """Archives of archives like OpenWebText's, each a part of its own."""
    (folder / "owt").mkdir()
    for outer in range(4):
        members = {}
        for inner in range(3):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as archive:
                for page in range(2):
                    add(archive, f"{page}.txt", words(page, 100_000))
            members[f"subset{outer}-{inner}_data.xz"] = lzma.compress(out.getvalue(), preset=0)
        with tarfile.open(folder / f"owt/{outer}.tar", "w") as archive:
            for name, blob in members.items():
                add(archive, name, blob)
            add(archive, "filler.txt", "x" * 700_000)
    return str(folder / "owt")


def add(archive: tarfile.TarFile, name: str, body: bytes | str) -> None:
    blob = body.encode() if isinstance(body, str) else body
    info = tarfile.TarInfo(name)
    info.size = len(blob)
    archive.addfile(info, io.BytesIO(blob))


@pytest.mark.parametrize(
    ("corpus", "hit"),
    [
        (one_list, signal.SIGKILL),
        (archives, signal.SIGINT),
        *slow(*((corpus, signal.SIGKILL) for corpus in (dump, one_stream, one_archive, archives))),
    ],
)
def test_extract_goes_on(tmp_path, bertkit, corpus, hit):
    source = corpus(tmp_path)
    words = [*EXTRACT, "--input", source, "--workers", "1", "--output"]
    assert bertkit(*words, tmp_path / "whole").status == 0
    parts = read_manifest(tmp_path / "whole").outputs
    assert len(parts) >= 3
    # Within the third part, some documents of which are written.
    before = sum(facts["documents"] for facts in list(parts.values())[:2])
    out = tmp_path / "out"
    status = killed_in(f"{WRITER}.write", before + 3, *words, out, hit=hit)
    assert status == (130 if hit == signal.SIGINT else -hit)
    finished = read_manifest(out).outputs
    # What was noticed is added up at the end.
    alike = {name: facts | {"noticed": None} for name, facts in finished.items()}
    assert alike == {name: parts[name] | {"noticed": None} for name in list(parts)[:2]}
    half = list(out.glob(".*.partial-*"))  # the part and its names
    assert len(half) == (2 if hit == signal.SIGKILL else 0)
    known = identities(out, finished)
    assert bertkit(*words, out).status == 0
    assert blobs(out) == blobs(tmp_path / "whole")
    assert read_manifest(out).outputs == parts
    assert identities(out, finished) == known, "a finished part was made again"


@pytest.mark.slow
def test_extract_by_several_workers_goes_on(tmp_path, bertkit):
    """Here the kill may come at any point of any worker."""
    source = archives(tmp_path)
    words = [*EXTRACT, "--input", source, "--workers", "2", "--output"]
    assert bertkit(*words, tmp_path / "whole").status == 0
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "bertkit", *words, str(out)], stderr=subprocess.PIPE
    )
    while process.poll() is None and not list(out.glob("part-*")):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = read_manifest(out).outputs
    known = identities(out, finished)
    assert bertkit(*words, out).status == 0
    assert blobs(out) == blobs(tmp_path / "whole")
    assert identities(out, finished) == known, "a finished part was made again"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hash", "mlperf", "lists"])
def test_split_goes_on(tmp_path, bertkit, method):
    (tmp_path / "in").mkdir()
    for number in range(8):
        text = words_of(number, 300_000).replace(".\n", ".\n\n", 40)
        (tmp_path / f"in/{number}.txt").write_text(text)
    names = [f"{number}.txt\n" for number in range(8)]
    (tmp_path / "train.txt").write_text("".join(names[:7]))
    (tmp_path / "val.txt").write_text(names[7])
    words = ["split", "--method", method]
    if method == "lists":
        words += ["--metadata", tmp_path / "train.txt", "--metadata", tmp_path / "val.txt"]
        words += ["--input-prefix", tmp_path / "in", "--part-megabytes", "1"]
    else:
        words += ["--input", tmp_path / "in", "--parts", "4"]
        words += ["--valid", "0.2"] if method == "hash" else ["--num-test-articles", "24"]
    whole = bertkit(*words, "--output", tmp_path / "whole", "--json")
    assert whole.status == 0, whole.err
    outputs = read_manifest(tmp_path / "whole").outputs
    # Within the third file: MLPerf's parts are written file by file, two to a part.
    before = sum(facts["documents"] for facts in list(outputs.values())[:2])
    calls = 2 + 2 + 1 if method == "mlperf" else before + 1
    out = tmp_path / "out"
    status = killed_in(f"{WRITER}.write_bytes", calls, *words, "--output", out)
    assert status == -signal.SIGKILL
    finished = read_manifest(out).outputs
    assert finished == dict(list(outputs.items())[:2])
    known = identities(out, finished)
    again = bertkit(*words, "--output", out, "--json")
    assert blobs(out) == blobs(tmp_path / "whole")
    assert read_manifest(out).outputs == outputs
    assert identities(out, finished) == known, "a finished part was made again"
    for key in ("documents", "sentences", "duplicates", "across", "splits"):
        assert again.result[key] == whole.result[key]


FETCH = """
import json, sys
from bertkit.corpus.download.download import download
from bertkit.corpus.download.http import Settings
from bertkit.corpus.download.catalogue import RemoteFile, Source
files = tuple(RemoteFile(n, (u,), s, m) for n, u, s, m in json.loads(sys.argv[1]))
source = Source("demo", "text", "t", "l", "ok", files=files)
download(source, sys.argv[2], settings=Settings(timeout=3600))
"""


def test_download_goes_on_inside_the_file(server, tmp_path):
    bodies = {f"{i}.txt": random.Random(i).randbytes(700_000) for i in range(3)}
    rows = []
    for name, body in bodies.items():
        script = [stall(body, 600_000), ranged(body)] if name == "1.txt" else [ranged(body)]
        md5 = hashlib.md5(body).hexdigest()
        rows.append((name, server.url(f"/{name}", *script), len(body), md5))
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", FETCH, json.dumps(rows), str(out)])
    partial = out / "1.txt.partial"
    while not (partial.is_file() and partial.stat().st_size >= 200_000):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(read_manifest(out).outputs) == ["0.txt"]
    left = partial.stat().st_size
    known = identities(out, ["0.txt"])
    files = tuple(RemoteFile(name, (url,), size, md5) for name, url, size, md5 in rows)
    source = Source("demo", "text", "t", "l", "ok", files=files)
    result = download(source, str(out), settings=Settings(timeout=3600))
    assert {name: (out / name).read_bytes() for name in bodies} == bodies
    assert [path for path, _ in server.seen] == ["/0.txt", "/1.txt", "/1.txt", "/2.txt"]
    assert server.seen[2][1]["range"] == f"bytes={left}-"
    assert identities(out, ["0.txt"]) == known
    assert result.files["1.txt"]["fetched_bytes"] == 700_000 - left
