"""Says in one line why something in storage cannot be read, and what to do."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from bertkit.errors import BertkitError, DataError, MissingDependencyError

# What to do where storage wants to know who asks, by protocol.
_CREDENTIALS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket "
    "FSSPEC_S3_ANON=true",
    "gs": "run `gcloud auth application-default login`; for a public bucket FSSPEC_GS_TOKEN=anon",
    "hf": "run `hf auth login` or set HF_TOKEN",
}
_CREDENTIALS |= {"s3a": _CREDENTIALS["s3"], "gcs": _CREDENTIALS["gs"]}
_NO_CREDENTIALS = {"NoCredentialsError", "DefaultCredentialsError", "GatedRepoError"}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Ends of the names of what clients of networks raise.
_NETWORK = ("ConnectionError", "ConnectorError", "ConnectError", "TimeoutError", "Timeout")


class UnreachableError(DataError):
    """Storage that gave no answer."""


def missing_protocol(place: str, error: ImportError) -> MissingDependencyError:
    """The error for a URL whose protocol needs a package that fsspec did not find."""
    extra = "parquet" if place.startswith(("hdfs://", "viewfs://")) else "remote"
    return MissingDependencyError(
        f"cannot open {place}: {error}", f"pip install 'bertkit[{extra}]'"
    )


@contextlib.contextmanager
def remote_errors(path: str | Path, doing: str = "read", hint: str = "") -> Iterator[None]:
    """Turn fsspec's errors into ours.

    Args:
        path: what is read.
        doing: what is done with it.
        hint: what to do, where nothing better is known.

    Raises:
        MissingDependencyError: the protocol needs a package that is not installed.
        UnreachableError: no answer.
        DataError: nothing there, no permission, or another error of the protocol.
        OSError: the disk of this machine is full.
    """
    try:
        yield
    except ImportError as error:
        raise missing_protocol(str(path), error) from error
    except BertkitError:
        raise
    except Exception as error:  # of the protocol's own kinds, such as missing credentials
        if full := next(filter(_is_full_disk, _causes(error)), None):
            raise full from error
        message = f"cannot {doing} {path}: {_reason(error, str(path))}"
        if any(map(_of_network, _causes(error))):
            raise UnreachableError(message, hint) from error
        if any(map(_is_refusal, _causes(error))):
            protocol = str(path).partition("://")[0]
            raise DataError(message, _CREDENTIALS.get(protocol, hint)) from error
        raise DataError(message, hint) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _is_full_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _FULL


def _of_network(error: BaseException) -> bool:
    name = type(error).__name__
    known = isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    return known or name.endswith(_NETWORK)


def _is_refusal(error: BaseException) -> bool:
    status = getattr(error, "status", None)  # of aiohttp
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _NO_CREDENTIALS
        or status in (401, 403)
    )


def _reason(error: BaseException, path: str) -> str:
    """An error's text in one line; errors that only repeat the name say what they mean."""
    text = " ".join(str(error).split())
    bare = {name.strip("/") for name in (path, path.partition("://")[2], "")}
    if isinstance(error, FileNotFoundError) and " " not in text:
        # fsspec raises this for every failure of HTTP.
        if error.__cause__ is not None and any(map(_of_network, _causes(error.__cause__))):
            return _reason(error.__cause__, path)
        return "there is no such file or folder" + (text.strip("/") not in bare) * f": {text}"
    return text or type(error).__name__
