"""Translates Cerebras params files (YAML) into bertkit's settings.

The TensorFlow and the first PyTorch releases have the sections `train_input`, `model`,
`optimizer` and `runconfig`; later ones have one section `trainer`, which is rewritten into the
older sections first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.cerebras import finetuning as cerebras_finetuning
from bertkit.external_configs.cerebras.batches import settle_batches
from bertkit.external_configs.cerebras.keys import TABLE
from bertkit.external_configs.cerebras.optimizer import settle_optimizer
from bertkit.external_configs.cerebras.programs import TENSORFLOW, Program, program_of
from bertkit.external_configs.cerebras.tasks import PRETRAINING, QUESTIONS, task_of
from bertkit.external_configs.translation import (
    ALWAYS,
    FINETUNE,
    FINETUNE_SQUAD,
    IGNORED,
    REFUSED,
    KeyResult,
    Translation,
    flattened,
    translate,
)

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

    Raises:
        ConfigError: it is for a task that bertkit does not have.
    """
    trainer = "trainer" in values
    if trainer:
        entries = _trainer_entries(values)
    else:
        entries = [(key, key, value) for key, value in flattened(values)]
    given = {name: value for _, name, value in entries}
    program = program_of(given, trainer)
    task = task_of(source, given)
    table = cerebras_finetuning.TABLES.get(task, TABLE)
    found = translate(source, TITLE, entries, table)
    if task != PRETRAINING:
        found.command = FINETUNE_SQUAD if task == QUESTIONS else FINETUNE
    found.add_defaults(program.name, program.defaults(given, task == PRETRAINING), table)
    found.needed = dict(program.required)
    if task != PRETRAINING:
        cerebras_finetuning.complete(found, task, program, given)
    if found.with_outcome(REFUSED):
        return found
    settle_optimizer(found, program)
    settle_batches(found)
    _precision(found)
    if task == PRETRAINING:
        _model(found, program)
        _evaluation(found)
    elif task != QUESTIONS:
        cerebras_finetuning.settle_files(found, program)
    return found


def _precision(found: Translation) -> None:
    """Their half types as our precision; the special one only their systems have."""
    half = found.take("_half")
    mixed = found.take("_mixed_precision", True if half else None)
    if mixed is None:
        return
    if not mixed:
        found.values["precision"] = "fp32"
    else:
        found.values["precision"] = "fp16" if half in (None, "float16") else "bf16"
        if half == "cbfloat16":
            found.values["cs.half"] = half
    keys = ("model.mixed_precision", "model.fp16_type", "model.use_bfloat16")
    for name in (*keys, "csconfig.use_cbfloat16"):
        found.tell(name, f"precision = {found.values['precision']}")


def _model(found: Translation, program: Program) -> None:
    """Names that do not mean the same in all of their programs, and what they imply."""
    activation, of_head = found.take("_activation"), found.take("_mlm_activation")
    if of_head not in (None, activation):
        found.tell("model.mlm_nonlinearity", "other than model.encoder_nonlinearity", REFUSED)
    if program is TENSORFLOW and activation == "gelu":
        activation = "gelu_new"  # by tanh, in their TensorFlow layers
    if activation is not None:
        found.values["model.hidden_act"] = activation
        for name in ("model.encoder_nonlinearity", "model.mlm_nonlinearity"):
            found.tell(name, f"model.hidden_act = {activation}")
    _loss_weight(found, program)
    width = found.take("_embedding_size")
    if width is not None:
        same = width == found.values.get("model.hidden_size")
        reason = ALWAYS if same else "embeddings have the width of the layers"
        found.tell("model.embedding_size", reason, IGNORED if same else REFUSED)
    if program is not TENSORFLOW and not found.values.get("nsp", True):
        # Their PyTorch models then have no segment embedding.
        found.values["model.type_vocab_size"] = 1
        found.tell("model.disable_nsp", "nsp = False, model.type_vocab_size = 1")


def _loss_weight(found: Translation, program: Program) -> None:
    """A weight of the masked LM loss, which may stand for the number of masked tokens."""
    weight, name = found.take("_mlm_weight"), "model.mlm_loss_weight"
    scaling = next((key.value for key in found.keys if key.name == "model.mlm_loss_scaling"), "")
    scaled = any(key.name == "train_input.dynamic_mlm_scale" and key.value for key in found.keys)
    if program is not TENSORFLOW or str(scaling).lower() == "batch_size":
        text = "it stands for 1 / masked tokens, which are counted here"
        if weight in (None, 1) and not scaled:
            text = "1 adds up the losses of a sequence's masked tokens there; here it is their mean"
        if weight is None and not scaled:
            found.keys.append(KeyResult(name, "left out", IGNORED, text, name))
        found.tell(name, text, IGNORED)
    elif weight == 1:
        found.tell(name, ALWAYS, IGNORED)
    else:
        found.tell(name, "the losses of masked tokens and of pairs weigh the same here", REFUSED)


def _evaluation(found: Translation) -> None:
    """Whether their run evaluates is for its mode to say."""
    mode = found.take("_mode")
    if mode == "train":
        found.tell("runconfig.mode", "that is what this command does", IGNORED)
        if found.values.pop("eval_input", None):
            reason = "runconfig.mode train does not evaluate; give --eval-input"
            found.tell("eval_input.data_dir", reason, IGNORED)
    elif mode is not None:
        every = found.values.get("save_every", found.defaults.get("save_every"))
        found.values["eval_every"] = found.values.get("eval_every", every)
        found.tell("runconfig.mode", f"eval_every = {found.values['eval_every']}")


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
    "trainer.validate_all": "validate_all.",
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
            entries.append((key, "optimizer.learning_rate", value))
        else:
            place = next((old for old in _PLACES if key.startswith(old)), None)
            name = _PLACES[place] + key[len(place) :].lstrip(".") if place else key
            entries.append((key, name, value))
    return entries
