"""Batches of devices, passes and buckets."""

from __future__ import annotations

import pytest

from external_configs.cerebras.params import edited


def test_the_batch_is_that_of_a_device(read, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "8")
    text = edited(("  grad_accum_steps: 4\n", ""))
    found, config = read(text)
    assert (config.global_batch_size, config.micro_batch_size) == (2048, 256)
    assert config.mlm_normalisation == "micro_batch"
    assert any("8 processes" in key.text for key in found.keys)
    _, config = read(text.replace("tf_random_seed", "target_device: csx\n  tf_random_seed"))
    assert config.global_batch_size == 256
    monkeypatch.delenv("WORLD_SIZE")
    _, config = read(text)
    assert (config.global_batch_size, config.mlm_normalisation) == (256, "global_step")


@pytest.mark.parametrize("value", ["true", "false"])
def test_copies_of_the_model_change_no_result(read, value):
    found, _ = read(edited(("tf_random_seed: 7", f"tf_random_seed: 7\n  multireplica: {value}")))
    rows = {key.key: key for key in found.keys}
    assert rows["runconfig.multireplica"].outcome == "ignored"


def test_buckets_by_number_and_without_vsl(read):
    boundaries = "buckets: [39, 56, 72, 89, 108]"
    _, config = read(edited((boundaries, "buckets: 5")))
    assert config.bucket_boundaries == [25, 51, 76, 102]  # int((i + 1) * 128 / 5)
    _, config = read(edited(("use_vsl: true", "use_vsl: false")))
    assert (config.layout, config.bucket_boundaries) == ("padded", [])
