"""Folders are walked: each file once, whatever links and own outputs lie there."""

from __future__ import annotations

import os

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import Manifest
from bertkit.storage import folder_walk
from bertkit.storage.folder_walk import has_hidden_part, holds_more_than, walk_folder


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return root


def found(root, **options):
    return [os.path.relpath(file.path, root) for file in walk_folder(str(root), **options)]


@pytest.mark.parametrize("links", [{"a/up": ".."}, {"a/up": "..", "self": "."}])
def test_links_in_a_circle_are_followed_once(tmp_path, links):
    tree(tmp_path, "y.txt", "a/x.txt")
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    assert found(tmp_path) == ["a/x.txt", "y.txt"]


def test_links_to_elsewhere_are_followed_once_but_never_above(tmp_path, caplog):
    root = tree(tmp_path / "in", "a.txt")
    tree(tmp_path / "out", "b.txt", "deep/c.txt")
    (tmp_path / "out/back").symlink_to("../in")
    for name, target in {"one": "../out", "two": "../out", "up": "..", "top": "/"}.items():
        (root / name).symlink_to(target)
    assert found(root) == ["a.txt", "one/b.txt", "one/deep/c.txt"]
    assert "a link to a folder above the input" in caplog.text


def test_a_cache_of_links_to_files_elsewhere_is_read(tmp_path):
    blobs = tree(tmp_path, "blobs/01", "blobs/02") / "blobs"
    root = tmp_path / "snapshots"
    root.mkdir()
    (root / "a.txt").symlink_to("../blobs/01")
    (root / "b.txt").symlink_to(blobs / "02")
    assert found(root) == ["a.txt", "b.txt"]
    assert found(tmp_path, suffixes=[".txt"]) == ["snapshots/a.txt", "snapshots/b.txt"]


def test_a_file_of_two_names_is_taken_once_and_said(tmp_path, caplog):
    tree(tmp_path, "b.txt")
    (tmp_path / "a.txt").symlink_to("b.txt")
    os.link(tmp_path / "b.txt", tmp_path / "c.txt")
    assert found(tmp_path) == ["b.txt"]
    assert "the same file under another name" in caplog.text


def test_links_to_nothing_are_said(tmp_path, caplog):
    tree(tmp_path, "a.txt")
    (tmp_path / "b.txt").symlink_to("/nonexistent/x")
    (tmp_path / "c").symlink_to("c")
    assert found(tmp_path) == ["a.txt"]
    assert "b.txt" in caplog.text and "a link to nothing" in caplog.text


def test_hidden_files_and_those_of_systems_are_left_out(tmp_path):
    tree(tmp_path, ".x", ".git/y", "__MACOSX/z", "d/Thumbs.db", "d/._a", "d/a.txt")
    assert found(tmp_path) == ["d/a.txt"]
    assert has_hidden_part("__MACOSX/a.txt") and has_hidden_part("./a/._b")
    assert not has_hidden_part("./a/b.txt") and not has_hidden_part("../a/b")


def test_names_of_any_bytes(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    tree(tmp_path, name)
    assert found(tmp_path) == [name]


def test_what_the_command_writes_is_left_out(tmp_path):
    tree(tmp_path, "a.txt", "vocab.txt", "out/part.txt")
    own = [tmp_path / "out", tmp_path / "vocab.txt", tmp_path / "not-yet"]
    assert found(tmp_path, leave_out=own) == ["a.txt"]
    with pytest.raises(UsageError, match="input and output at once"):
        walk_folder(str(tmp_path), leave_out=[tmp_path])


@pytest.mark.parametrize("written", ["a.txt", "in/a.txt", "{root}/a.txt"])
def test_what_bertkit_made_of_the_same_files_is_left_out(tmp_path, caplog, written):
    root = tree(tmp_path / "in", "a.txt", "out/part.txt", "other/part.txt")
    place = {"path": written.format(root=root)}
    Manifest("extract", {}, [place], state="complete").write(root / "out")
    Manifest("extract", {}, [{"path": "/raw/x"}], state="complete").write(root / "other")
    assert found(root) == ["a.txt", "other/part.txt"]
    assert "bertkit made it" in caplog.text


def test_what_a_run_left_half_done_below_is_refused(tmp_path):
    tree(tmp_path, "a.txt", "docs/part.txt")
    Manifest("extract", {}, [{"path": "/raw/x"}]).write(tmp_path / "docs")
    with pytest.raises(DataError, match="incomplete"):
        walk_folder(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_left_out_and_said(tmp_path, caplog):
    tree(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to("pipe.txt")
    assert found(tmp_path) == ["a.txt"]
    text = caplog.text
    assert "no file but a pipe or a device" in text and "pipe.txt" in text and "link.txt" in text


def test_folders_of_the_kernels_are_no_input(tmp_path, caplog, monkeypatch):
    root = tree(tmp_path, "in/a.txt", "in/proc/1/cmdline") / "in"
    own = (root / "proc").stat()
    monkeypatch.setattr(
        folder_walk, "is_made_by_kernel", lambda facts: os.path.samestat(facts, own)
    )
    assert found(root) == ["a.txt"]
    assert "as the kernel makes up its files" in caplog.text
    with pytest.raises(DataError, match="holds no files, but what the kernel tells"):
        walk_folder(str(root / "proc"))


def test_no_more_is_looked_at_than_was_asked_for(tmp_path, monkeypatch):
    """Folders without files count too, and links are followed as ever."""
    tree(tmp_path, *(f"in/{number}/a.txt" for number in range(5)))
    root = str(tmp_path / "in")
    assert holds_more_than(root, 9) and not holds_more_than(root, 10)
    (tmp_path / "in/more").symlink_to("..")  # above: not followed
    assert holds_more_than(root, 10) and not holds_more_than(root, 11)
    looked = []
    real = os.scandir
    monkeypatch.setattr(
        folder_walk.os, "scandir", lambda place: looked.append(place) or real(place)
    )
    assert holds_more_than(root, 2) and looked == [root]
