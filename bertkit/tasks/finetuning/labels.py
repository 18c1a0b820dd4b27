"""Reads the labels that `--labels` gives, for the tasks that have labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.errors import ConfigError, shortened
from bertkit.model.config import label_names
from bertkit.storage.files import names_in_list


def given_labels(words: Sequence[str], *, at_least: int = 2) -> list[str]:
    """The labels of `--labels`, from the command line or a file.

    Args:
        words: of the flag: a label each, or @FILE with one a line.
        at_least: so many labels are needed.

    Raises:
        ConfigError: one of them twice, or too few.
    """
    names: list[str] = []
    for word in words:
        names += names_in_list(word[1:]) if word.startswith("@") else [word]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"--labels has {twice[0]!r} twice")
    if names and len(names) < at_least:
        parts = [part.strip() for part in names[0].split(",")]
        each = " ".join(f"--labels {part}" for part in parts) if len(parts) > 1 else ""
        hint = f"each label has a flag of its own: {each}" if each else "name all of them"
        raise ConfigError(f"--labels has one label only: {names[0]!r}", hint)
    return names


def require_order(labels: Sequence[str], facts: Mapping[str, Any], start: str | Path) -> None:
    """Refuse labels for a model that has learnt one of them as another of its outputs, or more.

    Args:
        labels: in their order.
        facts: `config.json` of the model.
        start: of the model, for messages.

    Raises:
        ConfigError: names the first such label, or both numbers of labels.
    """
    learnt = label_names(facts, start)
    numbers = {name: number for number, name in enumerate(learnt)}
    wrong = next((n for n, name in enumerate(labels) if numbers.get(name, n) != n), None)
    if labels and numbers and len(labels) != len(numbers) and wrong is None:
        raise ConfigError(
            f"--labels has {len(labels)} labels, and {start} has learnt {len(numbers)}",
            f"leave --labels out: it has learnt {shortened(list(numbers))}",
        )
    if wrong is not None:
        raise ConfigError(
            f"--labels has {labels[wrong]!r} as number {wrong}, and {start} has learnt it as number"
            f" {numbers[labels[wrong]]}",
            "leave --labels out, or give them in the order of the training",
        )
