"""Times for gpu_check.sh: attention, matrix products, repeated steps.

Kernels that only CUDA has are left out on a CPU, where this shows that it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import cases
from gpu_common import Findings, Settings
from gpu_profile import build, synchronise

HEADS, HEAD_SIZE = 16, 64  # of BERT-large
WIDTH = HEADS * HEAD_SIZE


def kernels(settings: Settings, findings: Findings) -> None:
    """Attention and matrix products by themselves."""
    if settings.device == "cuda":
        findings.attempt("attention is right", attention_errors)
        findings.attempt("attention speed", attention_speed)
    findings.attempt("products, TFLOP/s", lambda: product_speed(settings))


def repeat(settings: Settings, findings: Findings) -> None:
    """Whether a step repeats bit for bit, and what it costs to make it so."""
    findings.attempt("bit equality of repeated steps", lambda: repeated_steps(settings))


def _seconds(job: Callable[[], Any], device: str, times: int = 10, warm: int = 3) -> float:
    """Seconds of one call, on average."""
    for _ in range(warm):
        job()
    synchronise(device)
    begin = time.perf_counter()
    for _ in range(times):
        job()
    synchronise(device)
    return (time.perf_counter() - begin) / times


def attention_errors() -> dict[str, Any]:
    """Both ways through flash attention against float32, with empty sequences among them."""
    import torch

    from bertkit.model.attention import UnpaddedLayout, attention

    lengths = [512, 300, 37, 5, 0, 0, 64]
    shape = (sum(lengths), 3 * WIDTH)
    rows = torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    layout = UnpaddedLayout(lengths, longest=512).to("cuda")
    # float32 is not for flash attention: it goes through the memory-efficient kernels.
    exact = attention(rows.detach().float(), HEADS, layout, 0.0)
    found: dict[str, Any] = {}
    for rate in (0.0, 0.1):
        out = attention(rows, HEADS, layout, rate)
        (gradient,) = torch.autograd.grad(out.float().square().sum(), rows)
        finite = bool(out.isfinite().all() and gradient.isfinite().all())
        found[f"dropout {rate}"] = {"finite": finite}
        if rate == 0.0:  # with dropout the numbers differ on purpose
            difference = (out.detach().float() - exact).abs().max()
            found[f"dropout {rate}"]["largest difference to fp32"] = round(float(difference), 4)
    # The operator that serves dropout, once without it.
    query, key, value = rows.detach().view(-1, 3, HEADS, HEAD_SIZE).unbind(1)
    starts = layout.cumulative
    direct = torch.ops.aten._flash_attention_forward(
        query, key, value, starts, starts, 512, 512, 0.0, False, False
    )[0]
    difference = (direct.reshape(-1, WIDTH).float() - exact).abs().max()
    found["operator beneath, dropout 0"] = round(float(difference), 4)
    return found


def attention_speed() -> dict[str, Any]:
    """Milliseconds of attention forward and backward: 64 sequences of Wikipedia's lengths."""
    import numpy as np
    import torch

    random = np.random.default_rng(0)
    chances = np.asarray(cases.load_histogram(cases.LENGTHS), float)
    drawn = random.choice(512, 64, p=chances / chances.sum()) + 1
    lengths = np.sort(drawn)[::-1]
    starts = torch.tensor([0, *lengths.cumsum()], dtype=torch.int32, device="cuda")
    shape = (int(lengths.sum()), 3, HEADS, HEAD_SIZE)
    rows = torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    operations = 3.5 * 4 * WIDTH * float((lengths.astype(float) ** 2).sum())
    found: dict[str, Any] = {"tokens": shape[0]}
    for name, way in _attention_ways(starts).items():

        def once(way: Callable[..., Any] = way) -> None:
            out = way(*rows.unbind(1))
            torch.autograd.grad(out, rows, torch.ones_like(out))

        try:
            seconds = _seconds(once, "cuda")
        except Exception as error:  # an operator that this release or card does not have
            found[name] = f"{type(error).__name__}: {str(error)[:160]}"
            continue
        found[name] = {"ms": round(seconds * 1e3, 3), "tflops": round(operations / seconds / 1e12)}
    return found


