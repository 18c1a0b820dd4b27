"""The one backend of a process, tracing, and closures."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

from .distributed import ClusterConfig, ClusterConfigError

BackendType = enum.Enum("BackendType", ["CPU", "CSX"])
READS = {"item", "__bool__", "__float__", "__int__", "__index__", "tolist"}
COPIES = {"cpu", "numpy", "__repr__", "__str__", "__format__", "__array__"}
LOOKS = {
    "__get__", "__set__", "__delete__", "__hash__", "dim", "size", "numel", "stride",
    "is_floating_point", "is_complex", "requires_grad_", "__len__", "register_hook",
}  # fmt: skip


class Performance:
    """Only values that the compiler knows."""

    micro_batch_size = "auto"

    def __setattr__(self, name, value):
        known = value is None or value in ("auto", "explore") or isinstance(value, dict)
        if not known and not (isinstance(value, int) and value > 0):
            raise ValueError(f'Invalid value "{value}" for "micro_batch_size".')
        super().__setattr__(name, value)


class Precision:
    optimization_level = 1

    def __setattr__(self, name, value):
        if value not in (0, 1, 2):
            raise ValueError(f"Invalid optimization level {value}")
        super().__setattr__(name, value)


def _flags():
    return SimpleNamespace(csx=SimpleNamespace(performance=Performance(), precision=Precision()))


backends = _flags()


class Guard(TorchFunctionMode):
    """Watches the tensors that are on the system."""

    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        flat = tree_flatten((args, kwargs))[0]
        tensors = [item for item in flat if isinstance(item, torch.Tensor)]
        known = any(hasattr(item, "on_system") for item in tensors)
        name = getattr(func, "__name__", str(func))
        state = self.owner.state
        if not known and state != "trace":
            return func(*args, **kwargs)
        if state == "trace" and func == torch.Tensor.device.__get__:
            return SimpleNamespace(type="lazy")  # so that nothing made for a processor is used
        if known and state != "save":
            self._check(name, state, tensors)
        if state == "trace" and name not in LOOKS:
            self.owner.recorded.append(
                (name, tuple(x for x in flat if isinstance(x, (bool, int, float, str))))
            )
        result = func(*args, **kwargs)
        if state != "save":
            weight = name in ("detach", "__get__") and any(
                getattr(item, "on_system", "") == "weight" for item in tensors
            )
            tree_map_only(torch.Tensor, lambda item: mark(item, "weight" if weight else "value"),
                          result)  # fmt: skip
        return result

    def _check(self, name, state, tensors):
        weight = any(getattr(item, "on_system", "") == "weight" for item in tensors)
        if name in COPIES | READS and state == "closure" and weight:
            raise RuntimeError("Attempting to get weight tensor in a step closure, use save()")
        if state == "closure" or name in LOOKS:
            return
        if name in READS:
            raise RuntimeError("does not yet support aten::_local_scalar_dense")
        if name in COPIES:
            raise RuntimeError("Trying to materialize a tensor outside of a step closure")
        if name == "nonzero":
            raise NotImplementedError("aten::nonzero")
        if name == "__getitem__" and any(item.dtype == torch.bool for item in tensors[1:]):
            raise NotImplementedError("aten::nonzero")
        if state != "trace" and name not in ("detach", "train", "zero_grad"):
            raise RuntimeError(f'New output detected outside of "@cstorch.trace": {name}')


def mark(tensor, kind):
    if not hasattr(tensor, "on_system"):
        tensor.on_system = kind
    return tensor


class Device:
    torch_device = torch.device("cpu")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class Backend:
    instance = None

    def __init__(self, kind, artifact_dir=".", compile_only=False, validate_only=False,
                 cluster_config=None):  # fmt: skip
        if Backend.instance is not None:
            raise RuntimeError("Cannot instantiate multiple backends.")
        self.backend_type = BackendType[kind]
        self.is_csx = kind == "CSX"
        self.is_cpu = not self.is_csx
        if not self.is_csx and (compile_only or validate_only or cluster_config):
            raise TypeError("unexpected keyword argument")
        self.artifact_dir = Path(artifact_dir)
        self.cluster_config = cluster_config or ClusterConfig()
        self.is_e2e_execution = not (compile_only or validate_only)
        self.compile_only = compile_only
        self.device = Device()
        self.models, self.optimizers, self.scalers = [], [], []
        self.executors, self.counter = [], 0
        self.closures = []
        self.state = "host"
        self.recorded = []
        self.guard = Guard(self) if self.is_csx else None
        if self.guard:
            # The compiler's programs are looked for on the path, as the package does.
            if shutil.which("torch-cirh-opt") is None and "FAKE_CIRH" not in os.environ:
                raise RuntimeError("torch-to-cirh lowering failed")
            self.guard.__enter__()
        Backend.instance = self

    def close(self):
        """For tests only: make room for another one."""
        if self.guard:
            self.guard.__exit__(None, None, None)
        Backend.instance = None

    @contextlib.contextmanager
    def during(self, state):
        before, self.state = self.state, state
        try:
            yield
        finally:
            self.state = before

    @property
    def context(self):
        return self.executors[-1] if self.executors else None

    def take_weights(self):
        """What the system now holds."""
        if not self.is_csx:
            return
        with self.during("save"):
            for model in self.models:
                for item in [*model.parameters(), *model.buffers()]:
                    item.on_system = "weight"
            for optimizer in self.optimizers:
                for values in optimizer.state.values():
                    for item in values.values():
                        item.on_system = "weight"

    def end_step(self):
        """Finish a step, then call the closures."""
        context = self.context
        if self.is_csx and context.iteration == 0:
            self._lower(context)
        if self.is_csx and context.iteration > 0:
            for again in context.traced:
                again()
        if not self.is_e2e_execution:
            self.closures.clear()
            return
        waiting, self.closures = self.closures, []
        for closure, args, kwargs, only_saving in waiting:
            if only_saving and not context.saves(context.iteration):
                continue
            with self.during("save"):
                args, kwargs = tree_map_only(
                    torch.Tensor, lambda item: item.detach().clone(), (args, kwargs)
                )
            with self.during("closure"):
                closure(*args, **kwargs)

    def _lower(self, context):
        if context.rows < self.cluster_config.num_csx:
            raise ValueError(
                f"The number of CS devices ({self.cluster_config.num_csx}) must be "
                f"less than or equal to the model batch size ({context.rows})."
            )
        if self.compile_only and not self.cluster_config.mgmt_address:
            raise ClusterConfigError("mgmt_address has no default value")
        folder = self.artifact_dir / "executors" / f"{self.counter:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cirh.mlir").write_text("\n".join(name for name, _ in self.recorded))


def backend(kind=None, *args, **kwargs):
    return Backend.instance if kind is None else Backend(kind, *args, **kwargs)


def current_backend(raise_exception=True, raise_warning=True):
    if Backend.instance is None and raise_exception:
        raise RuntimeError("No active Cerebras backend found.")
    return Backend.instance


def compile(model, backend=None):
    backend = backend or current_backend()
    if backend is not Backend.instance:
        raise RuntimeError("Compile got a different backend than the currently initialized one")
    backend.models.append(model)

    @functools.wraps(model.__call__)
    def forward(*args, **kwargs):
        return model(*args, **kwargs)

    return forward


def trace(function):
    outputs = None

    @functools.wraps(function)
    def traced(*args, **kwargs):
        nonlocal outputs
        owner = current_backend()
        if not owner.is_csx:
            return function(*args, **kwargs)
        context = owner.context
        if context is None or context.iteration == 0:
            owner.recorded = []
            with owner.during("trace"):
                outputs = function(*args, **kwargs)
            program = owner.recorded

            def again():
                owner.recorded = []
                with owner.during("trace"):
                    fresh = function(*args, **kwargs)
                if owner.recorded != program:
                    new = next(
                        (pair for pair in zip(program, owner.recorded, strict=False)
                         if pair[0] != pair[1]), (len(program), len(owner.recorded)),
                    )  # fmt: skip
                    raise RuntimeError(f"This will cause a second compile: {new}")
                with owner.during("save"):
                    for old, new in zip(
                        tree_flatten(outputs)[0], tree_flatten(fresh)[0], strict=True
                    ):
                        old.data.copy_(new.data)

            if context is not None:
                context.traced.append(again)
        return outputs

    return traced


def _closure(function, only_saving):
    @functools.wraps(function)
    def queued(*args, **kwargs):
        owner = Backend.instance
        if owner is None:
            return function(*args, **kwargs)
        if only_saving and owner.context is None:
            raise RuntimeError("Cannot fetch a checkpoint outside of an execution context.")
        owner.closures.append((function, args, kwargs, only_saving))
        return None

    return queued


def step_closure(function):
    return _closure(function, only_saving=False)


def checkpoint_closure(function):
    return _closure(function, only_saving=True)
