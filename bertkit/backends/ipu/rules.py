"""Reports settings that IPUs do not support, before anything is compiled.

The engine refuses most of this itself, but after minutes of compiling and one thing at a
time. Sources: PopTorch's user guide (pipelined execution, batching, number of IPUs), its
optimizers, and for settings in the TensorFlow 2 form Graphcore's TensorFlow 2 BERT.
"""

from __future__ import annotations

from bertkit.backends.base import Caps, OptimizerSpec, Problem, StepPlan, StepShape
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.pipeline import Pipeline, make_pipeline, pipeline_problems
from bertkit.backends.torch.step import setting_problems
from bertkit.train.optimization.lamb import LAMB_VARIANTS


def problems(caps: Caps, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
    """Every setting that is not supported, all at once."""
    options = plan.options or IpuOptions()
    found = setting_problems(caps, plan, optimizer)
    found += _engine_problems(options, plan)
    if plan.training:
        found += _optimizer_problems(options, plan, optimizer)
    if plan.model is None:
        return found
    cut = options.embedding_serialization
    if plan.model.vocab_size % cut:
        text = (
            f"ipu.embedding_serialization {cut} does not divide model.vocab_size"
            f" {plan.model.vocab_size}"
        )
        found.append(Problem("ipu.embedding_serialization", text))
    layout = pipeline_problems(options, plan.model.num_hidden_layers)
    if layout:
        return found + layout
    return found + _placement_problems(options, plan)


def accumulation(options: IpuOptions, shape: StepShape) -> int:
    """Micro-batches that each replica accumulates in a step; packed rows need fewer."""
    each = shape.accumulation // options.replicas
    return max(1, -int(-each // options.packing_factor))


def half_accumulation(options: IpuOptions, precision: str) -> bool:
    """Whether gradients are added up in fp16."""
    kind = precision if options.accumulation == "auto" else options.accumulation
    return kind == "fp16"


def automatic_loss_scale(options: IpuOptions, plan: StepPlan) -> bool:
    """Whether the engine finds the loss scale: asked for, or no constant is given."""
    return plan.precision == "fp16" and (options.automatic_loss_scaling or not plan.loss_scale)


def _engine_problems(options: IpuOptions, plan: StepPlan) -> list[Problem]:
    found = []
    if options.device_iterations != 1:
        text = (
            f"ipu.device_iterations {options.device_iterations}: the learning rate changes with"
            " every step, so a call trains one step; use 1"
        )
        found.append(Problem("ipu.device_iterations", text))
    if options.simulator and options.compile_only:
        text = (
            "ipu.compile_only compiles for a real IPU, not for ipu.simulator; choose one of the two"
        )
        found.append(Problem("ipu.compile_only", text))
    if options.compile_only and not plan.training:
        text = "ipu.compile_only compiles the training step; this command trains nothing"
        found.append(Problem("ipu.compile_only", text))
    if options.packing_factor > 1 and plan.layout != "packed":
        text = f"ipu.packing_factor {options.packing_factor:g} needs --layout packed"
        found.append(Problem("ipu.packing_factor", text))
    return found


def _optimizer_problems(
    options: IpuOptions, plan: StepPlan, optimizer: OptimizerSpec
) -> list[Problem]:
    found = []
    if optimizer.name in LAMB_VARIANTS and plan.max_grad_norm > 0:
        text = (
            f"--max-grad-norm {plan.max_grad_norm:g} with --optimizer {optimizer.name}: PopTorch's"
            " LAMB cannot clip gradients; set it to 0, or use adamw"
        )
        found.append(Problem("--max-grad-norm", text))
    if plan.clip == "before" and plan.max_grad_norm:
        text = "--clip before: the engine clips the sum of all replicas; use --clip after"
        found.append(Problem("--clip", text))
    if options.automatic_loss_scaling and plan.precision != "fp16":
        text = f"ipu.automatic_loss_scaling needs --precision fp16, not {plan.precision}"
        found.append(Problem("ipu.automatic_loss_scaling", text))
    if automatic_loss_scale(options, plan) and not half_accumulation(options, plan.precision):
        text = (
            "ipu.accumulation fp32: finding the loss scale needs gradients added up in fp16;"
            " give a constant --loss-scale, or ipu.accumulation fp16"
        )
        found.append(Problem("ipu.accumulation", text))
    return found


def _placement_problems(options: IpuOptions, plan: StepPlan) -> list[Problem]:
    assert plan.model is not None
    pipeline = make_pipeline(options, plan.model.num_hidden_layers)
    found = _memory_problems(options, pipeline)
    number = pipeline.ipus * options.replicas
    if number & (number - 1) and not options.auto_round:
        text = (
            f"{pipeline.ipus} IPUs x {options.replicas} replicas = {number} IPUs, but IPUs are"
            " allocated in powers of two; change ipu.layers_per_ipu or ipu.replicas, or set"
            " ipu.auto_round"
        )
        found.append(Problem("ipu.replicas", text))
    wanted, stages = options.inference_device_iterations, len(pipeline.stages)
    if 0 < wanted < stages:
        text = (
            f"ipu.inference_device_iterations {wanted} is less than the {stages} pipeline stages,"
            " so the pipeline would never be full; use 0"
        )
        found.append(Problem("ipu.inference_device_iterations", text))
    if plan.training and plan.shape is not None:
        found += _step_problems(options, plan.shape, pipeline)
    return found


def _memory_problems(options: IpuOptions, pipeline: Pipeline) -> list[Problem]:
    given, flag = list(options.memory_proportion), "ipu.memory_proportion"
    found = []
    if len(given) not in (0, 1, pipeline.ipus):
        text = f"{flag} has {len(given)} numbers for {pipeline.ipus} IPUs; give one, or one each"
        found.append(Problem(flag, text))
    if any(not 0 < value <= 1 for value in given):
        found.append(Problem(flag, f"{flag} {given}: fractions must be above 0 and at most 1"))
    return found


def _step_problems(options: IpuOptions, shape: StepShape, pipeline: Pipeline) -> list[Problem]:
    found = []
    if shape.accumulation % options.replicas:
        text = (
            f"{shape.accumulation} micro-batches per step cannot be divided over ipu.replicas"
            f" {options.replicas}; change --global-batch-size or --micro-batch-size"
        )
        return [Problem("ipu.replicas", text)]
    each, stages = accumulation(options, shape), len(pipeline.stages)
    if each < pipeline.least_accumulation:
        text = (
            f"{each} micro-batches per replica and step do not fill a pipeline of {stages} stages,"
            f" which needs {pipeline.least_accumulation}; raise --global-batch-size or lower"
            " --micro-batch-size"
        )
        found.append(Problem("--micro-batch-size", text))
    if options.replicated_tensor_sharding and options.replicas * shape.world == 1:
        text = "ipu.replicated_tensor_sharding needs more than one replica"
        found.append(Problem("ipu.replicated_tensor_sharding", text))
    if options.pipeline_stages:
        found += _tensorflow_problems(options, each, stages)
    return found


def _tensorflow_problems(options: IpuOptions, each: int, stages: int) -> list[Problem]:
    """Limits of the TensorFlow 2 programs: a run in their form should run there too."""
    found = []
    if stages > 1 and each % (2 * stages):
        text = (
            f"{each} micro-batches per replica and step are not a multiple of twice the {stages}"
            " entries of ipu.pipeline_stages (their grouped schedule)"
        )
        found.append(Problem("--micro-batch-size", text))
    return found
