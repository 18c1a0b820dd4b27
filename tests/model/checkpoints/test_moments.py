"""Moments of AdamW and LAMB in the checkpoints of programs that do not name them as we do."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.backends.base import OptimizerSpec
from bertkit.errors import DataError
from bertkit.model.checkpoints import graphcore, loading
from bertkit.model.checkpoints.cerebras import our_name
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.model.parameter_names import MLM_DECODER, MOMENTS, WORD_EMBEDDINGS, tied_parameter
from bertkit.train import checkpoint
from bertkit.train.checkpoint import RunState
from bertkit.train.optimizers import make_optimizer, named_state
from model.checkpoints.common import counted, sample

SAMPLE = "checkpoint_8.mdl"


@pytest.fixture
def mdl(tmp_path):
    """Written by the vendor's own cerebras_pytorch 2.10."""
    path = tmp_path / SAMPLE
    path.write_bytes(sample(SAMPLE))
    return path


# Cerebras


def test_the_vendors_numbers_become_names(mdl):
    contents = loading.read(mdl, moments=True)
    assert contents.step == 8 and contents.unknown == []
    assert contents.moments.keys() == contents.weights.keys()
    with h5py.File(mdl) as file:
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
    assert not loading.read(mdl).moments


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
def test_what_does_not_say_whose_moments_are_whose_is_refused(mdl, change, text):
    respecified(mdl, change)
    with pytest.raises(DataError, match=text) as caught:
        loading.read(mdl, moments=True)
    assert caught.value.hint == "leave --keep-optimizer out"
    assert loading.read(mdl).weights


def test_old_releases_and_other_orders_are_refused(mdl):
    with h5py.File(mdl, "r+") as file:
        del file.attrs["__spec__"]
    with pytest.raises(DataError, match="does not say in which order"):
        loading.read(mdl, moments=True)


def test_an_order_that_shapes_contradict_is_refused(mdl):
    def reversed_order(tree):
        tree[0]["model"] = dict(reversed(tree[0]["model"].items()))

    respecified(mdl, reversed_order)
    with pytest.raises(DataError, match="of the optimizer has shape"):
        loading.read(mdl, moments=True)


