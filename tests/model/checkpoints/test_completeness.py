"""Checkpoints compared with their models: complete, or refused with what is wrong."""

from __future__ import annotations

import pytest
import transformers

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.completeness import (
    Completeness,
    architecture_of,
    compare_with_model,
    expected_shapes,
    require_complete_checkpoint,
)
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.heads import BertForPreTraining


@pytest.mark.parametrize(
    "kind",
    ["BertForPreTraining", "BertForMaskedLM", "BertForQuestionAnswering", "BertModel"],
)
def test_architectures_and_shapes_are_those_of_transformers(small, kind):
    shape = transformers.BertConfig(**small.to_dict())
    model = getattr(transformers, kind)(shape)
    prefix = "bert." if kind == "BertModel" else ""
    theirs = {prefix + name: tuple(value.shape) for name, value in model.named_parameters()}
    # A class without a pooler may have one in its file, and the other way round.
    optional = "bert.pooler."
    ours = expected_shapes(small, kind)
    assert architecture_of(theirs) == kind
    assert {name: size for name, size in ours.items() if not name.startswith(optional)} == {
        name: size for name, size in theirs.items() if not name.startswith(optional)
    }


def test_what_does_not_fit_is_found(tmp_path, small):
    contents = CheckpointContents("toy", tmp_path)
    for name, value in BertForPreTraining(small).state_dict().items():
        if name != "bert.pooler.dense.bias":
            contents.add_weight(name, value[:1] if name == "cls.predictions.bias" else value, name)
    contents.skip("strange", (3,))
    contents.skip("step", (), "counter")
    found = compare_with_model(contents, small)
    assert found.missing == ["bert.pooler.dense.bias"]
    assert found.unexpected == ["strange"]
    assert found.misshapen == ["cls.predictions.bias is [1], the configuration says [211]"]


def test_patterns_allow_what_is_missing_or_unknown():
    found = Completeness("BertModel", missing=["bert.a", "bert.b"], unexpected=["x"])
    require_complete_checkpoint(found, "file", ["bert.*"], ["x"])
    with pytest.raises(ConfigError, match=r"file: 1 tensors of BertModel are missing: bert\.b"):
        require_complete_checkpoint(found, "file", ["bert.a"], ["x"])
    with pytest.raises(ConfigError, match="1 tensors have no place: x"):
        require_complete_checkpoint(found, "file", ["bert.*"], ())
