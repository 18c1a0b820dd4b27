"""Makes the table of memory in docs/faq.md, by the estimate that `pretrain --dry-run` shows.

`docs/generate.py` writes it between the two comments of the page.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path

from bertkit.backends.torch.cuda import CudaAdapter
from bertkit.configuration import config as configuration
from bertkit.tasks.pretraining import estimate as estimates
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.registry import presets_of

PAGE = Path(__file__).with_name("faq.md")
PLACE = re.compile(r"(?<=<!-- memory: made by `make docs` -->\n).*?(?=<!-- end -->)", re.S)
CARDS = (8, 16, 24, 40, 80)  # GB of GPUs
VOCAB = 30528


def page() -> str:
    """The page with a new table."""
    return PLACE.sub(lambda _: f"\n{table()}\n", PAGE.read_text(encoding="utf-8"))


def table() -> str:
    """Rows of presets, columns of GPUs."""
    rows = [
        "| preset | tokens | fp32, its micro-batch | bf16, its micro-batch | "
        + " | ".join(f"{size} GB" for size in CARDS)
        + " |",
        "|---" * (4 + len(CARDS)) + "|",
    ]
    for preset in presets_of("pretrain"):
        length = 512 if preset.endswith("phase2") or preset == "mlperf" else 128
        size = _settings(preset, "bf16").micro_size
        cells = [f"{_memory(preset, precision, size, length) / 1e9:.1f} GB, {size}" for precision in ("fp32", "bf16")]
        cells += [_largest(preset, length, card) for card in CARDS]
        rows.append(f"| `{preset}` | {length} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _largest(preset: str, length: int, card: int) -> str:
    """The largest micro-batch, a power of 2, for a GPU; with --recompute where it needs that."""
    for recompute in (False, True):
        fitting = [
            2**power
            for power in range(11)
            if _memory(preset, "bf16", 2**power, length, recompute) <= 0.8e9 * card
        ]
        if fitting:
            return f"{fitting[-1]}{' (r)' if recompute else ''}"
    return "-"


@functools.cache
def _settings(preset: str, precision: str) -> PretrainConfig:
    given = {"input": ["records"], "eval_input": ["records"], "output": "run"}
    given |= {"precision": precision, "model.vocab_size": VOCAB, "backend": "cuda"}
    layers = [configuration.preset_layer(preset), configuration.Layer("table", given)]
    return configuration.resolve(PretrainConfig, layers).config


def _memory(preset: str, precision: str, size: int, length: int, recompute: bool = False) -> int:
    """Bytes that the dry run tells for a micro-batch of `size` sequences."""
    found = _settings(preset, precision)
    found = dataclasses.replace(
        found, micro_batch_size=size, global_batch_size=size, recompute=recompute
    )
    return estimates.estimate(found, 1000, length, caps=CudaAdapter.caps).memory_bytes
