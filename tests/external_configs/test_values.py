"""Single values of other systems' files: what is none of its kind is an error."""

from __future__ import annotations

import math

import pytest
import yaml

from bertkit.errors import ConfigError
from bertkit.external_configs.values import flag, number, positive, text, texts, whole, wholes
from external_configs.cerebras.params import CEREBRAS
from external_configs.graphcore.settings import FLAT, NESTED, PRESETS


@pytest.mark.parametrize(
    ("convert", "given", "wanted"),
    [
        (whole, "900000", 900_000),
        (whole, 1e6, 1_000_000),
        (whole, "1e3", 1000),
        (whole, 2**60 + 1, 2**60 + 1),
        (whole, str(2**60 + 1), 2**60 + 1),
        (number, "1e-4", 1e-4),
        (flag, 1, True),
        (flag, False, False),
        (text, 2020, "2020"),
        (texts, "a", ["a"]),
        (texts, ["a", "b"], ["a", "b"]),
        (wholes, [0, 4.0], [0, 4]),
    ],
)
def test_what_is_of_its_kind(convert, given, wanted):
    found = convert(given)
    assert found == wanted and type(found) is type(wanted)


@pytest.mark.parametrize(
    ("convert", "given", "reason"),
    [
        *((kind, None, "give a value") for kind in (whole, number, flag, text, texts, wholes)),
        *((whole, value, "whole number") for value in (1.5, "1e-4", True, "abc", [], math.inf)),
        *((number, value, "a number") for value in (False, "x", {}, math.nan, -math.inf)),
        *((flag, value, "true or false") for value in ("False", "true", 2, [], math.nan)),
        *((text, value, "a text") for value in (True, 1.5, [], {})),
        (text, "", "give a value"),
        (texts, [], "give a value"),
        (texts, [None], "give a value"),
        (wholes, "abc", "list of whole numbers"),
        (positive, 0, "1 or more"),
    ],
)
def test_what_is_not(convert, given, reason):
    with pytest.raises(ValueError, match=reason):
        convert(given)


# What Python would have taken for another value, or have stopped at with a traceback.
@pytest.mark.parametrize("value", [None, 1.5, True, "abc", [], {}, math.inf, "1e-4"])
@pytest.mark.parametrize(
    ("section", "key"),
    [("train_input", "batch_size"), ("model", "num_hidden_layers"), ("runconfig", "log_steps")],
)
def test_a_number_of_cerebras_is_one(read, section, key, value):
    refuse(read, edit(yaml.safe_load(CEREBRAS), (section, key), value), key)


@pytest.mark.parametrize("value", ["False", "yes, of course", 7, [], None])
@pytest.mark.parametrize(
    "path", [("model", "mixed_precision"), ("model", "disable_nsp"), ("model", "use_vsl")]
)
def test_true_and_false_of_cerebras_are_no_text(read, path, value):
    refuse(read, edit(yaml.safe_load(CEREBRAS), path, value), path[-1])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("train_input", "data_dir"), None),
        (("train_input", "vocab_file"), False),
        (("train_input", "buckets"), "abc"),
        (("train_input", "buckets"), 10**9),  # rather than so many boundaries
        (("optimizer", "learning_rate"), []),  # rather than bertkit's own rate
        (("optimizer", "learning_rate"), -1),
        (("optimizer", "learning_rate"), math.nan),
        (("optimizer", "loss_scaling_factor"), "dynamically"),
        (("runconfig", "max_steps"), 0),
        (("model", "fp16_type"), "fp16"),  # rather than bfloat16
        (("model", "fp16_type"), True),
    ],
)
def test_other_values_of_cerebras(read, path, value):
    refuse(read, edit(yaml.safe_load(CEREBRAS), path, value), path[-1])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), 1.5),
        (("seed",), math.inf),
        (("loss_scaling",), 0),  # which is a dynamic scale here
        (("dataset_dir",), None),
        (("pipeline_stages",), "abc"),
        (("pipeline_stages",), None),
        (("pipeline_stages",), [1, 2]),
        (("device_mapping",), "abc"),
        (("matmul_partials_type",), "full"),
        (("enable_recomputation",), "false"),
        (("replicated_tensor_sharding",), "no"),
        (("bert_config", "vocab_size"), {}),
        (("bert_config", "hidden_size"), "768 wide"),
        (("wandb_opts", "log_to_wandb"), "maybe"),
    ],
)
def test_values_of_graphcores_json(read, path, value):
    refuse(read, edit(FLAT, path, value), path[-1])


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("micro_batch_size: 8", "3.2"),
        ("micro_batch_size: 8", ""),
        ("layers_per_ipu: [3, 7, 7, 7]", "0"),
        ("layers_per_ipu: [3, 7, 7, 7]", "5"),  # of 24 layers
        ("layers_per_ipu: [3, 7, 7, 7]", "[3, 7, 7, 8]"),
        ("max_sequences_per_pack: 3", "many"),
        ("device_iterations: 1", "0"),
        ("packing_factor: {128: 1.17}", "abc"),
        ("packing_factor: {128: 1.17}", "{128: x}"),
        ("packing_factor: {128: 1.17}", "{384: 1.7}"),  # none for the length of its rows
    ],
)
def test_values_of_graphcores_presets(read, line, value):
    presets = PRESETS + "  device_iterations: 1\n  packing_factor: {128: 1.17}\n"
    key = line.partition(":")[0]
    with pytest.raises(ConfigError, match=rf"{key} \(") as caught:
        read(presets.replace(line, f"{key}: {value}"), "presets.yml", ":phase1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [FLAT, NESTED], ids=["flat", "nested"])
def test_a_key_twice_in_json(read, values):
    import json

    twice = json.dumps(values).replace('"seed"', '"seed": 7, "seed"')
    with pytest.raises(ConfigError, match="the key 'seed' is there twice"):
        read(twice)


def test_a_section_without_its_settings_is_called_one(read):
    refuse(read, edit(yaml.safe_load(CEREBRAS), ("optimizer",), None), "this is a section")


def test_of_many_refused_keys_the_first_are_shown(read):
    values = {**FLAT, **{f"surplus{number}": "x" * 500 for number in range(40)}}
    with pytest.raises(ConfigError, match="and 35 more") as caught:
        read(values)
    assert len(str(caught.value)) < 800


def test_a_file_of_graphcore_without_its_batch_is_still_one(read):
    values = {key: value for key, value in FLAT.items() if key != "micro_batch_size"}
    with pytest.raises(ConfigError, match=r"no micro_batch_size.*its own program"):
        read(values)


def edit(values, path, value):
    """A copy with another value in one place."""
    inner = value if len(path) == 1 else edit(values[path[0]], path[1:], value)
    return {**values, path[0]: inner}


def refuse(read, values, named):
    """The file is refused in one line, which names the key."""
    with pytest.raises(ConfigError, match=named) as caught:
        read(yaml.safe_dump(values, sort_keys=False) if "model" in values else values)
    assert "\n" not in str(caught.value)
