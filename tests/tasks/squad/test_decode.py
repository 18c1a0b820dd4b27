from __future__ import annotations

import hashlib
import json
import lzma

import numpy as np
import pytest

from bertkit.tasks.squad.decode import Decoder, original_stretch
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.score import score
from tasks.squad.world import RIVERS, squad


def pseudo_scores(unique_id: int, kind: str) -> np.ndarray:
    """The logits that the golden predictions were made from."""
    values = []
    for place in range(384):
        digest = hashlib.md5(f"{unique_id}:{place}:{kind}".encode()).digest()
        values.append(((digest[0] << 8) | digest[1]) / 65536 * 12 - 6)
    return np.array(values)


@pytest.mark.slow
def test_answers_and_nbest_equal_the_reference(shared, uncased):
    questions = read_questions(shared / "data/squad/dev-v1.1.json", limit=1500)
    windows = WindowMaker(uncased).windows(questions, training=False)
    scores = {
        window.unique_id: (
            pseudo_scores(window.unique_id, "s"),
            pseudo_scores(window.unique_id, "e"),
        )
        for window in windows
    }
    found = Decoder(uncased).decode(windows, scores)
    folder = shared / "goldens/squad"
    answers = json.loads((folder / "postproc_v1_predictions.json").read_text())
    nbest = json.loads(lzma.decompress((folder / "postproc_v1_nbest.json.xz").read_bytes()))
    assert found.answers == answers
    assert found.nbest == nbest


@pytest.fixture
def windows(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS)))
    return WindowMaker(tokenizer, 64, 32, 8).windows(questions, training=False)


def peaked(window, first: str, last: str, height: float = 5.0, null: float = 0.0):
    starts, ends = np.zeros(window.length), np.zeros(window.length)
    starts[: window.offset] = ends[: window.offset] = -20.0
    starts[window.tokens.index(first, window.offset)] = height
    ends[window.tokens.index(last, window.offset)] = height
    starts[0] = ends[0] = null
    return starts, ends


def test_the_answer_keeps_the_writing_of_the_passage(windows, tokenizer):
    scores = {
        windows[0].unique_id: peaked(windows[0], "the", "seine"),
        windows[1].unique_id: peaked(windows[1], "london", "city"),
    }
    found = Decoder(tokenizer).decode(windows, scores)
    assert list(found.answers.values()) == ["The Seine", "London, the old city"]
    best = found.nbest[windows[0].question.id]
    assert len(best) == 20
    assert len({entry["text"] for entry in best}) == 20
    assert sum(entry["probability"] for entry in best) == pytest.approx(1)
    assert (best[0]["start_logit"], best[0]["end_logit"]) == (5.0, 5.0)


def test_longest_answer_and_order_of_ends_are_respected(windows, tokenizer):
    window = windows[0]
    scores = {window.unique_id: peaked(window, "the", "city")}
    found = Decoder(tokenizer, max_answer_length=2).decode([window], scores)
    assert all(len(entry["text"].split()) <= 2 for entry in found.nbest[window.question.id])
    backwards = {window.unique_id: peaked(window, "city", "seine")}
    found = Decoder(tokenizer, n_best_size=1).decode([window], backwards)
    assert found.answers == {window.question.id: "empty"}


@pytest.mark.parametrize(
    ("null", "threshold", "answer"),
    [
        (4.0, 0.0, "The Seine"),
        (6.0, 0.0, ""),
        (6.0, 2.5, "The Seine"),
        (4.0, -2.5, ""),
        # Odds that equal the threshold are not above it.
        (5.0, 0.0, "The Seine"),
        (6.0, 2.0, "The Seine"),
        (4.0, -2.0, "The Seine"),
    ],
)
def test_no_answer_where_its_odds_are_above_the_threshold(
    windows, tokenizer, null, threshold, answer
):
    window = windows[0]
    scores = {window.unique_id: peaked(window, "the", "seine", null=null)}
    decoder = Decoder(tokenizer, version_2=True, null_threshold=threshold)
    found = decoder.decode([window], scores)
    name = window.question.id
    assert found.answers == {name: answer}
    assert found.null_odds == {name: 2 * null - 10}
    assert "" in {entry["text"] for entry in found.nbest[name]}


def test_no_answer_is_listed_even_where_others_fill_the_list(windows, tokenizer):
    window = windows[0]
    scores = {window.unique_id: peaked(window, "the", "seine", null=-9.0)}
    found = Decoder(tokenizer, n_best_size=3, version_2=True).decode([window], scores)
    best = found.nbest[window.question.id]
    assert [entry["text"] == "" for entry in best] == [False, False, False, True]
    assert best[-1]["start_logit"] == -9.0


def test_an_empty_passage_is_answered_with_nothing(write, tokenizer):
    nowhere = {"context": " \u200b ", "qas": [{"id": "z", "question": "Who?", "answers": []}]}
    questions = read_questions(write("x.json", squad(nowhere, RIVERS)), version_2=True)
    windows = WindowMaker(tokenizer, 64, 32, 8).windows(questions, training=False)
    scores = {window.unique_id: peaked(window, "the", "seine") for window in windows}
    for version_2 in (True, False):
        decoder = Decoder(tokenizer, version_2=version_2)
        found = decoder.decode(windows, scores, questions)
        assert list(found.answers) == list(found.nbest) == [q.id for q in questions]
        assert found.answers["z"] == "" and found.nbest["z"][0]["probability"] == 1.0
        assert (found.null_odds.get("z", 0) > 1000) == version_2
    assert score(questions, found.answers, True, found.null_odds)["total"] == 3


@pytest.mark.parametrize(
    ("tokens", "answer"), [(("##der", "##der"), "der"), (("un", "##der"), "Under")]
)
def test_an_answer_may_begin_or_end_inside_a_word(write, tokenizer, tokens, answer):
    passage = {"context": "Otto was Unders king.", "qas": [{"id": "a", "question": "Who?"}]}
    questions = read_questions(write("x.json", squad(passage)))
    (window,) = WindowMaker(tokenizer, 64, 32, 8).windows(questions, training=False)
    found = Decoder(tokenizer).decode([window], {window.unique_id: peaked(window, *tokens)})
    assert found.answers == {"a": answer}  # as run_squad.py's get_final_text says


@pytest.mark.parametrize(
    ("predicted", "original", "tokenised", "stretch"),
    [
        ("steve smith", "Steve Smith's", "steve smith ' s", "Steve Smith"),
        ("1844", "(1844-1901)", "( 1844 - 1901 )", "1844"),
        ("cafe", "Café X", "cafe x", "Café"),
        ("x", "no such", "no such", "no such"),
        ("", "something", "something", "something"),
        ("ss", "Straße", "strasse", "Straße"),  # as many characters no more: all of it
    ],
)
def test_stretch_of_the_original(predicted, original, tokenised, stretch):
    assert original_stretch(predicted, original, tokenised) == stretch
