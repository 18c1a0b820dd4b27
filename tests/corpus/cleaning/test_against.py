"""Overlap with evaluation text is found, in real SQuAD files and in small ones."""

from __future__ import annotations

import bz2
import json

import numpy as np
import pytest

from bertkit.corpus.cleaning.against import collect_ngrams, evaluation_texts, words_of
from bertkit.corpus.cleaning.clean_corpus import clean_corpus
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.errors import DataError
from corpus.cleaning import readable

CONTEXT = "Super Bowl 50 was an American football game to determine the champion of the league."
QUESTION = "Which NFL team represented the AFC at Super Bowl 50 in that year?"
QUESTIONS = [
    {"id": "q1", "question": QUESTION, "answers": []},
    {"id": "q2", "question": "Who won?", "answers": []},
]
SQUAD = {"data": [{"title": "Bowl", "paragraphs": [{"context": CONTEXT, "qas": QUESTIONS}]}]}


def overlaps(tmp_path, documents, *against, **settings):
    path = str(readable.write(tmp_path / "in.txt", documents))
    config = CleanConfig(against=[str(each) for each in against], min_words=0, **settings)
    result = clean_corpus([path], config=config, workers=1, examples=50)
    return result, result.criteria["overlap"]


def test_passages_and_questions_of_squad_are_looked_for(tmp_path):
    (tmp_path / "dev.json").write_text(json.dumps(SQUAD, indent=1))
    documents = [
        ["Nothing of it."],
        [
            "Before.",
            "  super bowl 50 was an american football game to determine",
            "the CHAMPION, of",
        ],
        [f"He asked: {QUESTION}"],
        ["Super Bowl 50 was an American football game to determine the winner of the league."],
        ["Who won?"],
    ]
    result, found = overlaps(tmp_path, documents, tmp_path / "dev.json")
    assert result.against == {"texts": 2, "overlapping": 2, "too_short": 1}
    assert found["documents"] == 2
    first, second = found["examples"]
    assert first["document"].endswith("in.txt:3")
    assert first["ngram"] == (
        "super bowl 50 was an american football game to determine the CHAMPION, of"
    )
    assert first["text"].endswith("dev.json: Bowl, paragraph 0")
    assert second["text"].endswith("dev.json: Bowl, paragraph 0, question q1")


def test_a_shorter_text_is_looked_for_as_a_whole(tmp_path):
    question = "who wrote the very first book of them"
    (tmp_path / "test.txt").write_text(f"{question}\n")
    documents = [[f"They ask {question}, and so on."], ["who wrote the very first book of us"]]
    assert overlaps(tmp_path, documents, tmp_path / "test.txt")[1]["documents"] == 1
    with pytest.raises(DataError, match="no text of 8 words or more"):
        (tmp_path / "test.txt").write_text("only a few words\n")
        overlaps(tmp_path, documents, tmp_path / "test.txt")


def test_other_numbers_of_words(tmp_path):
    (tmp_path / "test.txt").write_text("one two three four\n")
    documents = [["zero one two three"], ["two three"], ["three four one"]]
    found = overlaps(tmp_path, documents, tmp_path / "test.txt", against_words=3)[1]
    assert [each["ngram"] for each in found["examples"]] == ["one two three"]
    found = overlaps(tmp_path, documents, tmp_path / "test.txt", against_words=2)[1]
    assert [each["ngram"] for each in found["examples"]] == ["one two", "two three", "three four"]


def test_scripts_without_spaces_overlap_by_characters(tmp_path):
    passage = "日本国民は、正当に選挙された国会における代表者を通じて行動し"
    (tmp_path / "test.txt").write_text(f"{passage}。\n")
    documents = [[f"前文:{passage[:15]}。"], [passage[:6]]]
    found = overlaps(tmp_path, documents, tmp_path / "test.txt")[1]
    assert [each["ngram"] for each in found["examples"]] == [passage[:14]]


def test_text_of_many_forms_is_taken(tmp_path):
    text = "these are the words of a test set that nobody should have seen before"
    (tmp_path / "a.txt").write_text(f"{text}\n\nAnother one.\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": text}) + "\n" + '{"text": "short"}\n')
    (tmp_path / "c.txt.bz2").write_bytes(bz2.compress(text.encode()))
    for name in ("a.txt", "b.jsonl", "c.txt.bz2"):
        assert overlaps(tmp_path, [[text]], tmp_path / name)[1]["documents"] == 1, name
    for name in ("d.json.bz2", "d.bz2"):
        (tmp_path / name).write_bytes(bz2.compress(json.dumps(SQUAD).encode()))
        assert next(evaluation_texts(str(tmp_path / name)))[1] == CONTEXT
    with pytest.raises(DataError, match=r"e.jsonl:1: no text"):
        (tmp_path / "e.jsonl").write_text('{"text": 5}\n{"text": "x"}\n')
        list(evaluation_texts(str(tmp_path / "e.jsonl")))


