from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bertkit.corpus.chains import mlperf

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each path with the behaviours queued for it, the last one for ever."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        queue = self.server.scripts[self.path]
        behaviour = queue.pop(0) if len(queue) > 1 else queue[0]
        self.close_connection = True
        behaviour(self)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: dict[str, list[Behaviour]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()

    def url(self, path: str, *behaviours: Behaviour) -> str:
        self.scripts[path] = list(behaviours)
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    http = Server()
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http
    http.released.set()
    http.shutdown()
    http.server_close()
    thread.join()


def send(
    body: bytes,
    status: int = 200,
    etag: str = '"one"',
    stated: int | None = None,
    **headers: str,
) -> Behaviour:
    """The whole body; `stated` is the Content-Length that is claimed."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(status)
        if etag:
            handler.send_header("ETag", etag)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body) if stated is None else stated))
        handler.end_headers()
        handler.wfile.write(body)

    return behaviour


def ranged(body: bytes, etag: str = '"one"', cut: int | None = None) -> Behaviour:
    """A proper server: Range and If-Range; with `cut` it hangs up after so many bytes."""

    def behaviour(handler: Handler) -> None:
        asked = handler.headers.get("Range")
        fits = handler.headers.get("If-Range") in (None, etag)
        first, _, last = asked[6:].partition("-") if asked and fits else ("0", "", "")
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        if start >= len(body) and asked:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if asked and fits else 200)
        if asked and fits:
            handler.send_header("Content-Range", f"bytes {start}-{end}/{len(body)}")
        if etag:
            handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(end + 1 - start))
        handler.end_headers()
        handler.wfile.write(body[start : end + 1][:cut])

    return behaviour


def fail(status: int, **headers: str) -> Behaviour:
    return send(b"no", status, etag="", **headers)


def stall(body: bytes, count: int) -> Behaviour:
    """Some bytes, then silence until the test is over."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        handler.wfile.write(body[:count])
        handler.wfile.flush()
        handler.server.released.wait()

    return behaviour


@pytest.fixture
def punkt_data(shared, monkeypatch, tmp_path_factory) -> Iterator[Path]:
    """NLTK's data folder with punkt, also for worker processes."""
    nltk = pytest.importorskip("nltk")
    folder = tmp_path_factory.mktemp("nltk")
    shutil.copytree(shared / "data/punkt/punkt_tab", folder / "tokenizers/punkt_tab")
    monkeypatch.setattr(nltk.data, "path", [str(folder)])
    monkeypatch.setenv("NLTK_DATA", str(folder))
    mlperf.punkt_of_2019.cache_clear()
    yield folder
    mlperf.punkt_of_2019.cache_clear()


@pytest.fixture(scope="session")
def mlperf_sums(shared) -> dict[str, str]:
    """File → MD5 of what MLPerf's own scripts made of the sample."""
    rows = (shared / "goldens/mlperf_chain/MD5SUMS").read_text().splitlines()
    return {name: md5 for md5, name in (row.split() for row in rows)}
