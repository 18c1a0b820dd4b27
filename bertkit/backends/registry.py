"""The table of backends, and the function that loads a backend's adapter by its name.

Light: importing this imports no torch and no adapter. A backend that ships with bertkit is a
package beside this file and a row in `BUILT_IN`. One that comes with another package is an
entry point of the group `bertkit.backends` whose object is a `Backend`, for example in the
other package's pyproject.toml:

    [project.entry-points."bertkit.backends"]
    toy = "toy_package.row:BACKEND"
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertkit import log
from bertkit.backends.process_group import Topology
from bertkit.declined import accelerator
from bertkit.errors import ConfigError, MissingDependencyError, UsageError

if TYPE_CHECKING:
    from bertkit.backends.base import Adapter, Probe

ENTRY_POINTS = "bertkit.backends"
AUTO = "auto"


@dataclass(frozen=True)
class Backend:
    """What can be said of a backend without importing it.

    Attributes:
        name: as given to `--backend`; also the section of its own settings.
        help: the devices, in a few words.
        adapter: `module:class` of its adapter, see `bertkit.backends.base.Adapter`.
        options: `module:class` of the dataclass of its own settings, made of
            `bertkit.configuration.config.setting` fields; empty where it has none.
        flags: settings among them that are command-line flags too; all of them go by
            `--set NAME.SETTING=VALUE`.
        launchers: programs that start it on many devices, see `bertkit launch`.
        devices_per_node: of a usual machine.
        process_per_device: every device is driven by a process of its own.
        container_resource: what a Kubernetes container asks for; empty where there is nothing.
        more_resources: the same for other makers' devices that it drives.
        slurm_resource: what Slurm's --gres asks for; empty where there is nothing.
        launch_variables: `module:function` of its settings (or None), which gives the variables
            that must be set before its processes start; empty where there are none.
    """

    name: str
    help: str
    adapter: str
    options: str = ""
    flags: tuple[str, ...] = ()
    launchers: tuple[str, ...] = ()
    devices_per_node: int = 1
    process_per_device: bool = False
    container_resource: str = ""
    more_resources: tuple[str, ...] = ()
    slurm_resource: str = ""
    launch_variables: str = ""

    def options_class(self) -> Any:
        """The dataclass of its own settings; None where it has none."""
        return _load(self.options) if self.options else None

    def environment(self, options: Any) -> dict[str, str]:
        """The variables that a launcher sets for its processes; `options` may be None."""
        return dict(_load(self.launch_variables)(options)) if self.launch_variables else {}

    def make_adapter(self) -> Adapter:
        """A new adapter; its device need not be here."""
        adapter: Adapter = _load(self.adapter)()
        return adapter


# The best first: `auto` takes the first one whose device is present.
BUILT_IN = (
    Backend(
        name="cuda",
        help="NVIDIA's GPUs, and AMD's with a ROCm build, through PyTorch",
        adapter="bertkit.backends.torch.cuda:CudaAdapter",
        options="bertkit.backends.torch.options:CudaOptions",
        flags=("compile", "deterministic"),
        launchers=("torchrun",),
        devices_per_node=8,
        process_per_device=True,
        container_resource="nvidia.com/gpu",
        more_resources=("amd.com/gpu",),
        slurm_resource="gpu",
    ),
    Backend(
        name="hpu",
        help="Intel Gaudi cards, through habana_frameworks",
        adapter="bertkit.backends.hpu.adapter:HpuAdapter",
        options="bertkit.backends.hpu.options:HpuOptions",
        launchers=("mpirun", "torchrun"),
        devices_per_node=8,
        process_per_device=True,
        container_resource="habana.ai/gaudi",
        slurm_resource="gpu:gaudi",
        launch_variables="bertkit.backends.hpu.modes:variables",
    ),
    Backend(
        name="ipu",
        help="Graphcore IPUs, through PopTorch",
        adapter="bertkit.backends.ipu.adapter:IpuAdapter",
        options="bertkit.backends.ipu.options:IpuOptions",
        launchers=("poprun",),
        devices_per_node=16,
    ),
    Backend(
        name="cs",
        help="Cerebras systems, through cerebras.pytorch",
        adapter="bertkit.backends.cs.adapter:CsAdapter",
        options="bertkit.backends.cs.options:CsOptions",
        launchers=("csrun",),
    ),
    Backend(
        name="accel",
        help="other devices that PyTorch has as its accelerator: Apple's and Intel's GPUs, NPUs",
        adapter="bertkit.backends.torch.accel:AccelAdapter",
        launchers=("torchrun",),
        process_per_device=True,
    ),
    Backend(
        name="cpu",
        help="the processor, through PyTorch",
        adapter="bertkit.backends.torch.cpu:CpuAdapter",
        launchers=("torchrun",),
    ),
)


@functools.cache
def backends() -> dict[str, Backend]:
    """Every backend by name, the best first; those of other packages stand before the CPU."""
    *devices, cpu = BUILT_IN
    known = {row.name: row for row in BUILT_IN}
    external = [row for row in _external_rows() if row.name not in known]
    return {row.name: row for row in (*devices, *external, cpu)}


def names() -> list[str]:
    """The names of all backends, the best first."""
    return list(backends())


def choices() -> tuple[str, ...]:
    """What `--backend` takes: `auto` and every name."""
    return (AUTO, *sorted(backends()))


def row(name: str) -> Backend:
    """The row of a backend.

    Raises:
        UsageError: no such backend.
    """
    if name not in backends():
        declined = accelerator(name)
        text = f"no backend {name!r}{': ' if declined else ''}{declined}"
        raise UsageError(text, f"backends: {', '.join(names())}")
    return backends()[name]


def only_with_launcher(program: str) -> str:
    """The name of the one backend that a program starts; empty if none or several."""
    found = [item.name for item in backends().values() if program in item.launchers]
    return found[0] if len(found) == 1 else ""


def make(name: str) -> Adapter:
    """The adapter of a backend, whether or not its device is present.

    Raises:
        UsageError: no such backend.
    """
    return row(name).make_adapter()


def get(name: str = AUTO) -> Adapter:
    """The adapter to compute with.

    Args:
        name: of a backend, or `auto` for the best one whose device is present.

    Raises:
        UsageError: no such backend.
        MissingDependencyError: its device is absent, and it cannot even compile without one;
            says why.
    """
    if name == AUTO:
        return next(adapter for adapter in map(make, backends()) if adapter.probe().present)
    adapter = make(name)
    probe = adapter.probe()
    if not (probe.present or probe.offline):
        raise MissingDependencyError(f"no backend {name} here: {probe.reason}", probe.hint)
    return adapter


def for_planning(name: str = AUTO) -> Adapter:
    """The adapter to validate a dry run against; its hardware may be absent.

    Args:
        name: of a backend, or `auto` for the best one whose device is present.

    Raises:
        UsageError: no such backend.
    """
    # A plan for several processes is made by each of them; one prints it.
    log.set_rank(Topology.from_environment().rank)
    if name == AUTO:
        return get(name)
    adapter = make(name)
    probe = adapter.probe()
    if not probe.present:
        log.logger.warning(
            "planning only: backend %s is not available on this machine: %s", name, probe.reason
        )
    return adapter


def probe_all() -> list[Probe]:
    """What each backend finds on this machine."""
    return [make(name).probe() for name in backends()]


def _external_rows() -> list[Backend]:
    """The rows that other installed packages bring."""
    import importlib.metadata

    found = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        item = point.load()
        if not isinstance(item, Backend):
            raise ConfigError(
                f"entry point {point.value} of {ENTRY_POINTS} is not a Backend",
                "its object must be a bertkit.backends.registry.Backend",
            )
        found.append(item)
    return found


def _load(place: str) -> Any:
    """The object that `module:name` stands for."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
