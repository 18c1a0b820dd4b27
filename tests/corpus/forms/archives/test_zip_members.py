"""Members of zips are read; what is wrong with one costs that one."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms.form import Span
from bertkit.corpus.forms.zip import FORM, is_zip
from bertkit.errors import DataError
from corpus.forms.dividing import found_in, spans_of
from corpus.forms.reading import read

from .test_tar_members import tar_of


def zip_of(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_members_in_their_order(tmp_path, method):
    inner = zip_of(tmp_path / "i.zip", {"d.txt": b"D."}).read_bytes()
    members = {"b.txt": b"B.", "s/": b"", "s/a.jsonl": b'{"text": "A."}\n', "i.zip": inner}
    members |= {"t.tar": tar_of({"e.txt": b"E."}), "__MACOSX/._b.txt": b"x", ".DS_Store": b"x"}
    path = zip_of(tmp_path / "a.zip", members, compression=method)
    found = read(FORM, path)
    assert [item.text for item in found if isinstance(item, RawDocument)] == [
        "B.", "A.", "D.", "E.",
    ]  # fmt: skip
    assert found.count(Skipped("hidden member")) == 2
    assert found[2].id == f"{path}!i.zip!d.txt"


def test_damage_costs_its_member(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a.txt": b"Aaaa.", "b.txt": b"B."})
    blob = path.read_bytes()
    path.write_bytes(blob.replace(b"Aaaa.", b"Aaxa."))
    first, second = read(FORM, path)
    assert isinstance(first, Rejected) and "damaged" in first.reason
    assert second.text == "B."
    path.write_bytes(blob[:-30])
    with pytest.raises(DataError, match="truncated or damaged"):
        read(FORM, path)


def test_what_is_not_read_is_named(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a.txt": b"A."})
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(blob)
    (found,) = read(FORM, path)
    assert found.reason == "encrypted with a password"
    office = zip_of(tmp_path / "a.docx", {"[Content_Types].xml": b"<x/>"})
    with pytest.raises(DataError, match="Microsoft Office"):
        read(FORM, office)


def test_signature(tmp_path):
    assert is_zip(zip_of(tmp_path / "a", {"a": b"b"}).read_bytes()[:64])
    assert is_zip(zip_of(tmp_path / "b", {}).read_bytes()) and not is_zip(b"PK")


def plain_zip(path, count: int = 9) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            body = random.Random(number).randbytes(300).hex()
            packing = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            archive.writestr(f"{number}.txt", body, packing)
        archive.writestr("empty.txt", "")
        archive.writestr(".hidden", "x")
    return str(path)


@pytest.mark.parametrize("size", [1, 600, 10**9])
def test_spans_hold_every_member_once(tmp_path, size):
    path = plain_zip(tmp_path / "a.zip")
    spans = spans_of(FORM, path, size)
    assert len(spans) == {1: 10, 600: 6, 10**9: 1}[size]
    assert found_in(FORM, path, spans) == found_in(FORM, path, [None])
    with open(path, "r+b") as stream:  # of the fourth
        stream.seek(zipfile.ZipFile(path).infolist()[3].header_offset + 60)
        stream.write(b"\xff\xff\xff\xff")
    whole = found_in(FORM, path, [None])
    assert [item for item in whole[0] if isinstance(item, Rejected)]
    assert found_in(FORM, path, spans) == whole


def test_an_index_in_another_order_is_not_cut(tmp_path):
    path = plain_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist.reverse()
        archive.writestr("last.txt", "x")
    assert len(spans_of(FORM, path, 1)) == 1


def test_a_huge_index_is_read_a_few_times(tmp_path):
    path = plain_zip(tmp_path / "a.zip", 700)
    assert 30 < len(spans_of(FORM, path, 1)) <= 64


def test_one_cut_off_is_told_at_once(tmp_path):
    path = Path(plain_zip(tmp_path / "a.zip"))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="truncated or damaged"):
        extract([str(path)], str(tmp_path / "out"), part_bytes=100, workers=1)


def test_places_outside_of_the_archive_are_in_no_gap(tmp_path):
    """A member that the index puts behind the end is rejected once."""
    path = zip_of(tmp_path / "a.zip", {f"{number}.txt": b"Text. " * 30 for number in range(5)})
    blob = path.read_bytes()
    place = blob.rindex(b"PK\x01\x02") + 42  # of the last member, in the index
    path.write_bytes(blob[:place] + (10**9).to_bytes(4, "little") + blob[place + 4 :])
    whole = found_in(FORM, str(path), [None])
    assert sum(isinstance(item, Rejected) for item in whole[0]) == 1
    assert found_in(FORM, str(path), as_read(str(path))) == whole
    done = extract([str(path)], str(tmp_path / "out"), part_bytes=100, workers=1)
    assert done.rejected == 1


def test_whatever_the_index_says_costs_no_traceback(tmp_path):
    """Each of its bytes is changed in turn; what can be read is the same in spans."""
    path = zip_of(tmp_path / "a.zip", {"ä.txt": b"A.", "b.txt": b"B.", "ö.txt": b"C."})
    blob = path.read_bytes()
    refused = 0
    for place in range(blob.index(b"PK\x01\x02"), len(blob)):
        for value in (0, 0x83, 0xFF):
            path.write_bytes(blob[:place] + bytes([value]) + blob[place + 1 :])
            found, error = found_in(FORM, str(path), [None])
            refused += bool(error)
            if not error:
                assert found_in(FORM, str(path), as_read(str(path)))[0] == found
    assert refused > 20


def as_read(path: str) -> list[Span | None]:
    """The smallest spans; none for an archive that is not cut, as `extract` reads it."""
    spans = spans_of(FORM, path, 1)
    return list(spans) if len(spans) > 1 else [None]
