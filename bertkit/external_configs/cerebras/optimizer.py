"""Works out optimizer and learning rates from what Cerebras params say of them."""

from __future__ import annotations

from bertkit.external_configs.cerebras.programs import Program
from bertkit.external_configs.cerebras.rates import stages
from bertkit.external_configs.translation import IGNORED, REFUSED, Refuse, Translation
from bertkit.train.config import UNCORRECTED

# Ours by theirs. Adam without decay is AdamW without decay.
OPTIMIZERS = {
    "adamw": "adamw",
    "adam": "adamw",
    "sgd": "sgd",
    "momentum": "momentum",
    "lamb": "no_debias_clamp10",
}
_TYPE, _MOMENTUM = "optimizer.optimizer_type", "optimizer.momentum"
_DECAYS = ("optimizer.weight_decay_rate", "optimizer.weight_decay")


def settle_optimizer(found: Translation, program: Program) -> None:
    """The optimizer by its formula, and its stages of learning rates.

    Args:
        found: the translation, with the program's defaults.
        program: whose formulas count.
    """
    kind = found.take("_optimizer")
    corrected, momentum = found.take("_bias_correction", True), found.take("_momentum")
    _rates(found)
    if kind is None:
        return
    if kind == "sgd" and momentum and program.adam_decays:
        kind = "momentum"  # their PyTorch trainers' word for both
    name = UNCORRECTED if kind == "adamw" and not corrected else OPTIMIZERS.get(kind)
    if name is None:
        known = ", ".join(OPTIMIZERS)
        found.tell(_TYPE, f"bertkit has no optimizer for {kind}; it has {known}", REFUSED)
        return
    found.values["optimizer"] = name
    # TensorFlow's Adam; with a correction of nearly 1 the two are the same.
    differs = kind == "adam" and not program.adam_decays
    more = "; theirs adds epsilon before it corrects the bias: first updates differ" * differs
    found.tell(_TYPE, f"optimizer = {name}{more}")
    _tell_correction(found, kind, corrected)
    if kind == "momentum":
        found.values["beta1"] = momentum
        found.tell(_MOMENTUM, f"beta1 = {momentum}")
    elif momentum is not None:
        found.tell(_MOMENTUM, f"{kind} has none", IGNORED)
    if kind in ("adam", "sgd", "momentum"):
        _without_decay(found, kind, program)


def _tell_correction(found: Translation, kind: str, corrected: bool) -> None:
    for key in ("optimizer.use_bias_correction", "optimizer.correct_bias"):
        if kind == "adamw":
            found.tell(key, f"optimizer = {found.values['optimizer']}")
        elif found.given(key):
            found.tell(key, f"{kind} has its own rule", IGNORED)
        else:
            found.keys = [item for item in found.keys if item.name != key]


def _without_decay(found: Translation, kind: str, program: Program) -> None:
    """What their Adam and SGD make of a decay; its place in the file decides nothing."""
    decay = found.take("weight_decay", 0.0)
    keys = [key for key in _DECAYS if found.given(key)]
    if kind != "adam" and program.adam_decays:
        found.values["weight_decay"] = decay  # added to the gradient, as here
        return
    found.values["weight_decay"] = 0.0
    for key in keys:
        if program.adam_decays and decay:
            found.tell(key, "their Adam adds it to the gradient; bertkit has AdamW only", REFUSED)
        else:
            found.tell(key, f"their {kind} has no decay: weight_decay = 0.0", IGNORED)


def _rates(found: Translation) -> None:
    parts, overlap = found.take("_schedulers"), found.take("_overlap", False)
    if parts is None:
        return
    name = "optimizer.learning_rate"
    try:
        found.values["stage"] = stages(parts, overlap)
    except Refuse as reason:
        found.tell(name, str(reason), REFUSED)
        return
    found.tell(name, f"stage = {found.values['stage']}")
    count = "from the start of the run" if overlap else "from its own start"
    found.tell("optimizer.disable_lr_steps_reset", f"every scheduler counts {count}")
