"""Works out batches, steps and packed rows from what Graphcore's configurations say of them."""

from __future__ import annotations

from typing import Any

from bertkit.external_configs.graphcore.programs import PACKING, SAMPLES
from bertkit.external_configs.translation import ALWAYS, IGNORED, REFUSED, KeyResult, Translation


def settle_batches(found: Translation, name: str) -> None:
    """The global batch is micro-batch x replicas x accumulation.

    Args:
        found: the translation.
        name: of the key of accumulation.
    """
    values = found.values
    accumulation, iterations = found.take("_accumulation", 1), found.take("_iterations", 1)
    if "micro_batch_size" in values:
        replicas = values.get("ipu.replicas", 1)
        values["global_batch_size"] = values["micro_batch_size"] * replicas * accumulation
        found.tell(name, f"global_batch_size = {values['global_batch_size']}")
    text = ALWAYS
    if iterations > 1:
        text = f"the rate changes with every update here, there with every {iterations}"
        if "max_steps" in values:
            values["max_steps"] *= iterations
            text = f"max_steps = {values['max_steps']}; {text}"
    for key in ("device_iterations", "batches_per_step"):
        found.tell(key, text, IGNORED)


def settle_samples(found: Translation, pretrains: bool) -> None:
    """Their runs are as long as the samples that they see; checkpoints come by log intervals."""
    values = found.values
    samples, executions = found.take("_samples"), found.take("_executions", 0)
    batch = values.get("global_batch_size")
    name = "total_num_train_samples"
    if samples is None and pretrains:
        samples = SAMPLES.get(values.get("records.max_seq_length", 0))
    if samples and batch:
        steps = max(1, samples // batch)
        where = values if found.given(name) else found.defaults
        where["max_steps"] = steps
        found.tell(name, f"max_steps = {steps}, {samples:,} samples")
    elif not pretrains:
        found.tell(name, "num_epochs decides")
    every = executions * values.get("log_every", 1)
    key = "ckpt_every_n_steps_per_execution"
    where = values if found.given(key) else found.defaults
    where["save_every"] = every
    found.tell(key, f"save_every = {every}")


def settle_sharding(found: Translation) -> None:
    """One replica has nothing to shard its state over."""
    sharded, name = found.take("_sharding"), "replicated_tensor_sharding"
    if sharded is None:
        return
    if sharded and found.values.get("ipu.replicas", 1) == 1:
        sharded = False
        found.tell(name, "there is one replica only", IGNORED)
    where = found.values if found.given(name) else found.defaults
    where["ipu.replicated_tensor_sharding"] = sharded
    found.tell(name, f"ipu.replicated_tensor_sharding = {sharded}")


def settle_packing(found: Translation) -> None:
    """Rows of several sequences, of which a step then takes fewer; and where layers are placed."""
    _layers(found)
    packed, sequences, factors = (
        found.take(name) for name in ("_packed", "_sequences", "_packing")
    )
    if not packed:
        if found.given("packed_data"):
            found.values["layout"] = "padded"
        found.tell("packed_data", "layout = padded")
        for name in ("max_sequences_per_pack", "packing_factor"):
            found.tell(name, "without packed_data rows hold one sequence", IGNORED)
        return
    found.values |= {"layout": "packed", "sequences_per_pack": sequences or 3}
    found.tell("packed_data", "layout = packed")
    found.tell("max_sequences_per_pack", f"sequences_per_pack = {sequences or 3}")
    length = int(found.values.get("records.max_seq_length", 0))
    if not factors:
        text = (
            "accumulation then counts rows of packed data there, here sequences: multiply"
            f" --global-batch-size by the sequences in a row (about {PACKING.get(length, 1.0):g})"
        )
        found.keys.append(KeyResult("packing_factor", "left out", IGNORED, text))
        return
    if length not in factors:
        found.tell("packing_factor", f"none for the sequence length {length}", REFUSED)
        return
    factor = factors[length]
    found.values["ipu.packing_factor"] = factor
    found.tell("packing_factor", f"ipu.packing_factor = {factor:g}")


def _layers(found: Translation) -> None:
    """The layers of every IPU, where one number stands for all."""
    given: Any = found.take("_layers")
    if given is None:
        return
    numbers = list(given)
    layers = int(found.values.get("model.num_hidden_layers", sum(numbers)))
    if len(numbers) == 1 and numbers[0] > 0:
        numbers *= layers // numbers[0]
    if sum(numbers) != layers:
        text = f"places {sum(numbers)} layers; num_hidden_layers is {layers}"
        found.tell("layers_per_ipu", text, REFUSED)
        return
    found.values["ipu.layers_per_ipu"] = numbers
    found.tell("layers_per_ipu", f"ipu.layers_per_ipu = {numbers}")
