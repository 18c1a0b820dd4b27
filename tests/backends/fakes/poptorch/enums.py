from __future__ import annotations

import enum


class Error(Exception):
    """poptorch.Error."""


class OutputMode(enum.Enum):
    Final = 0
    EveryN = 1
    All = 2
    Sum = 3
    Default = 4


class ReductionType(enum.Enum):
    Sum = 0
    Mean = 1
    NoReduction = 2


class AutoStage(enum.Enum):
    SameAsIpu = 0
    AutoIncrement = 1


class ConnectionType(enum.Enum):
    Always = 0
    OnDemand = 1
    Never = 2


class MatMulSerializationMode(enum.Enum):
    InputChannels = "input_channels"
    ReducingDim = "reducing_dim"
    OutputChannels = "output_channels"
    Disabled = "none"
