"""Importing this opens the device, in the mode that the environment says then."""

from habana_frameworks.torch import _engine

_engine.open_device()

from habana_frameworks.torch import core, hpu  # noqa: E402, F401
