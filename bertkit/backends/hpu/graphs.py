"""Wraps a task's loss as one module, so that Gaudi can record and replay its graphs.

HPU graphs, torch.compile and DistributedDataParallel take modules whose arguments are
tensors; everything that is not a tensor would be built into the program.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bertkit.backends.base import Task
from bertkit.backends.hpu.options import HpuOptions
from bertkit.backends.process_group import ProcessGroup
from bertkit.data.step_batch import MicroBatch

_GRAPHS = "habana_frameworks.torch.hpu.graphs"
_CORE = "habana_frameworks.torch.core"
# The host's side of a batch: constant shapes leave nothing to say there.
_NOTHING = MicroBatch({}, np.zeros(0, np.int64))


class LossModule(nn.Module):
    """A model with the task that gives its loss.

    Args:
        model: on its device.
        task: whose `losses` needs the tensors of a batch alone.
    """

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss, detached sums) of the arrays of a micro-batch on the device."""
        return self.task.losses(self.model, tensors, _NOTHING)


def for_training(
    model: nn.Module, task: Task, options: HpuOptions, process_group: ProcessGroup, unused: bool
) -> nn.Module:
    """The module whose forward pass and backward pass make a micro-batch's gradients.

    Args:
        model: placed.
        task: gives the loss.
        options: mode, graphs, and the way gradients are exchanged.
        process_group: the processes of the run.
        unused: some parameters get no gradient.
    """
    module: Any = LossModule(model, task)
    if options.graphs:
        # In place: the wrapper's `forward` is replaced, DistributedDataParallel stays outside.
        graphs: Any = importlib.import_module(_GRAPHS)
        module = graphs.ModuleCacher(max_graphs=options.max_graphs)(
            module, inplace=True, have_grad_accumulation=True
        )
    if options.mode == "compile":
        module = compiled(module, bool(options.compiled_autograd))
    if process_group.topology.world > 1 and not options.flat_all_reduce:
        module = DistributedDataParallel(
            module, bucket_cap_mb=options.bucket_cap_mb, find_unused_parameters=unused
        )
    wrapped: nn.Module = module
    return wrapped


def for_inference(model: nn.Module, task: Task, options: HpuOptions, alone: bool) -> nn.Module:
    """The module for forward passes without gradients.

    Args:
        model: placed.
        task: gives the sums or scores.
        options: mode and graphs.
        alone: the weights do not change any more.
    """
    module: Any = LossModule(model, task)
    if options.graphs:
        if alone:
            core: Any = importlib.import_module(_CORE)
            model.eval()
            # Its older name warns where the new one exists.
            newer = getattr(core, "hpu_inference_initialize", None)
            (newer or core.hpu_initialize)(model)
        graphs: Any = importlib.import_module(_GRAPHS)
        module = graphs.wrap_in_hpu_graph(module)
    if options.mode == "compile":
        module = compiled(module, compiled_autograd=False)
    wrapped: nn.Module = module
    return wrapped


def compiled(module: nn.Module, compiled_autograd: bool) -> nn.Module:
    """The module through torch.compile and the vendor's compiler."""
    if compiled_autograd:
        name = "habana_frameworks.torch.dynamo.compile_backend.experimental"
        importlib.import_module(name).enable_compiled_autograd()
    result: Any = torch.compile(module, backend="hpu_backend")
    wrapped: nn.Module = result
    return wrapped
