"""Remote inputs are copied to the cache, whole, and again only if they have changed."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from pathlib import Path

import fsspec
import pytest

from bertkit.data.text_digests import remembered_digests
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, describe_inputs
from bertkit.remote.copies import fetch_plan, local_inputs
from bertkit.remote.errors import UnreachableError
from bertkit.remote.facts import url_of


@pytest.fixture
def remote(cache):
    """A bucket in memory, with what a split leaves."""
    system = fsspec.filesystem("memory")
    for name in ("split/train/a.txt", "split/train/b.txt", "split/train/.x", "split/test.txt"):
        system.pipe(f"/corpus/{name}", name.encode())
    system.pipe("/corpus/split/manifest.json", b'{"command": "split", "config": {}}')
    yield system
    system.rm("/corpus", recursive=True)


def names(place):
    return sorted(
        path.relative_to(place).as_posix()
        for path in Path(place).rglob("*")
        if path.is_file() and not path.name.endswith((".fetched", "lock"))
    )


def test_a_folder_becomes_a_folder_with_the_manifest_above(remote, cache):
    assert fetch_plan(["memory://corpus/split/train"])[:2] == (3, 68)
    (folder,) = local_inputs(["memory://corpus/split/train"])
    assert names(folder) == ["a.txt", "b.txt"]
    assert names(cache / "memory") == [
        "corpus/split/manifest.json",
        "corpus/split/train/a.txt",
        "corpus/split/train/b.txt",
    ]
    assert fetch_plan(["memory://corpus/split/train", "here"])[:2] == (0, 0)
    assert fetch_plan(["here"]) is None


def test_only_what_has_changed_is_copied_again(remote, cache, monkeypatch):
    (folder,) = local_inputs(["memory://corpus/split/train"])
    remote.pipe("/corpus/split/train/a.txt", b"split/train/A.txt")  # of the same size
    remote.rm("/corpus/split/train/b.txt")
    copied = []
    get = type(remote).get_file
    monkeypatch.setattr(
        type(remote),
        "get_file",
        lambda self, name, *rest: (copied.append(name), get(self, name, *rest)),
    )
    with pytest.raises(DataError, match="not here yet: 1 file, 17 bytes"):
        local_inputs(["memory://corpus/split/train"], fetch=False)
    assert local_inputs(["memory://corpus/split/train"]) == [folder]
    assert copied == ["/corpus/split/train/a.txt"]
    assert Path(folder, "a.txt").read_bytes() == b"split/train/A.txt"
    assert names(folder) == ["a.txt"]
    # A copy that somebody changed is none.
    Path(folder, "a.txt").write_bytes(b"mine")
    assert local_inputs(["memory://corpus/split/train"], fetch=True) == [folder]
    assert Path(folder, "a.txt").read_bytes() == b"split/train/A.txt"


def test_files_globs_and_lists(remote, cache, tmp_path):
    (tmp_path / "list.txt").write_text("memory://corpus/split/test.txt\nhere.txt\n")
    found = local_inputs(["memory://corpus/split/train/*.txt", f"@{tmp_path / 'list.txt'}", "x"])
    root = cache / "memory/corpus/split"
    here = [str(root / name) for name in ("train/a.txt", "train/b.txt", "test.txt")]
    assert found == [*here, "here.txt", "x"]
    assert url_of(here[0]) == "memory://corpus/split/train/a.txt" and url_of("x") == "x"
    assert describe_inputs(here[:1])[0]["path"] == "memory://corpus/split/train/a.txt"


def test_nothing_there_and_a_copy_cut_off(remote, cache, monkeypatch):
    with pytest.raises(DataError, match="memory://corpus/none"):
        local_inputs(["memory://corpus/none"])

    def cut(self, name, here, **options):
        Path(here).write_bytes(b"half")

    monkeypatch.setattr(type(remote), "get_file", cut)
    with pytest.raises(DataError, match="4 bytes came, not"):
        local_inputs(["memory://corpus/split/test.txt"])
    assert names(cache) == []


def test_a_manifest_says_where_its_text_came_from(remote, cache, tmp_path):
    inputs = describe_inputs(local_inputs(["memory://corpus/split/test.txt"]))
    Manifest("x", {}, inputs).write(tmp_path)
    assert "memory://corpus/split/test.txt" in (tmp_path / "manifest.json").read_text()


def test_damage_is_noticed_and_fetched_again(remote, cache):
    url = "memory://corpus/split/test.txt"
    (name,) = local_inputs([url])
    whole, before = Path(name).read_bytes(), Path(name).stat()
    Path(name).write_bytes(bytes(len(whole)))  # of the same size
    assert fetch_plan([url]).files == 1
    assert Path(local_inputs([url])[0]).read_bytes() == whole
    # Another time of the same bytes costs no copy.
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns - 10**9))
    assert fetch_plan([url]).files == 0
    # Zeros of the same size and time, as a power failure leaves them: seen when they are read.
    time = Path(name).stat()
    Path(name).write_bytes(bytes(len(whole)))
    os.utime(name, ns=(time.st_atime_ns, time.st_mtime_ns))
    with pytest.raises(DataError, match=f"copy of {url} in {name} is damaged"):
        describe_inputs([name])
    assert Path(local_inputs([url])[0]).read_bytes() == whole
    describe_inputs([name])


def test_the_text_of_a_run_is_no_damaged_copy(remote, cache, tmp_path):
    (name,) = local_inputs(["memory://corpus/split/test.txt"])
    time = Path(name).stat().st_mtime_ns
    Path(name).write_bytes(bytes(Path(name).stat().st_size))
    os.utime(name, ns=(time, time))
    with pytest.raises(DataError, match="is damaged"):
        remembered_digests([name], tmp_path / "text-cache")


def test_a_file_that_changes_while_it_is_copied(remote, cache, monkeypatch):
    get = type(remote).get_file

    def changing(self, name, here, **options):
        get(self, name, here, **options)
        self.pipe(name, self.cat(name).upper())

    monkeypatch.setattr(type(remote), "get_file", changing)
    with pytest.raises(DataError, match=r"split/test\.txt changed while it was copied"):
        local_inputs(["memory://corpus/split/test.txt"])


def test_a_file_that_goes_while_it_is_copied(remote, cache, monkeypatch):
    get = type(remote).get_file

    def going(self, name, here, **options):
        self.rm(name)
        get(self, name, here, **options)

    monkeypatch.setattr(type(remote), "get_file", going)
    with pytest.raises(DataError, match=r"cannot copy memory://corpus/split/test\.txt: there"):
        local_inputs(["memory://corpus/split/test.txt"])
    assert names(cache) == []


def test_what_a_killed_copy_left_is_removed(remote, cache):
    left = cache / "memory/corpus/split/.test.txt.partial-4194399-0123abcd"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    local_inputs(["memory://corpus/split/test.txt"])
    assert not left.exists()


def test_copies_are_used_where_storage_gives_no_answer(remote, cache, monkeypatch, caplog):
    url = "memory://corpus/split/train"
    (folder,) = local_inputs([url])

    def refused(*args, **options):
        raise ConnectionRefusedError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(type(remote), "info", refused)
        patch.setattr(type(remote), "isdir", refused)
        assert local_inputs([url]) == [folder]
        assert "cannot read memory://corpus/split/train: refused; the copies in" in caplog.text
        with pytest.raises(UnreachableError, match="refused"):
            local_inputs(["memory://corpus/split/test.txt"])
        Path(folder, "a.txt").unlink()
        with pytest.raises(UnreachableError, match="refused"):
            local_inputs([url])


def test_the_list_of_many_inputs_comes_with_its_manifest(remote, cache):
    remote.pipe("/corpus/split/.manifest.inputs-0123.jsonl", b"{}\n")
    local_inputs(["memory://corpus/split/train"])
    local_inputs(["memory://corpus/split"])
    assert ".manifest.inputs-0123.jsonl" in names(cache / "memory/corpus/split")


@pytest.fixture
def web(tmp_path):
    """Python's own web server over a folder."""
    root = tmp_path / "web"
    root.mkdir()
    handler = functools.partial(_Quiet, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_web_files_and_folders(web, cache):
    pytest.importorskip("aiohttp")
    root, url = web
    (root / "d").mkdir()
    for name in ("d/a.txt", "d/b.txt"):
        (root / name).write_text(name)
    (place,) = local_inputs([f"{url}/d/a.txt"])
    assert Path(place).read_text() == "d/a.txt" and Path(place).name == "a.txt"
    (folder,) = local_inputs([f"{url}/d/"])
    assert names(folder) == ["a.txt", "b.txt"]
    with pytest.raises(DataError, match="none"):
        local_inputs([f"{url}/none.txt"])
    (root / "d/a.txt").write_text("D/A.TXT")  # of the same size, and this server has no ETag
    os.utime(root / "d/a.txt", (1e9, 1e9))
    assert Path(local_inputs([f"{url}/d/"])[0], "a.txt").read_text() == "D/A.TXT"
    # fsspec tells the time since 2025.9; before, what has no ETag is copied anew.
    told = "Last-Modified" in fsspec.filesystem("http").info(f"{url}/d/a.txt")
    assert fetch_plan([f"{url}/d/"]).files == (0 if told else 2)


def test_a_web_folder_that_cannot_be_read_whole_is_refused(web, cache):
    pytest.importorskip("aiohttp")
    root, url = web
    (root / "d").mkdir()
    (root / "d/a.txt").write_text("a")
    with pytest.raises(DataError, match="cannot read"):
        local_inputs([f"{url}/d/gone/"])
    (root / "d/index.html").write_text('<a href="a.txt">a</a> <a href="gone/">b</a>')
    with pytest.raises(DataError, match="there is no such"):
        local_inputs([f"{url}/d/"])
