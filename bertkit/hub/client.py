"""Talks to the model hub through huggingface_hub, and turns its errors into ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bertkit import log
from bertkit.errors import BertkitError, DataError, MissingDependencyError
from bertkit.hub.names import HubName
from bertkit.optional import require

EXTRA = "hub"
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class UnreachableError(DataError):
    """The hub cannot be asked now: no network, no answer, or HF_HUB_OFFLINE."""


def package(name: HubName) -> Any:
    """The package huggingface_hub, its progress bars as ours.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        hub = require("huggingface_hub", "models of the hub", EXTRA)
        for module in ("constants", "errors"):
            require(f"huggingface_hub.{module}", "models of the hub", EXTRA)
        utils = require("huggingface_hub.utils", "models of the hub", EXTRA)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"there is no {name} here, and to look for it on the model hub the package"
            " huggingface-hub is needed",
            f"check the path, or: {error.hint}",
        ) from error
    if log.bars_wanted():
        utils.enable_progress_bars()
    else:
        utils.disable_progress_bars()
    utils.logging.set_verbosity_error()  # what matters is said by us
    return hub


def address(name: HubName) -> str:
    """Of the model's page."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{name.repo}"


@contextlib.contextmanager
def hub_errors(name: HubName, doing: str = "read") -> Iterator[None]:
    """Turn errors of huggingface_hub, of the network and of the disk into ours.

    Args:
        name: of the model.
        doing: what was tried: read, or write.

    Raises:
        UnreachableError: the hub cannot be asked now.
        DataError: anything else: no such model, revision or file; no permission.
    """
    from huggingface_hub import errors

    try:
        yield
    except BertkitError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise UnreachableError(
            f"{name} cannot be asked for: HF_HUB_OFFLINE is set", "unset it, or give a local folder"
        ) from error
    except errors.LocalEntryNotFoundError as error:  # also how the client says "no network"
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise _unreachable(name, cause) from error
    except (errors.HfHubHTTPError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        raise _explained(name, error, doing) from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            raise  # of the disk
        raise _unreachable(name, error) from error
    except Exception as error:
        # The HTTP library's own errors: which library that is has changed over time.
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests"):
            raise _unreachable(name, error) from error
        reason = _first_line(error)
        hint = ""
        if "xet" in f"{type(error).__module__} {reason}".lower():
            hint = "where the server has no Xet storage, set HF_HUB_DISABLE_XET=1"
        raise DataError(f"cannot {doing} {name} on the hub: {reason}", hint) from error


def _unreachable(name: HubName, error: Exception) -> UnreachableError:
    from huggingface_hub import constants

    return UnreachableError(
        f"{constants.ENDPOINT} does not answer, so {name} cannot be had: {_first_line(error)}",
        f"if {name} is to be a folder here, there is none; else check the network, HF_ENDPOINT and"
        " the proxy, or give a local folder",
    )


def _explained(name: HubName, error: Exception, doing: str) -> DataError:
    from huggingface_hub import constants, errors, get_token

    page = address(name)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return DataError(
            f"{name.repo} is gated: its owner wants its terms accepted first",
            f"accept them at {page}, then {LOG_IN}",
        )
    # Who is not logged in learns no more than that about models that are private or not there.
    hidden = status == 401 and not get_token()
    if isinstance(error, errors.RepositoryNotFoundError) or hidden:
        return DataError(
            f"there is no folder {name.repo} here, and no model {name.repo} at"
            f" {constants.ENDPOINT}, or it is private"
            if doing == "read"
            else f"there is no model {name.repo} at {constants.ENDPOINT} that you may write to",
            f"check the spelling; for a private model {LOG_IN}",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return DataError(
            f"{name.repo} has no revision {name.revision}",
            f"branches, tags and commits are listed at {page}/commits/main",
        )
    if isinstance(error, errors.HFValidationError):
        return DataError(f"{name.repo} is no name of the hub: {_first_line(error)}")
    if status == 401:
        return DataError(
            f"{constants.ENDPOINT} does not know your token",
            "make a new one (https://huggingface.co/settings/tokens), then " + LOG_IN,
        )
    if status == 403:
        return DataError(
            f"your token may not {doing} {name.repo}: {_reason(error)}",
            f"give a token with that permission: {LOG_IN}",
        )
    if status == 429:
        return DataError(
            f"{constants.ENDPOINT} has had too many requests from you",
            f"wait some minutes; or {LOG_IN}, which allows more",
        )
    if status is not None and status >= 500:
        return UnreachableError(
            f"{constants.ENDPOINT} fails with status {status}, so {name} cannot be had",
            "try again later",
        )
    return DataError(f"cannot {doing} {name} on the hub: {_reason(error)}")


def _reason(error: Exception) -> str:
    """What the server said, else what the client makes of it."""
    return str(getattr(error, "server_message", None) or _first_line(error))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
