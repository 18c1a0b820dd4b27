"""The kernels, each shared among the threads of a team; see `bertkit.kernels.team`.

A function for each: numba keeps machine code of functions that stand in a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bertkit.kernels.jit import kernel
from bertkit.kernels.team import on_team
from bertkit.model.cpu_half.kernels import activation, norm, softmax, transposed, words


def of(one: Callable[..., Any]) -> Callable[..., Any]:
    """What runs a kernel on a team: takes addresses, threads, blocks, scratch, arguments."""
    found: Callable[..., Any] = globals()["_" + one.__name__]
    return found


@kernel
def _activate(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(activation.activate, places, threads, count, scratch, given)


@kernel
def _activate_back(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(activation.activate_back, places, threads, count, scratch, given)


@kernel
def _add_and_norm(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(norm.add_and_norm, places, threads, count, scratch, given)


@kernel
def _add_and_norm_back(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(norm.add_and_norm_back, places, threads, count, scratch, given)


@kernel
def _gather_heads(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(softmax.gather_heads, places, threads, count, scratch, given)


@kernel
def _scatter_heads(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(softmax.scatter_heads, places, threads, count, scratch, given)


@kernel
def _probabilities(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(softmax.probabilities, places, threads, count, scratch, given)


@kernel
def _probabilities_back(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(softmax.probabilities_back, places, threads, count, scratch, given)


@kernel
def _transpose_and_sum(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(transposed.transpose_and_sum, places, threads, count, scratch, given)


@kernel
def _exponentials(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(words.exponentials, places, threads, count, scratch, given)


@kernel
def _words_back(places: Any, threads: int, count: int, scratch: Any, given: Any) -> None:
    on_team(words.words_back, places, threads, count, scratch, given)
