from __future__ import annotations

import json
import pydoc_data.topics
import shutil
import sys
from types import ModuleType

import pytest

from bertkit.corpus.download.sample import (
    load_questions,
    load_topics,
    locate,
    squad_file,
    write_sample,
)
from bertkit.errors import BertkitError, DataError
from bertkit.manifests.manifest import read_manifest


def test_topics_are_what_help_shows():
    topics = load_topics()
    assert topics == pydoc_data.topics.topics
    assert len(topics) >= 70
    assert sum(map(len, topics.values())) > 400_000


def test_questions_are_many_distinct_and_self_consistent():
    questions = load_questions()
    assert len(questions) >= 70
    assert len({item["id"] for item in questions}) == len(questions)
    assert len({item["question"] for item in questions}) == len(questions)
    for item in questions:
        assert item["question"].endswith("?")
        assert item["anchor"].count(item["answer"]) >= 1, item["id"]


def test_at_least_sixty_questions_fit_this_python():
    topics = load_topics()
    found = [locate(item, topics.get(item["topic"], "")) for item in load_questions()]
    assert sum(item is not None for item in found) >= 60


def test_answers_stand_where_the_file_says(tmp_path):
    result = write_sample(str(tmp_path / "raw"))
    seen = 0
    for name in ("train", "dev"):
        values = json.loads((tmp_path / "raw/squad" / f"{name}.json").read_text("utf-8"))
        assert values["version"] == "1.1"
        for article in values["data"]:
            text = (tmp_path / "raw/text" / f"{article['title']}.txt").read_text("utf-8")
            flat = " ".join(text.split())
            for block in article["paragraphs"]:
                assert block["context"] in flat
                for asked in block["qas"]:
                    (answer,) = asked["answers"]
                    start = answer["answer_start"]
                    assert block["context"][start : start + len(answer["text"])] == answer["text"]
                    seen += 1
    assert seen == result.train_questions + result.dev_questions
    assert seen + result.questions_left_out == len(load_questions())
    assert 0.2 < result.dev_questions / seen < 0.3


def test_train_and_dev_share_no_question(tmp_path):
    write_sample(str(tmp_path))
    ids = []
    for name in ("train", "dev"):
        values = json.loads((tmp_path / "squad" / f"{name}.json").read_text("utf-8"))
        ids += [q["id"] for a in values["data"] for p in a["paragraphs"] for q in p["qas"]]
    assert len(ids) == len(set(ids))


def test_text_files_are_the_topics(tmp_path):
    result = write_sample(str(tmp_path))
    files = sorted((tmp_path / "text").iterdir())
    assert {path.stem for path in files} == set(load_topics())
    assert result.bytes == sum(path.stat().st_size for path in files)
    assert result.documents == len(files)


def test_second_run_has_nothing_to_do_and_another_folder_is_refused(tmp_path):
    first = write_sample(str(tmp_path / "a"))
    again = write_sample(str(tmp_path / "a"))
    assert again.up_to_date
    assert again.documents == first.documents
    (tmp_path / "b").mkdir()
    (tmp_path / "b/other").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        write_sample(str(tmp_path / "b"))


@pytest.mark.parametrize(
    "text",
    [
        'one.\n\nIf out of\nrange, "IndexError" is  raised (always).\n',
        "one.\n\nIf out of range, ``IndexError`` is\nraised (always).\n",
        "one.\n\nIf out of range, ‘IndexError’ is raised (always).\n",
    ],
)
def test_location_survives_wrapping_and_quotation_marks(text):
    question = {
        "id": "q",
        "topic": "t",
        "question": "What?",
        "answer": "IndexError",
        "anchor": 'out of range, "IndexError" is raised',
    }
    found = locate(question, text)
    assert found is not None
    assert "\n" not in found.context
    assert found.context[found.start : found.start + len(found.answer)] == "IndexError"


def test_question_without_its_phrase_is_left_out():
    question = {"id": "q", "topic": "t", "question": "?", "answer": "a", "anchor": "a phrase"}
    assert locate(question, "something else\n") is None
    assert locate(question, "") is None


def test_one_paragraph_holds_all_its_questions():
    items = []
    for number, answer in enumerate(("cat", "mat")):
        question = {
            "id": str(number),
            "topic": "t",
            "question": "?",
            "answer": answer,
            "anchor": "the cat sat on the mat",
        }
        items.append(locate(question, "Once the cat sat on the mat."))
    (article,) = squad_file(items)["data"]
    (block,) = article["paragraphs"]
    assert [q["answers"][0]["answer_start"] for q in block["qas"]] == [9, 24]


def test_python_without_topics_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(BertkitError, match="no pydoc_data"):
        load_topics()
    empty = ModuleType("pydoc_data.topics")
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", empty)
    with pytest.raises(BertkitError, match="holds no topics"):
        load_topics()


def test_a_folder_of_an_earlier_release_gets_the_paragraphs(tmp_path):
    out = tmp_path / "raw"
    made = write_sample(str(out))
    assert made.dev_paragraphs > 30
    manifest = read_manifest(out)
    for name in ("train_paragraphs", "dev_paragraphs"):
        del manifest.stats[name]
    manifest.write(out)
    shutil.rmtree(out / "topics")
    again = write_sample(str(out))
    assert not again.up_to_date and (out / "topics/dev.tsv").is_file()
    assert write_sample(str(out)).up_to_date
