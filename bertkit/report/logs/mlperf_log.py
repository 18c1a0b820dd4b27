"""Writes the log that MLPerf's tools read: `:::MLLOG` lines.

mlperf-logging's compliance checker takes it for the rulesets of the closed division that have
BERT, 0.7 to 5.0; `tests/report/test_mlperf_checker.py` runs it. Places in the run are counted in
samples, which the rules of BERT write as `epoch_num`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.model.parameter_names import pretraining_parameters
from bertkit.report.logs.dllogger import LogFile
from bertkit.storage.files import write_text
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.train.metrics import losses_are_finite

PREFIX = ":::MLLOG"
_ADAM = ("adamw", "adamw_no_bias_correction", "sgd", "momentum")  # all others are LAMB


class MlperfLog:
    """A run as MLPerf's compliance checker reads it.

    A resumed run goes on in the same file as if it had never stopped; a new run sets a file
    that is there aside, because a log holds one run.

    Args:
        path: the log.
        config: the resolved settings.
        length: max_seq_length of the records.
        first_step: updates done before this call.
        eval_records: of one evaluation.
        world: processes.
    """

    def __init__(
        self,
        path: str,
        config: PretrainConfig,
        length: int,
        first_step: int,
        *,
        eval_records: int,
        world: int = 1,
    ) -> None:
        self._config = config
        self._batch = config.global_batch_size
        self._evaluates = eval_records > 0
        self._reached = False
        self._over = False
        self._samples = self._first = first_step * self._batch
        # Samples at the start of the block that is open; None between blocks.
        self._block: int | None = None
        self._path = Path(path)
        goes_on = self._take_up() if first_step else False
        if not goes_on:
            _set_aside(self._path)
        self._file = LogFile(path)
        if not goes_on:
            self._head(_facts(config, length, eval_records, world))
        # An evaluation before the first step comes before the first block.
        if self._block is None and not (config.eval_first and not first_step):
            self._start_block()

    def begin_evaluation(self, step: int) -> None:
        """Training pauses for an evaluation."""
        self._samples = step * self._batch
        if self._samples == self._first and step:
            # The run goes on with an evaluation that a call before was ended in.
            self._file.close()
            self._take_up(before_evaluation=True)
            self._file = LogFile(str(self._path))
        self._stop_block()
        self._event("eval_start", kind="INTERVAL_START", meta=self._place())

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """Note an evaluation, and the loss between evaluations."""
        self._samples = step * self._batch
        if kind != "eval":
            self._event("tracked_stats", {"loss": numbers.get("loss")}, meta=self._place())
            return
        self._event("eval_loss", numbers.get("mlm_loss"), meta=self._place())
        self._event("eval_accuracy", numbers.get("mlm_accuracy"), meta=self._place())
        self._event("eval_stop", kind="INTERVAL_END", meta=self._place())
        target = self._config.target_mlm_accuracy
        if target is not None and losses_are_finite(numbers):
            self._reached |= numbers.get("mlm_accuracy", -1.0) >= target
        if self._reached or self._last:
            self._end()
        else:
            self._start_block()

    def close(self) -> None:
        """Close the file; a run that is not over may go on in it."""
        if self._last and not self._evaluates:
            self._end()
        self._file.close()

    @property
    def _last(self) -> bool:
        return self._samples >= self._config.max_steps * self._batch

    def _head(self, facts: Mapping[str, Any]) -> None:
        self._event("cache_clear", self._config.submission.cache_cleared)
        self._event("init_start", kind="INTERVAL_START")
        for name, value in facts.items():
            self._event(name, value)
        for name in tensor_names(self._config.model.num_hidden_layers):
            self._event("weights_initialization", meta={"tensor": name})
        self._event("init_stop", kind="INTERVAL_END")
        self._event("run_start", kind="INTERVAL_START")

    def _end(self) -> None:
        """`success` where the target was reached, `aborted` where not."""
        if self._over:
            return
        self._over = True
        self._stop_block()
        status = "success" if self._reached else "aborted"
        self._event("run_stop", kind="INTERVAL_END", meta={**self._place(), "status": status})
        self._event("train_samples", self._samples)

    def _start_block(self) -> None:
        """The samples up to the next evaluation, or to the end."""
        config, end = self._config, self._config.max_steps * self._batch
        every = config.eval_samples or config.eval_every * self._batch
        block_end = min(end, (self._samples // every + 1) * every) if every else end
        meta = {
            "first_epoch_num": self._samples,
            "epoch_count": max(1, block_end - self._samples),
            "samples_count": self._samples,
        }
        self._event("block_start", kind="INTERVAL_START", meta=meta)
        self._block = self._samples

    def _stop_block(self) -> None:
        if self._block is not None:
            meta = {"first_epoch_num": self._block, "samples_count": self._samples}
            self._event("block_stop", kind="INTERVAL_END", meta=meta)
        self._block = None

    def _place(self) -> dict[str, int]:
        return {"epoch_num": self._samples, "samples_count": self._samples}

    def _take_up(self, before_evaluation: bool = False) -> bool:
        """Keep what the file says of the steps that are done; False where it says nothing.

        Args:
            before_evaluation: keep nothing of the evaluation after these steps.
        """
        path = self._path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = []
        for line in lines:
            event = _event(line)
            place = event.get("metadata", {}).get("samples_count", 0)
            again = before_evaluation and place == self._samples
            if event.get("key") == "run_stop" or place > self._samples:
                break
            if again and event.get("key") in ("block_stop", "eval_start"):
                break
            kept.append(line)
            if event.get("key") in ("block_start", "block_stop"):
                begins = event["key"] == "block_start"
                self._block = event["metadata"]["first_epoch_num"] if begins else None
        if not any(_event(line).get("key") == "run_start" for line in kept):
            return False
        write_text(path, "".join(f"{line}\n" for line in kept))
        return True

    def _event(
        self,
        key: str,
        value: Any = None,
        kind: str = "POINT_IN_TIME",
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self._file.write(
            PREFIX,
            {
                "namespace": "",
                "time_ms": int(time.time() * 1000),
                "event_type": kind,
                "key": key,
                "value": value,
                "metadata": {
                    "file": "bertkit/report/logs/mlperf_log.py",
                    "lineno": 0,
                    **(meta or {}),
                },
            },
        )


def _facts(config: PretrainConfig, length: int, eval_records: int, world: int) -> dict[str, Any]:
    """The settings under the names of MLPerf's rules; older rulesets call epsilon otherwise."""
    submission = config.submission
    warmup = config.warmup(config.max_steps)
    return {
        "submission_benchmark": "bert",
        "submission_org": submission.org,
        "submission_division": submission.division,
        "submission_status": submission.status,
        "submission_platform": submission.platform or f"{world} x {config.backend}",
        "seed": config.seed,
        "global_batch_size": config.global_batch_size,
        "gradient_accumulation_steps": config.accumulation(world),
        "max_sequence_length": length,
        "eval_samples": eval_records,
        "target_accuracy": config.target_mlm_accuracy,
        "opt_name": config.optimizer if config.optimizer in _ADAM else "lamb",
        "opt_base_learning_rate": config.learning_rate,
        "opt_learning_rate_training_steps": config.max_steps,
        "opt_learning_rate_warmup_steps": warmup,
        "num_warmup_steps": warmup,
        "start_warmup_step": config.start_warmup_step,
        "opt_epsilon": config.eps,
        "opt_lamb_epsilon": config.eps,
        "opt_lamb_beta_1": config.beta1,
        "opt_lamb_beta_2": config.beta2,
        "opt_lamb_weight_decay_rate": config.weight_decay,
        "opt_lamb_learning_rate_decay_poly_power": config.power,
    }


