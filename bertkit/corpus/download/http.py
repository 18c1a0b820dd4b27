"""Downloads one file over HTTP(S): resumes, retries, tries mirrors, verifies checksums.

The bytes go to `NAME.partial`; `NAME.partial.json` beside it remembers which version
of which URL they belong to. A later call asks for the rest with Range and If-Range, so
that a file which has changed since is fetched whole. Only a file of the right size and
checksum gets its final name.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any, TypeVar

from bertkit import __version__, log
from bertkit.corpus.download.answers import BEGINNING, Readable, the_file
from bertkit.corpus.download.catalogue import RemoteFile
from bertkit.corpus.download.google_drive import fetch_from_drive, is_drive
from bertkit.corpus.download.partial_file import BLOCK, PartialFile
from bertkit.errors import BertkitError, DataError, MissingDependencyError
from bertkit.storage.temporary import PARTIAL

T = TypeVar("T")
_CHANGED = "the source has changed or the transfer was tampered with; nothing was kept"
# Statuses that another attempt may cure; every other error status means a dead link.
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Settings:
    """How long a download waits and how often it retries.

    Attributes:
        retries: further attempts per URL after one that got no new byte.
        timeout: seconds without a byte until the connection counts as stalled.
        backoff: seconds before the second attempt; doubled each time, 60 at most.
        sleep: waits; tests replace it.
    """

    retries: int = 5
    timeout: float = 30.0
    backoff: float = 1.0
    sleep: Callable[[float], None] = time.sleep


class _Retryable(Exception):
    """This attempt failed, another one may succeed."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _DeadLink(Exception):
    """This URL does not serve the file."""


def fetch(item: RemoteFile, folder: str | Path, settings: Settings | None = None) -> dict[str, Any]:
    """Download one file, unless it is there and right.

    Args:
        item: names, URLs and what is known of the content.
        folder: where it goes.
        settings: retries and time limits.

    Returns:
        Facts: bytes, sha256, md5, url (empty if it was there), fetched_bytes.

    Raises:
        BertkitError: no URL served the file; says what each answered.
        DataError: the file was fetched, and is not the expected one.
        MissingDependencyError: its only URL is on Google Drive, and gdown is not installed.
    """
    settings = settings or Settings()
    target = Path(folder) / item.name
    if target.is_file():
        with contextlib.suppress(DataError):
            return {**verify(item, target), "url": "", "fetched_bytes": 0}
        log.logger.warning("%s is not the expected file and is fetched again", target)
    target.parent.mkdir(parents=True, exist_ok=True)
    failures: list[tuple[str, BertkitError]] = []
    for url in item.urls:
        found = _tried(url, item, target, settings)
        if not isinstance(found, BertkitError):
            return {**found, "url": url}
        failures.append((url, found))
    raise _all_failed(item, failures)


def _tried(
    url: str, item: RemoteFile, target: Path, settings: Settings
) -> dict[str, Any] | BertkitError:
    try:
        return (_from_drive if is_drive(url) else _from_server)(url, item, target, settings)
    except _DeadLink as error:
        return BertkitError(str(error))
    except BertkitError as error:
        return error


def _all_failed(item: RemoteFile, failures: list[tuple[str, BertkitError]]) -> BertkitError:
    """One error for what each URL said; wrong content weighs more than none."""
    said = "; ".join(
        f"{url}: {error.message}"
        + (f" ({error.hint})" if isinstance(error, MissingDependencyError) else "")
        for url, error in failures
    )
    message = f"{item.name} could not be fetched: {said}"
    wrong = [error for _, error in failures if isinstance(error, DataError)]
    if wrong:
        return DataError(message, wrong[-1].hint)
    if failures and all(isinstance(error, MissingDependencyError) for _, error in failures):
        _, error = failures[0]
        return MissingDependencyError(f"{item.name}: {error.message}", error.hint)
    return BertkitError(message)


def _from_server(url: str, item: RemoteFile, target: Path, settings: Settings) -> dict[str, Any]:
    partial = PartialFile(target.with_name(target.name + PARTIAL))
    partial.load()
    before = partial.size
    try:
        _complete(url, item, partial, settings)
        facts = _checked(item, str(target), partial)
    except DataError:
        partial.reset()
        raise
    partial.publish(target)
    return {**facts, "fetched_bytes": max(0, facts["bytes"] - before)}