def test_every_text_in_the_rows_of_a_table_is_looked_for(tmp_path):
    pair = {
        "idx": 3,
        "premise": "these are the words of a test set that nobody should have seen before",
        "hypothesis": "and this is what belongs to them in a column of its own beside it",
    }
    row = {"id": "a", "question": pair["premise"], "context": pair["hypothesis"]}
    row["answers"] = {"text": ["words that are given as the answer of a question here"]}
    tables = {
        "a.jsonl": json.dumps(pair) + "\n",
        "a.csv": "premise,hypothesis\n" + f"{pair['premise']},{pair['hypothesis']}\n",
        "a.json": json.dumps(row) + "\n" + json.dumps(row) + "\n",
        "b.json": json.dumps([row]),
        "c.json": json.dumps({"version": "1", "data": [row]}),
        "d.json": json.dumps(row),
    }
    for name, content in tables.items():
        (tmp_path / name).write_text(content)
    rows = pytest.importorskip("pyarrow").Table.from_pylist([row])
    pytest.importorskip("pyarrow.parquet").write_table(rows, tmp_path / "a.parquet")
    texts = [pair["premise"], pair["hypothesis"], *row["answers"]["text"]]
    for name in (*tables, "a.parquet"):
        wanted = texts[: 2 if name in ("a.jsonl", "a.csv") else 3]
        found = overlaps(tmp_path, [[text] for text in wanted], tmp_path / name)[1]
        assert found["documents"] == len(wanted), name
    first = next(evaluation_texts(str(tmp_path / "a.jsonl")))
    assert first == (f"{tmp_path / 'a.jsonl'}:1, premise", pair["premise"])


@pytest.mark.parametrize(
    "content", [{"questions": []}, {"data": {}}, {"data": [{"paragraphs": [{"context": 5}]}]}]
)
def test_json_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(DataError):
        collect_ngrams([str(tmp_path / "x.json")], 13)


def test_words_are_those_of_plain_python():
    text = "The Über-Straße, 3.14 中文 \x1c\n\n end"
    assert len(words_of(text)) == len(readable.words(text))
    assert len(words_of(" \n")) == len(words_of("...")) == 0
    assert (words_of("Same Words") == words_of("same... words\n")).all()
    assert words_of("x").dtype == np.uint64


def test_every_passage_of_the_real_file_is_found_in_itself(shared, tmp_path):
    path = shared / "data/squad/dev-v1.1.json"
    passages = [
        paragraph["context"]
        for article in json.loads(path.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]
    # One sentence of the text per line does not hide it; text of somebody else is not taken.
    documents = [passage.replace(". ", ".\n").strip().split("\n") for passage in passages[:300]]
    documents += [[f"{n} bottles stand upon the wall of the tavern."] for n in range(50)]
    documents = [[line for line in each if line.strip()] for each in documents]
    result, found = overlaps(tmp_path, documents, path)
    long = [len(readable.words(" ".join(each))) >= 13 for each in documents[:300]]
    assert found["documents"] == sum(long) >= 299
    grams = readable.ngrams(passages[0], 13)
    assert tuple(readable.words(found["examples"][0]["ngram"])) in grams
    assert result.against["texts"] > 9000


def test_a_folder_of_datasets_is_its_rows(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    text = "these are the words of a test set that nobody should have seen before"
    folder = tmp_path / "set/train"
    folder.mkdir(parents=True)
    for name, texts in {
        "data-0.arrow": [text],
        "data-1.arrow": [],
        "stale.arrow": ["x " * 9],
    }.items():
        table = arrow.table({"text": arrow.array(texts, arrow.string())})
        with arrow.ipc.new_stream(folder / name, table.schema) as writer:
            writer.write_table(table)
    (folder / "dataset_info.json").write_text('{"features": {}}')
    names = [{"filename": f"data-{number}.arrow"} for number in (0, 1)]
    (folder / "state.json").write_text(json.dumps({"_data_files": names}, indent=2))
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train"]}')
    for path in (folder, tmp_path / "set"):
        result, found = overlaps(tmp_path, [[text], ["x " * 20]], path)
        assert (result.against["texts"], found["documents"]) == (1, 1)


def test_words_in_a_list_are_a_sentence(tmp_path):
    text = "these are the words of a sentence that has a tag for every one"
    words = text.split()
    row = {"tokens": words, "ner_tags": [0] * len(words), "langs": ["en"], "empty": []}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert overlaps(tmp_path, [[text]], tmp_path / "a.jsonl")[1]["documents"] == 1
