"""What Hugging Face's `datasets` writes is read with the names that it notes for numbers."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.tag.sentence_files import read_sentences
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from tasks.finetuning.world import texts
from tasks.squad.world import PEOPLE, RIVERS, WORDS, paragraph, squad

pytestmark = pytest.mark.slow  # importing datasets takes seconds
datasets = pytest.importorskip("datasets")
NAMES = ["good", "never", "bad"]  # in this order, and one that no text has


def label_set(count: int, seed: int = 0):
    rows = [{"text": text, "label": NAMES.index(label)} for text, label in texts(count, seed)]
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)}
    return datasets.Dataset.from_list(rows, features=datasets.Features(features))


def test_labels_have_their_names_in_the_order_of_the_data_set(bertkit, words, place):
    train, dev = label_set(40), label_set(20, seed=1)
    train.to_parquet(place / "train-0.parquet")
    datasets.DatasetDict({"train": train, "test": dev}).save_to_disk(str(place / "set"))
    half = len(train) // 2
    for number in (0, 1):
        part = train.select(range(number * half, (number + 1) * half))
        part.to_parquet(place / f"part-{number}.parquet")
    plain = bertkit(*words, "--labels", "good", "never", "bad", "--output", place / "plain")
    assert plain.status == 0, plain.err
    forms = {
        "parquet": place / "train-0.parquet",
        "disk": place / "set/train",
        "parts": place / "part-*.parquet",
    }
    for name, file in forms.items():
        others = {place / "train.tsv": file, place / "dev.tsv": place / "set/test"}
        line = [others.get(word, word) for word in words]
        run = bertkit(*line, "--output", place / name)
        assert run.status == 0, run.err
        assert run.result["scores"] == plain.result["scores"]
        facts = json.loads((place / name / "step-0000020/config.json").read_text())
        assert facts["id2label"] == {str(number): label for number, label in enumerate(NAMES)}
    scores = bertkit(
        "finetune", "--json", "--output", place / "parquet", "--eval-file", place / "set/test"
    )
    assert scores.result["scores"] == plain.result["scores"]
    whole = bertkit("finetune", *line[1:], "--train-file", place / "set", "--output", place / "no")
    assert whole.status == 3 and "holds several data sets: test, train" in whole.err


def test_tags_have_their_names(tmp_path):
    names = ["O", "B-PER", "I-PER"]
    rows = [
        {"id": str(number), "tokens": ["Otto", "Hahn", "saw"], "ner_tags": [1, 2, 0]}
        for number in range(3)
    ]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=names)),
        }
    )
    found = datasets.Dataset.from_list(rows, features=features)
    found.to_parquet(tmp_path / "a.parquet")
    found.save_to_disk(str(tmp_path / "set"))
    found.to_json(tmp_path / "a.json")
    found.to_json(tmp_path / "array.json", lines=False)
    for path in (tmp_path / "a.parquet", tmp_path / "set"):
        file = read_sentences(path)
        assert file.labels == names
        assert [one.tags for one in file.sentences] == [["B-PER", "I-PER", "O"]] * 3
        assert json.loads(file.with_tags([["O"] * 3] * 3).splitlines()[1])["id"] == "1"
    for path in (tmp_path / "a.json", tmp_path / "array.json"):
        file = read_sentences(path, labels=names)
        assert [one.tags for one in file.sentences] == [["B-PER", "I-PER", "O"]] * 3
        with pytest.raises(DataError, match="'ner_tags' holds numbers"):
            read_sentences(path)


def rows_of(content: dict) -> list[dict]:
    """Rows as the data set `squad` has them."""
    return [
        {
            "id": entry["id"],
            "title": article["title"],
            "context": part["context"],
            "question": entry["question"],
            "answers": {
                name: [answer[name] for answer in entry["answers"]]
                for name in ("text", "answer_start")
            },
        }
        for article in content["data"]
        for part in article["paragraphs"]
        for entry in part["qas"]
    ]


def answer_features(kind: str):
    """Answers as `squad` has them: an object of lists (the old `Sequence`), or a list."""
    inner = {"text": datasets.Value("string"), "answer_start": datasets.Value("int32")}
    if kind == "list":
        return datasets.List(inner)
    return {name: datasets.List(value) for name, value in inner.items()}


@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize("version_2", [False, True])
def test_questions_are_those_of_squads_own_file(tmp_path, kind, version_2):
    none = paragraph("The castle is old.", ("Who built the bridge?", ""))
    content = squad(RIVERS, PEOPLE, *([none] if version_2 else []))
    (tmp_path / "squad.json").write_text(json.dumps(content))
    rows = rows_of(content)
    if kind == "list":
        for row in rows:
            pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
            row["answers"] = [{"text": text, "answer_start": start} for text, start in pairs]
    text = datasets.Value("string")
    features = {"id": text, "title": text, "context": text, "question": text}
    features = datasets.Features({**features, "answers": answer_features(kind)})
    found = datasets.Dataset.from_list(rows, features=features)
    found.to_parquet(tmp_path / "rows.parquet")
    found.save_to_disk(str(tmp_path / "set"))
    found.to_json(tmp_path / "lines.json")
    found.to_json(tmp_path / "lines.jsonl")
    found.to_json(tmp_path / "array.json", lines=False)
    # As the script run_qa.py of transformers wants it.
    (tmp_path / "data.json").write_text(json.dumps({"version": "1", "data": rows}))
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]))
    maker = WindowMaker(WordPieceTokenizer(load_vocab(vocab)), 32, 8, 12)

    def features_of(path):
        questions = read_questions(path, version_2=version_2, training=True)
        windows = maker.windows(questions, True)
        return (
            [(q.id, q.text, q.passage.text, q.answers, q.impossible) for q in questions],
            [(window.query_ids, window.spans, window.start, window.end) for window in windows],
            len({id(q.passage) for q in questions}),
        )

    own = features_of(tmp_path / "squad.json")
    for name in ("rows.parquet", "set", "lines.json", "lines.jsonl", "array.json", "data.json"):
        assert features_of(tmp_path / name) == own, name
