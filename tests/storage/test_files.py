import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from bertkit.configuration import config
from bertkit.errors import DataError
from bertkit.storage import files
from bertkit.storage.temporary import remove_leftovers


def test_atomic_write_appears_whole(tmp_path):
    target = tmp_path / "sub" / "file.txt"
    with files.atomic_write(target) as stream:
        stream.write(b"half")
        assert not target.exists()
        stream.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_only_a_file_that_must_last_waits_for_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_path", lambda path: synced.append(Path(path).name))
    for sync in (True, False):
        with files.atomic_write(tmp_path / f"{sync}", sync=sync) as stream:
            stream.write(b"whole")
        assert (tmp_path / f"{sync}").read_bytes() == b"whole"
    assert len(synced) == 2 and "True" in synced[0] and synced[1] == tmp_path.name


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_write_leaves_the_old_file_after_an_error(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(error), files.atomic_write(target) as stream:
        stream.write(b"new")
        raise error
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_folder_is_renamed_at_the_end(tmp_path):
    target = tmp_path / "step-1"
    with files.atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    with pytest.raises(RuntimeError), files.atomic_folder(target) as folder:
        (folder / "a").write_text("2")
        raise RuntimeError
    assert (target / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_atomic_folder_replaces_the_old_one_as_a_whole(tmp_path):
    target = tmp_path / "step-1"
    for name in ("old", "new"):
        with files.atomic_folder(target) as folder:
            (folder / name).write_text(name)
            (folder / "both").write_text(name)
        assert sorted(path.name for path in target.iterdir()) == sorted([name, "both"])
        assert (target / "both").read_text() == name
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_digest(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"bert" * 1_000_000)
    assert files.sha256_of(path) == hashlib.sha256(b"bert" * 1_000_000).hexdigest()
    assert files.digest_of(path, "md5") == hashlib.md5(b"bert" * 1_000_000).hexdigest()


def test_remote_files_are_read_through_fsspec():
    import fsspec

    with fsspec.open("memory://corpus/a.txt", "wb") as stream:
        stream.write(b"hello")
    with files.open_binary("memory://corpus/a.txt") as stream:
        assert io.BytesIO(stream.read()).getvalue() == b"hello"
    with pytest.raises(DataError, match="nothing"):
        files.open_binary("memory://corpus/nothing.txt")


def test_shard_name_and_sizes():
    assert files.shard_name("part", 3, 500) == "part-00003-of-00500"
    assert files.human_bytes(27_150_902) == "27.2 MB"
    assert files.human_bytes(12) == "12 bytes"


def test_read_json_names_the_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(DataError, match=r"x\.json:2: not JSON"):
        files.read_json(path)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match="not UTF-8 at byte 7"):
        files.read_json(path)


LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 440473133\n"
)


def test_a_git_lfs_pointer_is_called_that(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(LFS_POINTER)
    with pytest.raises(DataError, match=r"a Git LFS pointer, not the file of 440\.5 MB") as caught:
        files.open_binary(path)
    assert "git lfs pull" in caught.value.hint
    path.write_bytes(LFS_POINTER + b" " * 1024)
    with files.open_binary(path) as stream:
        assert stream.read(7) == b"version"
    path.write_bytes(b"version https://example.org\n")
    files.open_binary(path).close()


def test_names_that_are_not_utf8_survive_json_and_yaml(tmp_path):
    path = os.fsdecode(b"J\xf6rg/caf\xe9 \xf0\x9f")
    files.write_text(tmp_path / "a.json", json.dumps({"path": path}, ensure_ascii=False))
    assert files.read_json(tmp_path / "a.json") == {"path": path}
    files.write_text(tmp_path / "a.yaml", config.dump_yaml({"path": path}))
    assert config.load_yaml(tmp_path / "a.yaml") == {"path": path}
    assert not files.is_utf8(path) and files.is_utf8("Jörg")


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}', "utf-8-sig")
    assert files.read_json(tmp_path / "x.json") == {"a": 1}


def test_a_folder_whose_removal_is_cut_short_is_gone(tmp_path, monkeypatch):
    place = tmp_path / "out" / "notes"
    place.mkdir(parents=True)
    (place / "a").write_text("a")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.remove_folder(place)
    assert not place.exists()
    remove_leftovers(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    files.remove_folder(place)  # there is none


def test_a_folder_whose_removal_is_interrupted_once_is_removed_all_the_same(tmp_path, monkeypatch):
    place = tmp_path / "out" / "notes"
    place.mkdir(parents=True)
    (place / "a").write_text("x")
    ways = [raise_interrupt, shutil.rmtree]
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *words, **more: ways.pop(0)(*words, **more))
        with pytest.raises(KeyboardInterrupt):
            files.remove_folder(place)
    assert list((tmp_path / "out").iterdir()) == []


def raise_interrupt(*arguments, **options):
    raise KeyboardInterrupt
