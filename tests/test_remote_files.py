"""Remote inputs are copied to the cache, whole, and again only if they have changed."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path

import fsspec
import pytest

from bertkit.errors import DataError
from bertkit.manifest import Manifest, describe_inputs
from bertkit.remote_files import fetch_plan, local_inputs, url_of


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/bertkit/remote"


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
    assert fetch_plan(["memory://corpus/split/train"])[:2] == (3, 69)
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
    with pytest.raises(DataError, match="not here yet: 1 files, 17 bytes"):
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
