"""Starts Triton kernels without Triton's look at every argument, which takes longer than they do.

Triton compiles a kernel anew for types of arguments, constants, and numbers that are 1 or
divide by 16. Kernels here are declared so that their numbers make no difference, and their
tensors begin at multiples of 16 bytes; then one compiled form serves all calls that
have the same constants.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Kernel:
    """A kernel and its compiled forms.

    Args:
        function: made by `triton.jit`; its constants come last. Numbers among its other
            arguments must be named in `do_not_specialize`.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def launch(
        self,
        programs: tuple[int, int, int],
        arguments: tuple[Tensor | float, ...],
        constants: dict[str, Any],
        warps: int,
        stages: int = 2,
    ) -> None:
        """Start so many programs.

        Args:
            programs: in each of three directions.
            arguments: all but the constants; tensors, all on one GPU, and numbers.
            constants: in the order of the function.
            warps: of 32 threads, per program.
            stages: of loads ahead in loops.
        """
        values = tuple(constants.values())
        tensors = [item for item in arguments if isinstance(item, Tensor)]
        kinds = tuple(item.dtype for item in tensors)
        key = (tensors[0].device, kinds, warps, stages, values)
        compiled = self._compiled.get(key)
        if compiled is not None:
            compiled[programs](*arguments, *values)
            return
        # Products are added to sums in one operation; Triton 3.10 does that only where it is told.
        # Triton's interpreter, which runs on CPUs, returns nothing.
        compiled = self._function[programs](
            *arguments, **constants, num_warps=warps, num_stages=stages, enable_fp_fusion=True
        )
        if compiled is not None:
            self._compiled[key] = compiled
