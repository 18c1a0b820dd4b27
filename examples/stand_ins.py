"""Small files in the place of those that the pages name, for `run_docs.py`.

The text is the built-in sample, cut short. Models have one layer of 16. Each stand-in is made
once, when a command first names it.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
VOCAB = "bertkit-uncased-8k"
BATCH = ("global_batch_size=4", "micro_batch_size=4")


def as_flags(*settings: str) -> list[str]:
    """`key=value` as flags."""
    return [word for text in settings for word in ("--set", text)]


class World:
    """The folder of stand-ins, made as they are asked for.

    Args:
        place: the folder.
        bertkit: runs a command: the words after `bertkit`; raises if it fails.
        inside: bertkit runs in this process, so that a Dask cluster may too.
    """

    def __init__(self, place: Path, bertkit: Callable[..., None], inside: bool) -> None:
        self.place = place
        self.bertkit = bertkit
        self.inside = inside
        self._cluster: Any = None

    def __enter__(self) -> World:
        self.place.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster:
            self._cluster.close()

    def has_dask(self) -> bool:
        """Whether a cluster in this process can run what bertkit hands out."""
        return self.inside and importlib.util.find_spec("distributed") is not None

    def scheduler(self) -> str:
        """The address of a Dask scheduler with a worker in this process."""
        from distributed import LocalCluster

        if not self._cluster:
            self._cluster = LocalCluster(
                n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
            )
        return str(self._cluster.scheduler_address)

    def provide(self, word: str) -> None:
        """Put the stand-in that a word names into the current folder, if nothing is there."""
        keys = [key for key in TABLE if word == key or word.startswith(f"{key}/")]
        key = max(keys, key=len, default="")
        if not key or Path(key).exists():
            return
        made = self.made(TABLE[key])
        Path(key).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if made.is_dir() else shutil.copy)(made, key)

    def made(self, name: str) -> Path:
        """Where the stand-in of a name lies; made if it is not there yet."""
        path = self.place / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            before = Path.cwd()
            os.chdir(self.place)  # so that manifests name short paths
            try:
                _MAKERS[name](self, path)
            finally:
                os.chdir(before)
        return path


def _corpus(world: World, path: Path) -> None:
    path.mkdir()
    for source in sorted((world.made("sample") / "text").glob("*.txt")):
        text = source.read_text(encoding="utf-8")[:1200]
        (path / source.name).write_text(text.rpartition(".")[0] + ".\n", encoding="utf-8")


def _sample(world: World, path: Path) -> None:
    world.bertkit("download", "sample", "--output", path)


def _docs(world: World, path: Path) -> None:
    world.bertkit("extract", "--input", world.made("corpus"), "--output", path, "--workers", 1)


def _split(world: World, path: Path) -> None:
    world.bertkit(
        "split", "--input", world.made("docs"), "--output", path, "--valid", 0.2, "--workers", 1
    )


def _vocab(world: World, path: Path) -> None:
    """The tokens of the shipped vocabulary, as a file: a run brings its own copy of it."""
    shutil.copy(next(world.made("run").glob("step-*")) / "vocab.txt", path)


def _records(length: int, part: str) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        text = world.made("split") / part
        world.bertkit(
            "make-records", "--input", text, "--vocab", VOCAB, "--msl", length,
            "--dupe-factor", 1, "--workers", 1, "--output", path,
        )  # fmt: skip

    return make


def _run(world: World, path: Path) -> None:
    shape = as_flags(*(f"model.{key}={value}" for key, value in SHAPE.items()))
    batch = as_flags(*BATCH)
    world.bertkit(
        "pretrain", "--input", world.made("records-128"), "--vocab", VOCAB, "--max-steps", 2,
        "--backend", "cpu", "--output", path, *batch, *shape,
    )  # fmt: skip


def _step(world: World, path: Path) -> None:
    shutil.copytree(next(world.made("run").glob("step-*")), path)


def _converted(to: str) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        world.bertkit("convert", world.made("run"), "--to", to, "--output", path)

    return make


def _squad(name: str) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        blob = json.loads((world.made("sample") / f"squad/{name}.json").read_text("utf-8"))
        blob["data"] = blob["data"][:2]
        path.write_text(json.dumps(blob), encoding="utf-8")

    return make


def _written(text: str) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return make


def _stories(world: World, path: Path) -> None:
    """Stories of CNN/DailyMail."""
    path.mkdir()
    story = "\n\n".join([*_TEXT.strip().split(". "), "@highlight", "The king built the bridge"])
    for number in range(8):
        (path / f"{number}.story").write_text(story, encoding="utf-8")


def _cola(world: World, path: Path) -> None:
    path.mkdir()
    rows = "".join(f"s\t{n % 2}\t\tThe bridge was built {n} years ago.\n" for n in range(8))
    (path / "train.tsv").write_text(rows, encoding="utf-8")
    (path / "dev.tsv").write_text(rows, encoding="utf-8")
    (path / "test.tsv").write_text("index\tsentence\n0\tThe bridge is old.\n", encoding="utf-8")


def _mnli(world: World, path: Path) -> None:
    path.mkdir()
    labels = ("entailment", "neutral", "contradiction")
    rows = "".join(f"The bridge is old.\tIt was built.\t{label}\n" for label in labels) * 3
    for name in ("train", "dev_matched", "dev_mismatched"):
        text = f"sentence1\tsentence2\tgold_label\n{rows}"
        (path / f"{name}.tsv").write_text(text, encoding="utf-8")


def _scored(*words: object) -> Callable[[World, Path], None]:
    """A run of `finetune` with a score."""

    def make(world: World, path: Path) -> None:
        given = [world.made(str(word)[1:]) if str(word)[0] == "=" else word for word in words]
        batch = [
            word for text in (*BATCH, "max_steps=2", "epochs=null") for word in ("--set", text)
        ]
        world.bertkit(
            "finetune", "--init-checkpoint", world.made("run"), "--backend", "cpu",
            "--max-seq-length", 32, "--output", path, *given, *batch,
        )  # fmt: skip

    return make


def _articles(world: World, path: Path) -> None:
    """WikiExtractor's files."""
    (path / "AA").mkdir(parents=True)
    texts = sorted(world.made("corpus").glob("*.txt"))
    documents = [
        f'<doc id="{n}" url="u" title="T{n}">\nT{n}\n\n{text.read_text("utf-8")}\n</doc>\n'
        for n, text in enumerate(texts[:12])
    ]
    for name in ("wiki_00", "wiki_01"):
        (path / "AA" / name).write_text("".join(documents), encoding="utf-8")


