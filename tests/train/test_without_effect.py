from __future__ import annotations

import pytest

from bertkit.configuration.config import COMMAND_LINE, Layer
from bertkit.external_configs.layers import resolve_with
from bertkit.records.config import RecordsConfig
from bertkit.tasks.pretraining.config import EvalConfig, PretrainConfig

NEEDED = {"input": ["a"], "output": "b"}
STAGE = {"stage": ["constant::1e-4"]}


def warned(caplog, kind=PretrainConfig, preset=None, **typed):
    layers = [Layer("preset", preset or {}), Layer(COMMAND_LINE, typed)]
    caplog.clear()
    resolve_with(kind, layers, None)
    return [line for line in caplog.messages if "no effect" in line]


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        ({**STAGE, "warmup_steps": 10, "schedule": "linear"}, "--schedule, --warmup-steps"),
        ({"schedule": "constant", "end_learning_rate": 1e-5}, "--end-learning-rate"),
        ({"power": 0.5}, "--power"),
        ({"layout": "padded", "bucket_boundaries": [64]}, "--bucket-boundaries"),
        ({"layout": "unpadded", "sequences_per_pack": 2}, "--sequences-per-pack"),
        ({"mlm_group": 8}, "--mlm-group"),
        ({"log_name": "first"}, "--log-name"),
    ],
)
def test_what_nothing_reads_is_said_once(caplog, typed, flags):
    (line,) = warned(caplog, **NEEDED, **typed)
    assert line.startswith(f"{flags}: no effect here, ")


@pytest.mark.parametrize(
    "typed",
    [
        {"warmup_steps": 10, "end_learning_rate": 1e-5},
        {"schedule": "polynomial", "power": 0.5},
        {"layout": "bucketed", "bucket_boundaries": [64]},
        {"bucket_boundaries": [64], "sequences_per_pack": 2},  # the backend chooses the layout
        {"mlm_normalisation": "micro_batch", "mlm_group": 8},
        {"log_to": ["tensorboard"], "log_name": "first"},
    ],
)
def test_what_is_read_is_not(caplog, typed):
    assert warned(caplog, **NEEDED, **typed) == []


def test_presets_and_other_commands_are_passed_over(caplog):
    preset = {"warmup_steps": 10, "power": 0.5, "mlm_group": 8}
    assert warned(caplog, preset=preset, **NEEDED, **STAGE) == []
    assert warned(caplog, RecordsConfig, sequences_per_pack=2) == []
    assert len(warned(caplog, EvalConfig, layout="padded", bucket_boundaries=[64])) == 1
