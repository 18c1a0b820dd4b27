"""Folders that `transformers` reads and writes: `config.json` and `model.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bertkit.errors import ConfigError, DataError
from bertkit.files import atomic_write, read_json
from bertkit.model.checkpoints.contents import (
    CONSTANTS,
    DECODER,
    DECODER_BIAS,
    MLM_BIAS,
    WORDS,
    Reading,
    our_name,
    take_named,
)  # fmt: skip
from bertkit.model.checkpoints.pickles import load_plain
from bertkit.model.checkpoints.run_state import take_run_state
from bertkit.model.config import BertConfig

WEIGHTS = "model.safetensors"
PICKLED = "pytorch_model.bin"


@dataclass
class LoadReport:
    """What `load_into` did.

    Attributes:
        loaded: parameters that got the value of a tensor.
        missing: parameters that kept the value they had.
        unexpected: tensors that have no place in the model.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


def save_pretrained(model: nn.Module, folder: str | Path) -> None:
    """Write `model.safetensors` and `config.json` for the class of the same name in transformers.

    Args:
        model: BertForPreTraining, BertForQuestionAnswering or BertModel of bertkit; its
            parameters are written in their own types.
        folder: made if absent; existing files of these names are replaced.
    """
    from safetensors.torch import save_file

    config: BertConfig = model.config  # type: ignore[assignment]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.detach().to("cpu").contiguous() for name, value in model.state_dict().items()
    }
    with atomic_write(place / WEIGHTS) as stream:
        save_file(tensors, stream.name, metadata={"format": "pt"})
    config.to_file(place, type(model).__name__)


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a folder or file, on the CPU, under bertkit's names.

    Args:
        path: a folder with `model.safetensors` or `pytorch_model.bin` (also in several
            parts with an index), or one such file. Pickled files are read as data only:
            nothing in them can run.

    Returns:
        name → tensor. Names without the `bert.` prefix get it, `gamma` and `beta` of
        old layer norms become `weight` and `bias`, repeated tensors are left out.

    Raises:
        DataError: no weights there, or damaged ones.
    """
    return normalise_names(_read_all(Path(path)))


def read(path: Path, moments: bool = False) -> Reading:
    """Sort the tensors of a folder or file, as the other formats' readers do.

    Args:
        path: as for `load_weights`.
        moments: also take the optimizer's moments, which bertkit's checkpoints have.

    Raises:
        DataError: no weights there, or damaged ones; or no moments.
    """
    tensors = _read_all(path)
    reading = Reading("hf", path)
    take_named(reading, tensors, {name: our_name(name) for name in tensors})
    take_run_state(reading, reading.folder, moments)
    return reading


def _read_all(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(path):
        tensors.update(_read_file(file))
    return tensors


def normalise_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of BertForPreTraining; see `load_weights`."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        target = our_name(name)
        if target not in CONSTANTS:
            renamed[target] = tensor
    _drop_tied(renamed)
    return renamed


def load_into(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    source: str = "the checkpoint",
) -> LoadReport:
    """Copy weights into a model, all or nothing.

    Args:
        model: any module of `bertkit.model`.
        weights: as `load_weights` gives them.
        allow_missing: prefixes of parameters that may keep their value, such as `qa_outputs.`.
        allow_unexpected: prefixes of tensors that may be left out, such as `cls.`.
        source: what to call the weights in messages.

    Raises:
        ConfigError: tensors are missing, surplus or of other shapes; lists them.
    """
    targets = model.state_dict()
    report = LoadReport(
        loaded=[name for name in targets if name in weights],
        missing=[name for name in targets if name not in weights],
        unexpected=[name for name in weights if name not in targets],
    )
    problems = _shape_problems(targets, weights, report.loaded)
    missing = [name for name in report.missing if not name.startswith(tuple(allow_missing))]
    surplus = [name for name in report.unexpected if not name.startswith(tuple(allow_unexpected))]
    if missing:
        problems.append(f"{len(missing)} tensors are missing: {_some(missing)}")
    if surplus:
        problems.append(f"{len(surplus)} tensors have no place: {_some(surplus)}")
    if problems:
        raise ConfigError(
            f"{source} does not fit the model: {'; '.join(problems)}",
            "give the configuration the checkpoint was made with",
        )
    with torch.no_grad():
        for name in report.loaded:
            targets[name].copy_(weights[name])
    return report


def _weight_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"no such checkpoint: {path}")
    for name in (WEIGHTS, PICKLED):
        if (path / name).is_file():
            return [path / name]
        index = path / f"{name}.index.json"
        if index.is_file():
            return _indexed_files(index)
    raise DataError(f"no {WEIGHTS} or {PICKLED} in {path}")


def _indexed_files(index: Path) -> list[Path]:
    content = read_json(index)
    table = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(table, dict) or not table:
        raise DataError(f"{index}: no weight_map")
    names = sorted({str(name) for name in table.values()})
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise DataError(f"{index}: {outside[0]!r} is not a file of this folder")
    return [index.parent / name for name in names]


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except (SafetensorError, OSError, ValueError) as error:
            raise DataError(f"{path}: not a whole safetensors file: {error}") from error
    loaded = load_plain(path)
    if not isinstance(loaded, Mapping) or not loaded:
        raise DataError(f"{path}: holds no named tensors")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path}: entry {str(name)[:60]!r} is not a tensor")
    return dict(loaded)


def _drop_tied(tensors: dict[str, Tensor]) -> None:
    """Leave out the decoder where it repeats the word embedding and the bias."""
    words, decoder = tensors.get(WORDS), tensors.get(DECODER)
    if decoder is not None and words is not None and torch.equal(words, decoder):
        del tensors[DECODER]
    bias = tensors.get(DECODER_BIAS)
    if bias is None:
        return
    if torch.equal(tensors.setdefault(MLM_BIAS, bias), bias):
        del tensors[DECODER_BIAS]


def _shape_problems(
    targets: Mapping[str, Tensor], weights: Mapping[str, Tensor], names: Sequence[str]
) -> list[str]:
    wrong = [name for name in names if targets[name].shape != weights[name].shape]
    problems = []
    if WORDS in wrong:
        problems.append(
            f"its vocabulary has {weights[WORDS].shape[0]:,} rows of {weights[WORDS].shape[1]}, "
            f"the model's has {targets[WORDS].shape[0]:,} of {targets[WORDS].shape[1]}"
        )
    texts = [
        f"{name} is {list(weights[name].shape)}, not {list(targets[name].shape)}"
        for name in wrong
        if name != WORDS
    ]
    if texts:
        problems.append(f"{len(texts)} other shapes: {_some(texts)}" if problems else _some(texts))
    return problems


def _some(texts: Sequence[str], count: int = 3) -> str:
    more = f" and {len(texts) - count} more" if len(texts) > count else ""
    return ", ".join(texts[:count]) + more
