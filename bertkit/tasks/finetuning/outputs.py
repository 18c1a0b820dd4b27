"""Fetches what a model says about each of many items, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.train.evaluation import leave_if_stopped, until_stopped


class Item(Protocol):
    """Tokens that are one sequence of a batch."""

    @property
    def length(self) -> int:
        """Its tokens."""


T = TypeVar("T", bound=Item)


def by_length(items: Iterable[T]) -> list[T]:
    """Longest first; equal ones keep their order."""
    return sorted(items, key=lambda item: -item.length)


@dataclass(frozen=True)
class Parts(Generic[T]):
    """Batches without targets, one micro-batch each time; its length is their number.

    Attributes:
        parts: items of each batch.
        make_batch: makes a micro-batch of items.
    """

    parts: Sequence[Sequence[T]]
    make_batch: Callable[[Sequence[T]], MicroBatch]

    def __call__(self) -> Iterator[StepBatch]:
        """The batches; `next_position` counts items."""
        position = 0
        for part in self.parts:
            position += len(part)
            yield StepBatch([self.make_batch(part)], position)

    def __len__(self) -> int:
        return len(self.parts)


@dataclass(frozen=True, kw_only=True)
class Forward(Generic[T]):
    """How items go through a model.

    Attributes:
        make_batch: makes a micro-batch of items, without targets.
        rows: rows of the objective's outputs that belong to each of some items.
        batch_size: items per forward pass; items of like length go together.
        unit: what an item is called, for the bar.
        doing: what is done with it.
    """

    make_batch: Callable[[Sequence[T]], MicroBatch]
    rows: Callable[[Sequence[T]], Sequence[int] | np.ndarray]
    batch_size: int
    unit: str = "example"
    doing: str = "predicting"


def fetch(
    adapter: Adapter, stepper: Stepper, items: Sequence[T], forward: Forward[T]
) -> list[dict[str, np.ndarray]]:
    """Every output of the model for every item.

    Several processes take the batches in turn, and the main one gets all outputs. A batch
    holds the same items however many processes there are.

    Args:
        adapter: of the machine; where it wants one shape, batches are padded with copies.
        stepper: of an objective that gives outputs where there are no targets.
        items: any number of them.
        forward: how they are put into batches.

    Returns:
        Per item the outputs by name, float32 [rows, C]; nothing in the processes beside the
        main one.

    Raises:
        EvaluationStopped: within a training that is to stop.
    """
    place, size = adapter.process_group.topology, forward.batch_size
    order = sorted(range(len(items)), key=lambda number: -items[number].length)
    parts = [order[first : first + size] for first in range(0, len(order), size)]
    if adapter.caps.fixed_shapes and parts:
        parts[-1] = [*parts[-1], *parts[-1][-1:] * (size - len(parts[-1]))]
        while len(parts) % place.world:
            parts.append(parts[-1])  # engines that join processes want as many calls of each
    own = parts[place.rank :: place.world]
    found: dict[int, dict[str, np.ndarray]] = {}
    if own:
        chosen = Parts([[items[number] for number in part] for part in own], forward.make_batch)
        with adapter.loader(chosen, training=False) as batches:
            numbers = [number for part in own for number in part]
            found = _outputs(stepper, until_stopped(batches, adapter), items, numbers, forward)
    leave_if_stopped(adapter.process_group)
    everything = adapter.process_group.collect(found)
    whole = {number: outputs for part in everything for number, outputs in part.items()}
    return [whole[number] for number in range(len(items))] if place.is_main else []


def _outputs(
    stepper: Stepper,
    batches: Iterable[StepBatch],
    items: Sequence[T],
    numbers: Sequence[int],
    forward: Forward[T],
) -> dict[int, dict[str, np.ndarray]]:
    """The outputs of some batches, which the machine's loader may have put together anew."""
    found: dict[int, dict[str, np.ndarray]] = {}
    done = 0
    bar = log.progress(total=len(numbers), unit=forward.unit, description=forward.doing)
    for batch in batches:
        outputs = stepper.predict(batch)
        part = numbers[done : batch.next_position]
        sizes = forward.rows([items[number] for number in part])
        ends = np.cumsum(sizes)
        # Some engines hand over flat arrays.
        tables = {name: rows.reshape(int(ends[-1]), -1) for name, rows in outputs.items()}
        for number, size, end in zip(part, sizes, ends.tolist(), strict=True):
            own = {name: rows[end - size : end] for name, rows in tables.items()}
            found.setdefault(number, own)
        bar.update(len(part))
        done = batch.next_position
    bar.close()
    return found
