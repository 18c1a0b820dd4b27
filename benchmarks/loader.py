"""The input pipeline alone, in one thread: real tokens per second of ready batches.

Run: python benchmarks/loader.py [--text SENTENCES...] [--rounds 5]

Batches come from a record file whose checksums are verified, from text on the fly, and
with dynamic masks, in the unpadded, padded and packed layouts. Beside them: what bertkit's
trainer takes of the smallest model on this CPU (`--eaten` gives the figure instead of
measuring it), and what BERT-base takes on one H200 at 60 % of its measured speed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cases
import numpy as np
from arms import Arm
from cases import Case
from training import machine

from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource, SampleSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.text_source import TextSource
from bertkit.records.config import RecordsConfig
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.tokenization.vocabulary import find_vocab, load_vocab

H200_BASE = 0.9e6  # tokens/s, see TRAINING in RESULTS.md
BATCH, MICRO = 256, 32
VOCAB = "bertkit-uncased-8k"


def rate(source: SampleSource, layout: str, masking: DynamicMasking | None, steps: int) -> float:
    """Real tokens per processor second of `steps` steps, after one that is not counted."""
    order = SampleOrder(len(source), 1)
    size = MICRO if layout != "packed" else MICRO // 2
    feed = RecordFeed(source, order, BATCH, size, layout, "global_step", cases.VOCAB, masking)
    position = next(feed.steps(0, 1)).next_position
    begin, tokens = time.process_time(), 0
    for batch in feed.steps(position, steps):
        tokens += batch.tokens
    return tokens / (time.process_time() - begin)


def write_file(path: Path, length: int, histogram: list[int]) -> RecordSource:
    """A record file of made sequences."""
    records = cases.make_records(Case("tiny", length, BATCH, records=4096), histogram)
    rows = ({name: values[row] for name, values in records.items()} for row in range(4096))
    write_records(path, [encode_example(row) for row in rows])
    return RecordSource([str(path)])


def eaten(histogram: list[int], folder: str) -> float:
    """Tokens per second that the trainer takes of the tiny model at length 128."""
    case = Case("tiny", 128, 32)
    records = cases.make_records(case, histogram)
    arm = Arm(
        "bertkit",
        case,
        records=records,
        precision="fp32",
        device="cpu",
        threads=os.cpu_count(),
        processor=False,
        folder=folder,
    )
    tokens = cases.real_tokens(case, records)
    arm.run(1)
    next(tokens)
    seconds = arm.run(5)
    arm.close()
    return sum(next(tokens) for _ in seconds) / sum(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", default=cases.LENGTHS, help="numbers of sequences by length")
    parser.add_argument("--text", nargs="*", default=[], help="sentence files, for on the fly")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--eaten", type=float, default=0.0)
    given = parser.parse_args()
    histogram = cases.load_histogram(given.lengths)
    vocab = load_vocab(find_vocab(VOCAB))
    with tempfile.TemporaryDirectory() as folder:
        need = given.eaten or eaten(histogram, folder)
        print(json.dumps({**machine(), "trainer_eats": round(need)}), flush=True)
        for length in (128, 512):
            sources: dict[str, SampleSource] = {
                "file": write_file(Path(folder) / f"{length}.tfrecord", length, histogram)
            }
            if given.text:
                config = RecordsConfig(
                    max_seq_length=length, max_predictions_per_seq=cases.PREDICTIONS[length]
                )
                sources["text"] = TextSource(given.text, config, VOCAB)
            masking = DynamicMasking(vocab, 0.15, 1)
            for name, source in sources.items():
                for layout in ("unpadded", "padded", "packed"):
                    for masks in (None, masking) if layout == "unpadded" else (None,):
                        found = [
                            rate(source, layout, masks, given.steps) for _ in range(given.rounds)
                        ]
                        print(json.dumps(result(name, length, layout, masks, found, need)))


def result(
    name: str, length: int, layout: str, masks: Any, found: list[float], need: float
) -> dict[str, Any]:
    """One line of the report."""
    median = statistics.median(found)
    return {
        "source": name,
        "length": length,
        "layout": layout,
        "masks": "dynamic" if masks else "static",
        "million_tokens_per_second_and_core": round(median / 1e6, 2),
        "spread": round(float(np.ptp(found)) / median, 2),
        "to_trainer": round(median / need),
        "to_h200_base": round(median / H200_BASE, 1),
    }


if __name__ == "__main__":
    main()
