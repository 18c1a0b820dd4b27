"""What is noted about a run beside its numbers: machine, share of the peak, further logs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping

from bertkit import log
from bertkit.backends.base import Adapter
from bertkit.config import as_dict
from bertkit.report.benchmark_logs import JsonSummary, MlperfLog, mlperf_eval_samples
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.prepare import Prepared
from bertkit.train.trackers import Tracker


def machine(adapter: Adapter) -> dict[str, str | int]:
    """What the run is computed on, for reports."""
    probe = adapter.probe()
    return {
        "backend": probe.name,
        "devices": ", ".join(probe.devices),
        "found": probe.reason,
        "processes": adapter.peers.topology.world,
        "cores": os.cpu_count() or 0,
        "software": f"{probe.version}, Python {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def peak_share(
    ready: Prepared, adapter: Adapter
) -> Callable[[Mapping[str, float], float], float] | None:
    """A function of a log line's sums and seconds: the share of the measured peak reached.

    The peak is the speed of matrix products of all processes together; None where
    `measure_peak` is off.
    """
    config = ready.config
    if not config.measure_peak:
        return None
    own = adapter.peak_flops(config.precision)
    (peak,) = adapter.peers.sum([own])
    log.logger.info("matrix products in %s: %.3g operations/s", config.precision, peak)

    def share(sums: Mapping[str, float], seconds: float) -> float:
        done = config.model.training_flops(
            sums["tokens"], sums["token_pairs"], sums["mlm_count"], sums["sequences"]
        )
        return done / seconds / peak

    return share


def eval_samples(config: PretrainConfig) -> int:
    """Samples between evaluations; 0 where they are not asked for in samples."""
    if config.eval_every_samples == "mlperf":
        return mlperf_eval_samples(config.global_batch_size)
    return int(config.eval_every_samples or 0)


def benchmark_logs(ready: Prepared, first_step: int) -> list[Tracker]:
    """The logs for benchmark tools that the settings ask for.

    Args:
        ready: the run.
        first_step: updates done before this call.
    """
    config, made = ready.config, list[Tracker]()
    if config.mlperf_log:
        count = len(ready.eval_source) if ready.eval_source else 0
        length = ready.source.max_seq_length
        made.append(MlperfLog(config.mlperf_log, config, length, first_step, count))
    if config.json_summary:
        made.append(JsonSummary(config.json_summary, as_dict(config)))
    return made
