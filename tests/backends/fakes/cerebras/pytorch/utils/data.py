"""Data loader and executor."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass

import torch

from .._engine import current_backend, mark


@dataclass
class Schedule:
    """Steps from 0, in ranges."""

    @dataclass
    class Range:
        start: int
        end: int
        step: int
        include_last: bool

        def __post_init__(self):
            if self.start < 0 or self.end <= self.start or self.step < 1:
                raise ValueError(f"not a range of steps: {self}")

        def match(self, index):
            inside = self.start <= index < self.end
            last = self.include_last and index == self.end - 1
            return inside and ((index - self.start) % self.step == 0 or last)

    intervals: list

    def match(self, index):
        return any(item.match(index) for item in self.intervals)


class DataLoader:
    def __init__(self, input_fn, *args, **kwargs):
        if not callable(input_fn):
            raise TypeError("Expected a callable that constructs and returns a DataLoader")
        # Workers get the function and its arguments by value.
        self.made = pickle.loads(pickle.dumps((input_fn, args, kwargs)))

    def __iter__(self):
        function, args, kwargs = self.made
        return iter(function(*args, **kwargs))


class DataExecutor:
    def __init__(self, dataloader, num_steps=None, checkpoint_steps=None, activation_steps=None):
        if not isinstance(dataloader, DataLoader):
            raise TypeError("Detected that dataloader was not wrapped using a DataLoader.")
        self.backend = current_backend()
        if not self.backend.is_e2e_execution:
            num_steps = 1
        if not isinstance(num_steps, int) or num_steps < 1:
            raise RuntimeError(f"Expected num_steps >= 1, but got {num_steps}.")
        self.dataloader, self.num_steps = dataloader, num_steps
        self.schedule = checkpoint_steps
        self.iteration = 0
        self.rows = 0
        self.traced = []

    def saves(self, iteration):
        return self.schedule is not None and self.schedule.match(iteration)

    def __iter__(self):
        backend = self.backend
        if backend.executors:
            raise RuntimeError("another executor is running")
        for scaler in backend.scalers:
            scaler.armed = True
        backend.counter += 1
        backend.executors.append(self)
        try:
            source = iter(self.dataloader)
            shown = None
            for number in range(self.num_steps):
                self.iteration = number
                batch = next(source, None)
                if batch is None:
                    raise RuntimeError("Iterating the dataloader did not return any values.")
                shown = self._show(batch, shown)
                backend.take_weights()
                yield shown
                backend.end_step()
        finally:
            backend.executors.pop()
            backend.closures.clear()

    def _show(self, batch, shown):
        sizes = {item.shape[0] if item.dim() else 1 for item in batch.values()}
        if not self.backend.is_csx:
            if len(sizes) > 1:
                warnings.warn("Detected non-uniform batch sizes", stacklevel=2)
            return batch
        if len(sizes) > 1 or (self.rows and sizes != {self.rows}):
            raise RuntimeError(f"Only uniform batch sizes are supported in CS runs: {sizes}")
        self.rows = sizes.pop()
        if shown is None:
            return {name: mark(item.clone(), "value") for name, item in batch.items()}
        with self.backend.during("save"), torch.no_grad():
            for name, item in batch.items():
                if item.shape != shown[name].shape or item.dtype != shown[name].dtype:
                    raise RuntimeError(f"{name} changed its shape or type")
                shown[name].copy_(item)
        return shown
