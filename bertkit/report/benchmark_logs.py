"""Writes logs that benchmark tools read: MLPerf's `:::MLLOG` and NVIDIA's `DLLL` lines."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bertkit.strict_json import json_text
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.train.metrics import losses_are_finite


class _LogFile:
    """A text file that is appended to line by line, and flushed after each."""

    def __init__(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[str] = open(path, "a", encoding="utf-8")  # noqa: SIM115 - see close()

    def write(self, prefix: str, entry: Mapping[str, Any]) -> None:
        self._stream.write(f"{prefix} {json_text(dict(entry))}\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


class MlperfLog:
    """A run as MLPerf's compliance checker reads it; a resumed run appends to the same file.

    Args:
        path: the log.
        config: the resolved settings.
        length: max_seq_length of the records.
        first_step: updates done before this call.
        eval_records: of one evaluation.
    """

    def __init__(
        self, path: str, config: PretrainConfig, length: int, first_step: int, eval_records: int
    ) -> None:
        self._file = _LogFile(path)
        self._batch = config.global_batch_size
        self._target = config.target_mlm_accuracy
        self._reached = False
        self._samples = first_step * self._batch
        facts = {
            "submission_benchmark": "bert",
            "submission_division": "open",
            "global_batch_size": self._batch,
            "max_sequence_length": length,
            "seed": config.seed,
            "opt_name": config.optimizer,
            "opt_base_learning_rate": config.learning_rate,
            "opt_learning_rate_training_steps": config.max_steps,
            "opt_learning_rate_warmup_steps": config.warmup(config.max_steps),
            "start_warmup_step": config.start_warmup_step,
            "opt_epsilon": config.eps,
            "opt_lamb_beta_1": config.beta1,
            "opt_lamb_beta_2": config.beta2,
            "opt_lamb_weight_decay_rate": config.weight_decay,
            "gradient_accumulation_steps": config.accumulation(),
            "target_accuracy": self._target,
            "eval_samples": eval_records,
        }
        self._event("init_start", kind="INTERVAL_START")
        for name, value in facts.items():
            self._event(name, value)
        self._event("init_stop", kind="INTERVAL_END")
        self._event("run_start", kind="INTERVAL_START")
        self._block("block_start", "INTERVAL_START")

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """Note an evaluation, and the loss between evaluations."""
        self._samples = step * self._batch
        place = {"epoch_num": self._samples}
        if kind != "eval":
            self._event("tracked_stats", {"loss": numbers.get("loss")}, meta=place)
            return
        self._block("block_stop", "INTERVAL_END")
        self._event("eval_start", kind="INTERVAL_START", meta=place)
        self._event("eval_loss", numbers.get("mlm_loss"), meta=place)
        self._event("eval_accuracy", numbers.get("mlm_accuracy"), meta=place)
        self._event("eval_stop", kind="INTERVAL_END", meta=place)
        self._block("block_start", "INTERVAL_START")
        if self._target is not None and losses_are_finite(numbers):
            self._reached |= numbers.get("mlm_accuracy", -1.0) >= self._target

    def close(self) -> None:
        """End the run: `success` where the target was reached, `aborted` where not."""
        self._block("block_stop", "INTERVAL_END")
        status = "success" if self._reached else "aborted"
        self._event("run_stop", kind="INTERVAL_END", meta={"status": status})
        self._event("train_samples", self._samples)
        self._file.close()

    def _block(self, name: str, kind: str) -> None:
        self._event(name, kind=kind, meta={"first_epoch_num": self._samples})

    def _event(
        self,
        key: str,
        value: Any = None,
        kind: str = "POINT_IN_TIME",
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self._file.write(
            ":::MLLOG",
            {
                "namespace": "",
                "time_ms": int(time.time() * 1000),
                "event_type": kind,
                "key": key,
                "value": value,
                "metadata": {
                    "file": "bertkit/report/benchmark_logs.py",
                    "lineno": 0,
                    **(meta or {}),
                },
            },
        )


class JsonSummary:
    """A run in the lines of NVIDIA's dllogger, with its names.

    Args:
        path: the file.
        config: resolved settings by name.
    """

    def __init__(self, path: str, config: Mapping[str, Any]) -> None:
        self._file = _LogFile(path)
        self._begin = time.time()
        self._last: dict[str, float] = {}
        self._rates: list[float] = []
        self._write("PARAMETER", config)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """The numbers of a log line or an evaluation."""
        if kind == "eval":
            self._write([0, step], {f"eval_{name}": value for name, value in numbers.items()})
            return
        self._last = dict(numbers)
        self._rates.append(numbers.get("sequences_per_second", 0.0))
        renamed = {
            "average_loss": numbers.get("loss"),
            "learning_rate": numbers.get("learning_rate"),
            "average_perf_per_step": numbers.get("sequences_per_second"),
        }
        self._write([0, step], renamed)

    def close(self) -> None:
        """The last line: the whole run."""
        rates = sorted(self._rates)
        self._write(
            [],
            {
                "e2e_train_time": time.time() - self._begin,
                "training_sequences_per_second": rates[len(rates) // 2] if rates else None,
                "final_loss": self._last.get("loss"),
            },
        )
        self._file.close()

    def _write(self, step: Any, data: Mapping[str, Any]) -> None:
        now = time.time()
        self._file.write(
            "DLLL",
            {
                "timestamp": f"{now:.6f}",
                "datetime": str(datetime.datetime.fromtimestamp(now)),
                "elapsedtime": f"{now - self._begin:.6f}",
                "type": "LOG",
                "step": step,
                "data": dict(data),
            },
        )
