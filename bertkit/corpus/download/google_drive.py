"""Downloads files from Google Drive, through the package gdown.

Drive's confirmation page for large files changes too often to be parsed here. A partial file
is kept hidden beside its target, and the next call resumes it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import BertkitError
from bertkit.optional import require

_URL = re.compile(r"https://drive\.google\.com/(?:uc\?id=|drive/folders/)([\w-]+)")


def is_drive(url: str) -> bool:
    """True for the link of a file (`…/uc?id=`) or a folder (`…/drive/folders/`) on Drive."""
    return _URL.match(url) is not None


def fetch_from_drive(
    url: str, target: Path, size: int | None, timeout: float, retries: int
) -> tuple[Path, int]:
    """Fetch a file from Drive, unchecked.

    Args:
        url: of the file, or of a folder that holds one of the target's name at any depth.
        target: the final name of the file.
        size: in bytes, for the bar; None if unknown.
        timeout: seconds without a byte until the connection counts as stalled.
        retries: further attempts after one that failed.

    Returns:
        The partial file's path, and how many of its bytes an earlier call had fetched.

    Raises:
        MissingDependencyError: gdown is not installed.
        BertkitError: Drive refuses, or has no such file.
    """
    gdown = _gdown()
    partial = target.with_name(f".{target.name}.drive")
    before = sum(path.stat().st_size for path in partial.parent.glob(f"{partial.name}*"))
    bar = log.progress(total=size, unit="B", description=target.name, scale=True)
    try:
        gdown.download(
            id=_file_id(url, target.name, timeout),
            output=str(partial),
            quiet=True,
            use_cookies=False,
            resume=True,
            timeout=timeout,
            retries=retries,
            progress=lambda done, total: bar.update(done - bar.n),
        )
    except _gdown_errors() as error:
        raise BertkitError(_reason(error)) from error
    finally:
        bar.close()
    return partial, before


def _file_id(url: str, name: str, timeout: float) -> str:
    found = _URL.match(url)
    assert found, f"{url} is not on Drive"
    if "/folders/" not in url:
        return found.group(1)
    listed = _listed(found.group(1), timeout)
    ids = [number for path, number in listed if Path(path).name == name]
    if len(ids) != 1:
        problem = f"{len(ids)} files named {name}" if ids else f"no {name}"
        raise BertkitError(f"the folder has {problem} among its {len(listed)} files")
    return ids[0]


@functools.lru_cache(maxsize=8)
def _listed(folder: str, timeout: float) -> tuple[tuple[str, str], ...]:
    """(path, id) of the files below a folder; asked once for all files of a source."""
    gdown = _gdown()
    try:
        files: list[Any] = gdown.download_folder(
            id=folder, quiet=True, use_cookies=False, skip_download=True, timeout=timeout
        )
    except _gdown_errors() as error:
        raise BertkitError(_reason(error)) from error
    return tuple((file.path, file.id) for file in files)


def _gdown() -> Any:
    return require("gdown", "downloads from Google Drive", extra="drive")


def _gdown_errors() -> tuple[type[Exception], ...]:
    """What gdown raises where Drive refuses, or where its pages are not what gdown knows."""
    import gdown
    import requests

    known = (gdown.exceptions.DownloadError, requests.RequestException)
    return (*known, LookupError, ValueError, AssertionError)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
