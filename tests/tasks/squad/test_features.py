from __future__ import annotations

import hashlib
import json

import pytest

from bertkit.errors import ConfigError, DataError
from bertkit.tasks.squad.features import FIRST_ID, Window, WindowMaker
from bertkit.tasks.squad.questions import read_questions
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.squad.world import PEOPLE, RIVERS, paragraph, squad

LENGTH = 384


def reference_row(window: Window, vocab) -> list:
    """A window as the golden digests spell it."""
    ids = window.ids(vocab.cls_id, vocab.sep_id).tolist()
    padding = [0] * (LENGTH - len(ids))
    segments = [0] * window.offset + [1] * (len(ids) - window.offset)
    places = range(window.offset, window.length - 1)
    return [
        window.unique_id,
        window.example,
        window.index,
        window.tokens,
        [[place, int(word)] for place, word in zip(places, window.words, strict=True)],
        [[place, bool(most)] for place, most in zip(places, window.most_context, strict=True)],
        ids + padding,
        [1] * len(ids) + padding,
        segments + padding,
        window.start,
        window.end,
        window.question.impossible,
    ]


def digests(windows, vocab):
    return [
        hashlib.sha1(
            json.dumps(reference_row(window, vocab), separators=(",", ":")).encode()
        ).hexdigest()
        for window in windows
    ]


def golden(shared):
    return (shared / "goldens/squad/train44_exact_384_128_64.features.sha1").read_text().split()


@pytest.mark.slow
def test_all_known_articles_equal_the_reference(shared, uncased, exact_articles, write):
    questions = read_questions(write("all.json", exact_articles), training=True)
    windows = WindowMaker(uncased).windows(questions, training=True)
    assert (len(questions), len(windows)) == (11_877, 12_032)
    assert digests(windows, uncased.vocab) == golden(shared)


def long_question(write, tokenizer, **sizes):
    words = " ".join(["old city"] * 20)
    text = f"{words} Otto wrote 1844. {words}"
    path = write("long.json", squad(paragraph(text, ("Who wrote?", "Otto"))))
    questions = read_questions(path, training=True)
    return WindowMaker(tokenizer, **sizes).windows(questions, training=True)


def test_windows_cover_the_passage_and_know_the_answer(write, tokenizer):
    windows = long_question(write, tokenizer, max_seq_length=36, doc_stride=10, max_query_length=8)
    assert [window.spans[window.index] for window in windows] == [
        (0, 30), (10, 30), (20, 30), (30, 30), (40, 30), (50, 30), (60, 24)
    ]  # fmt: skip
    assert [window.unique_id - FIRST_ID for window in windows] == list(range(7))
    for window in windows:
        assert len(window.tokens) == window.length <= 36
        holds = "otto" in window.tokens
        assert (window.start, window.end) == (
            (window.tokens.index("otto"),) * 2 if holds else (0, 0)
        )
    # Token 40 is in four windows and has the most around it in exactly one.
    winners = [
        window.index
        for window in windows
        for place, most in enumerate(window.most_context, window.spans[window.index][0])
        if most and place == 40
    ]
    assert winners == [3]


def test_answer_is_narrowed_to_its_own_tokens(write, tokenizer):
    value = squad(paragraph("Otto (1844-1901) was king.", ("When?", "1844")))
    questions = read_questions(write("x.json", value), training=True)
    (window,) = WindowMaker(tokenizer, 32, 8, 8).windows(questions, training=True)
    assert window.tokens[window.start : window.end + 1] == ["1844"]


def test_question_is_cut_and_answering_knows_no_answer(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS)))
    windows = WindowMaker(tokenizer, 32, 8, 3).windows(questions, training=False)
    assert windows[0].query == ["what", "flows", "through"]
    assert (windows[0].start, windows[0].end) == (None, None)


def test_lost_answers_are_left_out_and_counted(write, tokenizer, caplog):
    value = squad(PEOPLE)
    value["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "1999"
    questions = read_questions(write("x.json", value), training=True)
    windows = WindowMaker(tokenizer, 64, 8, 8).windows(questions, training=True)
    assert [window.question.text for window in windows] == [q.text for q in questions[1:]]
    assert [window.example for window in windows] == [0, 1]
    with pytest.raises(DataError, match="no question can be used"):
        WindowMaker(tokenizer, 64, 8, 8).windows(questions[:1], training=True)


def test_blank_answers_and_empty_passages_are_left_out_and_counted(write, tokenizer, caplog):
    def entry(name, question, *answers):
        found = [{"text": text, "answer_start": start} for text, start in answers]
        return {"id": name, "question": question, "answers": found}

    content = squad(
        {"context": "Otto \u200b wrote.", "qas": [
            entry("a", "Who?", ("", 0)), entry("b", "Who?", (" ", 4)), entry("c", "Who?", ("", 7)),
            entry("d", "What?", ("\u200b", 5)), entry("e", "\u00a0", ("Otto", 0)),
        ]},
        {"context": " ", "qas": [entry("f", "Who?")]},
    )  # fmt: skip
    path = write("odd.json", content)
    questions = read_questions(path, version_2=True, training=True)
    windows = WindowMaker(tokenizer).windows(questions, training=True)
    assert [(w.question.id, w.start, w.end) for w in windows] == [("e", 2, 2)]
    assert "3 of 6 questions skipped: their answer is blank (the first is a)" in caplog.text
    assert "1 of 6 questions skipped: their answer text is not found" in caplog.text
    assert "1 of 6 questions skipped: their passage is empty (the first is f)" in caplog.text
    assert "1 of 6 questions are blank (the first is e)" in caplog.text
    # All but the one with an empty passage are there to be answered.
    answering = WindowMaker(tokenizer).windows(questions, training=False)
    assert [window.question.id for window in answering] == list("abcde")


def test_an_answer_inside_a_word_gets_the_tokens_of_the_whole_word_or_its_own(write, tokenizer):
    passage = paragraph("Otto flows unders.", ("What?", "low"), ("Where?", "der"))
    questions = read_questions(write("inside.json", squad(passage)), training=True)
    windows = WindowMaker(tokenizer).windows(questions, training=True)
    found = [window.tokens[window.start : window.end + 1] for window in windows]
    # "der" is cut otherwise at the start of a word, so its word is what is learnt.
    assert found == [["flows"], ["un", "##der", "##s", "."]]


def test_no_room_for_the_passage(tokenizer):
    with pytest.raises(ConfigError, match="--max-query-length 64"):
        WindowMaker(tokenizer, 67, 8, 64)


@pytest.mark.parametrize("lower", [True, False])
def test_words_are_cut_as_the_tokenizer_cuts_them(shared, lower):
    name = "uncased" if lower else "cased"
    vocab = load_vocab(shared / f"data/vocab/bert-base-{name}-vocab.txt")
    plain = WordPieceTokenizer(vocab, Normalisation(lower))
    ascii_text = "".join(map(chr, range(128)))
    words = [f"{left}{mark}{right}" for mark in ascii_text for left in ("", "Ab1") for right in
             ("", "cD", "[MASK]")]  # fmt: skip
    words += [
        "caf\u00e9,",
        "a\u00a0b",
        "ab\u3000",
        "\u4e2d\u6587x",
        "x" * 201,
        "\u03a3\u03a3.",
        "",
        "unaffable!?",
    ]
    maker = WindowMaker(WordPieceTokenizer(vocab, Normalisation(lower)))
    for _ in range(2):
        ids, counts = maker._cut(words)
        expected = [plain.tokenize(word) for word in words]
        assert ids == plain.ids([token for pieces in expected for token in pieces])
        assert counts == list(map(len, expected))
