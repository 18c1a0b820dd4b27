"""The commands that are put under fire, over small fixtures that bertkit itself makes."""

from __future__ import annotations

import io
import json
import random
import tarfile
from dataclasses import dataclass
from pathlib import Path

from soak.children import run_words
from soak.trees import remove


@dataclass(frozen=True)
class Stage:
    """A command whose output can be compared with that of an undisturbed run.

    Attributes:
        name: of the stage.
        words: of the command; `{out}` stands for the output.
        torch: it imports torch, so that a fork of it costs more.
        workers: processes that it starts.
        beside: files beside the output that belong to it.
    """

    name: str
    words: tuple[str, ...]
    torch: bool = False
    workers: int = 1
    beside: tuple[str, ...] = ()

    def command(self, out: Path) -> list[str]:
        return [word.replace("{out}", str(out)) for word in self.words]


def _stage(name: str, line: str, **facts) -> Stage:
    return Stage(name, tuple(line.split()), **facts)


_RECORDS = "make-records -i sents --vocab vocab.txt --msl 32 --dupe-factor 1 -o {out}"
_TRAIN = (
    "pretrain --preset tiny --vocab vocab.txt --gbs 4 --micro-batch-size 4 --msl 32 --max-steps 6"
    " --save-every 2 --keep-last 2 --log-every 1 --backend cpu --output {out}"
)
_SQUAD = (
    "finetune-squad --init-checkpoint run --train-file squad.json --predict-file squad.json"
    " --msl 64 --doc-stride 32 --max-query-length 24 --gbs 4 --max-steps 4 --save-every 2"
    " --log-every 1 --backend cpu --output {out}"
)
STAGES = {
    stage.name: stage
    for stage in (
        _stage("sample", "download sample -o {out}"),
        _stage(
            "extract", "extract -i texts --splitter lines -o {out} --part-megabytes 1 --workers 1"
        ),
        _stage(
            "extract tar, 2 workers",
            "extract -i texts.tar.gz --splitter lines -o {out} --workers 2",
            workers=2,
        ),
        _stage("clean", "clean -i docs -o {out} --drop exact,lines --workers 1"),
        _stage("split", "split -i docs -o {out} --valid 0.2 --parts 3"),
        _stage(
            "train-vocab",
            "train-vocab -i sents -o {out} --size 256 --workers 1",
            beside=("out.json",),
        ),
        _stage("records tfrecord", f"{_RECORDS} --workers 1"),
        _stage("records tfrecord, 2 workers", f"{_RECORDS} --workers 2", workers=2),
        _stage("records hdf5", f"{_RECORDS} --style nvidia --workers 1"),
        _stage("records jsonl", f"{_RECORDS} --style hf --workers 1"),
        _stage("records packed", f"{_RECORDS} --packing graphcore --workers 1"),
        _stage("pack-records", "pack-records -i rec -o {out} --packing habana --workers 1"),
        _stage("pick-eval", "pick-eval -i rec -o {out} --count 10"),
        _stage("pretrain", f"{_TRAIN} --input rec", torch=True),
        _stage(
            "pretrain --text",
            f"{_TRAIN} --text sents --text-cache {{out}}.cache",
            torch=True,
            beside=("out.cache",),
        ),
        _stage(
            "finetune-squad", f"{_SQUAD} --cache {{out}}.cache", torch=True, beside=("out.cache",)
        ),
        _stage("convert", "convert run -o {out}", torch=True),
        _stage(
            "convert to nvidia", "convert run --to nvidia --keep-optimizer -o {out}", torch=True
        ),
        _stage("convert to tf1", "convert run --to tf1 -o {out}", torch=True),
        _stage("report", "report run -o {out}.html", beside=("out.html",)),
    )
}


def make_fixtures(root: Path) -> None:
    """Everything that the stages and the damaged inputs read; what is there already stays."""
    done = root / "complete"
    if done.exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    draw = random.Random(17)
    nouns = [
        "whale",
        "ship",
        "sea",
        "storm",
        "rope",
        "mast",
        "deck",
        "crew",
        "port",
        "chart",
        "wind",
        "sail",
    ]
    verbs = ["sees", "meets", "fears", "holds", "turns", "finds", "leaves", "keeps"]

    def sentence() -> str:
        words = [draw.choice(nouns), draw.choice(verbs), "the", draw.choice(nouns)]
        return f"The {' '.join(words * draw.randint(1, 2))} {draw.randint(1, 999)}."

    def document() -> str:
        return "".join(f"{sentence()}\n" for _ in range(draw.randint(3, 8)))

    for folder, count in (("texts", 6), ("sents", 3)):
        (root / folder).mkdir(exist_ok=True)
        for number in range(count):
            text = "\n".join(document() for _ in range(12))
            (root / folder / f"s{number}.txt").write_text(text, "utf-8")
    with tarfile.open(root / "texts.tar.gz", "w:gz") as archive:
        for path in sorted((root / "texts").iterdir()):
            blob = path.read_bytes()
            entry = tarfile.TarInfo(path.name)
            entry.size = len(blob)
            archive.addfile(entry, io.BytesIO(blob))
    (root / "squad.json").write_text(json.dumps(_squad(draw, nouns)), "utf-8")
    for out, line in (
        ("docs", STAGES["extract"].words),
        ("vocab.txt", STAGES["train-vocab"].words),
        ("rec", STAGES["records tfrecord"].words),
        ("rec5", STAGES["records hdf5"].words),
        ("recj", STAGES["records jsonl"].words),
        ("recp", STAGES["records packed"].words),
        ("run", STAGES["pretrain"].words),
        ("nv", STAGES["convert to nvidia"].words),
        ("tf", STAGES["convert to tf1"].words),
        ("hf", STAGES["convert"].words),
    ):
        made = root / f"made-{out}"
        if made.exists():
            continue
        remove(root / out)
        words = [word.replace("{out}", str(root / out)) for word in line]
        result = run_words(words, root, root / "log", seconds=300)
        if result.status:
            raise RuntimeError(f"the fixture {out} failed: {result.text[-2000:]}")
        made.touch()
    done.touch()


def _squad(draw: random.Random, nouns: list[str]) -> dict:
    paragraphs = []
    for number in range(6):
        noun = draw.choice(nouns)
        context = f"The {noun} of number {number} is old. It lies in the north of the bay."
        answer = {"text": noun, "answer_start": 4}
        question = {"id": f"q{number}", "question": "What is old?", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [question]})
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}
