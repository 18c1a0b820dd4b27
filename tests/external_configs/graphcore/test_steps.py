"""Packed rows and updates per call of the engine."""

from __future__ import annotations

from external_configs.graphcore.settings import PRESETS


def test_rows_of_several_sequences(read):
    """nlp/bert/pytorch/args.py of v3.4.1: accumulation is divided by packing_factor[length]."""
    text = PRESETS + "  packing_factor: {128: 1.17, 384: 1.7}\n"
    found, config = read(text, "presets.yml", ":phase1")
    assert (config.global_batch_size, config.ipu.packing_factor) == (8 * 4 * 2048, 1.17)
    assert (config.layout, config.sequences_per_pack) == ("packed", 3)
    # Releases before count rows, which the file does not turn into sequences.
    found, _ = read(PRESETS, "presets.yml", ":phase1")
    assert any("about 1.17" in line for line in found.warnings())


def test_updates_per_call_of_the_engine_multiply_the_steps(read):
    text = PRESETS + "  batches_per_step: 4\n"
    found, config = read(text, "presets.yml", ":phase1")
    assert (config.max_steps, config.ipu.device_iterations) == (4 * 7038, 1)
    assert any("there with every 4" in line for line in found.warnings())
