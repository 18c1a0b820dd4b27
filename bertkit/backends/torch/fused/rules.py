"""Says which runs cannot be computed with the kernels of `bertkit.model.fused`, and why."""

from __future__ import annotations

import torch

from bertkit.backends.base import Problem, StepPlan
from bertkit.errors import BertkitError
from bertkit.model.config import BertConfig
from bertkit.model.fused.dispatch import gpu_has_fp8, gpu_has_kernels, what_does_not_fit

_FP8_WIDTHS = 16  # that matrices of 8 bits are multiples of
_LONGEST = 128  # rows of a sequence that is tried


def against_fused(plan: StepPlan) -> list[Problem]:
    """Settings that `cuda.fused` and `cuda.fp8`, which brings it along, do not go with."""
    fused, fp8 = getattr(plan.options, "fused", None), getattr(plan.options, "fp8", False)
    if not (fused or fp8):
        return []
    name = "cuda.fp8" if fp8 else "cuda.fused"
    way = "leave it out"
    if fp8 and fused is False:
        reason: str | None = "goes with cuda.fused, which is false"
    else:
        reason = _against_kernels(plan) or (_against_fp8(plan) if fp8 else None)
    if not reason and plan.masks:
        reason = f"has no kernels for the masks that layers get with --layout {plan.layout}"
        way = "leave one of them out"
    return [Problem(name, f"{name} {reason}; {way}")] if reason else []


def _against_kernels(plan: StepPlan) -> str | None:
    """Why no layer of a run would use the kernels."""
    shape, misfit = plan.model, None
    if shape:
        size = shape.hidden_size // shape.num_attention_heads
        misfit = what_does_not_fit(size, shape.hidden_act)
    if plan.precision != "bf16":
        return (
            "is for --precision bf16, in which layers compute with half precision copies of the"
            " weights"
        )
    if misfit:
        return f"has no kernels for {misfit}"
    if torch.cuda.is_available() and not gpu_has_kernels():
        return "needs one of NVIDIA's GPUs since Ampere (A100) and the package triton"
    return None


def _against_fp8(plan: StepPlan) -> str | None:
    """Why layers with kernels would not multiply in 8 bits."""
    # The hidden size is one anyway: so are the heads that have kernels.
    if plan.model and plan.model.intermediate_size % _FP8_WIDTHS:
        return f"needs an intermediate_size that is a multiple of {_FP8_WIDTHS}"
    if torch.cuda.is_available() and not gpu_has_fp8():
        return "needs one of NVIDIA's GPUs since Ada and Hopper (L40, H100)"
    return None


def require_fp8(
    model: BertConfig, device: torch.device, kind: torch.dtype = torch.bfloat16
) -> None:
    """Check that a layer's products in 8 bits are right on a device.

    Args:
        model: its sizes.
        device: of the kernels.
        kind: half precision.

    Raises:
        BertkitError: they are not, or the device, its driver or PyTorch cannot make them.
    """
    from bertkit.backends.torch.fused.trial import Case, what_is_wrong_with

    case = Case.of(
        model, rows=4 * _LONGEST, longest=_LONGEST, compiled=False, dynamic=True, fp8=True
    )
    hint = "leave out cuda.fp8"
    try:
        wrong = what_is_wrong_with(case.layer().to(device, kind), case.odd_layout().to(device))
    except RuntimeError as error:
        said = str(error).strip().partition("\n")[0]
        text = (
            f"cuda.fp8: this GPU does not multiply in 8 bits with torch {torch.__version__}: {said}"
        )
        raise BertkitError(text, hint) from error
    if wrong:
        raise BertkitError(f"cuda.fp8: on this GPU {wrong}", hint)
