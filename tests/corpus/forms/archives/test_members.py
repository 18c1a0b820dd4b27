"""What is packed by other programs gives the documents of the same files in a folder."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract

LINES = ExtractConfig(splitter="lines")
KINDS = ("v7", "gnu", "ustar", "pax")
PACKED = {".tar": "", ".tgz": "z", ".txz": "J", ".tbz": "j"}


def text_of(place, out):
    extract([str(place)], str(out), LINES)
    return (out / "part-00000-of-00001.txt").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small corpus of several forms, with what is no text, and what it gives."""
    root = tmp_path_factory.mktemp("corpus") / "c"
    (root / "d/__MACOSX").mkdir(parents=True)
    (root / "a.txt").write_text("Cats sleep a lot.\n")
    (root / "b.jsonl").write_text('{"text": "Dogs bark."}\n{"text": "Birds sing."}\n')
    (root / "d/wiki_00").write_text(
        '<doc id="1" url="" title="Fish">\nFish\n\nFish swim.\n</doc>\n'
    )
    (root / "d/e.txt.gz").write_bytes(gzip.compress(b"Mice squeak.\n"))
    for name in ("._a.txt", ".DS_Store", "d/__MACOSX/._x", "d/.hidden"):
        (root / name).write_bytes(b"\0\1Mac OS X")
    (root / "d/dataset_info.json").write_text('{"features": {}}\n')
    (root / "SHA256SUMS.txt").write_text("0123 a.txt\n")
    os.link(root / "a.txt", root / "z.txt")
    (root / "y.txt").symlink_to("a.txt")
    return root, text_of(root, root.parent / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_tar_of_every_format(folder, tmp_path, kind):
    root, text = folder
    tar = tmp_path / "a.tar"
    command = ["tar", f"--format={kind}", "--sort=name", "-cf", tar, "-C", root, "."]
    subprocess.run(command, check=True)
    assert text.count("\n\n") == 4
    assert text_of(tar, tmp_path / "out") == text


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_tars_by_content(folder, tmp_path, ending):
    root, text = folder
    for name in (f"a{ending}", "unsuffixed"):
        command = ["tar", f"-c{PACKED[ending]}f", tmp_path / name, "--sort=name", "-C", root, "."]
        subprocess.run(command, check=True)
        assert text_of(tmp_path / name, tmp_path / f"out-{name}") == text


def test_zstandard(folder, tmp_path):
    zstandard = pytest.importorskip("zstandard")
    root, text = folder
    command = ["tar", "--sort=name", "-cf", "-", "-C", root, "."]
    blob = subprocess.run(command, check=True, capture_output=True).stdout
    (tmp_path / "a.tar.zst").write_bytes(zstandard.compress(blob))
    assert text_of(tmp_path / "a.tar.zst", tmp_path / "out") == text


def test_concatenated_tars(tmp_path):
    blob = b""
    for name, line in (("a.txt", "Cats sleep."), ("b.txt", "Dogs bark.")):
        (tmp_path / name).write_text(line)
        command = ["tar", "-cf", "-", "-C", tmp_path, name]
        blob += subprocess.run(command, check=True, capture_output=True).stdout
    (tmp_path / "ab.tar").write_bytes(blob)
    assert text_of(tmp_path / "ab.tar", tmp_path / "out") == "Cats sleep.\n\nDogs bark.\n"


@pytest.mark.skipif(not shutil.which("zip"), reason="no zip program here")
def test_zip_program(folder, tmp_path):
    root, text = folder
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    command = ["zip", "-q", "--symlinks", tmp_path / "a.zip", *names]
    subprocess.run(command, check=True, cwd=root)
    # A zip has no hard links: the file of two names is two members.
    assert text_of(tmp_path / "a.zip", tmp_path / "out") == text + "\nCats sleep a lot.\n"


REPORTS = {
    "02-jsonl-in-tar/jsonl.tar": ["Cats sleep a lot."],
    "02-jsonl-in-tar/doc.tar": ["Cats"],
    "02-jsonl-in-tar/gztxt.tar": ["Cats sleep", "Dogs bark"],
    "02-jsonl-in-tar/appledouble.tar": ["Cats sleep"],
    "02-jsonl-in-tar/warcjson.tar": ["Cats sleep"],
    "13-compressed-names/outer.tgz": ["."],
    "13-compressed-names/nosuffix": ["."],
    "13-compressed-names/tgz2.tar": ["."],
}


@pytest.mark.parametrize("name", REPORTS)
def test_reported_archives(shared, tmp_path, name):
    text = text_of(shared / "data/reports" / name, tmp_path / "out")
    assert all(part in text for part in REPORTS[name])
    for mark in ("<doc", "{", "Bud1", "Mac OS", "ustar", "\0"):
        assert mark not in text
