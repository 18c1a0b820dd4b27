"""Lazy mode's step mark, and what inference needs."""

import warnings

from habana_frameworks.torch import _engine
from habana_frameworks.torch.core import step_closure  # noqa: F401


def mark_step(device_str="", sync=False):
    if not _engine.is_lazy():
        warnings.warn("mark_step does nothing outside lazy mode", stacklevel=2)
        return
    _engine.mark_step()


def hpu_initialize(model=None, mark_only_scales_as_const=False):
    """Weights become constants, so the model must not train any more."""
    assert model is not None and not model.training, "hpu_initialize is for inference"
    _engine.require_device(model.parameters(), "hpu_initialize")
    _engine.LOG.initialised += 1
