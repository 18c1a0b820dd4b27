"""The cluster; here there is none, and this process streams to nobody."""

from __future__ import annotations

from dataclasses import dataclass, field


class ClusterConfigError(RuntimeError):
    """Raised where no cluster can be reached."""


@dataclass
class ClusterConfig:
    mgmt_address: str | None = None
    mgmt_namespace: str | None = None
    num_csx: int = 1
    num_workers_per_csx: int = 1
    mount_dirs: list = field(default_factory=list)
    python_paths: list = field(default_factory=list)

    def __post_init__(self):
        if self.mgmt_address is not None and ":" not in self.mgmt_address:
            raise ValueError(f"mgmt_address '{self.mgmt_address}' should be '<name>:<port>'")


def is_streamer():
    return False


def service_resolver():
    raise RuntimeError("there is no cluster")


def get_streaming_batch_size(effective_batch_size, global_rank=None):
    return effective_batch_size
