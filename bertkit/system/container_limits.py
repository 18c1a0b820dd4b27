"""What a container allows of its machine: processor time and memory, by control groups.

`docker --cpus`, Kubernetes' limits and systemd's quotas leave all cores visible; whoever starts a
process for each of them is slowed down, or killed for its memory. Linux tells the limits in
files: version 2 of control groups in `cpu.max` and `memory.max`, version 1 in `cpu.cfs_quota_us`
and `memory.limit_in_bytes` (the kernel's admin-guide/cgroup-v2 and cgroup-v1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bertkit.system.mounts import mounts

_PROC = Path("/proc/self")


def cores(proc: Path = _PROC) -> float | None:
    """Processor time that this process's groups may take, in cores; None without a limit.

    Args:
        proc: the process's folder of `/proc`.
    """
    found = []
    for folder in _groups("cpu", proc):
        both = _text(folder / "cpu.max").split() or [
            _text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")
        ]
        if all(text.isdecimal() for text in both):  # not "max", and not -1
            found.append(int(both[0]) / int(both[1]))
    return min(found, default=None)


def memory(proc: Path = _PROC) -> int | None:
    """Bytes of memory that this process's groups may have; None without a limit."""
    return min((limit for _, limit in _memory_limits(proc)), default=None)


def memory_left(proc: Path = _PROC) -> int | None:
    """Bytes of memory that this process's groups can still get; None without a limit."""
    return min(
        (max(0, limit - _used(folder)) for folder, limit in _memory_limits(proc)), default=None
    )


def _memory_limits(proc: Path) -> Iterator[tuple[Path, int]]:
    """The groups with a limit of memory, and it in bytes."""
    for folder in _groups("memory", proc):
        text = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
        # Without a limit, version 1 tells the largest multiple of a page that it can count.
        if text.isdecimal() and int(text) < 1 << 62:
            yield folder, int(text)


def _used(folder: Path) -> int:
    """Bytes that a group holds, but for copies of files that it can do without."""
    text = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
    held = int(text) if text.isdecimal() else 0
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    kept = {words[0]: int(words[1]) for words in lines if len(words) == 2}
    # Version 1 tells a group's alone under this name, and that of its children elsewhere.
    return held - kept.get("total_inactive_file", kept.get("inactive_file", 0))


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """Folders of the groups that a process is in: its own, and those that hold it."""
    mounts = list(_mounts(proc))
    for line in _text(proc / "cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        unified = number == "0" and not controllers
        if not unified and controller not in controllers.split(","):
            continue
        for kind, root, place in mounts:
            if kind == ("" if unified else controller):
                folder = _within(place, root, path)
                yield folder
                while folder != place:
                    folder = folder.parent
                    yield folder
                break


def _within(place: Path, root: str, path: str) -> Path:
    """The folder of a group under a mount that shows the groups from `root` on.

    In a container both names may be those of the machine, or begin at the container's group.
    """
    try:
        inner = PurePosixPath(path).relative_to(root)
    except ValueError:
        return place
    folder = place / inner
    return folder if ".." not in inner.parts and folder.is_dir() else place


def _mounts(proc: Path) -> Iterator[tuple[str, str, Path]]:
    """(controller, or "" for version 2; the group it shows; where) of each mount of groups."""
    for mount in mounts(proc / "mountinfo"):
        if mount.kind == "cgroup2":
            yield "", mount.root, Path(mount.place)
        elif mount.kind == "cgroup":
            for name in mount.options:
                yield name, mount.root, Path(mount.place)


def _text(path: Path) -> str:
    """What a file holds; nothing where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
