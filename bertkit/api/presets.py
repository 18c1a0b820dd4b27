"""Names the recipes that ship with bertkit."""

from __future__ import annotations


def presets(command: str = "pretrain") -> list[str]:
    """The names that a function takes as `preset`.

    Args:
        command: `pretrain`, `finetune` or `finetune-squad`.

    Returns:
        In the order of the alphabet.

    Raises:
        UsageError: No such command.

    Example:
        >>> "tiny" in bertkit.presets()
        True
        >>> bertkit.presets("finetune-squad")
        ['squad-base', 'squad-large']
    """
    from bertkit.errors import UsageError
    from bertkit.tasks.registry import commands, presets_of

    name = command.replace("_", "-")
    if name not in commands():
        raise UsageError(f"{command} has no presets", f"those have: {', '.join(commands())}")
    return presets_of(name)
