"""Translates Cerebras' lists of learning rate schedulers into our stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.external_configs.translation import Refuse


def schedulers(value: Any) -> list[dict[str, Any]]:
    """The schedulers of a file in order, each with `kind`, `steps`, `first` and `last`.

    Args:
        value: a number, one scheduler, a list of them, or the `SequentialLR` of later releases.

    Raises:
        Refuse: a scheduler of another kind, or without a number that it needs.
    """
    if isinstance(value, (int, float, str)):
        rate = float(value)
        return [{"kind": "constant", "steps": None, "first": rate, "last": rate}]
    return [_scheduler(part) for part in _flat(value)]


def _flat(value: Any) -> list[Mapping[str, Any]]:
    parts: list[Mapping[str, Any]] = []
    for part in value if isinstance(value, list) else [value]:
        if "scheduler" in part:
            parts.append(part)
            continue
        for kind, settings in part.items():
            if kind == "SequentialLR":
                parts += _flat(settings.get("schedulers", []))
            else:
                parts.append({"scheduler": kind, **settings})
    return parts


def _scheduler(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(part["scheduler"]).lower().removesuffix("lr")
    steps = part.get("steps", part.get("total_iters", part.get("decay_steps"))) or None
    if kind == "constant":
        rate = _number(part, "val", "learning_rate")
        return {"kind": kind, "steps": steps, "first": rate, "last": rate}
    straight = kind == "linear" or (kind == "polynomial" and part.get("power", 1) == 1)
    if not straight:
        raise Refuse(f"no scheduler {part['scheduler']!r}; there are Constant and Linear")
    if part.get("cycle"):
        raise Refuse(f"{part['scheduler']} with cycle: schedules do not start again here")
    if steps is None:
        raise Refuse("a Linear scheduler without its steps")
    first = _number(part, "initial_learning_rate", "learning_rate")
    return {
        "kind": "linear",
        "steps": int(steps),
        "first": first,
        "last": _number(part, "end_learning_rate"),
    }


def _number(part: Mapping[str, Any], *names: str) -> float:
    for name in names:
        if part.get(name) is not None:
            return float(part[name])
    raise Refuse(f"a scheduler without its {names[0]}")


def stages(parts: Sequence[Mapping[str, Any]], overlap: bool) -> list[str]:
    """The schedulers as our stages, `KIND:STEPS:FROM:TO`.

    Args:
        parts: from `schedulers`.
        overlap: their `disable_lr_steps_reset`: every scheduler counts its steps from the start
            of the run, as Google's program does. A line from a to b in n steps that takes over
            after t steps then begins at a + (b - a) t / n, and has n - t steps left.

    Raises:
        Refuse: a scheduler before the last has no number of steps.
    """
    found: list[str] = []
    begin = 0
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        if part["steps"] is None and not is_last:
            raise Refuse("only the last scheduler may omit its steps")
        found += _pieces(part, begin if overlap else 0, is_last)
        begin += part["steps"] or 0
    return found


def _pieces(part: Mapping[str, Any], late: int, is_last: bool) -> list[str]:
    """The stages of one scheduler that has missed its first `late` steps, but lasts as long."""
    steps, first, last = part["steps"], part["first"], part["last"]
    if part["kind"] == "constant":
        return [f"constant:{'' if is_last else steps}:{first}"]
    left = steps - late
    if left <= 0:
        return [f"constant:{'' if is_last else steps}:{last}"]
    begins = first + (last - first) * late / steps
    line = f"linear:{left}:{begins}:{last}"
    return [line] if is_last or not late else [line, f"constant:{late}:{last}"]
