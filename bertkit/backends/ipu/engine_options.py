"""Builds PopTorch's options for training and for inference from the settings.

The engine freezes options when a model takes them, so each model gets its own.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch

from bertkit import log
from bertkit.backends.base import StepPlan
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import Pipeline
from bertkit.backends.ipu.rules import accumulation, automatic_loss_scale

# PopART's SyntheticDataMode.RandomNormal: the device makes up its inputs.
_RANDOM_NORMAL = 2


def poptorch() -> Any:
    """The engine; imported when it is used, because it takes seconds and a whole SDK."""
    return importlib.import_module("poptorch")


def training_options(
    options: IpuOptions, plan: StepPlan, pipeline: Pipeline, several: bool = False
) -> Any:
    """Options of a model that trains; one call makes one step.

    Args:
        options: the backend's settings.
        plan: of the step; its shape is known.
        pipeline: of the model.
        several: poprun started several processes and decides the replicas.
    """
    assert plan.shape is not None
    engine = poptorch()
    made = _common(options, plan, pipeline, several)
    made.deviceIterations(1)
    made.Training.gradientAccumulation(accumulation(options, plan.shape))
    # Finding the loss scale needs the mean; losses are multiplied by the number of
    # micro-batches instead, see `IpuStepper`.
    made.Training.accumulationAndReplicationReductionType(engine.ReductionType.Mean)
    if automatic_loss_scale(options, plan):
        made.Training.setAutomaticLossScaling(True)
    made.outputMode(engine.OutputMode.Sum)
    made.randomSeed(plan.seed)
    place = engine.TensorLocationSettings().useOnChipStorage(not options.optimizer_state_offchip)
    place.useReplicatedTensorSharding(options.replicated_tensor_sharding)
    made.TensorLocations.setOptimizerLocation(place)
    if plan.precision == "fp16":
        made.Precision.enableStochasticRounding(options.stochastic_rounding)
    return made


def inference_options(
    options: IpuOptions, plan: StepPlan, pipeline: Pipeline, several: bool = False
) -> Any:
    """Options of a model that evaluates or answers; arguments as in `training_options`."""
    made = _common(options, plan, pipeline, several)
    made.deviceIterations(inference_iterations(options, pipeline))
    made.outputMode(poptorch().OutputMode.All)
    return made


def inference_iterations(options: IpuOptions, pipeline: Pipeline) -> int:
    """Batches of one call per replica: at least as many as stages, to fill the pipeline."""
    return options.inference_device_iterations or len(pipeline.stages)


def _common(options: IpuOptions, plan: StepPlan, pipeline: Pipeline, several: bool) -> Any:
    engine = poptorch()
    if several:
        popdist = importlib.import_module("popdist.poptorch")
        made = popdist.Options(ipus_per_replica=pipeline.ipus)
    else:
        made = engine.Options()
        made.replicationFactor(options.replicas)
    made.autoRoundNumIPUs(options.auto_round)
    made.showCompilationProgressBar(log.bars_wanted())
    stages = [engine.Stage(stage.name).ipu(stage.ipu) for stage in pipeline.stages]
    made.setExecutionStrategy(engine.PipelinedExecution(*stages))
    shares = list(options.memory_proportion)
    if shares:
        each = shares * pipeline.ipus if len(shares) == 1 else shares
        made.setAvailableMemoryProportion({f"IPU{n}": share for n, share in enumerate(each)})
    if plan.precision == "fp16" and options.half_partials:
        made.Precision.setPartialsType(torch.float16)
    if options.executable_cache:
        made.enableExecutableCaching(options.executable_cache)
    if options.synthetic_data:
        made.enableSyntheticData(_RANDOM_NORMAL)
    if options.simulator:
        made.useIpuModel(True)
    if options.compile_only:
        made.useOfflineIpuTarget()
    return made
