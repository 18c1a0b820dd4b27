"""HPU graphs: captured for every new combination of shapes, replayed for known ones.

The real package writes a replay's outputs over those of the replay before; here the old
ones become infinite, which shows it sooner.
"""

from __future__ import annotations

import inspect
import os

import torch
from torch.utils._pytree import tree_leaves, tree_map

from habana_frameworks.torch import _engine

_Parallel = (torch.nn.parallel.DataParallel, torch.nn.parallel.DistributedDataParallel)
_POISON = float("inf")


class _Cache:
    """Which combinations of shapes have a graph, and the outputs that a replay overwrites."""

    def __init__(self, most):
        self.most = most
        self.known = {}

    def run(self, forward, key, args):
        leaves = tree_leaves(args)
        assert all(isinstance(leaf, torch.Tensor) for leaf in leaves), (
            "graphs take tensors only, not " + ", ".join(type(leaf).__name__ for leaf in leaves)
        )
        _engine.require_device(leaves, "graph")
        key = (key, *(tuple(leaf.shape) for leaf in leaves))
        if key not in self.known:
            if self.most is not None and len(self.known) >= self.most:
                return forward(*args)
            _engine.LOG.graphs += 1
        else:
            _engine.LOG.replays += 1
            with torch.no_grad():
                for old in self.known[key]:
                    old.fill_(_POISON if old.is_floating_point() else -1)
        result = forward(*args)
        # Graphs have buffers of their own: nothing that the module returns may be one.
        result = tree_map(torch.clone, result)
        self.known[key] = [leaf.detach() for leaf in tree_leaves(result)]
        return result


class ModuleCacher(torch.nn.Module):
    """Graphs for training."""

    def __init__(self, max_graphs=10):
        super().__init__()
        self.max_graphs = max_graphs

    def __call__(
        self, model, use_lfu=False, inplace=True, allow_unused_input=False, asynchronous=False,
        have_grad_accumulation=False, log_frequency=100, verbose=False,
        disable_tensor_cache=False, dry_run=False,
    ):  # fmt: skip
        assert not isinstance(model, _Parallel), (
            "use DataParallel/DistributedDataParallel only after wrapping with ModuleCacher"
        )
        assert inplace, "the stand-in knows inplace=True only"
        kinds = [item.kind for item in inspect.signature(model.forward).parameters.values()]
        assert inspect.Parameter.VAR_POSITIONAL not in kinds, "unsupported argument type"
        self.cache, self.accumulates = _Cache(self.max_graphs), have_grad_accumulation
        self.count, self.announced, self.last = 0, False, -1
        self.orig_forward = model.forward
        # Not attributes of this module: the model must not become its own child.
        object.__setattr__(self, "wrapped", model)
        model.forward = self.forward
        model.set_iteration_count = self.set_iteration_count
        return model

    def set_iteration_count(self, iter_num):
        assert iter_num in (0, self.last + 1), f"micro-batch {iter_num} comes after {self.last}"
        self.count, self.announced = iter_num, True

    def forward(self, *args, **kwargs):
        model = self.wrapped
        use = model.training and torch.is_grad_enabled()
        if not use or os.environ.get("PT_HPU_LAZY_MODE", "1") != "1":
            return self.orig_forward(*args, **kwargs)
        assert not kwargs, "the stand-in takes no keywords"
        hooks = (model._backward_hooks, model._forward_hooks, model._forward_pre_hooks)
        assert not any(hooks), "modules must not have hooks when they are captured"
        if self.accumulates:
            assert self.announced, "call set_iteration_count before every micro-batch"
            self.announced, self.last = False, self.count
        return self.cache.run(self.orig_forward, self.accumulates and self.count == 0, args)


def wrap_in_hpu_graph(
    module, asynchronous=False, disable_tensor_cache=False, dry_run=False, max_graphs=None
):
    """Graphs for inference."""
    assert not isinstance(module, _Parallel)
    cache, forward = _Cache(max_graphs), module.forward

    def replayed(*args):
        assert not torch.is_grad_enabled(), "graphs of inference carry no gradients"
        return cache.run(forward, "inference", args)

    module.forward = replayed
    module.clear_cache = cache.known.clear
    return module