def tensor_names(layers: int) -> list[str]:
    """The weights of BERT with so many layers under the names of Google's program."""
    return [_tensor_name(name) for name in pretraining_parameters(layers)]


def _tensor_name(name: str) -> str:
    module, _, kind = name.rpartition(".")
    path = re.sub(r"encoder\.layer\.(\d+)", r"encoder.layer_\1", module).replace(".", "/")
    if path == "cls/predictions":
        return f"{path}/output_{kind}"
    if path == "cls/seq_relationship":
        return f"{path}/output_{'weights' if kind == 'weight' else kind}"
    if path.endswith("_embeddings"):
        return path
    kinds = {"weight": "kernel", "bias": "bias"}
    if path.endswith("LayerNorm"):
        kinds = {"weight": "gamma", "bias": "beta"}
    return f"{path}/{kinds[kind]}"


def _event(line: str) -> dict[str, Any]:
    """What a line of a log says; nothing where it is cut off, or another program's."""
    try:
        found = json.loads(line.removeprefix(PREFIX)) if line.startswith(PREFIX) else {}
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _set_aside(path: Path) -> None:
    """Rename a log of another run, so that nothing in it is lost: FILE.1, FILE.2, ..."""
    if not path.is_file() or not path.stat().st_size:
        return
    number = 1
    while (other := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    path.rename(other)
    log.logger.info("%s holds another run: renamed to %s", path, other.name)
