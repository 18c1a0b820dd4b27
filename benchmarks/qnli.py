"""Makes question-answering NLI out of SQuAD v1.1, as GLUE made QNLI, in QNLI's own file form.

Run: python benchmarks/qnli.py OUT --train train-v1.1.json --dev dev-v1.1.json
         [--train-pairs 10000] [--dev-pairs 2000]

Each question is paired with the sentence of its passage that holds the beginning of the answer
(entailment) and with the other sentence that shares most words with it (not_entailment): the two
labels are equally frequent, and pairs that share few words are left out, as in GLUE. Questions are
taken evenly spaced through the file, so that articles are not left out. No chance is involved.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HEAD = "index\tquestion\tsentence\tlabel\n"


def spans(split: Callable[[str], list[str]], text: str) -> list[tuple[int, str]]:
    """(where it begins, sentence) of a passage; white space may differ from the text's."""
    found, place = [], 0
    for sentence in split(text):
        first = sentence.split()[0]
        start = text.find(first, place)
        if start < 0:
            continue
        found.append((start, " ".join(sentence.split())))
        place = start + max(1, len(sentence) - len(first))
    return found


def pairs(data: Any, split: Callable[[str], list[str]]) -> Iterator[list[tuple[str, str, str]]]:
    """The two pairs of each question that has both, as (question, sentence, label)."""
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            sentences = spans(split, paragraph["context"])
            if len(sentences) < 2:
                continue
            for asked in paragraph["qas"]:
                question = " ".join(asked["question"].split())
                answer = asked["answers"][0]["answer_start"]
                holder = max(
                    n for n, (start, _) in enumerate(sentences) if start <= answer or not n
                )
                words = set(question.lower().split())
                others = [text for n, (_, text) in enumerate(sentences) if n != holder]
                other = max(others, key=lambda text: len(words & set(text.lower().split())))
                yield [
                    (question, sentences[holder][1], "entailment"),
                    (question, other, "not_entailment"),
                ]


def write(path: Path, file: str, count: int, split: Callable[[str], list[str]]) -> int:
    """Write so many pairs of a SQuAD file as TSV."""
    packed = Path(file).read_bytes()
    text = lzma.decompress(packed) if file.endswith(".xz") else packed
    both = list(pairs(json.loads(text), split))
    step = max(1, 2 * len(both) // count)
    chosen = [pair for each in both[::step] for pair in each][:count]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ("\t".join([str(n), *pair]) + "\n" for n, pair in enumerate(chosen))
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return len(chosen)


def build(folder: str, train: str, dev: str, train_pairs: int, dev_pairs: int) -> None:
    """Write `train.tsv` and `dev.tsv` into a folder."""
    from bertkit.corpus.sentences import make_splitter

    split = make_splitter("unicode")
    for name, file, count in (("train", train, train_pairs), ("dev", dev, dev_pairs)):
        made = write(Path(folder) / f"{name}.tsv", file, count, split)
        print(f"{made:,} pairs in {folder}/{name}.tsv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--train", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--train-pairs", type=int, default=10_000)
    parser.add_argument("--dev-pairs", type=int, default=2_000)
    given = parser.parse_args()
    build(given.folder, given.train, given.dev, given.train_pairs, given.dev_pairs)


if __name__ == "__main__":
    main()
