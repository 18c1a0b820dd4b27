"""Makes the built-in sample of text and questions, without any network.

The text is the language reference inside every Python (`pydoc_data.topics`, the
topics of `help()`): several hundred kB of English prose and code in about 80
documents. It differs a little from one Python to the next, so the hand-written
questions name a phrase of the text, and their answers are looked up in the text at
hand.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bertkit.corpus.clean import one_line, paragraphs
from bertkit.corpus.download.sample_task import topic_files
from bertkit.errors import BertkitError
from bertkit.manifests.manifest import Manifest, working_folder
from bertkit.storage.files import package_file, read_json, write_text

# Of four questions one is kept for the dev file.
DEV_EVERY = 4
_MARKS = "\"'`‘’“”"


@dataclass(frozen=True)
class SampleResult:
    """What was written.

    Attributes:
        questions_left_out: those that this Python's text does not answer.
        train_paragraphs: with their topic, to classify.
    """

    output: str
    documents: int
    bytes: int
    train_questions: int
    dev_questions: int
    questions_left_out: int
    seconds: float
    up_to_date: bool
    train_paragraphs: int = 0
    dev_paragraphs: int = 0


@dataclass(frozen=True)
class Question:
    """A question whose answer was found.

    Attributes:
        context: the paragraph, on one line.
        answer: exactly as it stands in the context.
        start: offset of the answer in the context, in characters.
    """

    id: str
    topic: str
    question: str
    context: str
    answer: str
    start: int


def load_topics() -> dict[str, str]:
    """Topic → text, of the Python that runs this.

    Raises:
        BertkitError: this Python was built without the topics.
    """
    hint = "use another Python, or any text of your own: bertkit extract --input FILES"
    try:
        module = importlib.import_module("pydoc_data.topics")
    except ImportError as error:
        raise BertkitError("this Python has no pydoc_data.topics", hint) from error
    topics = getattr(module, "topics", None)
    if not isinstance(topics, dict) or not topics:
        raise BertkitError("pydoc_data.topics holds no topics in this Python", hint)
    return {str(name): str(text) for name, text in sorted(topics.items())}


def load_questions() -> list[dict[str, str]]:
    """The hand-written questions: id, topic, question, answer, anchor."""
    questions: list[dict[str, str]] = read_json(
        package_file("corpus", "download", "sample_questions.json")
    )["questions"]
    return questions


def locate(question: dict[str, str], text: str) -> Question | None:
    """Find a question's answer in the text of its topic.

    The paragraph is the first that holds the anchor; the answer is where the anchor
    holds it. White space and the kind of quotation marks do not count, since both
    change between versions of Python.

    Returns:
        The question with its context, or None if the text has no such phrase.
    """
    anchor = _pattern(question["anchor"])
    answer = _pattern(question["answer"])
    for block in paragraphs(text):
        context = one_line(block)
        found = anchor.search(context)
        inside = answer.search(context, found.start(), found.end()) if found else None
        if inside:
            return Question(
                id=question["id"],
                topic=question["topic"],
                question=question["question"],
                context=context,
                answer=inside.group(),
                start=inside.start(),
            )
    return None


def squad_file(questions: list[Question]) -> dict[str, Any]:
    """Questions as a SQuAD v1.1 document: articles are topics, contexts paragraphs."""
    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for item in questions:
        asked = articles.setdefault(item.topic, {}).setdefault(item.context, [])
        answers = [{"answer_start": item.start, "text": item.answer}]
        asked.append({"id": item.id, "question": item.question, "answers": answers})
    data = [
        {
            "title": topic,
            "paragraphs": [{"context": text, "qas": asked} for text, asked in blocks.items()],
        }
        for topic, blocks in articles.items()
    ]
    return {"version": "1.1", "data": data}


def planned(inputs: Sequence[dict[str, Any]] = ()) -> Manifest:
    """What the sample of this Python is told by."""
    config = {"name": "sample", "python": ".".join(platform.python_version_tuple()[:2])}
    return Manifest("download", config, list(inputs))


def write_sample(output: str, overwrite: bool = False) -> SampleResult:
    """Write `text/TOPIC.txt`, and `squad/` and `topics/` with train and dev files, to a folder.

    Every fourth question goes to the dev file. `topics/` has paragraphs to classify, see
    `bertkit.corpus.download.sample_task`.

    Raises:
        BertkitError: this Python was built without the topics.
        DataError: the folder holds something else.
    """
    started = time.perf_counter()
    topics = load_topics()
    content = "\0".join(f"{name}\0{text}" for name, text in topics.items()).encode()
    described = {"path": "pydoc_data.topics", "bytes": len(content)}
    described["sha256"] = hashlib.sha256(content).hexdigest()
    with working_folder(output, planned([described]), overwrite) as manifest:
        # Folders of earlier releases have no paragraphs to classify.
        fresh = not manifest.complete or "train_paragraphs" not in manifest.stats
        if fresh:
            _write(manifest, output, topics)
            manifest.stats["seconds"] = round(time.perf_counter() - started, 3)
            manifest.state = "complete"
            manifest.write(output)
    stats = manifest.stats
    return SampleResult(
        output,
        documents=stats["documents"],
        bytes=stats["bytes"],
        train_questions=stats["train_questions"],
        dev_questions=stats["dev_questions"],
        questions_left_out=stats["questions_left_out"],
        seconds=stats["seconds"] if fresh else 0.0,
        up_to_date=not fresh,
        train_paragraphs=stats["train_paragraphs"],
        dev_paragraphs=stats["dev_paragraphs"],
    )


def _write(manifest: Manifest, output: str, topics: dict[str, str]) -> None:
    for name, text in topics.items():
        _note(manifest, output, f"text/{name}.txt", text.strip("\n") + "\n", "text")
    asked = load_questions()
    located = [locate(item, topics.get(item["topic"], "")) for item in asked]
    dev = [item for item in located[DEV_EVERY - 1 :: DEV_EVERY] if item]
    train = [item for i, item in enumerate(located) if item and (i + 1) % DEV_EVERY]
    for part, items in (("train", train), ("dev", dev)):
        text = json.dumps(squad_file(items), ensure_ascii=False, indent=1) + "\n"
        _note(manifest, output, f"squad/{part}.json", text, "questions")
    classified = topic_files(topics)
    for name, content in classified.items():
        _note(manifest, output, f"topics/{name}", content, "examples")
    manifest.stats = {
        "documents": len(topics),
        "bytes": sum(facts["bytes"] for name, facts in manifest.outputs.items() if "text/" in name),
        "train_questions": len(train),
        "dev_questions": len(dev),
        "questions_left_out": len(asked) - len(train) - len(dev),
        "train_paragraphs": classified["train.tsv"].count("\n") - 1,
        "dev_paragraphs": classified["dev.tsv"].count("\n") - 1,
    }


def _note(manifest: Manifest, output: str, name: str, text: str, kind: str) -> None:
    blob = text.encode("utf-8")
    write_text(os.path.join(output, name), text)
    sha256 = hashlib.sha256(blob).hexdigest()
    manifest.outputs[name] = {"bytes": len(blob), "sha256": sha256, "kind": kind}


def _pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as a pattern that takes any white space and any quotation marks.

    Marks at the ends of a phrase belong to it, so that an answer keeps its own.
    """
    parts = []
    for word in phrase.split():
        pieces = re.split(f"([{_MARKS}]+)", word)
        parts.append(
            "".join(f"[{_MARKS}]+" if set(p) <= set(_MARKS) else re.escape(p) for p in pieces if p)
        )
    return re.compile(r"\s+".join(parts))
