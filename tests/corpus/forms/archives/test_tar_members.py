from __future__ import annotations

import io
import lzma
import subprocess
import tarfile
import tracemalloc

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.archives.members import DEPTH
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.tar import FORM
from bertkit.errors import DataError
from corpus.forms.reading import read


def tar_of(members: dict[str, bytes], **special: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        for name, target in special.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def test_openwebtext_in_one_pass_equals_unpacking_it(shared, openwebtext):
    path = shared / "data/owt/mini/openwebtext.tar.xz"
    found = {item.id.rpartition("!")[2]: item.text for item in read(FORM, path)}
    files = [place for place in openwebtext.rglob("*") if place.is_file() and place.suffix != ".xz"]
    unpacked = {place.name: place.read_text("utf-8") for place in files}
    assert len(found) == 120
    assert found == unpacked
    inner_only = read(FORM, next(openwebtext.glob("*.xz")))
    assert {item.text for item in inner_only} < set(found.values())


def test_openwebtext_through_extract(shared, tmp_path):
    path = str(shared / "data/owt/mini/openwebtext.tar.xz")
    result = extract([path], str(tmp_path / "out"), ExtractConfig(splitter="lines"))
    assert (result.documents, result.rejected, result.parts) == (120, 0, 1)


def test_hostile_members_never_touch_the_disk(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / "evil.tar"
    members = {"../up.txt": b"up\n", "/etc/absolute.txt": b"root\n", "good.txt": b"good\n"}
    path.write_bytes(tar_of(members, link="/etc/passwd"))
    found = read(FORM, path)
    assert [item.text for item in found[:3]] == ["up\n", "root\n", "good\n"]
    assert "link" in found[3].reason
    assert [item.name for item in tmp_path.rglob("*")] == ["inside", "evil.tar"]


def test_bomb_costs_neither_memory_nor_the_rest(tmp_path):
    body = bytes(100_000_000)
    blob = lzma.compress(tar_of({"zeros.txt": body, "good.txt": b"good\n"}), preset=0)
    path = tmp_path / "bomb.tar"
    path.write_bytes(tar_of({"a_data.xz": blob, "b.txt": b"b\n"}))
    del body
    tracemalloc.start()
    found = read(FORM, path, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found[0], Rejected)
    assert [item.text for item in found[1:]] == ["good\n", "b\n"]
    assert peak < 20_000_000


def test_archives_are_opened_so_deep_and_no_deeper(tmp_path):
    blob = tar_of({"x.txt": b"x"})
    for level in range(DEPTH):
        blob = tar_of({f"{level}.tar.xz": lzma.compress(blob), f"{level}.txt": b"%d" % level})
    path = tmp_path / "a.tar"
    path.write_bytes(blob)
    found = read(FORM, path)
    assert [item.reason for item in found if isinstance(item, Rejected)] == [
        "archives inside archives, more than 4 deep: not read"
    ]
    assert [item.text for item in found if isinstance(item, RawDocument)] == ["0", "1", "2", "3"]


def test_damage_inside_costs_one_archive_and_damage_outside_is_an_error(tmp_path):
    good = lzma.compress(tar_of({"x.txt": b"x" * 5000}))
    blob = tar_of({"bad.xz": good[: len(good) // 2], "t.txt": b"t"})
    path = tmp_path / "a.tar.xz"
    path.write_bytes(lzma.compress(blob))
    found = read(FORM, path)
    assert [type(item) for item in found[-2:]] == [Rejected, RawDocument]
    assert sum(isinstance(item, Rejected) for item in found) == 1
    path.write_bytes(lzma.compress(blob)[:200])
    with pytest.raises(DataError, match="truncated or damaged"):
        read(FORM, path)


def test_member_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of({"a.txt": b"ab\xff", "b.txt": b"b"}))
    first, second = read(FORM, path)
    assert first == Rejected(f"{path}!a.txt", f"not UTF-8 at byte 2 of {path}!a.txt")
    assert second.text == "b"


def test_a_damaged_header_costs_its_member_and_is_said(tmp_path):
    blob = bytearray(tar_of({"a.txt": b"a" * 700, "b.txt": b"b" * 700, "c.txt": b"c"}))
    blob[1536] ^= 1  # the header of the second member
    path = tmp_path / "a.tar"
    path.write_bytes(blob)
    found = read(FORM, path)
    assert [item.text[:1] for item in found if isinstance(item, RawDocument)] == ["a", "c"]
    assert [item.reason for item in found if isinstance(item, Rejected)] == [
        "1,536 bytes are no member: a header there is damaged"
    ]
    path.write_bytes(blob[:1000])
    with pytest.raises(DataError, match="truncated or damaged"):
        read(FORM, path)


def test_other_names_of_a_member_are_counted_and_links_out_of_it_rejected(tmp_path):
    out = io.BytesIO(tar_of({"a.txt": b"a", ".h/b.txt": b"b"}))
    with tarfile.open(fileobj=out, mode="a") as archive:
        for name, kind, target in (
            ("c.txt", tarfile.LNKTYPE, "a.txt"),
            ("d.txt", tarfile.LNKTYPE, ".h/b.txt"),
            ("d/e.txt", tarfile.SYMTYPE, "../a.txt"),
            ("d/f.txt", tarfile.SYMTYPE, "../../a.txt"),
            ("fifo", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    path = tmp_path / "a.tar"
    path.write_bytes(out.getvalue())
    first, *others = read(FORM, path)
    assert first.text == "a"
    assert [getattr(item, "kind", None) or item.reason for item in others] == [
        "hidden member",
        "another name of a member",
        "a hard link to .h/b.txt, which is left out",
        "a link to another member",
        "a link to ../../a.txt, out of the archive",
        "a device, not a file",
    ]


@pytest.mark.parametrize("given", ["gnu", "pax"])
def test_small_members_that_are_sparse_or_in_other_encodings(tmp_path, given):
    folder = tmp_path / "in"
    folder.mkdir()
    with (folder / "a.txt").open("wb") as stream:
        stream.write(b"Cats sleep.".ljust(4096) + b"\n")
        stream.seek(1 << 18)
        stream.write(b"Dogs bark.\n")
        stream.truncate(1 << 19)
    (folder / "b.txt").write_bytes("Zwölf Boxkämpfer.\n".encode("utf-16"))
    tar = tmp_path / "a.tar"
    command = ["tar", f"--format={given}", "--sparse", "--sort=name", "-cf", tar, "-C", folder]
    subprocess.run([*command, "a.txt", "b.txt"], check=True)
    assert tar.stat().st_size < 1 << 18
    with_form = ReadOptions(form="text")
    found = list(FORM.documents(str(tar), with_form))
    assert [piece.text for piece in found if isinstance(piece, RawDocument)] == [
        (folder / "a.txt").read_bytes().decode(),
        "Zwölf Boxkämpfer.\n",
    ]
    assert isinstance(next(FORM.documents(str(tar))), Rejected)


def test_a_small_member_that_is_cut_off(tmp_path):
    (tmp_path / "a.txt").write_text("Cats sleep a lot.\n" * 100)
    subprocess.run(["tar", "-cf", "a.tar", "a.txt"], check=True, cwd=tmp_path)
    (tmp_path / "cut.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:1500])
    with pytest.raises(DataError, match="truncated or damaged"):
        list(FORM.documents(str(tmp_path / "cut.tar")))


@pytest.mark.parametrize("form", ["tar", "auto"])
def test_naming_an_archive_says_nothing_of_its_members(tmp_path, form):
    (tmp_path / "a.txt").write_text("Cats sleep.\n")
    (tmp_path / "b.jsonl").write_text('{"text": "Dogs bark."}\n')
    subprocess.run(["tar", "-cJf", "in.xz", "a.txt", "b.jsonl"], check=True, cwd=tmp_path)
    subprocess.run(["tar", "-cf", "out.tar", "in.xz"], check=True, cwd=tmp_path)
    config = ExtractConfig(form=form, splitter="lines")
    extract([str(tmp_path / "out.tar")], str(tmp_path / "out"), config, workers=1)
    (part,) = (tmp_path / "out").glob("part-*.txt")
    assert part.read_text() == "Cats sleep.\n\nDogs bark.\n"