@settings(max_examples=40)
@given(st.data())
def test_damaged_files_give_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.mdl"
    blob = bytearray(sample(SAMPLE))
    del blob[data.draw(st.sampled_from([len(blob), len(blob) // 2, 5])) :]
    for _ in range(data.draw(st.integers(0, 60))):
        blob[data.draw(st.integers(8, len(blob) - 1)) if len(blob) > 9 else 0] ^= 0x41
    path.write_bytes(blob)
    try:
        loading.read(path, moments=True)
    except DataError as error:
        assert error.message


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
    path.write_bytes(sample(SAMPLE))
    with h5py.File(path, "r+") as file:
        del file.attrs["__spec__"]
        file.attrs["__spec__"] = json.dumps([value])
    with pytest.raises(DataError, match=r"does not say|groups of parameters"):
        loading.read(path, moments=True)


# Graphcore


def poptorch_state(model, prefix="model."):
    """As PopTorch's `state_dict`: torch's own, empty, and the engine's by PopART's names."""
    found = {}
    for name, value in model.named_parameters():
        found[f"Accl1___{prefix}{name}"] = counted(f"{name} 1", value.shape).half()
        found[f"Accl2___{prefix}{name}"] = counted(f"{name} 2", value.shape)
        found[f"Step___{prefix}{name}"] = torch.tensor([5.0])
    parameters = {"learningRate___default___FLOAT": torch.tensor(1e-3)}
    return {"state": {}, "param_groups": [], "ipu_state": found, "ipu_param": parameters}


@pytest.fixture
def step_folder(tmp_path, small):
    model = BertForPreTraining(small)
    place = tmp_path / "step_5"
    save_pretrained(model, place)

    def write(state) -> Path:
        content = {"step": 5, "optimizer_state_dict": state, "metrics": {}, "config": None}
        torch.save(content, place / graphcore.STATE)
        return place

    return model, write


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_the_engines_names_become_ours(step_folder, prefix):
    model, write = step_folder
    contents = loading.read(write(poptorch_state(model, prefix)), moments=True)
    named = dict(model.named_parameters())
    assert contents.moments.keys() == named.keys() == contents.weights.keys()
    for name, moments in contents.moments.items():
        for number, moment in enumerate(MOMENTS, 1):
            wanted = counted(f"{name} {number}", named[name].shape)
            wanted = wanted.half().float() if number == 1 else wanted
            assert moments[moment].dtype == torch.float32
            assert torch.equal(moments[moment], wanted), (name, moment)


def test_a_tied_matrix_under_its_second_name(step_folder):
    model, write = step_folder
    state = poptorch_state(model)
    for number in (1, 2):
        moved = state["ipu_state"].pop(f"Accl{number}___model.{WORD_EMBEDDINGS}")
        state["ipu_state"][f"Accl{number}___model.{MLM_DECODER}"] = moved
    contents = loading.read(write(state), moments=True)
    assert torch.equal(
        contents.moments[WORD_EMBEDDINGS]["exp_avg_sq"],
        counted(f"{WORD_EMBEDDINGS} 2", moved.shape),
    )


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "holds no optimizer state"),
        ({}, "holds no optimizer state"),
        ({"ipu_state": None, "ipu_param": None}, "holds no optimizer state"),
        ({"ipu_state": {"Step___model.x": torch.ones(1)}}, "holds no optimizer state"),
        ({"ipu_state": {"Accl1___model.x": torch.ones(1)}}, "belongs to no weight here"),
        ({"ipu_state": {f"Accl1___{WORD_EMBEDDINGS}": 3}}, "belongs to no weight here"),
        (
            {"ipu_state": {f"Accl1___{WORD_EMBEDDINGS}": torch.ones(1)}},
            "of the optimizer has shape",
        ),
    ],
)
def test_other_states_are_refused(step_folder, state, text):
    _, write = step_folder
    place = write(state)
    with pytest.raises(DataError, match=text):
        loading.read(place, moments=True)
    assert loading.read(place).weights


@settings(max_examples=60)
@given(st.data())
def test_damaged_states_give_one_error(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("fuzz") / "step_5"
    sizes = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForPreTraining(BertConfig(**sizes, intermediate_size=4, max_position_embeddings=3))
    save_pretrained(model, place)
    torch.save({"step": 5, "optimizer_state_dict": poptorch_state(model)}, place / graphcore.STATE)
    blob = bytearray((place / graphcore.STATE).read_bytes())
    del blob[data.draw(st.integers(0, len(blob))) :]
    for _ in range(data.draw(st.integers(0, 30)) if blob else 0):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    (place / graphcore.STATE).write_bytes(blob)
    try:
        loading.read(place, moments=True)
    except DataError as error:
        assert error.message


# bertkit's own runs


def own_checkpoint(folder, optimizer="adamw"):
    """The checkpoint of a run's third step, and its optimizer's state by parameter name."""
    sizes = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForPreTraining(BertConfig(**sizes, intermediate_size=4, max_position_embeddings=3))
    made = make_optimizer(model, OptimizerSpec(optimizer))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    made.step()
    state = RunState(3, 24, 0.5, 1, "f" * 64, {})
    inner = {"optimizer": named_state(made), "scaler": {}}
    return checkpoint.save(folder, model, inner, state), inner["optimizer"]


def test_a_run_of_ours_goes_on_elsewhere(bertkit, tmp_path):
    place, state = own_checkpoint(tmp_path / "run")
    out = tmp_path / "theirs"
    done = bertkit(
        "convert", place, "--to", "nvidia", "--keep-optimizer", "--pad-vocab", 1, "--output", out
    )
    assert done.status == 0, done.err
    assert (out / "ckpt_3.pt").is_file()
    theirs = torch.load(out / "ckpt_3.pt", weights_only=True)["optimizer"]["state"]
    assert {int(values["step"]) for values in theirs.values()} == {3}
    again = loading.read(out, moments=True).moments
    assert again.keys() == state.keys()
    for name, values in again.items():
        assert all(torch.equal(values[what], state[name][what]) for what in MOMENTS), name
    back = tmp_path / "back"
    assert bertkit("convert", out, "--keep-optimizer", "--output", back).status == 0
    assert loading.read(back, moments=True).moments.keys() == state.keys()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "holds no optimizer state"),
        ({"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": []}, "holds no moments"),
        ({"optimizer": {"ipu_state": {"Accl1___x": torch.ones(1)}}}, "holds no moments"),
        ({"optimizer": {"x": {"exp_avg": torch.ones(1)}}}, "belongs to no weight here"),
    ],
)
def test_states_without_names_are_refused(tmp_path, content, text):
    place, _ = own_checkpoint(tmp_path / "run")
    (place / "optimizer.pt").unlink()
    if content is not None:
        torch.save(content, place / "optimizer.pt")
    with pytest.raises(DataError, match=text):
        loading.read(place, moments=True)
    assert loading.read(place).step == 3


def test_plain_sgd_has_no_moments(tmp_path):
    place, _ = own_checkpoint(tmp_path / "run", "sgd")
    with pytest.raises(DataError, match="holds no moments of AdamW or LAMB"):
        loading.read(place, moments=True)


# The command


def test_convert_takes_them_along(bertkit, mdl, step_folder, tmp_path):
    model, write = step_folder
    contents = loading.read(mdl)
    contents.heads = 2
    loading.config_of(contents).to_file(tmp_path / "sizes.json")
    for source, more in (
        (write(poptorch_state(model)), ()),
        (mdl, ("--model-config", tmp_path / "sizes.json")),
    ):
        words = ("convert", source, "--keep-optimizer", *more)
        checked = bertkit(*words, "--check")
        assert checked.status == 0, checked.err
        assert "(exp_avg_sq)" in checked.out
        place = tmp_path / f"nvidia-{source.stem}"
        done = bertkit(*words, "--to", "nvidia", "--pad-vocab", 1, "--output", place)
        assert done.status == 0, done.err
        again, before = (loading.read(path, moments=True).moments for path in (place, source))
        assert again.keys() == before.keys()
        for name, values in before.items():
            for what, tensor in values.items():
                assert torch.equal(again[name][what], tensor), (name, what)
