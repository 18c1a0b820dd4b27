"""Reads checkpoints of Cerebras' PyTorch BERT: HDF5 files, `checkpoint_N.mdl`.

One data set per tensor, named `model.NAME` (in old releases `model.model.NAME`), chunks
compressed with LZ4; bfloat16 is stored as int16 and named in an attribute. A tensor that
two names share is stored under the first. Only numbers are read: the structure that old
releases keep as pickled code is not opened.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertkit.codecs.compression import LZ4_FILTER, decompress_lz4_chunk
from bertkit.errors import DataError
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.formats import newest
from bertkit.model.checkpoints.vendors.cerebras_moments import SLOT, add_moments
from bertkit.model.parameter_names import MLM_DECODER, WORD_EMBEDDINGS
from bertkit.optional import require
from bertkit.storage.files import open_binary, refuse_lfs_pointer

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NAME = re.compile(r"checkpoint_(\d+)\.mdl")
_MOST_GROWTH = 256  # LZ4 cannot compress better
_RENAMED = (
    (r"^(?:model\.)*", ""),
    (r"^bert_encoder\.", "bert."),
    (r"^bert\.embedding_layer\.segment_embeddings\.", "bert.embeddings.token_type_embeddings."),
    (r"^bert\.embedding_layer\.", "bert.embeddings."),
    (r"^bert\.embeddings\.position_embeddings\.embed\.", "bert.embeddings.position_embeddings."),
    (r"^bert\.embed_ln_f\.", "bert.embeddings.LayerNorm."),
    (r"^bert\.transformer_encoder\.layers\.", "bert.encoder.layer."),
    (r"\.self_attn\.proj_q_dense_layer\.", ".attention.self.query."),
    (r"\.self_attn\.proj_k_dense_layer\.", ".attention.self.key."),
    (r"\.self_attn\.proj_v_dense_layer\.", ".attention.self.value."),
    (r"\.self_attn\.proj_output_dense_layer\.", ".attention.output.dense."),
    (r"(layer\.\d+)\.norm1\.", r"\1.attention.output.LayerNorm."),
    (r"(layer\.\d+)\.norm2\.", r"\1.output.LayerNorm."),
    (r"(layer\.\d+)\.ffn\.ffn\.0\.linear_layer\.", r"\1.intermediate.dense."),
    (r"(layer\.\d+)\.ffn\.ffn\.1\.linear_layer\.", r"\1.output.dense."),
    (r"^bert\.pooler\.pooler\.ffn\.0\.linear_layer\.", "bert.pooler.dense."),
    (r"^bert_mlm_head\.mlm_transform\.", "cls.predictions.transform."),
    (r"\.transform\.ffn\.ffn\.0\.linear_layer\.", ".transform.dense."),
    (r"\.transform\.ln\.", ".transform.LayerNorm."),
    (r"^bert_mlm_head\.classifier\.ffn\.0\.linear_layer\.", "cls.predictions.decoder."),
    (r"^bert_cls_head\.classifier\.ffn\.0\.linear_layer\.", "cls.seq_relationship."),
)


def our_name(name: str) -> str:
    """The name of a Cerebras parameter under ours."""
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def find(path: Path) -> Path | None:
    """An HDF5 file; of a folder, the checkpoint of the highest number."""
    if path.is_dir():
        return newest(path, NAME)
    if not path.is_file():
        return None
    with open_binary(path) as stream:
        signature = stream.read(len(SIGNATURE))
    return path if signature == SIGNATURE or path.suffix == ".mdl" else None


def read(path: Path, moments: bool = False) -> CheckpointContents:
    """Sort the tensors of a checkpoint file.

    Args:
        path: the .mdl file.
        moments: also take the optimizer's moments.

    Raises:
        DataError: damaged or of another kind; or the moments cannot be assigned to weights.
        MissingDependencyError: h5py is not installed.
    """
    contents = CheckpointContents("cerebras", path)
    match = NAME.fullmatch(path.name)
    contents.step = int(match[1]) if match else None
    tensors: dict[str, Tensor] = {}
    slots: dict[str, Tensor] = {}
    structure: object = None
    try:
        refuse_lfs_pointer(path)
        with _h5py().File(path, "r") as file:
            structure = file.attrs.get("__spec__") if moments else None
            for name in file:
                data = _dataset(file, name, path)
                if name.startswith("model.") and len(data.shape or ()):
                    tensors[name] = _tensor(data, path)
                elif moments and SLOT.fullmatch(name) and len(data.shape or ()):
                    slots[name] = _tensor(data, path)
                else:
                    contents.skip(name, tuple(data.shape or ()), "not of the model")
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        text = f"{path}: not a complete HDF5 checkpoint: {error}"
        raise DataError(text, "copy or fetch the file again") from error
    targets = {name: our_name(name) for name in tensors}
    # A tensor that two names share is stored once, perhaps under the decoder's name.
    if WORD_EMBEDDINGS not in targets.values():
        targets = {
            name: WORD_EMBEDDINGS if target == MLM_DECODER else target
            for name, target in targets.items()
        }
    contents.add_pytorch_weights(tensors, targets)
    if moments:
        add_moments(contents, slots, structure, our_name)
    return contents


def _h5py() -> Any:
    return require("h5py", "Cerebras' .mdl files", extra="hdf5")


def _dataset(file: Any, name: str, path: Path) -> Any:
    """A data set that lies in this file, and is not larger than its bytes can be."""
    package = _h5py()
    data = file[name] if isinstance(file.get(name, getlink=True), package.HardLink) else None
    if not isinstance(data, package.Dataset) or data.external or data.is_virtual:
        raise DataError(f"{path}: {name} is not a tensor of this file")
    if data.shape and data.nbytes > _MOST_GROWTH * path.stat().st_size:
        raise DataError(f"{path}: {name} claims {data.nbytes} bytes, more than the file can hold")
    if data.shape and not _is_written(data):
        raise DataError(
            f"{path}: parts of {name} are missing, and would read as zeros",
            "copy or fetch the file again",
        )
    return data


def _is_written(data: Any) -> bool:
    """Whether all parts of a data set are there; what was never written reads as zeros."""
    if data.chunks is None:
        return bool(data.id.get_storage_size() >= data.nbytes)
    parts = (-(-whole // extent) for extent, whole in zip(data.chunks, data.shape, strict=True))
    return bool(data.id.get_num_chunks() >= math.prod(parts))


def _tensor(data: Any, path: Path) -> Tensor:
    values = _values(data, path)
    if data.dtype.kind not in "fiub":
        raise DataError(f"{path}: {data.name} holds {data.dtype}, not numbers")
    names = np.asarray(data.attrs.get("dtypes", [])).astype(str).reshape(-1)
    tensor = torch.from_numpy(values)
    if data.dtype == np.int16 and ("torch.bfloat16" in names or data.attrs.get("is_bfloat16")):
        return tensor.view(torch.bfloat16)
    return tensor


def _values(data: Any, path: Path) -> np.ndarray:
    """The numbers of a data set, its LZ4 chunks undone here where HDF5 lacks the filter."""
    filters = data.id.get_create_plist()
    kinds = [filters.get_filter(number)[0] for number in range(filters.get_nfilters())]
    if kinds != [LZ4_FILTER]:
        values: np.ndarray = data[()]
        return values
    values = np.zeros(data.shape, data.dtype)
    size = int(np.prod(data.chunks)) * data.dtype.itemsize
    for number in range(data.id.get_num_chunks()):
        place = data.id.get_chunk_info(number).chunk_offset
        skipped, stored = data.id.read_direct_chunk(place)
        plain = stored if skipped else decompress_lz4_chunk(stored, size)
        chunk = np.frombuffer(plain, data.dtype).reshape(data.chunks)
        inside = tuple(
            slice(0, min(extent, whole - first))
            for first, extent, whole in zip(place, data.chunks, data.shape, strict=True)
        )
        target = tuple(slice(f, f + part.stop) for f, part in zip(place, inside, strict=True))
        values[target] = chunk[inside]
    return values
