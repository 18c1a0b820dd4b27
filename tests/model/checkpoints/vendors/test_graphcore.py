"""Graphcore's step folders: weights, and moments under the engine's names."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.vendors import graphcore
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering
from bertkit.model.parameter_names import MLM_DECODER, MOMENTS, WORD_EMBEDDINGS
from model.checkpoints.common import Inputs, counted, poptorch_state, same


def test_the_newest_step_folder_is_read(tmp_path, small):
    model = BertForQuestionAnswering(small)
    for step in (9, 10):
        place = tmp_path / f"step_{step}"
        save_pretrained(model, place)
        state = {"step": step, "optimizer_state_dict": {}, "metrics": {}, "config": Inputs()}
        torch.save(state, place / "training_state.pt")
    contents = loading.read(tmp_path)
    assert (contents.format, contents.step) == ("graphcore", 10)
    same(contents.weights, model.state_dict())
    assert loading.load_config(tmp_path) == small


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
        ({"ipu_state": {"Accl1___model.x": torch.ones(1)}}, "has no matching weight"),
        ({"ipu_state": {f"Accl1___{WORD_EMBEDDINGS}": 3}}, "has no matching weight"),
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


@pytest.mark.slow
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
