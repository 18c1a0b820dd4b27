"""Translates Cerebras params files (YAML) into bertkit's settings.

The TensorFlow and the first PyTorch releases have the sections `train_input`, `model`,
`optimizer` and `runconfig`; later ones have one section `trainer`, which is rewritten into the
older sections first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.cerebras_keys import TABLE
from bertkit.external_configs.translation import Translation, flattened, translate

TITLE = "Cerebras params"
SECTIONS = {"train_input", "eval_input", "model", "optimizer", "runconfig"}


def recognises(values: Mapping[str, Any]) -> bool:
    """Whether a YAML file is one of these; ours has values of some of the names."""
    sections = [name for name in SECTIONS if isinstance(values.get(name), Mapping)]
    return "trainer" in values or len(sections) >= 2


def read(source: str, values: Mapping[str, Any]) -> Translation:
    """Translate a file.

    Args:
        source: its name.
        values: its content.
    """
    if "trainer" in values:
        entries = _trainer_entries(values)
    else:
        entries = [(key, key, value) for key, value in flattened(values)]
    found = translate(source, TITLE, entries, TABLE)
    _batch(found)
    _precision(found)
    return found


def _batch(found: Translation) -> None:
    """Accumulation multiplies what their files call the batch size."""
    steps = found.values.pop("accumulation", 1)
    if steps > 1 and "global_batch_size" in found.values:
        found.values.setdefault("micro_batch_size", found.values["global_batch_size"])
        found.values["global_batch_size"] *= steps


def _precision(found: Translation) -> None:
    """Their half types as our precision; the special one only their systems have."""
    half = found.values.pop("half", None)
    if found.values.pop("mixed_precision", half is not None):
        found.values["precision"] = "fp16" if half in (None, "float16") else "bf16"
        if half == "cbfloat16":
            found.values["cs.half"] = half


# Where the keys of the `trainer` form stand in the older sections.
_PLACES = {
    "trainer.init.backend.backend_type": "runconfig.target_device",
    "trainer.init.backend.cluster_config.": "runconfig.",
    "trainer.init.backend.": "runconfig.",
    "trainer.init.model.": "model.",
    "trainer.init.precision.enabled": "model.mixed_precision",
    "trainer.init.precision.fp16_type": "model.fp16_type",
    "trainer.init.precision.precision_opt_level": "model.precision_opt_level",
    "trainer.init.precision.": "optimizer.",
    "trainer.init.loop.": "runconfig.",
    "trainer.init.checkpoint.steps": "runconfig.checkpoint_steps",
    "trainer.init.checkpoint.": "runconfig.",
    "trainer.init.logging.": "runconfig.",
    "trainer.init.callbacks": "callbacks.list",
    "trainer.init.loggers": "callbacks.loggers",
    "trainer.init.": "runconfig.",
    "trainer.fit.train_dataloader.": "train_input.",
    "trainer.fit.val_dataloader": "eval_input.",
    "trainer.fit.ckpt_path": "runconfig.checkpoint_path",
    "trainer.validate": "validate.",
}


def _trainer_entries(values: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    entries: list[tuple[str, str, Any]] = []
    for key, value in flattened(values):
        if key.startswith("trainer.init.optimizer."):
            kind, _, inner = key.removeprefix("trainer.init.optimizer.").partition(".")
            if inner:
                if not any(name == "optimizer.optimizer_type" for _, name, _ in entries):
                    entries.append(
                        (f"trainer.init.optimizer.{kind}", "optimizer.optimizer_type", kind)
                    )
                entries.append((key, f"optimizer.{inner}", value))
            else:
                entries.append((key, "optimizer.optimizer_type", kind))
        elif key == "trainer.init.schedulers":
            entries.append((key, "optimizer.learning_rate", _schedulers(value)))
        else:
            place = next((old for old in _PLACES if key.startswith(old)), None)
            name = _PLACES[place] + key[len(place) :].lstrip(".") if place else key
            entries.append((key, name, value))
    return entries


def _schedulers(value: Any) -> Any:
    """`[{SequentialLR: {schedulers: [{LinearLR: {...}}]}}]` as the older list."""
    parts: list[dict[str, Any]] = []
    for entry in value if isinstance(value, list) else [value]:
        for kind, settings in entry.items():
            if kind == "SequentialLR":
                parts += _schedulers(settings.get("schedulers", []))
            else:
                parts.append({"scheduler": kind, **settings})
    return parts
