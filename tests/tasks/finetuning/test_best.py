"""Which evaluation is the best."""

from __future__ import annotations

import json

import pytest

from bertkit.model.checkpoints.run_state import BEST, BEST_FACTS, read_best
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.finetuning.best import BestModel
from bertkit.tokenization.tokenizer_facts import TokenizerFacts
from tasks.finetuning.world import SIZES, WORDS, BertConfig


@pytest.mark.parametrize(
    ("metric", "values", "kept"),
    [("pearson", (0.1, 0.3, 0.2), [1, 2]), ("mse", (0.3, 0.1, 0.2), [1, 2])],
)
def test_more_is_better_but_of_errors_less(tmp_path, metric, values, kept):
    found = BestModel(tmp_path, metric, goes_on=False)
    shape = BertConfig(vocab_size=len(WORDS), **SIZES)
    steps = []
    for step, value in enumerate(values, 1):
        if step == 3:  # a run that goes on knows what was kept
            found = BestModel(tmp_path, metric, goes_on=True)
        if found.is_better({metric: value}):
            model = BertForPreTraining(shape)
            found.keep(
                model,
                model.state_dict(),
                step=step,
                scores={metric: value},
                vocab=b"[PAD]\n",
                tokenizer=TokenizerFacts(),
            )
            steps.append(step)
    assert steps == kept and read_best(tmp_path)["step"] == kept[-1]
    assert json.loads((tmp_path / BEST / BEST_FACTS).read_text())["value"] == values[kept[-1] - 1]
    assert not found.is_better({metric: float("nan")})
