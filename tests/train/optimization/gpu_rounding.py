"""Makes Triton's interpreter round as GPUs do, and has PyTorch's update on a GPU as formulas.

The interpreter rounds products before it adds to them, and cuts float32 off where it makes
bfloat16 of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

_libm = ctypes.CDLL(None)
_libm.fmaf.restype = ctypes.c_float
_libm.fmaf.argtypes = [ctypes.c_float] * 3
_fmaf = np.frompyfunc(_libm.fmaf, 3, 1)


def as_gpus_do(monkeypatch) -> None:
    """Mend the interpreter; does nothing where kernels run on a GPU."""
    if torch.cuda.is_available():
        return
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    before = InterpreterBuilder.cast_impl

    def added(self, x, y, z):
        # The product is exact in 64 bits, and the sum has 11 bits more than float64.
        total = x.data.astype(np.longdouble) * y.data + z.data
        return TensorHandle(total.astype(np.float32), z.dtype.scalar)

    def cast(self, source, kind):
        if (source.dtype.scalar, kind.scalar) == (tl.float32, tl.bfloat16):
            half = torch.from_numpy(np.ascontiguousarray(source.data)).bfloat16()
            return TensorHandle(half.view(torch.uint16).numpy(), tl.bfloat16)
        return before(self, source, kind)

    monkeypatch.setattr(InterpreterBuilder, "create_fma", added)
    monkeypatch.setattr(InterpreterBuilder, "cast_impl", cast)


def update(
    weight: Tensor,
    gradient: Tensor,
    state: Mapping[str, Tensor],
    group: Mapping[str, float | tuple[float, float]],
    divisor: Tensor | None = None,
) -> None:
    """PyTorch's fused AdamW for CUDA, in place, on a CPU: what its machine code computes.

    (ATen/native/cuda/fused_adam_utils.cuh; the decay is one operation for sm_90.) Every number is
    float32 and every result is rounded; products and sums in one operation are C's fmaf.
    """
    state["step"].add_(1)
    beta1, beta2 = (np.float32(beta) for beta in group["betas"])
    rate, decay, epsilon = (np.float32(group[name]) for name in ("lr", "weight_decay", "eps"))
    powers = [1 - torch.tensor(float(beta)) ** state["step"] for beta in (beta1, beta2)]
    size = rate / powers[0].numpy()
    value, first, second = (
        tensor.detach().numpy() for tensor in (weight, state["exp_avg"], state["exp_avg_sq"])
    )
    change = gradient.float().numpy()
    if divisor is not None:
        change = change / divisor.numpy()
    if decay:
        value[...] = fused(value, -(rate * decay), value)
    square = change * change
    first[...] = fused(beta1, first, fused(-beta1, change, change))
    second[...] = fused(beta2, second, fused(-beta2, square, square))
    root = np.sqrt(second) / powers[1].sqrt().numpy() + epsilon
    value -= size * first / root
    assert value.dtype == first.dtype == root.dtype == np.float32


def fused(*factors_and_summand: np.ndarray | np.float32) -> np.ndarray:
    """x y + z, rounded once."""
    return _fmaf(*factors_and_summand).astype(np.float32)


def by_formulas(optimizer: torch.optim.Optimizer, left_out: Tensor, divisor: Tensor | None) -> None:
    """A step of AdamW with the gradients that weights have, as on a GPU."""
    if bool(left_out):
        return
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = optimizer.state[weight]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(weight) for _ in "12")
            update(weight, weight.grad, state, group, divisor)


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether tensors have the same bits."""
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a.view(torch.int32), b.view(torch.int32)) for a, b in pairs)
