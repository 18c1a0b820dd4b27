"""Profiles for gpu_check.sh: times, memory and the longest kernels of a training step."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

import arms
import cases
from gpu_common import Findings, Settings


def profile(settings: Settings, findings: Findings) -> None:
    """A step of BERT-large at 512 tokens: times, memory, the longest kernels."""
    findings.attempt("profile eager", lambda: profiled(settings, "large-512"))


def profile_compiled(settings: Settings, findings: Findings) -> None:
    """The same step, compiled."""
    findings.attempt("profile compiled", lambda: profiled(settings, "large-512", compiled=True))


def profile_fused(settings: Settings, findings: Findings) -> None:
    """The same step with fused layers, and one of BERT-base at 128 tokens."""
    for case in ("large-512", "base-128"):
        findings.attempt(f"profile fused {case}", lambda c=case: profiled(settings, c, fused=True))
        gc.collect()
        release(settings.device)


def profiled(settings: Settings, name: str, **how: bool) -> dict[str, Any]:
    """Numbers of a step of a case of gpu.py, and its kernels in results/profile.txt.

    Args:
        how: `compiled` or `fused`; eager without.
    """
    import torch

    cuda = settings.device == "cuda"
    begin = time.perf_counter()
    case, arm, batches = build(settings, name, **how)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    for step in range(4):
        arm.stepper.train(batches[step], step)
    synchronise(settings.device)
    ready, begin, host = time.perf_counter() - begin, time.perf_counter(), 0.0
    for step in range(16):
        asked = time.perf_counter()
        arm.stepper.train(batches[step % 8], step)
        host += time.perf_counter() - asked
    synchronise(settings.device)
    seconds = (time.perf_counter() - begin) / 16
    peak = torch.cuda.max_memory_allocated() / 1e9 if cuda else None
    sequences = statistics.mean(batch.sequences for batch in batches)
    real = sum(batch.tokens for batch in batches)
    computed = sum(len(micro.arrays["ids"]) for batch in batches for micro in batch.micro_batches)
    title = f"{case.shape}-{case.length} {' '.join(how) or 'eager'}"
    return {
        "case": title,
        "seconds to 4th step": round(ready, 1),
        "ms per step": round(seconds * 1e3, 2),
        "host ms per step": round(host / 16 * 1e3, 2),
        "sequences per second": round(sequences / seconds, 1),
        "model tflops": round(_operations(arm, batches) / seconds / 1e12, 3),
        "computed / real tokens": round(computed / real, 3),
        "peak GB": round(peak, 1) if peak else None,
        **_longest_kernels(settings, arm, batches, title),
    }


def _operations(arm: Any, batches: list[Any]) -> float:
    """Floating-point operations that BERT needs for one step, on average."""
    return statistics.mean(
        arm.config.model.training_flops(
            batch.tokens,
            sum(float((m.lengths.astype(float) ** 2).sum()) for m in batch.micro_batches),
            sum(float((m.arrays["mlm_weights"] > 0).sum()) for m in batch.micro_batches),
            batch.sequences,
        )
        for batch in batches
    )


def _longest_kernels(
    settings: Settings, arm: Any, batches: list[Any], title: str
) -> dict[str, Any]:
    """Kernels of a step, and a table of the 50 longest in results/profile.txt."""
    from torch import profiler

    cuda = settings.device == "cuda"
    kinds = [profiler.ProfilerActivity.CPU]
    if cuda:
        kinds.append(profiler.ProfilerActivity.CUDA)
    with profiler.profile(activities=kinds) as recorded:
        for step in range(3):
            arm.stepper.train(batches[step], step)
        synchronise(settings.device)

    def milliseconds(event: Any) -> float:
        return (event.self_device_time_total if cuda else event.self_cpu_time_total) / 3e3

    events = list(recorded.key_averages())
    if cuda:  # kernels alone, where the profiler tells them from the calls that start them
        events = [event for event in events if str(event.device_type).endswith("CUDA")] or events
        # Nor spans that contain kernels, such as Optimizer.step#AdamW.step.
        events = [event for event in events if "#" not in event.key]
    events.sort(key=milliseconds, reverse=True)
    busy, count = sum(map(milliseconds, events)), sum(event.count for event in events) / 3
    lines = [f"{title}: {count:.0f} kernels per step, {busy:.1f} ms of them"]
    for event in events[:50]:
        share = milliseconds(event) / max(busy, 1e-9)
        lines.append(
            f"{milliseconds(event):8.3f} ms {event.count / 3:7.1f} x {share:6.1%} {event.key[:150]}"
        )
    with open(settings.work / "results" / "profile.txt", "a") as file:
        file.write("\n".join(lines) + "\n")
    return {"kernels per step": round(count), "kernel ms per step": round(busy, 2)}


def build(
    settings: Settings, name: str, *, batch: int = 0, **how: Any
) -> tuple[Any, Any, list[Any]]:
    """(case, what `arms.build_bertkit` made, eight batches of it) of a case of gpu.py.

    Args:
        batch: sequences per step; 0: the case's.
        how: `compiled`, `fused` and others of `arms.build_bertkit`.
    """
    from dataclasses import replace

    from gpu import CASES

    case = CASES["test" if settings.small else name]
    if batch and not settings.small:
        case = replace(case, batch=batch)
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    arm = arms.build_bertkit(
        case, records, settings.precision, settings.device, tiles=settings.tiles, **how
    )
    return case, arm, list(arm.feed.steps(0, 8))


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def release(device: str) -> None:
    """Give memory that nothing holds back to the device."""
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
