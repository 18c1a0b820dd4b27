"""Tells folders whose files no disk holds: those that a kernel makes up, such as /proc.

What is read there may have no end, may wait for ever, and is no input of any command.
"""

from __future__ import annotations

import functools
import os
import sys

from bertkit.system.mounts import mounts

# Types of file systems of Linux whose files are the kernel's answers.
_MADE_UP = {
    *("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs"),
    *("securityfs", "configfs", "pstore", "bpf", "mqueue", "binfmt_misc", "fusectl", "efivarfs"),
    *("rpc_pipefs", "nsfs", "selinuxfs", "binder"),
}
_MOUNTS = "/proc/self/mountinfo"


def is_made_by_kernel(facts: os.stat_result) -> bool:
    """Whether a file or folder is one of a kernel's own.

    Args:
        facts: of `os.stat`.
    """
    return facts.st_dev in _devices()


@functools.cache
def _devices() -> frozenset[int]:
    """Numbers of the devices of such file systems; empty where no list of them is."""
    if sys.platform == "win32":
        return frozenset()
    return frozenset(
        os.makedev(*mount.device) for mount in mounts(_MOUNTS) if mount.kind in _MADE_UP
    )
