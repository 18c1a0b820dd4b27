"""Lets the processes of a run find out, before the first step, whether they agree.

Every process reads its own files and settings; with disks of their own, or an image of last
week on one machine, these can differ, and training would go on with mixed-up numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bertkit import log
from bertkit.backends.process_group import ProcessGroup
from bertkit.configuration.config import as_dict, flatten
from bertkit.errors import BertkitError, ConfigError, shortened
from bertkit.storage.folder_lock import is_held, locked_folder

T = TypeVar("T")
# Settings that name places or tell what the main process alone does with them: each process
# may have its own. What is found at these places is compared instead.
PLACES = ("output", "init_checkpoint", "resume", "log_to", "log_project", "log_name", "log_tag")


def together(process_group: ProcessGroup, work: Callable[[], T]) -> T:
    """Do the same in all processes; an error in one of them ends all.

    Args:
        process_group: every process calls this.
        work: of this process; must not wait for others.

    Raises:
        BertkitError: this process's own, or one that says whose it is.
    """
    result, error = _tried(work)
    mine = error and (error, socket.gethostname())
    failed = [(rank, found) for rank, found in enumerate(process_group.gather(mine)) if found]
    if error is not None:
        raise error
    if failed:
        rank, (theirs, host) = failed[0]
        raise BertkitError(
            f"process {rank} (on {host}): {theirs.message}", theirs.hint, theirs.exit_code
        )
    found: T = result
    return found


def told_by_main(process_group: ProcessGroup, look: Callable[[], T]) -> T:
    """What the main process finds, in all processes; its error is raised in all of them."""
    mine = _tried(look) if process_group.topology.is_main else (None, None)
    found: T
    found, error = process_group.gather(mine)[0]
    if error is not None:
        raise error
    return found


def _tried(work: Callable[[], Any]) -> tuple[Any, BertkitError | None]:
    """(result, None) or (None, the error for the user)."""
    try:
        return work(), None
    except BertkitError as error:
        return None, error


@contextlib.contextmanager
def held_by_main(process_group: ProcessGroup, folder: str | Path, command: str) -> Iterator[None]:
    """The main process holds the output folder for the block; a refusal ends all processes.

    Args:
        process_group: every process calls this.
        folder: that the main process writes to.
        command: that works in it.
    """
    with contextlib.ExitStack() as held:
        told_by_main(process_group, lambda: held.enter_context(locked_folder(folder, command)))
        _warn_of_own_disks(process_group, folder)
        yield


def _warn_of_own_disks(process_group: ProcessGroup, folder: str | Path) -> None:
    """Say where processes do not see the output of the main one, from which a run resumes."""
    told = process_group.gather((is_held(folder), socket.gethostname()))
    blind = [rank for rank, (seen, _) in enumerate(told) if not seen]
    if not blind or 0 in blind:  # no lock where nobody can write
        return
    hosts = list(dict.fromkeys(told[rank][1] for rank in blind))
    log.logger.warning(
        "process%s %s (on %s) %s not see %s, where process 0 writes: the run can only be resumed"
        " once all machines see its checkpoints there", "es" if len(blind) > 1 else "",
        _list(blind), _list(hosts), "do" if len(blind) > 1 else "does", folder,
    )  # fmt: skip


def settings_to_compare(config: Any, local: Collection[str]) -> dict[str, Any]:
    """The settings that all processes must share, by dotted name.

    Args:
        config: the resolved settings, a dataclass.
        local: names of those that each process may have for itself.
    """
    own = {*PLACES, *local}
    values = flatten(as_dict(config))
    return {name: value for name, value in values.items() if name not in own}


def require_agreement(process_group: ProcessGroup, facts: Mapping[str, Any]) -> None:
    """Refuse to train where processes do not agree; in all of them, with the same words.

    Args:
        process_group: every process calls this.
        facts: name → value, of this process; plain JSON values.

    Raises:
        ConfigError: they differ; names each difference with the processes on each side.
    """
    text = json.dumps(dict(facts), sort_keys=True, default=str)
    # The digests first: hundreds of processes need not send each other all they know.
    if len(set(process_group.gather(hashlib.sha256(text.encode()).hexdigest()))) == 1:
        return
    told = process_group.gather((socket.gethostname(), text))
    hosts, known = [host for host, _ in told], [json.loads(item) for _, item in told]
    names = sorted({name for item in known for name in item})
    different = [_sides(name, [item.get(name) for item in known], hosts) for name in names]
    raise ConfigError(
        f"the processes of this run do not agree: {'; '.join(filter(None, different))}",
        "give all machines the same files, settings and versions, and an --output that they share",
    )


def _sides(name: str, values: list[Any], hosts: list[str]) -> str:
    """`seed 1 in process 0, 2 in processes 1 and 2`; empty where all have the same.

    Several hosts are named: `2 in processes 1 and 2 (on node2)`.
    """
    ranks: dict[str, list[int]] = {}
    for rank, value in enumerate(values):
        shown = "none" if value is None else str(value)
        ranks.setdefault(shown, []).append(rank)
    if len(ranks) == 1:
        return ""
    several = len(set(hosts)) > 1
    sides = []
    for value, where in ranks.items():
        places = list(dict.fromkeys(hosts[rank] for rank in where)) if several else []
        on = f" (on {_list(places)})" if places else ""
        sides.append(f"{value} in process{'es' if len(where) > 1 else ''} {_list(where)}{on}")
    return f"{name} {', '.join(sides)}"


def _list(items: Sequence[object]) -> str:
    where = [str(item) for item in items]
    if len(where) > 6:
        return shortened(where, 5)
    return " and ".join(filter(None, [", ".join(where[:-1]), where[-1]]))
