"""Spans of a tar: what they hold together is what the whole archive holds."""

from __future__ import annotations

import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.archives import tar_spans
from bertkit.corpus.forms.tar import FORM
from bertkit.corpus.raw_file import RawFile
from corpus.forms.dividing import found_in, joined, spans_of

SIZES = [1, 700, 4_000, 30_000, 10**9]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "/".join(["a folder with a long name"] * 8)


def corpus(folder: Path, *, links: bool = True, long: bool = True, sparse: bool = True) -> Path:
    """A folder of all kinds of files."""
    top = folder / "corpus"
    (top / "sub").mkdir(parents=True)
    for number in range(12):
        (top / f"sub/{number:02}.txt").write_text(f"Text {number}. " * (1 + 70 * number))
    (top / "empty.txt").touch()
    (top / "lines.jsonl").write_text('{"text": "One."}\n{"text": "Two."}\n')
    (top / "packed.txt.xz").write_bytes(lzma.compress(b"Packed text.\n" * 99))
    with tarfile.open(top / "inner.tar", "w") as inner:
        inner.add(top / "sub")
    (top / ".hidden").write_text("hidden")
    if links:
        os.link(top / "sub/03.txt", top / "other name.txt")
        (top / "soft.txt").symlink_to("sub/03.txt")
    if long:
        (top / LONG).mkdir(parents=True)
        for number in range(3):
            (top / LONG / f"{number} {'ä' * 60}.txt").write_text(f"Long {number}.")
    if sparse:
        with open(top / "sparse.txt", "wb") as stream:
            for place in (0, 40_000, 90_000):
                stream.seek(place)
                stream.write(b"Here is text.\n")
    return top


def agree(path: str, sizes=tuple(SIZES)) -> int:
    """Compare the spans of all sizes with the whole; how many there are at most."""
    whole = found_in(FORM, path, [None])
    counts = []
    for size in sizes:
        spans = spans_of(FORM, path, size)
        assert found_in(FORM, path, spans) == whole
        counts.append(len(spans))
    return max(counts)


@pytest.mark.parametrize("form", FORMATS)
def test_archives_of_python(tmp_path, form):
    folder = corpus(tmp_path, long=form != "ustar")
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=FORMATS[form]) as archive:
        archive.add(folder, "top")
        members = len(archive.getmembers())
    assert agree(str(path)) == members
    found, error = found_in(FORM, str(path), [None])
    assert not error
    assert sum(isinstance(item, RawDocument) for item in found) > 15


@pytest.mark.skipif(not shutil.which("tar"), reason="no tar on this machine")
@pytest.mark.parametrize("form", ["v7", "ustar", "oldgnu", "gnu", "pax"])
def test_archives_of_gnu_tar(tmp_path, form):
    folder = corpus(tmp_path, long=form not in ("v7", "ustar"), sparse=form not in ("v7", "ustar"))
    path = tmp_path / "a.tar"
    more = ["--sparse"] if form not in ("v7", "ustar") else []
    words = ["tar", f"--format={form}", *more, "-cf", path, "-C", folder.parent, folder.name]
    if b"GNU" not in subprocess.run(["tar", "--version"], capture_output=True).stdout:
        pytest.skip("another tar")
    subprocess.run(words, check=True)
    with tarfile.open(path) as archive:
        members = len(archive.getmembers())
    assert agree(str(path)) == members


def add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    archive.addfile(info, io.BytesIO(body))


def written(path: Path, count: int = 8, **more) -> str:
    with tarfile.open(path, "w", **more) as archive:
        for number in range(count):
            add(archive, f"{number}.txt", b"Text %d. " % number * 200)
    return str(path)


def test_archives_one_behind_the_other(tmp_path):
    blobs = [Path(written(tmp_path / f"{n}.tar", 3 + n)).read_bytes() for n in range(3)]
    path = tmp_path / "all.tar"
    path.write_bytes(bytes(1024).join(blobs))
    assert agree(str(path)) == 10, "not before the first of another archive"


