"""Computes the metrics of a run from sums over steps, for `metrics.jsonl` and trackers."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from bertkit.codecs.strict_json import json_text
from bertkit.errors import BertkitError, DataError
from bertkit.storage.files import CHUNK, open_binary, write_text
from bertkit.train.run_files import METRICS


def total(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sums of several steps or batches added up by name."""
    result: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            result[name] = result.get(name, 0.0) + value
    return result


def summarise(sums: Mapping[str, float]) -> dict[str, float]:
    """Losses and accuracies of every kind of prediction that has a count.

    `mlm_loss_sum`, `mlm_correct` and `mlm_count` become `mlm_loss` (nats per predicted
    token) and `mlm_accuracy`; likewise for other prefixes. Without `X_correct` there is no
    accuracy; where the count is 0, both are left out.
    """
    result: dict[str, float] = {}
    for name, count in sums.items():
        prefix, ending, rest = name.rpartition("_count")
        if not ending or rest or not count:
            continue
        result[f"{prefix}_loss"] = sums[f"{prefix}_loss_sum"] / count
        if f"{prefix}_correct" in sums:
            result[f"{prefix}_accuracy"] = sums[f"{prefix}_correct"] / count
    return result


def losses_are_finite(numbers: Mapping[str, float]) -> bool:
    """Whether an evaluation measured a model that computes: all losses in it are finite."""
    return all(math.isfinite(value) for name, value in numbers.items() if name.endswith("loss"))


def perplexity(loss: float) -> float:
    """e to the mean loss in nats; infinite where that overflows."""
    return math.exp(loss) if not loss >= 700 else math.inf


def read(path: str | Path) -> list[dict[str, Any]]:
    """All of `lines`, in memory."""
    return list(lines(path))


