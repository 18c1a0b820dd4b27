"""An S3 server (moto) in a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def s3_server() -> Iterator[None]:
    """Start it, and let fsspec's s3:// mean it until the block ends."""
    import fsspec

    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stderr is not None
    address = ""
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            address = found.group()
            break
    assert address
    patch.setenv("AWS_ENDPOINT_URL", address)
    # A file system opened before, by another test, would go on asking another server.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        yield
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
        patch.undo()
        fsspec.get_filesystem_class("s3").clear_instance_cache()