def test_headers_for_all_members(tmp_path):
    """What they change must hold in every span, so that nothing is cut behind one that changes."""
    comment = {"comment": "a commit", "mtime": "1.5"}
    path = written(tmp_path / "git.tar", format=tarfile.PAX_FORMAT, pax_headers=comment)
    assert agree(path) == 8
    linked = {"path": "the name of all"}
    path = written(tmp_path / "named.tar", format=tarfile.PAX_FORMAT, pax_headers=linked)
    assert agree(path) == 1
    assert "the name of all" in found_in(FORM, path, [None])[0][1].id
    before = Path(written(tmp_path / "a.tar", 3)).read_bytes()
    (tmp_path / "both.tar").write_bytes(before + Path(path).read_bytes())
    assert agree(str(tmp_path / "both.tar")) == 3
    twice = written(tmp_path / "twice.tar", 2, format=tarfile.PAX_FORMAT, pax_headers=comment)
    blob = Path(twice).read_bytes()[: 1536 + 2 * 2560]
    (tmp_path / "repeated.tar").write_bytes(blob * 3)
    assert agree(str(tmp_path / "repeated.tar")) == 4


@pytest.mark.skipif(not shutil.which("git"), reason="no git on this machine")
def test_an_archive_of_git(tmp_path):
    corpus(tmp_path, links=False)
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    path = tmp_path / "a.tar"
    subprocess.run([*git, "archive", "-o", path, "HEAD"], check=True)
    with tarfile.open(path) as archive:
        assert archive.pax_headers["comment"]
    assert agree(str(path)) > 15


@given(
    st.lists(st.tuples(st.integers(1, 140), st.integers(0, 3000)), min_size=1, max_size=8),
    st.sampled_from(sorted(FORMATS.values())),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    st.floats(0, 1),
    st.integers(1, 6000),
)
@settings(max_examples=60, deadline=None)
def test_damaged_and_cut_off_archives(tmp_path_factory, members, form, damage, cut, size):
    """Same documents, same messages, same error, whatever was hit."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, (letters, length) in enumerate(members):
            name = (
                f"{number}{'n' * (min(letters, 90) if form == tarfile.USTAR_FORMAT else letters)}"
            )
            add(archive, name, (b"word " * 600)[:length])
    blob = bytearray(out.getvalue())
    for place, value in damage:
        blob[int(place * (len(blob) - 1)) // 512 * 512 + value] ^= 255
    path = tmp_path_factory.mktemp("t") / "a.tar"
    path.write_bytes(blob[: len(blob) - int(cut * len(blob) / 2) if cut > 0.7 else None])
    agree(str(path), (size,))


def test_a_damaged_header_is_told_once(tmp_path):
    path = tmp_path / "a.tar"
    blob = bytearray(Path(written(path)).read_bytes())
    header = blob.index(b"4.txt\0")
    blob[header + 150] ^= 1
    path.write_bytes(blob)
    assert agree(str(path)) == 6
    found, _ = found_in(FORM, str(path), [None])
    assert [item.reason for item in found if isinstance(item, Rejected)] == [
        "2,560 bytes are no member: a header there is damaged"
    ]


def test_packed_as_a_whole_it_is_not_cut(tmp_path):
    blob = Path(written(tmp_path / "a.tar")).read_bytes()
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(blob))
    assert len(spans_of(FORM, str(tmp_path / "a.tar.xz"), 1)) == 1


def test_many_members_take_no_memory(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(4_000):
            archive.addfile(tarfile.TarInfo(f"{number}.txt"))
    tracemalloc.start()
    spans = tar_spans.spans_of(RawFile.of(str(path)), 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(spans) == 3
    assert peak < 300_000


@pytest.mark.parametrize("packed", [False, True])
def test_parts_of_an_archive_make_what_one_part_is(tmp_path, packed):
    """Like OpenWebText: archives of pages, packed each by itself."""
    path = tmp_path / "owt.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(9):
            inner = Path(written(tmp_path / "inner.tar", 4)).read_bytes()
            name = f"{number}_data.xz" if packed else f"{number}.tar"
            add(archive, name, lzma.compress(inner) if packed else inner)
            add(archive, f"{number}.txt", b"Text of its own. " * 9)
    lines = ExtractConfig(splitter="lines")
    one = extract([str(path)], str(tmp_path / "one"), lines, workers=1)
    many = extract([str(path)], str(tmp_path / "many"), lines, workers=1, part_bytes=2_000)
    assert (one.parts, many.parts > 5, one.documents) == (1, True, 45)
    assert joined(tmp_path / "many") == joined(tmp_path / "one")
    assert many.noticed == one.noticed


def test_openwebtext(shared, tmp_path):
    packed = shared / "data/owt/mini/openwebtext.tar.xz"
    path = tmp_path / "openwebtext.tar"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    assert agree(str(path), (1, 20_000)) > 3
    assert len(found_in(FORM, str(path), [None])[0]) >= 120
