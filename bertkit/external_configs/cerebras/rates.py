"""Translates Cerebras' lists of learning rate schedulers into our stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.external_configs.translation import Refuse
from bertkit.external_configs.values import number, whole


def schedulers(value: Any) -> list[dict[str, Any]]:
    """The schedulers of a file in order, each with `kind`, `steps`, `first` and `last`.

    Args:
        value: a number, one scheduler, a list of them, or the `SequentialLR` of later releases.

    Raises:
        Refuse: a scheduler of another kind, or without a number that it needs.
    """
    if not value or not isinstance(value, (list, Mapping)):
        rate = _rate(value)
        return [{"kind": "constant", "steps": None, "first": rate, "last": rate}]
    found = [_scheduler(part) for part in _flat(value)]
    if not found:
        raise Refuse("there is no scheduler in it")
    return found


def _flat(value: Any) -> list[Mapping[str, Any]]:
    parts: list[Mapping[str, Any]] = []
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, Mapping):
            raise Refuse(f"{part!r} is no scheduler: each has its settings below it")
        if "scheduler" in part:
            parts.append(part)
            continue
        for kind, value in part.items():
            settings = _settings(kind, value)
            if kind == "SequentialLR":
                _require_known(kind, settings, ("schedulers", "last_epoch"))
                parts += _flat(settings.get("schedulers") or [])
            else:
                parts.append({"scheduler": kind, **settings})
    return parts


def _settings(kind: str, settings: Any) -> Mapping[str, Any]:
    if not isinstance(settings, Mapping):
        raise Refuse(f"scheduler {kind!r} without its settings below it")
    return settings


def _require_known(kind: str, settings: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = [str(key) for key in settings if key not in known]
    if unknown:
        raise Refuse(f"scheduler {kind} has no {', '.join(unknown)}; it has {', '.join(known)}")


_WAVE = "cosinedecay"
# Of the schedulers that become stages.
_KEYS = (
    *("scheduler", "steps", "total_iters", "decay_steps", "val", "learning_rate"),
    *("initial_learning_rate", "end_learning_rate", "power", "cycle", "last_epoch"),
)


def _rate(value: Any) -> float:
    try:
        rate = number(value)
    except ValueError as reason:
        raise Refuse(f"a learning rate {reason}") from None
    if rate < 0:
        raise Refuse("a learning rate must not be below 0")
    return rate


def _steps(part: Mapping[str, Any]) -> int | None:
    """How long a scheduler lasts; None where it does not say, or says 0."""
    value = part.get("steps", part.get("total_iters", part.get("decay_steps")))
    try:
        steps = 0 if value is None else whole(value)
    except ValueError as reason:
        raise Refuse(f"steps of a scheduler ({value!r}) {reason}") from None
    if steps < 0:
        raise Refuse(f"steps of a scheduler ({steps}) must not be below 0")
    return steps or None


def _scheduler(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(part["scheduler"]).lower().removesuffix("lr")
    steps = _steps(part)
    if kind == "constant":
        _require_known(str(part["scheduler"]), part, _KEYS)
        rate = _number(part, "val", "learning_rate")
        return {"kind": kind, "steps": steps, "first": rate, "last": rate}
    straight = kind == "linear" or (kind == "polynomial" and part.get("power", 1) == 1)
    if not straight and kind != _WAVE:
        known = "there are Constant, Linear and CosineDecay"
        raise Refuse(f"no scheduler {part['scheduler']!r}; {known}")
    _require_known(str(part["scheduler"]), part, _KEYS)
    if part.get("cycle"):
        raise Refuse(f"{part['scheduler']} with cycle: schedules do not start again here")
    if steps is None:
        raise Refuse(f"a {part['scheduler']} scheduler without its steps")
    first = _number(part, "initial_learning_rate", "learning_rate")
    return {
        "kind": "cosine" if kind == _WAVE else "linear",
        "steps": steps,
        "first": first,
        "last": _number(part, "end_learning_rate"),
    }


def _number(part: Mapping[str, Any], *names: str) -> float:
    for name in names:
        if part.get(name) is not None:
            return _rate(part[name])
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
    for place, part in enumerate(parts, start=1):
        is_last = place == len(parts)
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
    if part["kind"] == "cosine":
        if late:
            raise Refuse("a CosineDecay scheduler that counts from the start of the run")
        return [f"cosine:{steps}:{first}:{last}"]
    begins = first + (last - first) * late / steps
    line = f"linear:{left}:{begins}:{last}"
    return [line] if is_last or not late else [line, f"constant:{late}:{last}"]
