from __future__ import annotations

import hashlib

from bertkit.corpus.download.partial_file import PartialFile


def filled(path, body: bytes, url: str = "u", validator: str = '"v"') -> PartialFile:
    partial = PartialFile(path)
    partial.load()
    partial.begin(url, validator)
    path.write_bytes(body)
    partial.count(body)
    return partial


def test_next_process_takes_up_bytes_checksums_and_origin(tmp_path):
    filled(tmp_path / "a.partial", b"x" * 600_000)
    again = PartialFile(tmp_path / "a.partial")
    again.load()
    assert (again.size, again.url, again.validator) == (600_000, "u", '"v"')
    assert again.digests["md5"].hexdigest() == hashlib.md5(b"x" * 600_000).hexdigest()


def test_bytes_of_unknown_origin_are_not_taken_up(tmp_path):
    path = tmp_path / "a.partial"
    filled(path, b"abc").note.unlink()
    for note in (None, "", "{}", "[1", '["url"]'):
        if note is not None:
            path.with_name("a.partial.json").write_text(note)
        again = PartialFile(path)
        again.load()
        assert (again.size, again.url) == (0, "")


def test_reset_and_publish_leave_nothing_behind(tmp_path):
    partial = filled(tmp_path / "a.partial", b"abc")
    partial.reset()
    assert list(tmp_path.iterdir()) == []
    filled(tmp_path / "a.partial", b"abc").publish(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
