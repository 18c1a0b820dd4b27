"""Errors of huggingface_hub, of its HTTP library and of the disk, each as one of ours."""

from __future__ import annotations

import errno

import pytest

from bertkit.errors import DataError
from bertkit.hub.client import UnreachableError, address, hub_errors
from bertkit.hub.names import HubName

NAME = HubName("lab/bert")


def explained(error):
    with pytest.raises(DataError) as found, hub_errors(NAME):
        raise error
    return found.value


@pytest.mark.parametrize("library", ["httpx", "requests"])
def test_no_network_whatever_library_says_so(library):
    http = pytest.importorskip(library)  # which one huggingface_hub uses has changed
    from huggingface_hub.errors import LocalEntryNotFoundError

    connection_error = http.ConnectError if library == "httpx" else http.ConnectionError
    late = LocalEntryNotFoundError("An error happened while trying to locate the file.")
    late.__cause__ = connection_error("Name or service not known")
    for error in (http.ReadTimeout("late"), ConnectionResetError("gone"), TimeoutError(), late):
        found = explained(error)
        assert type(found) is UnreachableError and "does not answer, so lab/bert" in found.message
        assert "HF_ENDPOINT" in found.hint
    assert found.message.endswith("Name or service not known")


def test_the_disk_is_not_the_network():
    with pytest.raises(OSError, match="No space left") as found, hub_errors(NAME):
        raise OSError(errno.ENOSPC, "No space left on device", "blob")
    assert not isinstance(found.value, DataError)


def test_ours_pass_and_others_are_one_line():
    ours = DataError("ours", "hint")
    assert explained(ours) is ours
    found = explained(RuntimeError("a\nb"))
    assert found.message == "cannot read lab/bert on the hub: a"
    assert "HF_HUB_DISABLE_XET=1" in explained(RuntimeError("Xet: no token")).hint


def test_the_page_of_a_model(model_hub):
    assert address(NAME) == f"{model_hub.url}/lab/bert"
