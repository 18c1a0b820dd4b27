"""Scores of windows, and the files of answers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bertkit.backends.base import StepPlan
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError, DataError
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.tasks.squad.answer_files import (
    load_span_weights,
    read_answers,
    score_folder,
    score_windows,
    write_predictions,
)
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.decode import Predictions
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, SIZES, squad


@pytest.fixture
def questions(write):
    return read_questions(write("q.json", squad(RIVERS, PEOPLE)))


def test_scores_do_not_depend_on_how_windows_are_batched(questions, tokenizer):
    torch.manual_seed(0)
    model = BertForQuestionAnswering(BertConfig(vocab_size=len(tokenizer.vocab), **SIZES))
    windows = WindowMaker(tokenizer, 30, 8, 8).windows(questions, training=False)
    adapter = CpuAdapter()
    found = []
    for size, length in ((1, 0), (3, 0), (8, 30)):
        batcher = WindowBatcher(tokenizer.vocab.cls_id, tokenizer.vocab.sep_id, length)
        stepper = adapter.build(model, SpanObjective(), StepPlan())
        found.append(score_windows(adapter, stepper, batcher, windows, batch_size=size))
    for window in windows:
        for side in (0, 1):
            first, *others = (scores[window.unique_id][side] for scores in found)
            assert first.shape == (window.length,) and first.dtype == np.float32
            for other in others:
                np.testing.assert_allclose(other, first, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_without_span_head_is_refused(encoder):
    model = BertForQuestionAnswering(BertConfig.from_file(encoder))
    with pytest.raises(ConfigError, match="has no span head"):
        load_span_weights(model, encoder)


def test_predictions_are_written_and_scored(questions, tmp_path):
    answers = {question.id: question.answers[0].text for question in questions}
    write_predictions(tmp_path, Predictions(answers=answers), version_2=False)
    assert read_answers(tmp_path / "predictions.json") == answers
    assert not (tmp_path / "null_odds.json").exists()
    scores = score_folder(tmp_path, questions, version_2=False)
    assert scores == {"exact_match": 100.0, "f1": 100.0}
    assert json.loads((tmp_path / "scores.json").read_text()) == scores
    assert (tmp_path / "review.json").is_file()


def test_numbers_of_numpy_are_written_as_numbers(tmp_path):
    odds = {"a": np.float32(0.5)}
    write_predictions(tmp_path, Predictions(answers={"a": ""}, null_odds=odds), version_2=True)
    assert json.loads((tmp_path / "null_odds.json").read_text()) == {"a": 0.5}
    with pytest.raises(TypeError, match="SimpleNamespace is not plain data"):
        odds = {"a": SimpleNamespace()}
        write_predictions(tmp_path, Predictions(null_odds=odds), version_2=True)


@pytest.mark.parametrize("content", ["[]", '{"a": 3}', None])
def test_answers_of_another_form_are_refused(tmp_path, content):
    path = tmp_path / "predictions.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"predictions\.json"):
        read_answers(path)
