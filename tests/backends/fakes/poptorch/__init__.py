"""A stand-in for Graphcore's PopTorch 3.4 that refuses what PopTorch refuses.

Names, argument checks and kinds of errors are those of PopTorch's Python layer and user
guide. Its engine is PyTorch on the CPU, behind the same contract: the model's Python runs
when it is compiled, on tensors without numbers, and the graph found there is replayed; a
call computes forward, backward and update; weights, optimizer and random numbers live on
the "device" and reach the host only when they are fetched.
"""

from __future__ import annotations

from poptorch import optim
from poptorch.device import DEVICE
from poptorch.enums import (
    AutoStage,
    ConnectionType,
    Error,
    MatMulSerializationMode,
    OutputMode,
    ReductionType,
)
from poptorch.executor import PoplarExecutor, inferenceModel, trainingModel
from poptorch.ops import (
    BeginBlock,
    identity_loss,
    recomputationCheckpoint,
    removeBlocks,
    serializedMatMul,
)
from poptorch.options import Options, PipelinedExecution, Stage, TensorLocationSettings

__all__ = [
    "DEVICE", "AutoStage", "BeginBlock", "ConnectionType", "Error", "MatMulSerializationMode",
    "Options", "OutputMode", "PipelinedExecution", "PoplarExecutor", "ReductionType", "Stage",
    "TensorLocationSettings", "identity_loss", "inferenceModel", "optim",
    "recomputationCheckpoint", "removeBlocks", "serializedMatMul", "trainingModel",
]  # fmt: skip


def ipuHardwareIsAvailable() -> bool:
    return DEVICE.ipus > 0


def ipuHardwareVersion() -> int:
    return 2