def _dump(world: World, path: Path) -> None:
    path.mkdir()
    pages = "".join(
        f"<page><title>Köprü {n}</title><ns>0</ns><id>{n}</id><revision><text>Köprü {n} yıl "
        "önce yapıldı. Çok güzel bir taş köprüdür. İnsanlar her gün ondan geçer.</text></revision>"
        "</page>\n"
        for n in range(1, 13)
    )
    head = '<mediawiki xml:lang="tr"><siteinfo><dbname>trwiki</dbname></siteinfo>'
    text = f"{head}\n{pages}</mediawiki>\n"
    (path / "trwiki-pages-articles.xml").write_text(text, encoding="utf-8")


def _pubmed(world: World, path: Path) -> None:
    path.mkdir()
    articles = "".join(
        f"<PubmedArticle><MedlineCitation><PMID>{n}</PMID><Article><ArticleTitle>Asthma {n}."
        f"</ArticleTitle><Abstract><AbstractText>Aspirin was given to {n} patients. Asthma was "
        "seen in some. No other drug had such an effect.</AbstractText></Abstract></Article>"
        "</MedlineCitation></PubmedArticle>\n"
        for n in range(1, 13)
    )
    blob = f"<PubmedArticleSet>\n{articles}</PubmedArticleSet>\n".encode()
    (path / "pubmed24n0001.xml.gz").write_bytes(gzip.compress(blob))


