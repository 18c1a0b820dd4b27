"""Writes checkpoints in a thread, from a copy of the weights in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.train.checkpoints.run_state import RunState

Write = Callable[[nn.Module, Mapping[str, Any], RunState], Path]
Weights = Callable[[], Mapping[str, Tensor]]
Check = Callable[[nn.Module, RunState], None]


class BackgroundSaver:
    """Takes a copy of model and optimizer in main memory and writes it in a thread.

    At most one checkpoint is being written: the next one waits for it. What goes wrong in
    the thread is raised by the next call.

    Args:
        model: a copy of bertkit's model in main memory; filled before every writing.
        weights: the weights as they are now, by the copy's names; called in the caller's
            thread.
        write: writes a checkpoint, so that a reader sees all of it or nothing.
        background: False writes before `save` returns.
        check: raises where the copy must not be saved; called in the caller's thread.
        copies: what `weights` and `save` are given are copies already, which nobody changes;
            no further ones are made.
    """

    def __init__(
        self,
        model: nn.Module,
        weights: Weights,
        write: Write,
        background: bool = True,
        check: Check = lambda model, state: None,
        copies: bool = False,
    ) -> None:
        self._model = model
        self._weights = weights
        self._write = write
        self._background = background
        self._check = check
        self._copies = copies
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(self, stepper_state: Mapping[str, Any], state: RunState) -> None:
        """Write a checkpoint of the model as it is now.

        Args:
            stepper_state: from `Stepper.state`; copied unless it is a copy.
            state: where the run stands.

        Raises:
            OSError, BertkitError: from the check; or what the writing before raised.
        """
        self.wait()
        self._fill()
        # At once: the run must not go on with a broken model until the next save.
        self._check(self._model, state)
        if not self._background:
            self._write(self._model, stepper_state, state)
            return
        moments = stepper_state if self._copies else copied(stepper_state)
        self._thread = threading.Thread(
            target=self._run, args=(moments, state), name="bertkit-saver"
        )
        self._thread.start()

    def wait(self) -> None:
        """Block until the checkpoint being written is complete.

        Raises:
            OSError, BertkitError: what the writing raised.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _fill(self) -> None:
        now = self._weights()
        if self._copies:
            self._model.load_state_dict(
                {name: now[name] for name in self._model.state_dict()}, assign=True
            )
            return
        with torch.no_grad():
            for name, value in self._model.state_dict().items():
                value.copy_(now[name])

    def _run(self, stepper_state: Mapping[str, Any], state: RunState) -> None:
        try:
            self._write(self._model, stepper_state, state)
        except BaseException as error:
            self._error = error


def copied(tree: Any) -> Any:
    """The same nested mappings with every tensor copied."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, Mapping):
        return {name: copied(value) for name, value in tree.items()}
    return tree
