"""Publishes a run's model on the model hub: what `convert` makes of it, with its card."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bertkit import __version__, log
from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.hub.client import UnreachableError
from bertkit.hub.names import HubName, target_name
from bertkit.hub.upload import (
    FileToUpload,
    UploadPlan,
    plan_upload,
    require_login,
    upload,
)
from bertkit.manifests.manifest import NAME as MANIFEST
from bertkit.manifests.manifest import read_manifest
from bertkit.model.checkpoints.convert import ConvertOptions, convert
from bertkit.model.checkpoints.run_state import STATE, read_best
from bertkit.storage.files import human_bytes
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state


@dataclass(frozen=True)
class PushOptions:
    """How to publish.

    Attributes:
        to: `owner/name`, with a branch also `owner/name@branch`.
        revision: the branch; empty for that of `to`.
        private: make a new repository private; an error where it is there and public.
        dry_run: only show what would be uploaded.
        unfinished: also publish a run that has not reached its end.
        message: of the commit; empty for one that tells the step.
        conversion: see `convert`.
    """

    to: str
    revision: str = ""
    private: bool = False
    dry_run: bool = False
    unfinished: bool = False
    message: str = ""
    conversion: ConvertOptions = field(default_factory=ConvertOptions)


@dataclass(frozen=True)
class PushResult:
    """What was, or would be, published.

    Attributes:
        repository, revision: where.
        checkpoint: what was converted.
        files: of the model, and what became of each.
        commit, address: of the commit that holds them; empty in a dry run.
        made: the commit was made now; else everything was there already.
        dry_run: nothing was uploaded.
    """

    repository: str
    revision: str
    checkpoint: str
    files: list[FileToUpload]
    commit: str = ""
    address: str = ""
    made: bool = False
    dry_run: bool = False

    def text(self) -> str:
        """For people: a table of the files, and the address."""
        rows = [(file.name, human_bytes(file.bytes), file.state) for file in self.files]
        table = log.table(("file", "size", "on the hub"), rows)
        size = human_bytes(sum(file.bytes for file in self.files if file.state in _SENT))
        if self.dry_run:
            return f"{table}\n{size} to upload to {self.repository}, {self.revision}"
        done = "uploaded" if self.made else "nothing to upload, all of it is there"
        return f"{table}\n{done}: {self.address}"


_SENT = ("new", "changed", "")


def push(source: str, options: PushOptions) -> PushResult:
    """Convert the model of a run, or take a converted folder, and upload it in one commit.

    The same call again uploads nothing.

    Args:
        source: a run (its best model, else its last checkpoint), a checkpoint in any form that
            `convert` reads, or a folder that `convert` made.
        options: how.

    Raises:
        DataError, ConfigError: no such checkpoint, an unfinished run, or as `convert`; no
            network or permission.
        UsageError: a name that is none; or settings of `convert` for a converted folder.
    """
    name = target_name(options.to)
    name = name.at(options.revision) if options.revision else name
    if not options.dry_run:
        require_login(name)
    place, step = _model_of(source, options.unfinished)
    if _is_converted(place):
        if options.conversion != ConvertOptions(backends=options.conversion.backends):
            raise UsageError(
                f"{place} is converted already: flags of convert change nothing in it",
                "give the run itself, or give these flags to `bertkit convert`",
            )
        return _uploaded(place, place, name, options, step)
    with tempfile.TemporaryDirectory(prefix="bertkit-push-") as folder:
        made = Path(folder) / "model"
        convert(str(place), str(made), options.conversion)
        (made / MANIFEST).unlink()  # of this machine: it names paths
        return _uploaded(made, place, name, options, step)


def _model_of(source: str, unfinished: bool) -> tuple[Path, int | None]:
    """The checkpoint to publish, and its step if that is known."""
    place, best = checkpoint.find_one(source), read_best(source)
    last = checkpoint.latest(source) if best else place
    if last is None or not (last / STATE).is_file():
        return place, best["step"] if best else None  # nothing says whether it has ended
    state = load_state(last)
    if not state.finished and not unfinished:
        raise ConfigError(
            f"{last} is of a run that is not finished: it stands at step {state.step:,}",
            "finish it, or publish it as it is with --unfinished",
        )
    return place, best["step"] if best else state.step


def _is_converted(place: Path) -> bool:
    """Whether a folder is what `convert` made for transformers, whole."""
    made = read_manifest(str(place)) if place.is_dir() else None
    if made is None or made.command != "convert" or made.config.get("to") != "hf":
        return False
    if not made.complete:
        raise DataError(f"{place} is an unfinished conversion", "run `bertkit convert` again")
    return True


def _uploaded(
    folder: Path, place: Path, name: HubName, options: PushOptions, step: int | None
) -> PushResult:
    try:
        plan = plan_upload(folder, name, options.private)
    except UnreachableError as error:
        if not options.dry_run:
            raise
        log.logger.warning("%s: what is there already is not known", error.message)
        plan = UploadPlan(name, files=_unknown(folder))
    plan = dataclasses.replace(plan, files=_without_manifest(plan.files))
    result = PushResult(name.repo, name.revision, str(place), plan.files, dry_run=options.dry_run)
    if options.dry_run:
        return result
    at = "" if step is None else f" at step {step:,}"
    message = options.message or f"The model of {place.name}{at}, by bertkit {__version__}"
    done = upload(folder, plan, message, options.private)
    return dataclasses.replace(result, commit=done.commit, address=done.address, made=done.made)


def _unknown(folder: Path) -> list[FileToUpload]:
    return [
        FileToUpload(path.name, path.stat().st_size, "")
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]


def _without_manifest(found: Sequence[FileToUpload]) -> list[FileToUpload]:
    return [file for file in found if Path(file.name).name != MANIFEST]


def next_step(result: PushResult) -> str:
    """The command that uses what was published."""
    at = f"@{result.commit}" if result.commit else ""
    return f"bertkit convert {result.repository}{at} --check"
