"""What goes wrong in storage is one line, with what to do, and an exit status."""

from __future__ import annotations

import http.server
import socket
import sys
import threading

import fsspec
import pytest

from bertkit.errors import DataError
from bertkit.remote.errors import UnreachableError, remote_errors


class _Closed(http.server.BaseHTTPRequestHandler):
    """S3 that lets nobody in."""

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def closed_s3(monkeypatch):
    pytest.importorskip("s3fs")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Closed)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield
    server.shutdown()
    server.server_close()
    thread.join()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def made(bertkit, tmp_path, url):
    return bertkit("train-vocab", "--input", url, "--output", tmp_path / "v.txt")


def one_line(done):
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error:")]
    assert "Traceback" not in done.err
    return line


@pytest.mark.parametrize("name", ["bucket/a.txt", "bucket/folder/", "bucket/*.txt"])
def test_no_permission(name, closed_s3, cache, bertkit, tmp_path):
    done = made(bertkit, tmp_path, f"s3://{name}")
    assert done.status == 3
    assert f"s3://{name}: Access Denied" in one_line(done) or "Forbidden" in one_line(done)
    assert "AWS_PROFILE" in done.err and "FSSPEC_S3_ANON=true" in done.err


@pytest.mark.parametrize("name", ["a.txt", "folder/"])
def test_network_refused(name, cache, bertkit, tmp_path):
    pytest.importorskip("aiohttp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{name}"
        done = made(bertkit, tmp_path, url)
    assert done.status == 3
    assert f"cannot read {url}: Cannot connect to host" in one_line(done)


def test_a_missing_extra(cache, bertkit, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    for url in ("s3://bucket/a.txt", "s3://bucket/*.txt", "s3://bucket/folder/"):
        done = made(bertkit, tmp_path, url)
        assert done.status == 4
        assert f"cannot open {url}: Install s3fs" in one_line(done)
        assert "pip install 'bertkit[remote]'" in done.err


def test_texts_of_libraries_become_one_line_with_a_reason():
    def said(error, cause=None):
        with pytest.raises(DataError) as caught, remote_errors("s3://b/c"):
            raise error from cause
        return caught.value.message, type(caught.value)

    assert said(ValueError("one\n\ntwo  three"))[0] == "cannot read s3://b/c: one two three"
    missing = "cannot read s3://b/c: there is no such file or folder"
    assert said(FileNotFoundError("b/c")) == (missing, DataError)
    assert said(FileNotFoundError("s3://b/c"), TimeoutError("slow")) == (
        "cannot read s3://b/c: slow",
        UnreachableError,
    )
    assert said(TimeoutError()) == ("cannot read s3://b/c: TimeoutError", UnreachableError)


def test_a_full_disk_is_no_fault_of_storage():
    with pytest.raises(OSError, match="No space"), remote_errors("s3://b/c"):
        raise RuntimeError("?") from OSError(28, "No space left on device")