def lines(path: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; a last line cut off by a crash is passed over.

    Numbers that were not finite are None.

    Raises:
        DataError: the file cannot be read, or a line in it is none of ours; names it.
    """
    with open_binary(path) as stream:
        for number, line in enumerate(stream, start=1):
            if line.endswith(b"\n"):
                yield _entry(line, f"{path}:{number}")
            else:  # a whole line without its end, or a piece of one
                with contextlib.suppress(DataError):
                    yield _entry(line, "")


def last_line(path: str | Path) -> tuple[int, dict[str, Any]]:
    """How many `lines` there are, and the last one; empty where there is none."""
    count, entry = 0, {}
    for entry in lines(path):  # noqa: B007 - the last one is wanted
        count += 1
    return count, entry


def _entry(line: bytes, place: str) -> dict[str, Any]:
    """A line of numbers: its `kind`, its `step`, and numbers or null.

    Raises:
        DataError: it is something else.
    """
    hint = "mend or remove the line; what a run measured there is lost with it"
    try:
        entry = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: damaged: no JSON", hint) from error
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise DataError(f"{place}: damaged: no line of a run's numbers", hint)
    step = entry.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise DataError(f"{place}: damaged: step is {step!r}"[:200], hint)
    for name, value in entry.items():
        if name != "kind" and not (value is None or isinstance(value, (int, float))):
            raise DataError(f"{place}: damaged: {name} is no number"[:200], hint)
    return entry


def from_json(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Numbers of a line or checkpoint, with NaN for those that were not finite."""
    return {name: math.nan if value is None else value for name, value in numbers.items()}


def left_out_text(numbers: Mapping[str, float]) -> dict[str, str]:
    """How many steps of a run changed no weight, for people; nothing where all did."""
    names = ("overflow_steps", "skipped_steps")
    return {name.replace("_", " "): f"{numbers[name]:,.0f}" for name in names if numbers.get(name)}


class MetricsFile:
    """`metrics.jsonl` of a run: one JSON object per line, each with `kind` and `step`.

    Args:
        folder: of the run.
        resumed_step: keep lines up to this step; what came after is measured again.
        evaluation_due: so is the evaluation of this step.
    """

    def __init__(self, folder: str | Path, resumed_step: int, evaluation_due: bool = False) -> None:
        self.path = Path(folder) / METRICS
        if self.path.is_file() and resumed_step:
            _cut_back(self.path, resumed_step, evaluation_due)
        else:
            write_text(self.path, "")
        # Closed by `close`; lines end alike on every system.
        self._stream = open(self.path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append a line and hand it to the operating system.

        Raises:
            BertkitError: the file is not in the run's folder any more.
        """
        self._require_its_place()
        self._stream.write(json_text(dict(entry)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _require_its_place(self) -> None:
        """Notice that somebody removed or replaced the folder: what is saved there has no run."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._stream.fileno()), self.path.stat()):
                return
        raise BertkitError(
            f"{self.path} is gone: the output folder of this run was removed or replaced",
            "start the run again; checkpoints that it saved since are below the same name",
        )


def _cut_back(path: Path, step: int, evaluation_due: bool) -> None:
    """Cut off the lines after a step (and its evaluation), and what a crash left of a line.

    Steps never fall, so only the end of the file is read.
    """
    with open(path, "r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        kept = 0
        for start, line in _lines_from_the_end(stream, size):
            whole = line.endswith(b"\n")
            try:
                entry = _entry(line, "")
            except DataError:
                if whole:
                    number = _line_number(path, start)
                    _entry(line, f"{path}:{number}")
                continue  # what a crash left of the last line
            again = evaluation_due and entry["step"] == step and entry["kind"] == "eval"
            if entry["step"] <= step and not again:
                kept = start + len(line)
                break
        stream.truncate(kept)
        if kept and not whole:  # only the end of the line had not been written
            stream.seek(kept)
            stream.write(b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _line_number(path: Path, place: int) -> int:
    """The number of the line that begins at a byte, from 1."""
    with open(path, "rb") as stream:
        return stream.read(place).count(b"\n") + 1


def _lines_from_the_end(stream: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """(first byte, line with its end) of the lines of a file, the last one first."""
    rest = b""
    while end:
        start = max(0, end - CHUNK)
        stream.seek(start)
        lines = (stream.read(end - start) + rest).splitlines(keepends=True)
        end = start
        rest = lines.pop(0) if start else b""
        place = start + len(rest) + sum(map(len, lines))
        for line in reversed(lines):
            place -= len(line)
            yield place, line


class Tracker(Protocol):
    """Takes a run's numbers beside `metrics.jsonl`; see `bertkit.report.logs.trackers`."""

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """The numbers of a step; `kind` is train or eval."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class Recorder:
    """Where a run's numbers go: `metrics.jsonl` and the trackers.

    Args:
        lines: None in all processes but the main one.
        trackers: further places.
    """

    def __init__(self, lines: MetricsFile | None = None, trackers: Sequence[Tracker] = ()) -> None:
        self._lines = lines
        self._trackers = trackers

    def record(
        self,
        kind: str,
        numbers: Mapping[str, float],
        *,
        step: int,
        position: int,
        seconds: float,
    ) -> None:
        """Write the numbers of a step.

        Args:
            kind: train or eval.
            numbers: by name.
            step: updates done.
            position: samples seen.
            seconds: of training so far.
        """
        if self._lines:
            where = {"step": step, "position": position, "seconds": round(seconds, 3)}
            self._lines.write({"kind": kind, **where, **numbers})
        for tracker in self._trackers:
            tracker.log(step, kind, numbers)

    def begin_evaluation(self, step: int) -> None:
        """Tell the trackers that want to know when an evaluation begins, after so many updates."""
        for tracker in self._trackers:
            if begin := getattr(tracker, "begin_evaluation", None):
                begin(step)

    def close(self) -> None:
        """Close the file and the trackers."""
        if self._lines:
            self._lines.close()
        for tracker in self._trackers:
            tracker.close()