_ROWS = "review,stars\n" + "What a film!,good\nWe left early.,bad\n" * 4
_CONLL = "Otto B-PER\nsaw O\nNew B-LOC\nYork I-LOC\n. O\n\n" * 4
_TEXT = "The king built the bridge. It is made of stone. People cross it every day. It is old. "
_STORY = json.dumps({"document": _TEXT * 3, "summary": "The king built the bridge."}) + "\n"
SETTINGS_NAME = ("data/train", "vocab.txt")
_SETTINGS = "input: [data/train]\nvocab: vocab.txt\noutput: runs/mine\nmax_steps: 20000\n"

_MAKERS: dict[str, Callable[[World, Path], None]] = {
    "sample": _sample,
    "corpus": _corpus,
    "docs": _docs,
    "split": _split,
    "valid.txt": lambda world, path: shutil.copy(world.made("split") / "valid.txt", path),
    "vocab.txt": _vocab,
    "records-128": _records(128, "train"),
    "records-512": _records(512, "train"),
    "records-valid": _records(128, "valid.txt"),
    "records-eval-512": _records(512, "valid.txt"),
    "run": _run,
    "step": _step,
    "hf": _converted("hf"),
    "tf1": _converted("tf1"),
    "train.json": _squad("train"),
    "dev.json": _squad("dev"),
    "table.csv": _written(_ROWS),
    "new.csv": _written("review\nWhat a film!\n"),
    "texts.jsonl": _written('{"text": "What a film!"}\n'),
    "words.conll": _written(_CONLL),
    "story.jsonl": _written(_STORY * 8),
    "stories": _stories,
    "page.txt": _written(_TEXT),
    "settings.yaml": _written(_SETTINGS),
    "cola": _cola,
    "mnli": _mnli,
    "cola-run": _scored("--preset", "glue-cola", "--data-dir", "=cola"),
    "ner-run": _scored(
        "--preset", "ner", "--train-file", "=words.conll", "--eval-file", "=words.conll"
    ),
    "articles": _articles,
    "dump": _dump,
    "pubmed": _pubmed,
}
# What the pages name → the stand-in for it.
TABLE = {
    "my-corpus": "corpus",
    "corpus.txt": "page.txt",
    "page.txt": "page.txt",
    "data/dump": "dump",
    "pubmed": "pubmed",
    "text": "articles",
    "data/docs": "docs",
    "data/split": "split",
    "data/train": "records-128",
    "data/train-128": "records-128",
    "data/train-512": "records-512",
    "data/valid": "records-valid",
    "part-00000-of-00500": "valid.txt",
    "results/part-00000-of-00500": "valid.txt",
    "results/eval.txt": "valid.txt",
    "eval-records": "records-eval-512",
    "vocab.txt": "vocab.txt",
    "runs/base": "run",
    "runs/mine": "run",
    "runs/phase1": "run",
    "runs/phase2/step-0001000": "step",
    "google-bert/bert-base-uncased": "hf",  # a local folder wins over the hub
    "bert-base-uncased": "hf",
    "bert-base-cased": "hf",
    "uncased_L-12_H-768_A-12": "tf1",
    "mlperf-checkpoint": "tf1",
    "train-v1.1.json": "train.json",
    "dev-v1.1.json": "dev.json",
    "squad/train-v1.1.json": "train.json",
    "squad/dev-v1.1.json": "dev.json",
    "train.csv": "table.csv",
    "dev.csv": "table.csv",
    "new.csv": "new.csv",
    "texts.jsonl": "texts.jsonl",
    "train.conll": "words.conll",
    "dev.conll": "words.conll",
    "system.conll": "words.conll",
    "gold.conll": "words.conll",
    "eng.train": "words.conll",
    "eng.testa": "words.conll",
    "eng.testb": "words.conll",
    "cnn/train": "stories",
    "cnn/valid.jsonl": "story.jsonl",
    "documents.jsonl": "story.jsonl",
    "glue_data/CoLA": "cola",
    "glue_data/MNLI": "mnli",
    "runs/base-cola": "cola-run",
    "runs/other-cola": "cola-run",
    "runs/tiny-cola": "cola-run",
    "runs/base-ner": "ner-run",
    "settings.yaml": "settings.yaml",
}
