"""Says in a few words where a run stands, for progress bars and log lines."""

from __future__ import annotations

from collections.abc import Mapping

from bertkit.train import metrics

_SCORES = 4  # shown of an evaluation
_ABBREVIATIONS = {"mlm", "nsp", "sop"}


def in_short(numbers: Mapping[str, float]) -> str:
    """The numbers of a log line or evaluation that fit a progress line."""
    texts = []
    if "loss" in numbers:
        texts.append(f"loss {numbers['loss']:.3f}")
    for name, value in numbers.items():
        if name.endswith("_accuracy"):
            texts.append(f"{_head(name, '_accuracy')} acc {value:.3f}")
        elif name.endswith("_loss") and "loss" not in numbers:
            texts.append(f"{_head(name, '_loss')} loss {value:.3f}")
    if not texts:  # scores of a fine-tuning
        texts = [f"{name} {value:.4f}" for name, value in list(numbers.items())[:_SCORES]]
    if "learning_rate" in numbers:
        texts.append(f"lr {numbers['learning_rate']:.2e}")
    if "tokens_per_second" in numbers:
        texts.append(f"{numbers['tokens_per_second']:,.0f} tokens/s")
    texts += [f"{value} {name}" for name, value in metrics.left_out_text(numbers).items()]
    if "peak_share" in numbers:
        texts.append(f"{numbers['peak_share']:.0%} of peak")
    return ", ".join(texts)


def _head(name: str, ending: str) -> str:
    """What a number is of, abbreviations in capitals."""
    word = name.removesuffix(ending)
    return word.upper() if word in _ABBREVIATIONS else word
