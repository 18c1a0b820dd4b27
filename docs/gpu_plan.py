"""Plans training on several GPUs: a small model of the time of a step, and the tables of docs/gpus.md.

Run: python docs/gpu_plan.py [--peak 871e12] [--inside 360e9] [--between 320e9 40e9]

The model takes what was measured on one GPU and adds what several must do beside it.
`docs/generate.py` writes the tables between the two comments of the page.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.configuration import config as configuration
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig

PAGE = Path(__file__).with_name("gpus.md")
PLACE = re.compile(r"(?<=<!-- plan: made by `make docs` -->\n).*?(?=<!-- end -->)", re.S)
LENGTHS = Path(__file__).parents[1] / "benchmarks" / "wikipedia_lengths.json"
PER_NODE = 8
PREDICTIONS = {128: 20, 512: 76}
# What DistributedDataParallel puts into one exchange; the table of words comes last, by itself.
BUCKET = 25 * 2**20


@dataclass(frozen=True)
class Machine:
    """GPUs and what connects them.

    Attributes:
        peak: measured operations per second of large matrix products of a GPU.
        memory: bytes per second of its memory.
        inside: bytes per second that each GPU sends to others of its node, measured on long messages.
        between: bytes per second that a node sends to others.
        latency: seconds of an exchange of nothing, for each doubling of the processes.
    """

    peak: float = 871e12
    memory: float = 2.8e12
    inside: float = 360e9
    between: float = 320e9
    latency: float = 15e-6


@dataclass(frozen=True)
class Work:
    """What one GPU does in a step.

    Attributes:
        model: its sizes.
        length: tokens of a record, padding included.
        sequences: of the step, on this GPU.
        passes: forward and backward passes that they are cut into.
        share: of the peak that a large pass reaches on one GPU.
        host: seconds that the host needs to start the kernels of a pass; no pass is shorter.
        half: gradients travel in bf16.
        shard: the optimizer's state is sharded.
        clip_before: gradients are clipped before they travel, so that none can travel early.
    """

    model: BertConfig
    length: int
    sequences: int
    passes: int = 1
    share: float = 0.44
    host: float = 0.0
    half: bool = False
    shard: bool = False
    clip_before: bool = False


@dataclass(frozen=True)
class Step:
    """Seconds of one optimizer step.

    Attributes:
        compute: of the passes, on average over the GPUs.
        waiting: for the GPU whose sequences are longest.
        exchange: of gradients (and, where the state is sharded, of weights), by itself.
        exposed: what of it does not happen during the last backward pass.
        update: of the optimizer, with norms and copies of the weights.
    """

    compute: float
    waiting: float
    exchange: float
    exposed: float
    update: float

    @property
    def seconds(self) -> float:
        """Of the whole step."""
        return self.compute + self.waiting + self.exposed + self.update


def step(work: Work, gpus: int, machine: Machine | None = None) -> Step:
    """The time of a step on so many GPUs.

    Gradients go round rings: of G bytes each GPU of n sends 2 (n - 1) / n G, half of it to
    add up and half to tell the sum; nodes do the same among each other, at the same time.
    They travel while the last backward pass, two thirds of it, goes on; those of the words'
    table only after it.
    """
    machine = machine or Machine()
    mean, deviation = operations(work.model, work.length)
    speed = work.share * machine.peak
    compute = max(work.sequences * mean / speed, work.passes * work.host)
    waiting = longest(gpus) * math.sqrt(work.sequences) * deviation / speed
    count = work.model.parameter_count()
    gradients = travel((2 if work.half else 4) * count, gpus, machine)
    weights = 0.0
    if work.shard:
        gradients, weights = gradients / 2, travel(4 * count, gpus, machine) / 2
    last = work.model.vocab_size * work.model.hidden_size / count
    hidden = 0.0 if work.clip_before else 2 / 3 * compute / work.passes
    exposed = max(gradients - hidden, last * gradients) + weights
    # Bytes for each number: AdamW 28 and its norm, clipping and half precision copies 18.
    own = 28 / (gpus if work.shard else 1) + 18
    return Step(compute, waiting, gradients + weights, exposed, own * count / machine.memory)


def travel(size: float, gpus: int, machine: Machine) -> float:
    """Seconds until all GPUs have the sum of `size` bytes of each."""
    if gpus == 1:
        return 0.0
    node = min(gpus, PER_NODE)
    nodes = math.ceil(gpus / PER_NODE)
    inside = 2 * (node - 1) / node * size / machine.inside
    between = 2 * (nodes - 1) / nodes * size / machine.between
    calls = math.ceil(size / BUCKET)
    return max(inside, between) + calls * machine.latency * math.log2(gpus)


def longest(gpus: int) -> float:
    """By how many standard deviations the largest of some normal numbers is above the mean (Blom)."""
    return statistics.NormalDist().inv_cdf((gpus - 0.375) / (gpus + 0.25))


def operations(model: BertConfig, length: int) -> tuple[float, float]:
    """Mean and standard deviation of the operations for one sequence of Wikipedia's lengths."""
    histogram = json.loads(LENGTHS.read_text(encoding="utf-8"))["wikipedia_512"]
    total = sum(histogram)
    found = []
    for number, count in enumerate(histogram, 1):
        tokens = min(number, length)
        masked = min(PREDICTIONS[length], max(1, round(0.15 * tokens)))
        found.append((count / total, model.training_flops(tokens, tokens**2, masked, 1)))
    mean = sum(share * value for share, value in found)
    return mean, math.sqrt(sum(share * (value - mean) ** 2 for share, value in found))


