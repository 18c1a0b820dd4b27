"""The device's module."""

import torch

from habana_frameworks.torch import _engine

_dynamic = {"on": True}


def enable_dynamic_shape():
    _dynamic["on"] = True


def disable_dynamic_shape():
    _dynamic["on"] = False


def synchronize():
    if _engine.is_lazy():
        torch._lazy.wait_device_ops()
