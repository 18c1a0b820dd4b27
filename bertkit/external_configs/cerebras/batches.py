"""Works out batches and row lengths from what Cerebras params say of them."""

from __future__ import annotations

from typing import Any

from bertkit.backends.process_group import Topology
from bertkit.external_configs.translation import IGNORED, PRETRAIN, REFUSED, Translation


def settle_batches(found: Translation) -> None:
    """Their batch is that of a device and of one pass; accumulation multiplies it."""
    batch, passes = found.take("_batch"), found.take("_accumulation", 1)
    devices = 1 if found.values.get("backend") == "cs" else Topology.from_environment().world
    if batch is not None:
        whole = batch * passes * devices
        found.values["global_batch_size"] = whole
        text = f"global_batch_size = {whole}"
        if whole > batch:
            found.values["micro_batch_size"] = batch
            text += f", micro_batch_size = {batch} ({passes} passes of {devices} processes)"
            if found.command == PRETRAIN:
                # They average over the masked tokens of a batch of theirs.
                found.values["mlm_normalisation"] = "micro_batch"
                text += ", mlm_normalisation = micro_batch"
        found.tell("train_input.batch_size", text)
        found.tell("optimizer.grad_accum_steps", text)
    if found.command == PRETRAIN:
        _layout(found)


def _layout(found: Translation) -> None:
    """Rows without padding, in buckets of similar lengths where boundaries are given."""
    vsl, buckets = found.take("_vsl"), found.take("_buckets")
    name, length = "train_input.buckets", int(found.values.get("records.max_seq_length", 0))
    if isinstance(buckets, int) and buckets > max(1, length):
        found.tell(name, f"more buckets than tokens in a row ({length})", REFUSED)
        return
    boundaries = _boundaries(buckets, length)
    if vsl is not None:
        found.values["layout"] = "bucketed" if vsl else "padded"
        for key in ("model.use_vsl", "model.enable_vts"):
            found.tell(key, f"layout = {found.values['layout']}")
    if boundaries and vsl:
        found.values["bucket_boundaries"] = boundaries
        found.tell(name, f"bucket_boundaries = {boundaries}")
    elif boundaries:
        found.tell(name, "without use_vsl all rows have one length", IGNORED)
    else:
        found.tell(name, "one bucket", IGNORED)


def _boundaries(buckets: Any, length: int) -> list[int]:
    """The boundaries given, or of so many buckets of one width; none for one bucket."""
    if buckets is None:
        return []
    if isinstance(buckets, int):
        return [(number + 1) * length // buckets for number in range(buckets - 1)]
    return list(buckets)
