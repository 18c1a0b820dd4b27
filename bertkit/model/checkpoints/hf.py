"""Reads and writes checkpoints of Hugging Face transformers: safetensors and `config.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from bertkit.errors import DataError
from bertkit.manifests.listed_files import require_as_written
from bertkit.model.checkpoints.contents import (
    CheckpointContents,
    CheckpointToWrite,
    require_tied,
)
from bertkit.model.checkpoints.formats import newest
from bertkit.model.checkpoints.run_state import (
    OPTIMIZER,
    WEIGHTS,
    add_run_state,
    best_of,
    require_intact,
)
from bertkit.model.checkpoints.vendors.safe_pickle import load_tensors
from bertkit.model.config import NAME, BertConfig
from bertkit.model.parameter_names import (
    CONSTANTS,
    MLM_BIAS,
    MLM_DECODER,
    MLM_DECODER_BIAS,
    WORD_EMBEDDINGS,
    from_pytorch_name,
)
from bertkit.storage.files import atomic_write, is_utf8, read_json, refuse_lfs_pointer, write_text
from bertkit.storage.inner_names import is_inner_name
from bertkit.tokenization import tokenizer_files
from bertkit.workers.termination import held_back

PICKLED = "pytorch_model.bin"
# Checkpoints in a run of bertkit's, and of transformers' Trainer.
_STEP_FOLDER = re.compile(r"(?:step|checkpoint)-(\d+)")


def find(path: Path) -> Path | None:
    """A folder or file of weights; of a run its best model, or else its last checkpoint."""
    if path.is_file():
        return path if path.suffix in (".safetensors", ".bin") else None
    if not path.is_dir():
        return None
    if _has_weights(path):
        return path
    return best_of(path) or newest(path, _STEP_FOLDER, _has_weights)


def _has_weights(folder: Path) -> bool:
    names = (WEIGHTS, PICKLED)
    files = [*names, *(f"{name}.index.json" for name in names)]
    return any((folder / name).is_file() for name in files)


def save_pretrained(model: nn.Module, folder: str | Path) -> None:
    """Write `model.safetensors` and `config.json` for the class of the same name in transformers.

    Args:
        model: BertModel of bertkit, or a model with a head; its parameters are written in
            their own types, and its `facts`, where it has some, into `config.json`.
        folder: made if absent; existing files of these names are replaced.
    """
    config: BertConfig = model.config  # type: ignore[assignment]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.detach().to("cpu").contiguous() for name, value in model.state_dict().items()
    }
    _write_weights(place, tensors)
    config.to_file(place, type(model).__name__, getattr(model, "facts", None))


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
    return normalise_names(read_tensors(Path(path)), Path(path))


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a folder or file, as the other formats' readers do.

    Args:
        path: as for `load_weights`.
        moments: also take the optimizer's moments, which bertkit's checkpoints have.

    Raises:
        DataError: no weights there, or damaged ones; or no moments.
    """
    tensors = read_tensors(path)
    contents = CheckpointContents("hf", path)
    contents.add_pytorch_weights(tensors, {name: from_pytorch_name(name) for name in tensors})
    add_run_state(contents, contents.folder, moments)
    return contents


def write(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Write a folder that `transformers` loads, with tokenizer settings and a model card.

    Args:
        folder: exists.
        checkpoint: its content; moments become bertkit's `optimizer.pt`.
    """
    _write_weights(folder, dict(checkpoint.weights))
    checkpoint.write_config(folder / NAME)
    if checkpoint.moments:
        step = torch.tensor(float(checkpoint.step or 0))
        moments = {name: {"step": step, **values} for name, values in checkpoint.moments.items()}
        with atomic_write(folder / OPTIMIZER) as stream:
            torch.save({"optimizer": moments, "scaler": {}}, stream)
    if checkpoint.has_vocab:
        tokenizer_files.write_config(folder, checkpoint.tokenizer)
        special = json.dumps(tokenizer_files.SPECIAL_TOKENS, indent=2)
        write_text(folder / "special_tokens_map.json", special + "\n")
    write_text(folder / "README.md", checkpoint.card)


def _write_weights(folder: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    with atomic_write(folder / WEIGHTS) as stream:
        save_file(tensors, stream.name, metadata={"format": "pt"})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a folder or file as it stands there, on the CPU; see `load_weights`.

    Raises:
        DataError: no weights there, or damaged ones.
    """
    tensors: dict[str, Tensor] = {}
    files = _weight_files(path)
    beside = [file.name for file in files]
    require_intact(files[0].parent, [*beside, NAME, "vocab.txt"])
    require_as_written(files[0].parent, [*beside, NAME])
    for file in files:
        tensors.update(_read_file(file))
    return tensors


def normalise_names(
    tensors: Mapping[str, Tensor], path: Path = Path("the model")
) -> dict[str, Tensor]:
    """Tensors under the names of BertForPreTraining; see `load_weights`.

    Args:
        tensors: name in the file → tensor.
        path: of the file, for messages.

    Raises:
        DataError: two different tensors for one parameter.
        ConfigError: a decoder that is not the word embedding.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        target = from_pytorch_name(name)
        if target in CONSTANTS:
            continue
        if target in renamed and not torch.equal(renamed[target], tensor):
            raise DataError(f"{path}: two tensors for {target}; {name} is the second")
        renamed[target] = tensor
    _drop_tied(renamed, path)
    return renamed


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
    outside = [name for name in names if Path(name).name != name or not is_inner_name(name)]
    if outside:
        raise DataError(f"{index}: {outside[0]!r} is not a file of this folder")
    return [index.parent / name for name in names]


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load, load_file

        try:
            refuse_lfs_pointer(path)
            if not is_utf8(path):  # which the package cannot open
                return dict(load(path.read_bytes()))
            with held_back():  # the package takes an interruption for a damaged file
                return dict(load_file(path))
        except (SafetensorError, OSError, ValueError) as error:
            text = f"{path}: not a complete safetensors file: {error}"
            raise DataError(text, "copy or fetch the file again") from error
    loaded = load_tensors(path)
    if not isinstance(loaded, Mapping) or not loaded:
        raise DataError(f"{path}: holds no named tensors")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path}: entry {str(name)[:60]!r} is not a tensor")
    return dict(loaded)


def _drop_tied(tensors: dict[str, Tensor], path: Path) -> None:
    """Leave out the decoder, which repeats the word embedding and the bias."""
    words, decoder = tensors.get(WORD_EMBEDDINGS), tensors.get(MLM_DECODER)
    if decoder is not None and words is not None:
        require_tied(decoder, words, path)
        del tensors[MLM_DECODER]
    bias = tensors.get(MLM_DECODER_BIAS)
    if bias is None:
        return
    if not torch.equal(tensors.setdefault(MLM_BIAS, bias), bias):
        raise DataError(f"{path}: two tensors for {MLM_BIAS}; {MLM_DECODER_BIAS} is the second")
    del tensors[MLM_DECODER_BIAS]
