"""What the vendor's own optimizers call."""

from habana_frameworks.torch import _engine


def _mark_step_if_lazy():
    if _engine.is_lazy():
        _engine.mark_step()
