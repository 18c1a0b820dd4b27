"""The adapter for whatever else PyTorch calls an accelerator: Apple, Intel, AMD, Huawei, AWS, ...

Nothing is decided by the name of a device. What it can do is found out by doing it once, on a
few numbers, and comparing with the processor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import Caps, OptimizerSpec, Probe
from bertkit.backends.process_group import PROCESS_TIMEOUT, Topology
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.processes.distributed import start_group
from bertkit.backends.torch.step import HALF
from bertkit.errors import ConfigError, MissingDependencyError
from bertkit.train.optimization.optimizers import NAMES, make_optimizer

_PACKAGES = (
    "install the build of PyTorch for your device, or the package that brings it"
    " (torch_npu, torch_neuronx, ...), see https://pytorch.org/get-started"
)


class AccelAdapter(TorchAdapter):
    """Trains on the device that `torch.accelerator` names, one per process.

    bf16 computes with half precision copies of the weights, fp16 by autocast and with a loss
    scale; both are offered where products and their gradients come out right in them.
    """

    caps = Caps(
        name="accel",
        fixed_shapes=False,
        step_owner="loop",
        scalar_reads="log_step",
        layouts=("unpadded", "padded", "bucketed", "packed"),
        precisions=("bf16", "fp32", "fp16"),
        loss_scaling=("dynamic", "static"),
        optimizers=frozenset(NAMES),
        shards_optimizer=True,
        constant_totals=True,
        recomputes=True,
        skips_nonfinite=True,
        copies_out=True,
        working_copies=True,
    )

    def __init__(self) -> None:
        super().__init__()
        present = torch.accelerator.is_available()
        found = torch.accelerator.current_accelerator() if present else None
        self.device = found.type if found is not None else "cpu"
        if found is not None:
            self.pins = _works(lambda: torch.ones(1).pin_memory().to(found.type))
            self.caps = replace(
                self.caps,
                precisions=tuple(
                    name for name in self.caps.precisions if _computes(found.type, name)
                ),
                optimizers=frozenset(
                    name
                    for name in self.caps.optimizers
                    if _updates(found.type, name, fused=name != "adamw")
                ),
            )

    def probe(self) -> Probe:
        """Which device PyTorch names, if any."""
        version = f"torch {torch.__version__}"
        if self.device == "cpu":
            return Probe(
                "accel", False, f"{version} finds no accelerator", version=version, hint=_PACKAGES
            )
        if "fp32" not in self.caps.precisions:
            reason = f"{self.device}: products of matrices in fp32 are not what they should be"
            return Probe("accel", False, reason, version=version, hint=_PACKAGES)
        count = torch.accelerator.device_count()
        names = tuple(f"{self.device}:{index}" for index in range(count))
        found = f"{count} x {self.device}; {', '.join(self.caps.precisions)}"
        return Probe("accel", True, found, version=version, devices=names)

    def best_precision(self, hidden_size: int) -> str:
        """bf16 where the device multiplies in it."""
        return self.caps.precisions[0] if self.caps.precisions else "fp32"

    def start(
        self,
        options: Any = None,
        distributed: bool = False,
        process_timeout: float = PROCESS_TIMEOUT,
    ) -> Topology:
        """Take this process's device, and join the others of a run."""
        index = Topology.from_environment().local_rank
        count = torch.accelerator.device_count()
        if index >= count:
            raise MissingDependencyError(
                f"LOCAL_RANK is {index}, but this process sees {count} of {self.device}",
                "start as many processes per machine as it has devices",
            )
        device = torch.device(self.device, index)
        if count > 1:
            torch.accelerator.set_device_index(index)
        carrier = self._carrier() if Topology.from_environment().world > 1 else "gloo"
        self.process_group = start_group(carrier, distributed, process_timeout, device)
        return self.process_group.topology

    def _carrier(self) -> str:
        """The library that carries gradients between devices of this kind.

        Raises:
            ConfigError: PyTorch knows of none.
        """
        try:
            return str(torch.distributed.get_default_backend_for_device(self.device))
        except ValueError as error:
            raise ConfigError(
                f"PyTorch knows of no library that carries gradients between devices of"
                f" {self.device}",
                "train in one process",
            ) from error

    def device_memory(self) -> int:
        """Bytes of this process's device; 0 where PyTorch cannot tell."""
        with contextlib.suppress(Exception):
            return int(torch.accelerator.get_memory_info(self.device)[1])
        return 0

    def optimizer(self, model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
        """The named optimizer; AdamW step by step where the device has no kernel for all of it."""
        if spec.name == "adamw" and not spec.shard and not _updates(self.device, spec.name):
            return make_optimizer(model, spec, fused=False)
        return super().optimizer(model, spec)


def _works(action: Callable[[], Any]) -> bool:
    """Whether something can be done; whatever a device raises says that it cannot."""
    try:
        return action() is not False
    except Exception:
        return False


def _computes(device: str, precision: str) -> bool:
    """Whether a layer and its gradient come out as on the processor, to the precision's grain."""
    kind = HALF.get(precision, torch.float32)
    grain = 1e-4 if kind == torch.float32 else 0.05

    def action() -> bool:
        source = torch.Generator().manual_seed(1)  # the random numbers of a run stay as they are
        inputs, weight = (torch.randn(rows, 32, generator=source) for rows in (16, 8))
        found = [
            _layer(inputs, weight, "cpu", torch.float32),
            _layer(inputs, weight, device, kind),
        ]
        right = all(
            torch.allclose(own, true, atol=grain, rtol=grain)
            for true, own in zip(*found, strict=True)
        )
        if precision == "fp16":  # its losses are scaled, and operators choose it themselves
            torch.amp.GradScaler(device).scale(torch.ones(1, device=device))
            with torch.autocast(device, kind):
                right &= (inputs.to(device) @ weight.to(device).T).dtype == kind
        return right

    return _works(action)


def _layer(inputs: Tensor, weight: Tensor, device: str, kind: torch.dtype) -> list[Tensor]:
    """Results of a normed layer and the gradient of its weight, on the host in float32."""
    own = weight.detach().clone().to(device).to(kind).requires_grad_()
    scaled = nn.functional.linear(inputs.to(device).to(kind), own) / 32**0.5
    result = nn.functional.gelu(nn.functional.layer_norm(scaled, (8,)))
    torch.autograd.backward(result.float().square().mean())
    assert own.grad is not None
    return [result.detach().float().cpu(), own.grad.float().cpu()]


def _updates(device: str, name: str, fused: bool = True) -> bool:
    """Whether an optimizer does a step on the device; `fused`: AdamW by one kernel."""

    def action() -> bool:
        model = nn.Linear(4, 4, device="meta").to_empty(device=device)
        for parameter in model.parameters():
            parameter.data = torch.ones(parameter.shape).to(device)
            parameter.grad = torch.ones(parameter.shape).to(device)
        optimizer = make_optimizer(model, OptimizerSpec(name=name), fused=fused)
        for group in optimizer.param_groups:
            group["lr"] = 0.1
        optimizer.step()
        return all(bool((item.detach().cpu() < 1).all()) for item in model.parameters())

    return _works(action)
