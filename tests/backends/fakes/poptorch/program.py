"""From a model's Python to a graph, and its replay.

Compiling runs `forward` on tensors of the device `meta`: they have shapes and types but no
numbers, so nothing can be read, and code that asks for the device does not find a CPU. The
graph of forward and backward is then replayed with numbers; the Python never runs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from poptorch.enums import Error
from poptorch.ops import Trace

# What PopTorch's page of supported operations has, as the operators that PyTorch makes of it.
SUPPORTED = {
    "_log_softmax", "_softmax", "_to_copy", "_unsafe_view", "abs", "add", "addmm", "alias", "amax",
    "any", "arange", "argmax", "bernoulli_", "bitwise_and", "bitwise_not", "bitwise_or", "bmm",
    "cat", "clamp", "clamp_min", "clone", "cumsum", "detach", "div", "div_", "embedding",
    "empty_like", "eq", "exp", "expand", "fill_", "full", "full_like", "gather", "ge", "gelu",
    "gt", "index_select", "le", "log", "logical_and", "logical_or", "logsumexp", "lt",
    "masked_fill", "matmul", "max", "mean", "min", "mm", "mul", "native_dropout",
    "native_layer_norm", "ne", "neg", "new_ones", "new_zeros", "nll_loss_forward", "ones",
    "ones_like", "permute", "pow", "relu", "repeat", "reshape", "rsqrt", "scatter", "select",
    "sigmoid", "slice", "split", "sqrt", "squeeze", "stack", "sub", "sum", "t", "tanh",
    "transpose", "unbind", "unsqueeze", "view", "where", "zeros", "zeros_like",
}  # fmt: skip


class _Recorder(TorchDispatchMode):
    """Writes down every operator, and refuses what the engine cannot run."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.backward = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self.backward:
            self._check(func._schema.name.removeprefix("aten::"), args, kwargs)
        result = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, result))
        return result

    def _check(self, name: str, args: Any, kwargs: Any) -> None:
        for value in tree_flatten((args, kwargs))[0]:
            if isinstance(value, Tensor) and value.device.type != "meta":
                raise Error(f"{name}: expected an IPU tensor but found one on {value.device}")
        if name not in SUPPORTED:
            raise Error(f"operator {name} is not supported on IPUs")


class Program:
    """The operators of one micro-batch, forward and backward, ready to be replayed."""

    def __init__(
        self, calls: list[Any], names: Sequence[str], weights: Sequence[Tensor],
        inputs: Sequence[Tensor], outputs: Sequence[Tensor], gradients: Sequence[Tensor],
    ) -> None:  # fmt: skip
        self.calls, self.names, self.weights = calls, list(names), list(weights)
        self.inputs, self.outputs, self.gradients = list(inputs), list(outputs), list(gradients)

    def run(
        self, weights: dict[str, Tensor], inputs: Sequence[Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Outputs, and gradients by name, of one micro-batch."""
        known = dict(zip(map(id, self.weights), (weights[n] for n in self.names), strict=True))
        known |= dict(zip(map(id, self.inputs), inputs, strict=True))

        def real(value: Any) -> Any:
            if isinstance(value, Tensor):
                return known[id(value)]
            if isinstance(value, (list, tuple)):
                return [real(item) for item in value]
            return torch.device("cpu") if isinstance(value, torch.device) else value

        for func, args, kwargs, found in self.calls:
            result = func(*real(args), **{name: real(value) for name, value in kwargs.items()})
            if isinstance(found, Tensor):
                known[id(found)] = result
                continue
            for symbol, value in zip(found, result, strict=True):
                known[id(symbol)] = value
        outputs = [known[id(output)].clone() for output in self.outputs]
        gradients = {
            name: known[id(gradient)]
            for name, gradient in zip(self.names, self.gradients, strict=False)
        }
        return outputs, gradients


def record(model: nn.Module, inputs: Sequence[Tensor], trace: Trace, training: bool) -> Program:
    """Run the model's Python once, on tensors without numbers."""
    names = [name for name, _ in model.named_parameters()]
    weights = [
        weight.detach().to("meta").requires_grad_(training)
        for _, weight in model.named_parameters()
    ]
    empty = [value.to("meta") for value in inputs]
    gradients: Sequence[Tensor] = []
    with _Recorder() as recorder, torch.set_grad_enabled(training):
        found = functional_call(model, dict(zip(names, weights, strict=True)), tuple(empty))
        outputs = list(found) if isinstance(found, (tuple, list)) else [found]
        if training:
            if len(trace.losses) != 1:
                raise Error("Couldn't find a loss in graph!")
            loss = outputs[_place(outputs, trace.losses[0])]
            recorder.backward = True
            found = torch.autograd.grad(loss.reshape(()), weights, allow_unused=True)
            gradients = [
                torch.zeros_like(weight) if gradient is None else gradient
                for weight, gradient in zip(weights, found, strict=True)
            ]
    return Program(recorder.calls, names, weights, empty, outputs, gradients)


def _place(outputs: Sequence[Tensor], loss: Tensor) -> int:
    """Which output is the loss, or a view of it."""
    wanted = loss.untyped_storage()._cdata
    for number, output in enumerate(outputs):
        if output.untyped_storage()._cdata == wanted:
            return number
    raise Error("the loss marked by identity_loss is not among the outputs")
