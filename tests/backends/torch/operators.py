"""Counts the operators that PyTorch is asked for: about one kernel each on a GPU."""

from __future__ import annotations

import collections

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):
    """While it is on, `counts` grows by the operators' names."""

    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()

    def __torch_dispatch__(self, operator, types, arguments=(), words=None):
        self.counts[operator.overloadpacket.__name__] += 1
        return operator(*arguments, **(words or {}))
