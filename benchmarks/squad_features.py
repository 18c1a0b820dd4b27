"""SQuAD features: bertkit's windows beside the preparation usual with Hugging Face's tokenizers.

Run: python benchmarks/squad_features.py TRAIN.json --vocab VOCAB [--rounds 3] [--limit 0]

Both get the questions as read, and end with token ids, segments, passage places and answer
positions of every window (384 tokens at most). The usual
preparation hands 1,000 pairs at a time to the fast tokenizer, which cuts, overlaps and pads
them (by 128 tokens, where Google's windows start 128 apart, so it makes a few windows fewer),
and then looks up in its character offsets which tokens the answer covers. Both run in
one process, one after the other in each round, the order changing; ratios are medians over
rounds. `wall` lets the fast tokenizer use all cores, `processor` adds up what they did.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LENGTH, STRIDE, QUERY = 384, 128, 64
BATCH = 1000


def seconds(work: Callable[[], int]) -> tuple[float, float, int]:
    """(wall, processor seconds of all threads, what the work returns)."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def ours(questions: Sequence[Any], vocab_path: str) -> int:
    """Windows by bertkit, their ids put together; a new tokenizer, nothing known beforehand."""
    from bertkit.tasks.squad.features import WindowMaker
    from bertkit.tokenization.vocabulary import load_vocab
    from bertkit.tokenization.wordpiece import WordPieceTokenizer

    vocab = load_vocab(vocab_path)
    maker = WindowMaker(WordPieceTokenizer(vocab), LENGTH, STRIDE, QUERY)
    windows = maker.windows(questions, training=True)
    for window in windows:
        window.ids(vocab.cls_id, vocab.sep_id)
    return len(windows)


def usual(questions: Sequence[Any], vocab_path: str) -> int:
    """Windows by the fast tokenizer in batches, answers found by character offsets."""
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast(vocab=vocab_path, do_lower_case=True)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("input_ids", "token_type_ids", "attention_mask", "start", "end")
    }
    for first in range(0, len(questions), BATCH):
        part = questions[first : first + BATCH]
        made = tokenizer(
            [question.text.lstrip() for question in part],
            [question.passage.text for question in part],
            truncation="only_second",
            max_length=LENGTH,
            stride=STRIDE,
            padding="max_length",
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        for number, owner in enumerate(made["overflow_to_sample_mapping"]):
            places = made.sequence_ids(number)
            start, end = _answer_tokens(part[owner], places, made["offset_mapping"][number])
            columns["start"].append(start)
            columns["end"].append(end)
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            columns[name] += made[name]
    return len(columns["input_ids"])


def _answer_tokens(
    question: Any, places: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """First and last token of the answer; 0 and 0, which is [CLS], where it is not all there."""
    answer = question.answers[0]
    begin, finish = answer.start, answer.start + len(answer.text)
    first = places.index(1)
    last = len(places) - 1
    while places[last] != 1:
        last -= 1
    if offsets[first][0] > begin or offsets[last][1] < finish:
        return 0, 0
    while first < len(offsets) and offsets[first][0] <= begin:
        first += 1
    while offsets[last][1] >= finish:
        last -= 1
    return first - 1, last + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="SQuAD v1.1 training file, JSON or JSON.xz")
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0)
    given = parser.parse_args()
    import tokenizers
    import transformers

    from bertkit import log
    from bertkit.tasks.squad.features import WindowMaker
    from bertkit.tasks.squad.questions import read_questions
    from bertkit.tasks.squad.window_cache import load, save
    from bertkit.tokenization.vocabulary import load_vocab

    log.setup(-1)
    transformers.logging.set_verbosity_error()
    questions = read_questions(_plain(given.file), training=True, limit=given.limit)
    found: dict[str, list[tuple[float, float, int]]] = {"ours": [], "usual": []}
    sides = [("ours", ours), ("usual", usual)]
    for number in range(given.rounds):
        for name, side in sides if number % 2 else sides[::-1]:
            found[name].append(seconds(lambda side=side: side(_fresh(questions), given.vocab)))
    result: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, tokenizers "
        f"{tokenizers.__version__}, load {os.getloadavg()[0]:.1f}",
        "questions": len(questions),
    }
    for place, kind in enumerate(("wall", "processor")):
        for name, rows in found.items():
            result[f"{name}_{kind}"] = statistics.median(row[place] for row in rows)
        ratios = [u[place] / o[place] for o, u in zip(*found.values(), strict=True)]
        result[f"ratio_{kind}"] = statistics.median(ratios)
        result[f"ratios_{kind}"] = ratios
    result |= {f"{name}_windows": rows[0][2] for name, rows in found.items()}
    vocab = load_vocab(given.vocab)
    from bertkit.tokenization.wordpiece import WordPieceTokenizer

    windows = WindowMaker(WordPieceTokenizer(vocab)).windows(questions, training=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kept.npz"
        save(path, questions, windows)
        result["cache_bytes"] = path.stat().st_size
        result["cache_wall"] = statistics.median(
            seconds(lambda: len(load(path, questions, vocab)))[0] for _ in range(given.rounds)
        )
    print(json.dumps(result, indent=1))


def _fresh(questions: Sequence[Any]) -> list[Any]:
    """Copies of the questions whose passages have not been split into words yet."""
    from bertkit.tasks.squad.question import Passage, Question

    passages: dict[int, Passage] = {}
    return [
        Question(
            q.id,
            q.text,
            passages.setdefault(id(q.passage), Passage(q.passage.text)),
            q.answers,
            q.impossible,
        )
        for q in questions
    ]


def _plain(path: Path) -> Path:
    """The file, unpacked beside others that are temporary where it is compressed."""
    if path.suffix != ".xz":
        return path
    import lzma

    target = Path(tempfile.mkdtemp()) / path.stem
    target.write_bytes(lzma.decompress(path.read_bytes()))
    return target


if __name__ == "__main__":
    main()
