"""Uploads a folder to the model hub as one commit, and nothing that is there already."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import DataError, UsageError
from bertkit.hub import files
from bertkit.hub.client import LOG_IN, hub_errors, package
from bertkit.hub.names import HubName
from bertkit.storage.files import human_bytes, sha256_of

NEW, CHANGED, SAME, REMOVED = "new", "changed", "same", "removed"
_CONFLICT = 412  # HTTP's "precondition failed": the branch is not where it was


@dataclass(frozen=True)
class FileToUpload:
    """A file of the commit.

    Attributes:
        name: in the repository.
        bytes: of its content.
        state: new, changed or same beside what is there; removed, where it is there and belongs
            to another model than the one that is uploaded.
    """

    name: str
    bytes: int
    state: str


@dataclass(frozen=True)
class UploadPlan:
    """What an upload would do.

    Attributes:
        name: of the model, with the branch.
        exists: the repository is there.
        branch_exists: so is its branch.
        private: it is not public; None where it is not there.
        commit: the last one of the branch; empty without one.
        files: all of the folder, and those that are removed.
    """

    name: HubName
    exists: bool = False
    branch_exists: bool = False
    private: bool | None = None
    commit: str = ""
    files: list[FileToUpload] = field(default_factory=list)

    @property
    def changes(self) -> list[FileToUpload]:
        """The files that differ from what is there."""
        return [file for file in self.files if file.state != SAME]


@dataclass(frozen=True)
class Uploaded:
    """What an upload did.

    Attributes:
        commit: hash of the commit that holds the files.
        address: of its page.
        made: it was made now; else all of it was there.
    """

    commit: str
    address: str
    made: bool


def require_login(name: HubName) -> None:
    """Refuse where the hub cannot be written to for want of a token; asks nobody.

    Raises:
        DataError: there is no token.
        UsageError: the name is that of a commit, which cannot be added to.
        MissingDependencyError: huggingface_hub is not installed.
    """
    hub = package(name)
    if name.is_commit:
        raise UsageError(f"{name.revision} is a commit", "give a branch, such as main")
    if not hub.get_token():
        raise DataError(f"to write to {name.repo} you must be logged in", LOG_IN)


def plan_upload(folder: Path, name: HubName, private: bool = False) -> UploadPlan:
    """Compare the files of a folder, none of its folders, with what the hub has.

    Args:
        folder: to upload.
        name: the model and its branch.
        private: the model is not to be public.

    Raises:
        DataError: the hub cannot be asked, or the model is there and public, against `private`.
    """
    hub = package(name)
    api, found = hub.HfApi(endpoint=hub.constants.ENDPOINT), None
    with hub_errors(name):
        branch_exists = exists = True
        try:
            found = api.model_info(name.repo, revision=name.revision, files_metadata=True)
        except hub.errors.RevisionNotFoundError:
            # A new branch begins as what main is.
            branch_exists = False
            found = api.model_info(name.repo, files_metadata=True)
        except hub.errors.GatedRepoError:
            raise
        except hub.errors.RepositoryNotFoundError:
            exists = branch_exists = False
        except hub.errors.HfHubHTTPError as error:
            if getattr(error.response, "status_code", 0) != 401 or hub.get_token():
                raise
            exists = branch_exists = False
    if private and found is not None and not found.private:
        raise DataError(
            f"{name.repo} is there already, and public",
            "leave --private out, give another name, or make it private in its settings",
        )
    there = {item.rfilename: item for item in (found.siblings or () if found else ())}
    return UploadPlan(
        name=name,
        exists=exists,
        branch_exists=branch_exists,
        private=found.private if found else None,
        commit=str(found.sha) if found else "",
        files=_compared(folder, name.folder, there),
    )


def _compared(folder: Path, inside: str, there: dict[str, Any]) -> list[FileToUpload]:
    rows = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            name = posixpath.join(inside, path.name)
            known = there.get(name)
            state = NEW if known is None else SAME if _is_same(path, known) else CHANGED
            rows.append(FileToUpload(name, path.stat().st_size, state))
    own = {row.name for row in rows}
    for name, item in sorted(there.items()):
        place, base = posixpath.split(name)
        # Weights or a tokenizer of another model would be read beside ours, or instead of it.
        if place == inside and files.of_model(base) and name not in own:
            rows.append(FileToUpload(name, int(item.size or 0), REMOVED))
    return rows


def _is_same(path: Path, known: Any) -> bool:
    """Whether a file has the content of one on the hub, by the digest that is known there."""
    if known.size is not None and known.size != path.stat().st_size:
        return False
    if known.lfs is not None:
        large = known.lfs
        digest = large["sha256"] if isinstance(large, dict) else large.sha256
        return sha256_of(path) == str(digest)
    blob = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest() == str(known.blob_id)


def upload(folder: Path, plan: UploadPlan, message: str, private: bool = False) -> Uploaded:
    """Make the commit of a plan; none where all is there already.

    Args:
        folder: that the plan is of.
        plan: from `plan_upload`.
        message: first line of the commit's message.
        private: make a new repository private.

    Raises:
        DataError: no permission, no network, or somebody else wrote in between.
    """
    name, hub = plan.name, package(plan.name)
    api = hub.HfApi(endpoint=hub.constants.ENDPOINT)
    page = f"{api.endpoint}/{name.repo}"
    if plan.branch_exists and not plan.changes:
        return Uploaded(plan.commit, f"{page}/commit/{plan.commit}", made=False)
    with hub_errors(name, "write"):
        if not plan.exists:
            api.create_repo(name.repo, private=private or None, exist_ok=True)
            log.logger.info("made %s model %s", "the private" if private else "the", page)
        if not plan.branch_exists and name.revision != "main":
            api.create_branch(name.repo, branch=name.revision, exist_ok=True)
        if not plan.changes:
            return Uploaded(plan.commit, f"{page}/commit/{plan.commit}", made=False)
        size = sum(file.bytes for file in plan.changes if file.state != REMOVED)
        log.logger.info("uploading %s to %s", human_bytes(size), page)
        try:
            commit = api.create_commit(
                name.repo,
                [_operation(hub, folder, file) for file in plan.changes],
                commit_message=message,
                revision=name.revision,
                parent_commit=plan.commit or None,
            )
        except hub.errors.HfHubHTTPError as error:
            if getattr(error.response, "status_code", 0) == _CONFLICT:
                raise DataError(
                    f"{name} has had another commit in the meantime",
                    "run the same command again: it looks at what is there now",
                ) from error
            raise
    return Uploaded(str(commit.oid), str(commit.commit_url), made=True)


def _operation(hub: Any, folder: Path, file: FileToUpload) -> Any:
    if file.state == REMOVED:
        return hub.CommitOperationDelete(path_in_repo=file.name)
    here = folder / posixpath.basename(file.name)
    return hub.CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(here))
