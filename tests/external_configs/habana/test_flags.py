"""What Habana's programs read in common."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from bertkit.external_configs.habana.flags import read_flags, true
from bertkit.external_configs.jobs import TrainingCommand
from bertkit.external_configs.translation import to

TABLE = {"a": to("a"), "seed": to("seed", convert=int)}


@pytest.mark.parametrize(("word", "value"), [("True", True), ("1", False), ("False", False)])
def test_words_for_true(word, value):
    assert true(word) is value


def test_a_value_may_stand_apart_and_a_flag_alone():
    from bertkit.external_configs.habana.flags import COMMON

    words = (
        "--seed",
        "-3",
        "--a=",
        "/path",
        "--train_batch_size=4",
        "--gradient_accumulation_steps=2",
    )
    command = TrainingCommand("p.py", words, launcher=("mpirun", "-np", "3"))
    found, facts = read_flags("f", "t", command, COMMON | TABLE, {})
    assert (found.values["seed"], found.values["a"]) == (-3, "/path")
    assert (found.values["global_batch_size"], found.values["micro_batch_size"]) == (12, 2)
    assert (facts.cards, facts.accumulation, facts.mode) == (3, 2, "lazy")
    with pytest.raises(ConfigError, match=r"'word' of p\.py belongs to no flag"):
        read_flags("f", "t", TrainingCommand("p.py", ("word",)), TABLE, {})