def _from_drive(url: str, item: RemoteFile, target: Path, settings: Settings) -> dict[str, Any]:
    came, before = fetch_from_drive(
        url, target, size=item.size, timeout=settings.timeout, retries=settings.retries
    )
    try:
        facts = verify(item, came)
    except DataError:
        came.unlink()
        raise
    os.replace(came, target)
    return {**facts, "fetched_bytes": max(0, facts["bytes"] - before)}


def verify(item: RemoteFile, path: str | Path) -> dict[str, Any]:
    """Read a local file and compare it with what is known.

    Returns:
        Facts: bytes, md5, sha256.

    Raises:
        DataError: wrong size or checksum; or unreadable.
    """
    partial = PartialFile(Path(path))
    partial.reset(forget=False)
    try:
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(BLOCK), b""):
                partial.count(block)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return _checked(item, str(path), partial)


def fetch_text(url: str, settings: Settings | None = None) -> str:
    """A small text file, such as a list of checksums, with the same retries.

    Raises:
        BertkitError: the URL does not serve it.
    """

    def once(timeout: float) -> str:
        with _open(url, {}, timeout) as (_, answer, stream):
            packed = answer.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
            text = gzip.GzipFile(fileobj=stream) if packed else stream
            return text.read(64 << 20).decode("utf-8", "replace")

    return _retried(url, once, settings or Settings())


def served_bytes(item: RemoteFile, url: str, settings: Settings | None = None) -> int | None:
    """The size of a file as its server states it; only its beginning is fetched.

    Returns:
        Bytes; None where the server does not say.

    Raises:
        BertkitError: the URL does not serve it.
        DataError: it serves a web page in its place, or another number of bytes.
    """

    def once(timeout: float) -> int | None:
        with _open(url, {"Range": f"bytes=0-{BEGINNING - 1}"}, timeout) as (status, answer, body):
            the_file(item.name, answer, body, read=_read, begin=True)
            return _total(answer, status, 0)

    size = _retried(url, once, settings or Settings())
    if None not in (size, item.size) and size != item.size:
        raise DataError(f"{size:,} bytes, expected {item.size:,}", _CHANGED)
    return size


def _retried(url: str, once: Callable[[float], T], settings: Settings) -> T:
    """The result of a call that asks a server, repeated while another attempt may succeed."""
    failures = 0
    while True:
        problem: _Retryable
        try:
            return once(settings.timeout)
        except _DeadLink as error:
            raise BertkitError(f"{url}: {error}") from error
        except _Retryable as error:
            problem = error
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            problem = _Retryable(f"the connection broke ({_reason(error)})")
        failures += 1
        if failures > settings.retries:
            raise BertkitError(f"{url}: {problem} (after {log.counted(failures, 'attempt')})")
        _wait(settings, failures, problem)


def _complete(url: str, item: RemoteFile, partial: PartialFile, settings: Settings) -> None:
    """Repeat attempts until the file is complete; one that got new bytes resets the count."""
    failures = 0
    while True:
        before = partial.size
        try:
            _attempt(url, item, partial, settings)
            return
        except _Retryable as error:
            failures = 0 if partial.size > before else failures + 1
            if failures > settings.retries:
                raise _DeadLink(f"{error} (after {log.counted(failures, 'attempt')})") from error
            log.logger.info("%s: %s; trying again", url, error)
            _wait(settings, failures, error)


def _attempt(url: str, item: RemoteFile, partial: PartialFile, settings: Settings) -> None:
    headers = {}
    # Without a validator only a checksum can tell whether old and new bytes fit together.
    if partial.size and partial.url == url and (partial.validator or item.md5 or item.sha256):
        headers["Range"] = f"bytes={partial.size}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    elif partial.size:
        partial.reset()
    with _open(url, headers, settings.timeout) as (status, answer, stream):
        if status == 416:
            _beyond_the_end(answer, partial)
            return
        if status != 206 or not _continues(answer, partial.size):
            if status == 206:
                partial.reset()
                raise _Retryable("the server sent another range than asked for")
            partial.reset()
        body: Readable = stream
        if not (item.md5 or item.sha256):
            body = the_file(item.name, answer, stream, read=_read, begin=not partial.size)
        if not partial.size:
            partial.begin(url, _validator(answer))
        total = _total(answer, status, partial.size)
        _receive(body, partial, item, total)


