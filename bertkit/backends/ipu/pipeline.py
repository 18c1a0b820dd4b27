"""Divides the model into pipeline stages, and says which part runs on which IPU.

The model is a pipeline: stage after stage, each on one IPU. Embeddings and heads share a
matrix, so they share an IPU, and a pipeline over several IPUs ends where it began.
"""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.backends.base import Problem
from bertkit.backends.ipu.options import IpuOptions

# Names of model parts in the settings of Graphcore's TensorFlow 2 programs.
# `pool` may stand with the last layers, as in their files; it is computed with the heads, which
# changes no result.
_HEADS = {"heads", "qa_head", "glue_head"}
_PARTS = {"emb", "hid", "enc_out", "pool", *_HEADS}


@dataclass(frozen=True)
class Stage:
    """A range of the model's blocks on one IPU.

    Attributes:
        name: for the engine.
        ipu: number within a replica.
        layers: of the encoder.
        heads: the stage computes the heads (the first one always computes the embeddings).
    """

    name: str
    ipu: int
    layers: int
    heads: bool = False


@dataclass(frozen=True)
class Pipeline:
    """The stages of a model, in order.

    Attributes:
        stages: the first has the embeddings, the last the heads.
        ipus: of one replica.
    """

    stages: tuple[Stage, ...]
    ipus: int

    @property
    def least_accumulation(self) -> int:
        """Micro-batches that a training step needs: one per forward and backward stage.

        The last stage goes forward and backward at once (PopTorch user guide, pipelined
        execution).
        """
        return 2 * len(self.stages) - 1


def make_pipeline(options: IpuOptions, layers: int) -> Pipeline:
    """The stages that the settings ask for; they must have no `pipeline_problems`.

    Args:
        options: `pipeline_stages` and `device_mapping`, or `layers_per_ipu`.
        layers: of the encoder.
    """
    if options.pipeline_stages:
        mapping = _mapping(options)
        parts = [text.split() for text in options.pipeline_stages]
        last = len(parts) - 1
        stages = [
            Stage(f"stage{number}", ipu, names.count("hid"), number == last)
            for number, (names, ipu) in enumerate(zip(parts, mapping, strict=True))
        ]
        return Pipeline(tuple(stages), max(options.ipus_per_replica, max(mapping) + 1))
    return _from_counts(_counts(options, layers), options.ipus_per_replica)


def pipeline_problems(options: IpuOptions, layers: int) -> list[Problem]:
    """What keeps the settings from being a pipeline of so many layers."""
    if options.pipeline_stages:
        return _stage_problems(options, layers)
    counts = _counts(options, layers)
    found = []
    if sum(counts) != layers:
        found.append(
            Problem(
                "ipu.layers_per_ipu",
                f"ipu.layers_per_ipu {counts} places {sum(counts)} layers, the model has {layers}",
            )
        )
    if 0 < options.ipus_per_replica < len(counts):
        found.append(
            Problem(
                "ipu.ipus_per_replica",
                f"ipu.ipus_per_replica {options.ipus_per_replica} is less than the {len(counts)}"
                " IPUs of ipu.layers_per_ipu",
            )
        )
    return found


def _counts(options: IpuOptions, layers: int) -> list[int]:
    """Layers on each IPU; one number is for every IPU."""
    given = list(options.layers_per_ipu)
    if not given:
        return [layers]
    if len(given) == 1 and 0 < given[0] < layers and layers % given[0] == 0:
        return given * (layers // given[0])
    return given


def _from_counts(counts: list[int], at_least: int) -> Pipeline:
    placed = [(ipu, count) for ipu, count in enumerate(counts) if ipu == 0 or count]
    single = len(placed) == 1
    stages = [
        Stage(f"stage{number}", ipu, count, heads=single)
        for number, (ipu, count) in enumerate(placed)
    ]
    if not single:
        stages.append(Stage(f"stage{len(stages)}", 0, 0, heads=True))
    return Pipeline(tuple(stages), max(at_least, len(counts)))


def _mapping(options: IpuOptions) -> list[int]:
    return list(options.device_mapping) or list(range(len(options.pipeline_stages)))


def _stage_problems(options: IpuOptions, layers: int) -> list[Problem]:
    """The rules of the TensorFlow 2 form, whose parts PopTorch places in the same way."""
    parts = [text.split() for text in options.pipeline_stages]
    mapping = _mapping(options)
    flag = "ipu.pipeline_stages"
    texts = []
    unknown = sorted({name for names in parts for name in names} - _PARTS)
    if unknown:
        texts.append(f"unknown parts {', '.join(unknown)}; there are {', '.join(sorted(_PARTS))}")
    count = sum(names.count("hid") for names in parts)
    if count != layers:
        texts.append(f"{count} times hid, the model has {layers} layers")
    if "emb" not in parts[0]:
        texts.append("emb must be in the first stage")
    if any(set(names) & _HEADS for names in parts[:-1]) or not set(parts[-1]) & _HEADS:
        texts.append("the heads must be in the last stage, and only there")
    encoder = [number for number, names in enumerate(parts) if "hid" in names]
    if any("pool" in names for names in parts[: max(encoder, default=0)]):
        texts.append("pool must come after the last hid")
    found = [Problem(flag, f"{flag}: {text}") for text in texts]
    flag = "ipu.device_mapping"
    if options.layers_per_ipu:
        found.append(Problem(flag, "ipu.layers_per_ipu and ipu.pipeline_stages exclude each other"))
    if len(mapping) != len(parts):
        found.append(
            Problem(flag, f"{flag} has {len(mapping)} entries for {len(parts)} pipeline stages")
        )
    elif mapping[0] != mapping[-1]:
        found.append(
            Problem(
                flag,
                f"{flag}: embeddings and heads share a matrix, so the first and the last stage"
                f" need the same IPU, not {mapping[0]} and {mapping[-1]}",
            )
        )
    return found
