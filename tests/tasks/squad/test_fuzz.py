"""Question, prediction and cache files of any content: one clear error, or an answer."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.errors import DataError
from bertkit.storage.files import read_json
from bertkit.tasks.squad import review
from bertkit.tasks.squad.answer_files import ANSWERS, NBEST, NULL_ODDS, score_folder
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.predict import read_question_lines
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.window_cache import cached_windows
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.squad.world import PEOPLE, RIVERS, WORDS, paragraph, squad

UNANSWERED = paragraph("Anna wrote.", ("Who was born?", ""), ("Who wrote?", "Anna"))
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["", "\ud800", "\x00", "a" * 3000, -1, 10**30, "is_impossible"])
)  # fmt: skip
KEYS = st.sampled_from(["data", "paragraphs", "context", "qas", "id", "answers", "text", "x"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def nodes(tree, place=()):
    """The places of all values in a tree."""
    yield place
    if isinstance(tree, dict):
        parts = list(tree.items())
    else:
        parts = list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in parts:
        yield from nodes(value, (*place, key))


def changed(tree, place, value):
    if not place:
        return value
    tree = copy.deepcopy(tree)
    node = tree
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def words(folder):
    path = folder / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]))
    return WordPieceTokenizer(load_vocab(path))


def one_error(act):
    """What a call returns; None where it refuses, with a message of one line."""
    try:
        return act()
    except DataError as error:
        assert error.message and "\n" not in error.message
        return None


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_question_files_of_another_form(folder, words, data):
    tree = squad(RIVERS, UNANSWERED, version="v2.0")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(nodes(tree))))
        tree = changed(tree, place, data.draw(VALUES))
    path = folder / "q.json"
    path.write_text(json.dumps(tree))
    training = data.draw(st.booleans())
    questions = one_error(lambda: read_questions(path, version_2=True, training=training))
    if questions:
        windows = WindowMaker(words, 24, 8, 8).windows(questions, training)
        found, known = ({item.id for item in items} for items in
                        ((window.question for window in windows), questions))  # fmt: skip
        # Questions whose answer is blank are left out of training.
        assert found <= known if training else found == known


@settings(max_examples=150)
@given(st.data())
def test_cut_or_changed_question_files(folder, data):
    blob = bytearray(json.dumps(squad(RIVERS, PEOPLE)).encode())
    del blob[data.draw(st.integers(0, len(blob))) :]
    for _ in range(data.draw(st.integers(0, 5)) if blob else 0):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "q.json"
    path.write_bytes(blob)
    one_error(lambda: read_questions(path))


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_prediction_files_of_another_form(folder, data):
    path = folder / "q.json"
    path.write_text(json.dumps(squad(UNANSWERED, version="v2.0")))
    questions = read_questions(path, version_2=True)
    names = [question.id for question in questions]
    whole = {
        ANSWERS: dict.fromkeys(names, "Anna"),
        NBEST: {name: [{"text": "Anna", "probability": 0.5}] for name in names},
        NULL_ODDS: dict.fromkeys(names, 0.5),
    }
    name = data.draw(st.sampled_from(list(whole)))
    place = data.draw(st.sampled_from(list(nodes(whole[name]))))
    whole[name] = changed(whole[name], place, data.draw(VALUES))
    for file, content in whole.items():
        (folder / file).write_text(json.dumps(content))
    if one_error(lambda: score_folder(folder, questions, version_2=True)):
        assert review.as_text(review.read_review(folder))


@settings(max_examples=100)
@given(st.data())
def test_reviews_of_another_form(folder, data):
    path = folder / "q.json"
    path.write_text(json.dumps(squad(PEOPLE)))
    questions = read_questions(path)
    answers = {question.id: question.answers[0].text for question in questions}
    tree = review.review(questions, answers)
    place = data.draw(st.sampled_from(list(nodes(tree))))
    (folder / review.NAME).write_text(json.dumps(changed(tree, place, data.draw(VALUES))))
    one_error(lambda: review.as_text(review.read_review(folder)))


@settings(max_examples=100)
@given(st.lists(VALUES.map(json.dumps) | st.text(max_size=30), max_size=4))
def test_questions_from_other_programs(lines):
    one_error(lambda: read_question_lines(lines, "standard input"))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_cache_gives_the_windows_all_the_same(folder, words, data):
    path = folder / "q.json"
    path.write_text(json.dumps(squad(RIVERS)))
    questions = read_questions(path)

    def windows():
        return cached_windows(folder / "cache", {}, questions, words.vocab, make)

    def make():
        return WindowMaker(words, 20, 4, 8).windows(questions, False)

    wanted = [window.ids(2, 3).tolist() for window in windows()]
    (file,) = (folder / "cache").iterdir()
    blob = bytearray(file.read_bytes())
    del blob[data.draw(st.sampled_from([len(blob), len(blob) - 30, len(blob) // 2, 3])) :]
    for _ in range(data.draw(st.integers(0, 6))):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(blob)
    assert [window.ids(2, 3).tolist() for window in windows()] == wanted


@pytest.mark.parametrize(("byte", "value"), [(10, 99), (8, 1)], ids=["method", "encrypted"])
def test_a_cache_that_zipfile_cannot_unpack_is_made_again(folder, words, byte, value):
    path = folder / "q.json"
    path.write_text(json.dumps(squad(RIVERS)))
    questions = read_questions(path)

    def windows():
        return cached_windows(folder / "other", {}, questions, words.vocab, make)

    def make():
        return WindowMaker(words, 20, 4, 8).windows(questions, False)

    wanted = [window.ids(2, 3).tolist() for window in windows()]
    (file,) = (folder / "other").iterdir()
    blob = bytearray(file.read_bytes())
    blob[blob.index(b"PK\x01\x02") + byte] = value  # in the archive's list of files
    file.write_bytes(blob)
    assert [window.ids(2, 3).tolist() for window in windows()] == wanted


@pytest.mark.parametrize("text", ["[" * 200_000, "1" * 5000, '{"a": ' * 100_000])
def test_json_that_python_itself_gives_up_on(folder, text):
    (folder / "deep.json").write_text(text)
    with pytest.raises(DataError, match=r"deep\.json"):
        read_json(folder / "deep.json")
    with pytest.raises(DataError, match="not JSON"):
        read_question_lines([text], "standard input")