def _receive(stream: Readable, partial: PartialFile, item: RemoteFile, total: int | None) -> None:
    bar = log.progress(
        total=total or item.size, unit="B", description=Path(item.name).name, scale=True
    )
    bar.update(partial.size)
    try:
        with open(partial.path, "ab" if partial.size else "wb") as out:
            while block := _read(stream):
                out.write(block)
                partial.count(block)
                bar.update(len(block))
                if item.size and partial.size > item.size:
                    raise DataError(f"sends more than the {item.size:,} bytes expected", _CHANGED)
    finally:
        bar.close()
    if total is not None and partial.size < total:
        raise _Retryable(f"the connection ended at {partial.size:,} of {total:,} bytes")


def _read(stream: Readable, size: int = BLOCK) -> bytes:
    try:
        return stream.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _Retryable(f"the connection broke ({_reason(error)})") from error


@contextlib.contextmanager
def _open(
    url: str, headers: dict[str, str], timeout: float
) -> Iterator[tuple[int, Message, IO[bytes]]]:
    """Answer 200, 206 or 416 of a GET request: status, headers and body."""
    request = urllib.request.Request(
        url,
        headers={
            "User-Agent": f"bertkit/{__version__}",
            "Accept-Encoding": "identity",
            **headers,
        },
    )
    try:
        # A new opener: the shared one remembers the proxies of its first use.
        answer = urllib.request.build_opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                yield 416, error.headers, error
                return
            if error.code in _RETRYABLE:
                wait = _seconds(error.headers.get("Retry-After"))
                raise _Retryable(f"HTTP {error.code} {error.reason}", wait) from error
            raise _DeadLink(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _DeadLink(f"certificate refused: {error.reason.verify_message}") from error
        raise _Retryable(_reason(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Retryable(_reason(error)) from error
    except ValueError as error:
        raise _DeadLink(str(error)) from error
    with answer:
        yield answer.status, answer.headers, answer


def _beyond_the_end(answer: Message, partial: PartialFile) -> None:
    """416: either all is there already, or the file became shorter."""
    if answer.get("Content-Range", "").replace(" ", "") == f"bytes*/{partial.size}":
        return
    partial.reset()
    raise _Retryable("the file on the server is shorter than before; starting over")


def _continues(answer: Message, size: int) -> bool:
    return answer.get("Content-Range", "").startswith(f"bytes {size}-")


def _total(answer: Message, status: int, size: int) -> int | None:
    """Size of the whole file as the server states it."""
    if status in (206, 416):
        total = answer.get("Content-Range", "").rpartition("/")[2]
        if total.isdecimal():
            return int(total)
    length = answer.get("Content-Length", "")
    return size + int(length) if length.isdecimal() else None


def _validator(answer: Message) -> str:
    tag = answer.get("ETag", "")
    # A weak tag does not promise equal bytes (RFC 9110, 13.1.5).
    return tag if tag and not tag.startswith("W/") else answer.get("Last-Modified", "")


def _checked(item: RemoteFile, path: str, partial: PartialFile) -> dict[str, Any]:
    found = {name: digest.hexdigest() for name, digest in partial.digests.items()}
    if item.size is not None and partial.size != item.size:
        raise DataError(f"{path}: {partial.size:,} bytes, expected {item.size:,}", _CHANGED)
    for name, expected in (("sha256", item.sha256), ("md5", item.md5)):
        if expected and found[name] != expected:
            raise DataError(f"{path}: {name} {found[name]}, expected {expected}", _CHANGED)
    return {"bytes": partial.size, **found}


def _wait(settings: Settings, failures: int, error: _Retryable) -> None:
    settings.sleep(max(error.wait, min(60.0, settings.backoff * 2 ** max(0, failures - 1))))


def _seconds(text: str | None) -> float:
    return min(float(text), 300.0) if text and text.isdecimal() else 0.0


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
