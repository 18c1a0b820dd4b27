"""Writes a run in the lines of NVIDIA's dllogger (`DLLL`), with the keys of Habana's programs.

Keys are those that Model-References' run_pretraining.py and run_squad.py log. Of a line over
several steps, `step_loss` is the mean of all of them: single steps do not read their loss.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bertkit.codecs.strict_json import json_text
from bertkit.train.config import TrainingConfig


class LogFile:
    """A text file that is appended to line by line, and flushed after each."""

    def __init__(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Closed by `close`.
        self._stream: IO[str] = open(path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115

    def write(self, prefix: str, entry: Mapping[str, Any]) -> None:
        """Append a line: a prefix and a JSON object."""
        self._stream.write(f"{prefix} {json_text(dict(entry))}\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class JsonSummary:
    """A run in the lines of dllogger; of a resumed run in the same file.

    Args:
        path: the file.
        config: resolved settings by name, which the first line holds; None for a file that has
            such a line.
    """

    def __init__(self, path: str, config: Mapping[str, Any] | None) -> None:
        self._file = LogFile(path)
        self._begin = time.time()
        if config is not None:
            self.parameters(**config)
            self.parameters(SEED=config.get("seed"))

    def parameters(self, **data: Any) -> None:
        """A line of facts."""
        self.write("PARAMETER", data)

    def write(self, step: Any, data: Mapping[str, Any]) -> None:
        """A line.

        Args:
            step: (epoch, step); () for the whole run.
            data: its numbers.
        """
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

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.time() - self._begin

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TrainingSummary:
    """The training of a run, as a tracker.

    Args:
        lines: of the run.
        config: its settings.
        samples: of an epoch; 0 where that is not known.
        world: processes.
        first_step: updates done before this call.
    """

    def __init__(
        self,
        lines: JsonSummary,
        config: TrainingConfig,
        *,
        samples: int,
        world: int = 1,
        first_step: int = 0,
    ) -> None:
        self._lines, self._config = lines, config
        self._samples, self._world = samples, world
        self._step, self._first = first_step, first_step
        self._last: dict[str, Any] = {}
        self._seconds = 0.0
        lines.parameters(train_start=True)
        lines.parameters(batch_size_per_pu=config.micro_size)
        lines.parameters(learning_rate=config.learning_rate)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """The numbers of a log line or an evaluation."""
        if kind == "eval":
            self._lines.write(
                self._place(step), {f"eval_{name}": value for name, value in numbers.items()}
            )
            return
        config, rate = self._config, numbers.get("sequences_per_second", 0.0)
        steps, self._step = step - self._step, step
        seconds = steps * config.global_batch_size / rate if rate else 0.0
        self._seconds += seconds
        passes = max(1, steps * config.accumulation(self._world))
        speed = {
            "average_training_time_step": seconds / passes,
            "average_perf_per_step": rate / self._world,
        }
        self._last = {"final_loss": numbers.get("loss"), **speed}
        losses = {"average_loss": numbers.get("loss"), "step_loss": numbers.get("loss")}
        learning_rate = {"learning_rate": numbers.get("learning_rate")}
        self._lines.write(self._place(step), {**losses, **learning_rate, **speed})
        if config.save_every and step % config.save_every == 0:
            self._lines.parameters(checkpoint_step=step)

    def close(self) -> None:
        """The last lines of training: the last step, and the whole run."""
        if self._last:
            if not (self._config.save_every and self._step % self._config.save_every == 0):
                self._lines.parameters(checkpoint_step=self._step)
            self._lines.write(self._place(self._step), self._last)
        done = (self._step - self._first) * self._config.global_batch_size
        self._lines.write(
            [],
            {
                "e2e_train_time": self._lines.seconds,
                "training_sequences_per_second": done / self._seconds if self._seconds else None,
                "final_loss": self._last.get("final_loss"),
                "raw_train_time": self._seconds,
            },
        )
        self._lines.close()

    def _place(self, step: int) -> list[int]:
        position = max(0, step * self._config.global_batch_size - 1)
        return [position // self._samples if self._samples else 0, step]


def log_answers(
    path: str,
    config: Mapping[str, Any],
    *,
    trained: bool,
    questions: int,
    windows: int,
    seconds: float,
    scores: Mapping[str, float],
) -> None:
    """Add the lines of answering and scoring, as run_squad.py has them.

    Args:
        path: the file.
        config: resolved settings by name.
        trained: the training of the same call has written its lines.
        questions: that were answered.
        windows: made of them; 0 where nothing was answered.
        seconds: that the forward passes took.
        scores: EM, F1 and more, percentages; empty without.
    """
    lines = JsonSummary(path, None if trained else config)
    if windows:
        lines.parameters(infer_start=True)
        lines.parameters(eval_samples=questions)
        lines.parameters(eval_features=windows)
        lines.parameters(predict_batch_size=config.get("predict_batch_size"))
        rate = windows / seconds if seconds else None
        lines.write([], {"e2e_inference_time": seconds, "inference_sequences_per_second": rate})
    if scores:
        exact = scores.get("exact_match", scores.get("exact"))
        lines.write([], {"exact_match": exact, "F1": scores.get("f1")})
    lines.close()