def _attention_ways(starts: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's variable-length attention, by operator and dropout."""
    import torch
    from torch.nn.attention.varlen import varlen_attn

    aten = torch.ops.aten

    def flash(q: Any, k: Any, v: Any, rate: float) -> Any:
        return aten._flash_attention_forward(q, k, v, starts, starts, 512, 512, rate, False, False)[
            0
        ]

    def cudnn(q: Any, k: Any, v: Any, rate: float) -> Any:
        return aten._cudnn_attention_forward(
            q, k, v, None, starts, starts, 512, 512, True, rate, False, False
        )[0]

    def efficient(q: Any, k: Any, v: Any) -> Any:
        return aten._efficient_attention_forward(
            q[None], k[None], v[None], None, starts, starts, 512, 512, 0.1, 0, True
        )[0]

    return {
        "flash, dropout 0.1": lambda q, k, v: flash(q, k, v, 0.1),
        "flash, dropout 0": lambda q, k, v: flash(q, k, v, 0.0),
        "varlen_attn": lambda q, k, v: varlen_attn(q, k, v, starts, starts, 512, 512),
        "cudnn, dropout 0.1": lambda q, k, v: cudnn(q, k, v, 0.1),
        "cudnn, dropout 0": lambda q, k, v: cudnn(q, k, v, 0.0),
        "efficient, dropout 0.1": efficient,
    }


def product_speed(settings: Settings) -> dict[str, Any]:
    """TFLOP/s in bf16 of the products that matter; 30,522 words against a multiple of 8."""
    import torch

    rows = 12 if settings.small else 16384
    shapes = {
        "qkv large": (rows, 1024, 3072),
        "ffn large": (rows, 1024, 4096),
        "ffn base": (rows, 768, 3072),
        "vocabulary 30522": (rows // 6, 1024, 30522),
        "vocabulary 30528": (rows // 6, 1024, 30528),
    }

    def random(*shape: int) -> Any:
        return torch.randn(*shape, device=settings.device, dtype=torch.bfloat16)

    found, digits = {}, 3 if settings.small else 0
    for name, (m, k, n) in shapes.items():
        x, w, g = random(m, k), random(n, k), random(m, n)
        products = {
            "forward": lambda x=x, w=w: x @ w.t(),
            "to input": lambda w=w, g=g: g @ w,
            "to weight": lambda x=x, g=g: g.t() @ x,
        }
        operations = 2 * m * k * n / 1e12
        found[name] = {
            which: round(operations / _seconds(product, settings.device), digits)
            for which, product in products.items()
        }
    return found


def repeated_steps(settings: Settings) -> dict[str, Any]:
    """Three steps twice from the same weights: the same bits, and at which price?"""
    import torch

    found = {}
    # As `--deterministic` does; with warn_only flash attention would stay as it is.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.utils.deterministic.fill_uninitialized_memory = False
    for wanted in (False, True):
        torch.use_deterministic_algorithms(wanted)
        ends, seconds = [], 0.0
        for _ in range(2):
            _, arm, batches = build(settings, "base-512", batch=32)
            for step in range(3):
                arm.stepper.train(batches[step], step)
            ends.append([tensor.detach().clone() for tensor in arm.model.parameters()])
            synchronise(settings.device)
            begin = time.perf_counter()
            for step in range(3, 8):
                arm.stepper.train(batches[step], step)
            synchronise(settings.device)
            seconds = (time.perf_counter() - begin) / 5
        pairs = list(zip(*ends, strict=True))
        found[f"deterministic {wanted}"] = {
            "same bits": all(torch.equal(a, b) for a, b in pairs),
            "ms per step": round(seconds * 1e3, 2),
            "largest difference": max(float((a - b).abs().max()) for a, b in pairs),
        }
    torch.use_deterministic_algorithms(False)
    return found
