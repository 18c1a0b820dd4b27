"""Labels in their order, and how much each counts."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.classify.examples import Example
from bertkit.tasks.classify.labels import class_weights, label_names, settled_labels


def test_balanced_weights_of_labels_are_those_of_scikit_learn():
    labels, targets = ["a", "b", "c"], np.repeat(np.arange(3), (3, 1, 6))
    # sklearn.utils.class_weight.compute_class_weight("balanced", ...) of these targets.
    wanted = [1.1111111111111112, 3.3333333333333335, 0.5555555555555556]
    config = ClassifyConfig(class_weights=["balanced"])
    assert class_weights(config, labels, targets) == pytest.approx(wanted)
    assert class_weights(ClassifyConfig(class_weights=["b=2.5"]), labels, targets) == [1, 2.5, 1]
    assert class_weights(ClassifyConfig(), labels, targets) == []


def test_labels_are_sorted_as_numbers_where_all_are():
    def labels(*names):
        return settled_labels([Example("f:1", "t", None, name) for name in names], ClassifyConfig())

    assert labels("10", 9, "2") == ["2", "9", "10"]
    assert labels("b", "10", "a", "9") == ["10", "9", "a", "b"]
    assert labels(True, False) == ["false", "true"]


def test_a_list_of_flags_is_no_list_of_labels():
    config = ClassifyConfig(multi_label=True)
    for flags in ([1, 0, 1], [0, 0], [0.0, 1.0, 0.0], [True], [False, True]):
        with pytest.raises(DataError, match="f:1: the labels are a list of 0 and 1"):
            label_names(Example("f:1", "t", None, flags), config)
    for labels in ([], [0], [1, 0], [2, 0, 2], ["1", "0", "1"]):
        found = label_names(Example("f:1", "t", None, labels), config)
        assert found == list(map(str, labels))


@pytest.mark.parametrize("several", [False, True])
def test_a_list_in_a_text_is_no_label(several):
    config = ClassifyConfig(multi_label=several)
    for text in ("[0 3]", "[]", " [1, 2]", "['joy' 'odd one']", '["a", "b"]'):
        with pytest.raises(DataError, match="is a list written as text") as error:
            label_names(Example("f:1", "t", None, text), config)
        assert "Parquet or JSON lines" in error.value.hint
    for text in ("[PAD]", "[x", "0 3]", "[a b]", f"[{'1' * 99}x]", f"[{' ' * 200_000}x]"):
        assert label_names(Example("f:1", "t", None, text), config) == [text]
    assert label_names(Example("f:1", "t", None, "[1]", named=True), config) == ["[1]"]
