"""Compiles the parts of a model with torch.compile, each part separately.

Layers of one kind share their compiled code, so that 24 of them compile as fast as one;
their backward passes stay apart, so that gradients travel to other processes while the
rest is computed; and computing activations again (`--recompute`) draws the same dropout.
"""

from __future__ import annotations

import os
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bertkit.model.bert import Embeddings, Encoder, EncoderLayer
from bertkit.model.fused.dispatch import gpu_has_kernels
from bertkit.model.heads import BertForPreTraining
from bertkit.storage.shared_cache import cache_folder

# Shapes that one part may be compiled for: totals, with and without gradients, last layer.
_SHAPES = 64
# Warnings of PyTorch's compiler: --precision decides about TF32, and nobody chooses kernels.
_NOT_FOR_USERS = ("TensorFloat32 tensor cores", r"\nOnline softmax is disabled")


def can_compile() -> bool:
    """Whether what PyTorch's compiler needs for GPUs is here: Triton and a C compiler."""
    compilers = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    return find_spec("triton") is not None and any(map(shutil.which, compilers))


def compile_parts(model: nn.Module, dynamic: bool, backend: str = "inductor") -> None:
    """Compile embeddings, layers and pretraining heads of a model, in place.

    What is fused and has kernels here stays as it is.

    Compiled kernels are kept in the user's cache folder, unless TORCHINDUCTOR_CACHE_DIR
    names another.

    Args:
        model: not yet wrapped.
        dynamic: kernels take any number of rows; otherwise there are some for each number.
        backend: of `torch.compile`.
    """
    cache = cache_folder()
    if _writable(cache):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "inductor"))
    for text in _NOT_FOR_USERS:
        warnings.filterwarnings("ignore", message=text, category=UserWarning)
    torch._dynamo.config.recompile_limit = max(_SHAPES, torch._dynamo.config.recompile_limit)
    for module in model.modules():
        if isinstance(module, Encoder):
            module.register_forward_pre_hook(_make_mask)
        if not isinstance(module, (EncoderLayer, Embeddings)):
            continue
        if not (module.fused and gpu_has_kernels()):
            module.compile(dynamic=dynamic, backend=backend)
    if isinstance(model, BertForPreTraining):
        # Kernels of the loss stand between the others.
        fused = model.fused and gpu_has_kernels()
        for name in ("transformed", "pairs") if fused else ("scored",):
            compiled = torch.compile(getattr(model, name), dynamic=dynamic, backend=backend)
            setattr(model, name, compiled)


def _make_mask(encoder: nn.Module, arguments: tuple[Any, ...]) -> None:
    """Make the mask of a batch once, before its layers: compiled ones would stop to make it.

    Up to Python 3.11 a cached property has a lock, which `torch.compile` does not know.
    """
    layout = arguments[1]
    getattr(layout, "key_mask", None)


def _writable(folder: Path) -> bool:
    """Whether the folder is there or can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
