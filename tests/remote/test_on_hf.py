"""hf:// through huggingface_hub's own file system, against a server that speaks the hub's API."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import pytest

from bertkit.remote.checkpoints import local_checkpoint
from bertkit.remote.copies import fetch_plan, local_inputs

FILES: dict[str, bytes] = {}


class _Hub(http.server.BaseHTTPRequestHandler):
    """One data set and one model, both me/it, with the same files."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        kind = path.split("/")[2]
        if path.startswith(f"/api/{kind}/me/it/tree/main"):
            below = path.partition("/tree/main")[2].strip("/")
            wanted = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0]
            entries = self.entries(below, wanted.lower() == "true")
            self.answer(404 if below and not entries else 200, json.dumps(entries).encode())
        elif path in (f"/api/{kind}/me/it", f"/api/{kind}/me/it/revision/main"):
            self.answer(200, json.dumps({"id": "me/it", "sha": "0" * 40, "siblings": []}).encode())
        elif "/me/it/resolve/main/" in path:
            body = FILES.get(path.partition("/resolve/main/")[2])
            self.answer(404 if body is None else 200, body or b"")
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = parse_qs(body)["paths"]
        found = [entry for entry in self.entries("", True) if entry["path"] in asked]
        self.answer(200, json.dumps(found).encode())

    def entries(self, below: str, recursive: bool) -> list[dict[str, object]]:
        root = f"{below}/" if below else ""
        found: dict[str, dict[str, object]] = {}
        for name, content in sorted(FILES.items()):
            if not name.startswith(root):
                continue
            *folders, _ = name.removeprefix(root).split("/")
            for depth in range(1, len(folders) + 1):
                folder = root + "/".join(folders[:depth])
                if recursive or depth == 1:
                    found[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0"}
            if recursive or not folders:
                blob = hashlib.sha1(content).hexdigest()
                found[name] = {"type": "file", "path": name, "size": len(content), "oid": blob}
        return list(found.values())

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch):
    """The files of the repositories, by name."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.daemon_threads = True
    server.block_on_close = False  # the client keeps its connections
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    # As HF_ENDPOINT, which the package reads when it is imported.
    endpoint = {"endpoint": f"http://127.0.0.1:{server.server_port}", "token": False}
    monkeypatch.setitem(fsspec.config.conf, "hf", endpoint)
    FILES.clear()
    yield FILES
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_data_set_is_copied_and_changes_are_noticed(hub, cache):
    hub |= {"README.md": b"#", "data/a.txt": b"one", "data/more/b.txt": b"two", "data/.x": b"no"}
    url = "hf://datasets/me/it/data"
    assert fetch_plan([url])[:2] == (2, 6)
    (folder,) = local_inputs([url])
    assert Path(folder, "a.txt").read_bytes() == b"one"
    assert Path(folder, "more/b.txt").read_bytes() == b"two"
    for again in (url, f"{url}/a.txt", f"{url}/*.txt", f"{url}/**/*.txt"):
        assert fetch_plan([again]).files == 0, again
    hub["data/a.txt"] = b"ONE"
    assert fetch_plan([url]).files == 1
    local_inputs([url])
    assert Path(folder, "a.txt").read_bytes() == b"ONE"


def test_what_is_not_on_the_hub(hub, cache, bertkit, tmp_path):
    hub["a.txt"] = b"one"
    for name in ("me/none/a.txt", "me/it/none.txt", "me/it/none*.txt"):
        url = f"hf://datasets/{name}"
        done = bertkit("train-vocab", "--input", url, "--output", tmp_path / "v.txt")
        assert done.status == 3 and "Traceback" not in done.err
        assert any(line.startswith("Error: ") and url in line for line in done.err.splitlines())


def test_a_checkpoint_of_a_model_repository(hub, cache):
    hub |= {"config.json": b"{}", "model.safetensors": b"tensors"}
    place = local_checkpoint("hf://me/it")
    assert sorted(path.name for path in Path(place).glob("[a-z]*")) == [
        "config.json",
        "model.safetensors",
    ]
