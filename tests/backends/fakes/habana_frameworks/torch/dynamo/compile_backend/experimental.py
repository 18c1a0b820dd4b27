"""Switches of compile mode."""

from habana_frameworks.torch import _engine


def enable_compiled_autograd():
    assert not _engine.is_lazy(), "compiled autograd is for PT_HPU_LAZY_MODE=0"
    _engine.SWITCHES.add("compiled autograd")