BASE = BertConfig(vocab_size=30528)
LARGE = replace(
    BASE,
    hidden_size=1024,
    num_hidden_layers=24,
    num_attention_heads=16,
    intermediate_size=4096,
)
# One pass on an H100, compiled: shares as in benchmarks/RESULTS.md, without the update.
CASES = {
    "base, 128 tokens": Work(BASE, 128, 1024, share=0.42, host=0.046),
    "base, 512 tokens": Work(BASE, 512, 128, share=0.35, host=0.046),
    "large, 128 tokens": Work(LARGE, 128, 512, share=0.45, host=0.093),
    "large, 512 tokens": Work(LARGE, 512, 128, share=0.45, host=0.093),
}
PRESETS = {  # of which case, per pass
    "base-phase1": "base, 128 tokens",
    "base-phase2": "base, 512 tokens",
    "large-phase1": "large, 128 tokens",
    "large-phase2": "large, 512 tokens",
    "mlperf": "large, 512 tokens",
}


def tables(machine: Machine, slow: float) -> str:
    """Both tables.

    Args:
        machine: with the faster connection between nodes.
        slow: bytes per second of the slower one.
    """
    poor = replace(machine, between=slow)
    ways = [
        ("1", 1, machine, {}),
        ("8", 8, machine, {}),
        ("64", 64, machine, {}),
        ("64, slow network", 64, poor, {}),
        ("64, slow network, bf16 gradients", 64, poor, {"half": True}),
    ]
    rows = ["| one pass per step | GPUs | compute | waiting | exchange, not hidden | update | step | sequences/s | per GPU |"]
    for name, work in CASES.items():
        alone = work.sequences / step(work, 1, machine).seconds
        for title, gpus, where, more in ways:
            found = step(replace(work, **more), gpus, where)
            rate = gpus * work.sequences / found.seconds
            times = (found.compute, found.waiting, found.exchange, found.exposed, found.update)
            compute, waiting, exchange, exposed, update = (f"{1e3 * value:.1f}" for value in times)
            rows.append(
                f"| {name}, {work.sequences} | {title} | {compute} | {waiting} | {exchange}, {exposed} |"
                f" {update} | {1e3 * found.seconds:.0f} | {rate:,.0f} | {rate / gpus / alone:.0%} |"
            )
    return f"{_lined(rows)}\n\n{_lined(_of_presets(machine, poor))}\n"


def _of_presets(machine: Machine, poor: Machine) -> Iterable[str]:
    yield "| preset | steps of | 1 GPU | 8 GPUs | 64 GPUs | 64, slow network |"
    for preset, case in PRESETS.items():
        given = {"input": ["records"], "eval_input": ["records"], "output": "run"}
        layers = [configuration.preset_layer(preset), configuration.Layer("plan", given)]
        config = configuration.resolve(PretrainConfig, layers).config
        cells = []
        for gpus, where in ((1, machine), (8, machine), (64, machine), (64, poor)):
            own = config.global_batch_size // gpus
            work = replace(
                CASES[case],
                sequences=own,
                passes=math.ceil(own / CASES[case].sequences),
                clip_before=config.clip == "before",
            )
            hours = config.max_steps * step(work, gpus, where).seconds / 3600
            cells.append(f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.0f} min")
        yield (
            f"| `{preset}` | {config.max_steps:,} x {config.global_batch_size:,} | "
            f"{' | '.join(cells)} |"
        )


def _lined(rows: Iterable[str]) -> str:
    head, *rest = rows
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *rest])


def page() -> str:
    """The page with new tables."""
    made = tables(Machine(), 11e9)
    return PLACE.sub(lambda _: f"\n{made}\n", PAGE.read_text(encoding="utf-8"))


def main() -> None:
    """Print the tables for other numbers."""
    plain = Machine()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak", type=float, default=plain.peak, help="operations per second")
    parser.add_argument("--memory", type=float, default=plain.memory, help="bytes per second")
    parser.add_argument("--inside", type=float, default=plain.inside, help="bytes per second")
    parser.add_argument(
        "--between", type=float, nargs=2, default=(plain.between, 11e9), help="of a node, fast and slow"
    )
    given = parser.parse_args()
    machine = Machine(given.peak, given.memory, given.inside, given.between[0])
    print(tables(machine, given.between[1]))


if __name__ == "__main__":
    main()
