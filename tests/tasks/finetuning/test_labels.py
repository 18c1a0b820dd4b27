"""The labels of `--labels`."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.tasks.finetuning.labels import given_labels, require_order


def test_labels_are_given_one_by_one_or_in_a_file(tmp_path):
    (tmp_path / "labels").write_text("a\nb c\n\n")
    assert given_labels(["a", "b"]) == ["a", "b"]
    assert given_labels([f"@{tmp_path / 'labels'}", "d"]) == ["a", "b c", "d"]
    assert given_labels([]) == []
    assert given_labels(["a"], at_least=1) == ["a"]


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["a", "a"], "'a' twice", ""),
        (["a"], "one label only: 'a'", "name all of them"),
        (["a,b"], "one label only: 'a,b'", "--labels a --labels b"),
    ],
)
def test_a_list_that_cannot_be_is_refused(words, said, hint):
    with pytest.raises(ConfigError, match=said) as error:
        given_labels(words)
    assert hint in error.value.hint


def test_labels_have_the_numbers_that_a_model_has_learnt():
    facts = {"id2label": {"0": "a", "1": "b", "2": "c"}}
    require_order(["a", "b", "c"], facts, "run")
    require_order([], facts, "run")
    require_order(["x", "y", "z"], facts, "run")  # other names for the same
    require_order(["a", "b"], {}, "run")
    with pytest.raises(ConfigError, match="--labels has 2 labels, and run has learnt 3"):
        require_order(["a", "b"], facts, "run")
    with pytest.raises(ConfigError, match="'c' as number 1, and run has learnt it as number 2"):
        require_order(["a", "c", "b"], facts, "run")
