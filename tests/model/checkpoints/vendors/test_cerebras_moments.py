"""Moments in Cerebras' checkpoints, whose optimizer numbers the parameters."""

from __future__ import annotations

import json

import h5py
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.vendors.cerebras import our_name
from bertkit.model.parameter_names import WORD_EMBEDDINGS, tied_parameter
from model.checkpoints.common import SAMPLE_WITH_MOMENTS, counted, sample


def test_the_vendors_numbers_become_names(mdl_with_moments):
    contents = loading.read(mdl_with_moments, moments=True)
    assert contents.step == 8 and contents.unknown == []
    assert contents.moments.keys() == contents.weights.keys()
    with h5py.File(mdl_with_moments) as file:
        theirs = list(json.loads(file.attrs["__spec__"])[0]["model"])
    seen = 0
    for name in theirs:
        target = tied_parameter(our_name(name))
        if name.endswith("classifier.ffn.0.linear_layer.weight") and target == WORD_EMBEDDINGS:
            continue  # no parameter of its own
        for moment, tensor in contents.moments[target].items():
            assert torch.equal(tensor, counted(f"{name} {moment}", tensor.shape)), (name, moment)
            seen += 1
    assert seen == 2 * len(contents.weights)
    assert not loading.read(mdl_with_moments).moments


def respecified(path, change):
    with h5py.File(path, "r+") as file:
        tree = json.loads(file.attrs["__spec__"])
        change(tree)
        del file.attrs["__spec__"]
        file.attrs["__spec__"] = json.dumps(tree)


def another_group(tree):
    """As with learning rates of their own for some layers."""
    groups = tree[0]["optimizer"]["param_groups"]
    groups.append({"params": [groups[0]["params"].pop()]})


def one_group(tree):
    groups = tree[0]["optimizer"]["param_groups"]
    groups[0]["params"] += groups.pop()["params"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (another_group, "groups of parameters are not those"),
        (one_group, "groups of parameters are not those"),
        (lambda tree: tree[0].pop("model"), "does not say in which order"),
        (lambda tree: tree.clear(), "does not say in which order"),
        (lambda tree: tree.__setitem__(0, None), "does not say in which order"),
        (lambda tree: tree[0].__setitem__("model", [1, 2]), "does not say in which order"),
    ],
)
def test_what_does_not_say_whose_moments_are_whose_is_refused(mdl_with_moments, change, text):
    respecified(mdl_with_moments, change)
    with pytest.raises(DataError, match=text) as caught:
        loading.read(mdl_with_moments, moments=True)
    assert caught.value.hint == "leave --keep-optimizer out"
    assert loading.read(mdl_with_moments).weights


def test_old_releases_and_other_orders_are_refused(mdl_with_moments):
    with h5py.File(mdl_with_moments, "r+") as file:
        del file.attrs["__spec__"]
    with pytest.raises(DataError, match="does not say in which order"):
        loading.read(mdl_with_moments, moments=True)


def test_an_order_that_shapes_contradict_is_refused(mdl_with_moments):
    def reversed_order(tree):
        tree[0]["model"] = dict(reversed(tree[0]["model"].items()))

    respecified(mdl_with_moments, reversed_order)
    with pytest.raises(DataError, match="of the optimizer has shape"):
        loading.read(mdl_with_moments, moments=True)


@settings(max_examples=40)
@given(st.data())
def test_damaged_files_give_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.mdl"
    blob = bytearray(sample(SAMPLE_WITH_MOMENTS))
    del blob[data.draw(st.sampled_from([len(blob), len(blob) // 2, 5])) :]
    for _ in range(data.draw(st.integers(0, 60))):
        blob[data.draw(st.integers(8, len(blob) - 1)) if len(blob) > 9 else 0] ^= 0x41
    path.write_bytes(blob)
    try:
        loading.read(path, moments=True)
    except (
        DataError,
        ConfigError,
    ) as error:  # the latter where only one of two tied weights is hit
        assert error.message


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["model", "optimizer", "param_groups"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_structure_is_refused_in_one_line(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("fuzz") / "x.mdl"
    path.write_bytes(sample(SAMPLE_WITH_MOMENTS))
    with h5py.File(path, "r+") as file:
        del file.attrs["__spec__"]
        file.attrs["__spec__"] = json.dumps([value])
    with pytest.raises(DataError, match=r"does not say|groups of parameters"):
        loading.read(path, moments=True)
