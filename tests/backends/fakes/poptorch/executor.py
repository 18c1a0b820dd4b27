from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from poptorch.device import DEVICE
from poptorch.enums import ConnectionType, Error, OutputMode, ReductionType
from poptorch.ops import Trace, tracing
from poptorch.optim import SGD, AdamW, Optimizer
from poptorch.options import Options
from poptorch.program import Program, record

_NOT_COMPILED = "Model has not been compiled or has been destroyed."
_ALLOWED = (SGD, AdamW, Optimizer, torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


def trainingModel(model: nn.Module, options: Options | None = None, optimizer: Any = None):
    return PoplarExecutor(model, options or Options(), True, optimizer)


def inferenceModel(model: nn.Module, options: Options | None = None):
    return PoplarExecutor(model, options or Options(), False)


class PoplarExecutor:
    def __init__(
        self, model: nn.Module, options: Options, training: bool, optimizer: Any = None
    ) -> None:
        if getattr(model, "_poptorch_wrapped", False):
            raise RuntimeError("Model has already been wrapped. Call model.destroy() first.")
        if not training:
            assert options.Training.values["accumulation"] == 1, (
                "Gradient accumulation should be left to its default value (1) for inference"
            )
        if options.values["mode"] == OutputMode.Default:
            options.outputMode(OutputMode.Final if training else OutputMode.All)
        options._freeze()
        object.__setattr__(model, "_poptorch_wrapped", True)
        self.model, self.options, self.training = model, options, training
        self.program: Program | None = None
        self.trace: Trace | None = None
        self.weights: dict[str, Tensor] = {}
        self.state: dict[str, dict[str, Tensor]] = {}
        self.attached = False
        self.optimizer: Any = None
        self.numbers: dict[str, Any] = {}
        self.updates = 0
        self._random = torch.Generator().manual_seed(options.values["seed"] or 0).get_state()
        self._inputs: tuple[Tensor, ...] = ()
        if training:
            self.setOptimizer(optimizer)

    # The model on the host and on the device

    def isCompiled(self) -> bool:
        return self.program is not None

    def isAttachedToDevice(self) -> bool:
        return self.isCompiled() and self.attached

    def compile(self, *inputs: Tensor) -> None:
        assert self.program is None, "compile() twice"
        options = self.options.values
        offline = options["connection"] == ConnectionType.Never
        if not offline:
            self._acquire()
        self._check_inputs(inputs)
        with tracing() as trace:
            self.program = record(self.model, self._narrow(inputs), trace, self.training)
        self.trace = trace
        try:
            self._check_pipeline(trace)
        except BaseException:
            self.program = None
            self.attached, DEVICE.holder = False, None
            raise
        self._inputs = inputs
        DEVICE.compiled.append(self)
        if not offline:
            self._upload()

    def attachToDevice(self) -> None:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        assert self.options.values["connection"] != ConnectionType.Never, "offline device"
        if self.attached:
            raise Error("Device is already attached")
        self._acquire()
        self._upload()

    def detachFromDevice(self) -> None:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        if not self.attached:
            raise Error("Device is not attached")
        if self.training:
            self.optimizer._state = self._read_state()
        self.attached, DEVICE.holder = False, None

    def copyWeightsToHost(self) -> None:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        if not self.attached:
            raise Error("Device is not attached")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(self.weights[name])

    def copyWeightsToDevice(self) -> None:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        self.weights = {
            name: weight.detach().clone() for name, weight in self.model.named_parameters()
        }

    def destroy(self) -> None:
        self.program = None
        if self.attached:
            self.attached, DEVICE.holder = False, None
        object.__setattr__(self.model, "_poptorch_wrapped", False)

    @property
    def rng_state(self) -> list[int]:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        return [0, *self._random.tolist()]

    @rng_state.setter
    def rng_state(self, state: list[int]) -> None:
        if not self.isCompiled():
            raise Error(_NOT_COMPILED)
        self._random = torch.tensor(state[1:], dtype=torch.uint8)

    # The optimizer

    def setOptimizer(self, optimizer: Any) -> None:
        assert isinstance(optimizer, _ALLOWED), "optimizer must be SGD, Adam, AdamW, RMSprop, LAMB"
        numbers = copy.deepcopy(optimizer.numbers())
        if self.optimizer is optimizer and self.isCompiled():
            for before, now in zip(self.numbers["groups"], numbers["groups"], strict=True):
                now.update({name: before[name] for name in optimizer.constants()})
        self.optimizer, self.numbers = optimizer, numbers
        names = {id(weight): name for name, weight in self.model.named_parameters()}
        self._groups = [
            [names[id(weight)] for weight in group["params"]] for group in optimizer.param_groups
        ]
        optimizer._reader = self._read_state
        self.updates += 1

    def _read_state(self) -> dict[str, Any]:
        if not self.state:
            return self.optimizer._state
        flat = {
            f"{kind}___{name}": value.clone()
            for name, kinds in self.state.items()
            for kind, value in kinds.items()
        }
        rates = {"learningRate": torch.tensor(self.numbers["groups"][0]["lr"])}
        return {"ipu_state": flat, "ipu_param": rates}

    def _upload(self) -> None:
        """What happens whenever a device is attached."""
        self.copyWeightsToDevice()
        if not self.training:
            return
        saved = self.optimizer._state["ipu_state"] or {}
        self.state = {}
        for name, weight in self.weights.items():
            fresh = {
                "Step": torch.zeros(()),
                "Accl1": torch.zeros(weight.shape),
                "Accl2": torch.zeros(weight.shape),
            }
            self.state[name] = {
                kind: saved.get(f"{kind}___{name}", value).clone() for kind, value in fresh.items()
            }

    # Running

    def __call__(self, *inputs: Tensor) -> Any:
        assert self.options.values["connection"] != ConnectionType.Never, (
            "Trying to run a model on an offline device (ConnectionType.Never)"
        )
        if not self.isCompiled():
            self.compile(*inputs)
        if not self.attached:
            self.attachToDevice()
        self._validate(inputs)
        DEVICE.calls += 1
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.set_rng_state(self._random)
            outputs = self._run(inputs)
            self._random = torch.get_rng_state()
        for output in outputs:
            output.backward = _no_backward
        return outputs if len(outputs) > 1 else outputs[0]

    def _run(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        assert self.program is not None
        pieces = self._pieces
        replicas = self._replicas
        cut = [value.chunk(pieces) for value in inputs]
        sums: dict[str, Tensor] = {}
        found: list[list[Tensor]] = []
        for number in range(pieces):
            chunk = [values[number] for values in cut]
            outputs, gradients = self.program.run(self.weights, chunk)
            found.append(outputs)
            for name, gradient in gradients.items():
                wide = gradient.float()
                sums[name] = sums[name] + wide if name in sums else wide
        if self.training:
            self._update(sums, pieces)
        mode = self.options.values["mode"]
        each = pieces // replicas
        result = []
        for values in zip(*found, strict=True):
            dealt = [values[start : start + each] for start in range(0, pieces, each)]
            if mode == OutputMode.All:
                result.append(torch.cat([value.reshape(-1) for value in values]))
            elif mode == OutputMode.Sum:
                result.append(torch.cat([sum(part).reshape(-1) for part in dealt]))
            else:
                result.append(torch.cat([part[-1].reshape(-1) for part in dealt]))
        return result

    def _update(self, sums: dict[str, Tensor], pieces: int) -> None:
        total = float(pieces)
        if _several():
            import torch.distributed as dist

            for gradient in sums.values():
                dist.all_reduce(gradient)
            total *= dist.get_world_size()
        if self.options.Training.values["reduction"] == ReductionType.Mean:
            sums = {name: value / total for name, value in sums.items()}
        limit = self.numbers.get("max_grad_norm", math.inf)
        if limit < math.inf:
            norm = torch.stack([value.norm() for value in sums.values()]).norm()
            sums = {name: value * (limit / norm.clamp(min=limit)) for name, value in sums.items()}
        for names, group in zip(self._groups, self.numbers["groups"], strict=True):
            for name in names:
                weight = self.weights[name].float()
                self.optimizer.update(weight, sums[name], self.state[name], group, self.numbers)
                self.weights[name].copy_(weight)

    # What is refused

    @property
    def _replicas(self) -> int:
        return int(self.options.values["replication"])

    @property
    def _pieces(self) -> int:
        options = self.options
        return (
            options.values["iterations"] * self._replicas * options.Training.values["accumulation"]
        )

    def _narrow(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        return [value.narrow(0, 0, len(value) // self._pieces) for value in inputs]

    def _check_inputs(self, inputs: tuple[Tensor, ...]) -> None:
        for value in inputs:
            assert isinstance(value, Tensor), "only tensors may change from call to call"
            assert len(value) % self._pieces == 0, (
                f"Invalid batch dimension: {len(value)} must be a multiple of {self._pieces}"
            )
            if value.dtype == torch.int64:
                raise Error("int64 does not fit the device; 32-bit integers do")

    def _validate(self, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs) != len(self._inputs):
            raise Error("Number of positional arguments mismatch")
        for now, compiled in zip(inputs, self._inputs, strict=True):
            if now.dtype != compiled.dtype:
                raise Error(f"Data type mismatch: expected {compiled.dtype}, got {now.dtype}")
            if now.shape != compiled.shape:
                raise Error(f"Shape mismatch: expected {compiled.shape}, got {now.shape}")

    def _check_pipeline(self, trace: Trace) -> None:
        strategy = self.options.values["strategy"]
        seen = list(dict.fromkeys(trace.blocks))
        known = {block: stage for stage in strategy.stages for block in stage.blocks}
        if strategy.stages:
            for block, _ in seen:
                assert block in known, f"Unknown Block '{block}'"
            order = [strategy.stages.index(known[block]) for block, _ in seen]
            if order != list(range(len(strategy.stages))):
                raise Error(f"the stages run in the order {order}, each must follow the last")
        ipus = {known[block].ipu_id if known else ipu for block, ipu in seen} or {0}
        number = len(ipus) * self._replicas
        if number & (number - 1) and not self.options.values["round"]:
            raise Error(f"the model uses {number} IPUs, which is not a power of 2")
        for ipu in self.options.values["memory"]:
            assert ipu <= max(ipus), f"IPU{ipu} is not used"
        stages = len(seen) or 1
        accumulation = self.options.Training.values["accumulation"]
        if self.training and stages > 1 and accumulation < 2 * stages - 1:
            raise Error(f"gradient accumulation {accumulation} for {2 * stages - 1} stages")
        if not self.training and self.options.values["iterations"] < stages:
            raise Error(f"device iterations must be at least the {stages} pipeline stages")
        if self.training and self.options.Training.values["automatic"]:
            if self.numbers["accum_type"] != torch.float16:
                raise Error("automatic loss scaling needs accum_type float16")
            if self.options.Training.values["reduction"] != ReductionType.Mean:
                raise Error("automatic loss scaling needs ReductionType.Mean")

    def _acquire(self) -> None:
        if DEVICE.holder is not None:
            raise Error("Failed to acquire IPUs: another model is attached")
        if not DEVICE.ipus and not self.options.values["model"]:
            raise Error("Failed to acquire IPUs: no IPU in this machine")
        DEVICE.holder, self.attached = self, True


def _several() -> bool:
    import popdist

    return popdist.isPopdistEnvSet() and popdist.getNumInstances() > 1


def _no_backward(*_: Any) -> None:
    raise RuntimeError("backward() cannot be called explicitly on outputs of a PopTorch model")
