"""Records: the readable code beside the kernels, reading, starting up, workers.

Run: python benchmarks/records.py TEXT --vocab VOCAB [--megabytes 27] [--rounds 3]

TEXT is a sentence file (one sentence per line, blank line between documents); it is
repeated until the corpus has the wanted size. Times are processor seconds (user and
system) of one thread unless "wall" is said, so that other work on the machine disturbs
less; ratios are medians over rounds that measure both sides one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MSL, PREDICTIONS, DUPE = 512, 76, 10


def processor_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def repeated(source: Path, target: Path, megabytes: float) -> None:
    """Copies of a text, a blank line between them, of about the wanted size."""
    blob = source.read_bytes().rstrip(b"\n") + b"\n\n"
    target.write_bytes(blob * max(1, round(megabytes * 1e6 / len(blob))))


def stages(text: Path, vocab_path: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Median processor seconds of each stage of the fast path, from the second part on."""
    import numpy as np

    from bertkit.records.config import RecordsConfig
    from bertkit.records.files.tfrecord.example_writer import write_plan
    from bertkit.records.files.tfrecord.reader import RecordFile
    from bertkit.records.instances.pairs import plan_pairs
    from bertkit.system.allocator import keep_freed_memory
    from bertkit.tokenization.corpus_tokens import StreamTokenizer
    from bertkit.tokenization.vocabulary import load_vocab

    vocab = load_vocab(vocab_path)
    config = RecordsConfig(
        max_seq_length=MSL, max_predictions_per_seq=PREDICTIONS, dupe_factor=DUPE
    )
    target = folder / "stages.tfrecord"
    found: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], Any]) -> Any:
        seconds, result = processor_seconds(work)
        found.setdefault(name, []).append(seconds)
        return result

    def in_batches(source: Any) -> None:
        for first in range(0, len(source), 256):
            source.batch(np.arange(first, min(first + 256, len(source))))

    keep_freed_memory()  # as make-records does
    tokenizer = StreamTokenizer(vocab)
    for _ in range(rounds + 1):
        tokens = note("tokenize", lambda: tokenizer.tokenize_files([text]))
        plan = note("plan", lambda tokens=tokens: plan_pairs(tokens, config, vocab))
        target.unlink(missing_ok=True)  # make-records writes new files; freeing one costs a tenth
        written = note("write", lambda plan=plan: write_plan(target, plan))
        note("batches", lambda plan=plan: in_batches(plan))
        records = note("index", lambda: RecordFile(target))
        note("read", lambda records=records: in_batches(records))
    medians = {name: statistics.median(values[1:]) for name, values in found.items()}
    total = [sum(found[n][k] for n in ("tokenize", "plan", "write")) for k in range(1, rounds + 1)]
    return {
        "records": written.records,
        "bytes": written.bytes,
        "seconds": medians,
        "total": statistics.median(total),
        "positions_per_second": written.records * MSL / medians["batches"],
        "read_per_second": written.records / medians["read"],
    }


def readable(text: Path, vocab_path: str, folder: Path) -> dict[str, float]:
    """Processor seconds of the readable code, by stage."""
    from bertkit.records.config import RecordsConfig
    from bertkit.records.files.tfrecord.frames import encode_example, write_records
    from bertkit.tokenization.sentence_files import read_documents
    from bertkit.tokenization.vocabulary import load_vocab
    from bertkit.tokenization.wordpiece import WordPieceTokenizer

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from oracle.instances import create_instances, to_features

    vocab = load_vocab(vocab_path)
    config = RecordsConfig(
        max_seq_length=MSL, max_predictions_per_seq=PREDICTIONS, dupe_factor=DUPE
    )
    tokenizer = WordPieceTokenizer(vocab)
    tokenize, documents = processor_seconds(lambda: read_documents([text], tokenizer))
    create, instances = processor_seconds(lambda: create_instances(documents, config, vocab.tokens))
    payloads = (encode_example(to_features(i, vocab, MSL, PREDICTIONS)) for i in instances)
    target = folder / "readable.tfrecord"
    target.unlink(missing_ok=True)
    write, written = processor_seconds(lambda: write_records(target, payloads))
    return {"tokenize": tokenize, "plan": create, "write": write, "records": written.records}


def portable(text: Path, vocab: str, rounds: int) -> dict[str, Any]:
    """The stages with and without machine-specific instructions, in turn, a process for each.

    Both are started the same way; which of the two goes first changes with every round.
    """
    ask = [sys.executable, __file__, str(text), "--vocab", vocab, "--megabytes", "0"]

    def run(setting: str) -> dict[str, Any]:
        environment = {**os.environ, "BERTKIT_PORTABLE": setting}
        done = subprocess.run(
            [*ask, "--rounds", "5", "--only-stages"],
            stdout=subprocess.PIPE,
            env=environment,
            check=True,
        )
        fast: dict[str, Any] = json.loads(done.stdout)["fast"]
        return fast

    found: dict[str, list[dict[str, Any]]] = {"0": [], "1": []}
    for number in range(rounds):
        for setting in ("0", "1") if number % 2 else ("1", "0"):
            found[setting].append(run(setting))
    middle = lambda rows, key: statistics.median(row[key] for row in rows)  # noqa: E731
    slowdowns = [
        plain["total"] / native["total"] for native, plain in zip(*found.values(), strict=True)
    ]
    return {
        "native_total": middle(found["0"], "total"),
        "portable_total": middle(found["1"], "total"),
        "slowdown": statistics.median(slowdowns),
        "slowdowns": slowdowns,
        "read_per_second": middle(found["1"], "read_per_second"),
    }


def package_rate(path: Path, limit: int) -> float:
    """Records per second of the `tfrecord` package's loader (it checks no CRC)."""
    from tfrecord.reader import tfrecord_loader

    def read() -> int:
        count = 0
        for count, _ in enumerate(tfrecord_loader(str(path), None), 1):
            if count == limit:
                break
        return count

    seconds, count = processor_seconds(read)
    return count / seconds


def children_seconds() -> float:
    """Processor seconds of all processes started from here that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(arguments: list[str], **environment: str) -> dict[str, float]:
    """Run `bertkit make-records`: wall and processor seconds, work's seconds, peak memory in MB."""
    begin, before = time.perf_counter(), children_seconds()
    process = subprocess.Popen(
        [sys.executable, "-m", "bertkit", "make-records", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    # Not ru_maxrss: before its exec the child counts with this process's memory.
    peak = 0.0
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        sizes = [float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
        peak = max([peak, *sizes])
        time.sleep(0.02)
    wall = time.perf_counter() - begin
    output = process.stdout.read() if process.stdout else b""
    status = process.returncode
    if status:
        raise SystemExit(f"make-records failed with status {status}")
    result = json.loads(output.splitlines()[-1])
    return {
        "wall": wall,
        "cpu": children_seconds() - before,
        "work": result["seconds"],
        "peak_mb": peak,
    }


def commands(
    text: Path, small: Path, vocab: str, folder: Path, rounds: int, count: int
) -> dict[str, Any]:
    """The command as a user runs it: cold and warm, small text, many parts by 1 and 2 workers."""
    shape = ["--vocab", vocab, "--msl", str(MSL), "--max-predictions-per-seq", str(PREDICTIONS)]

    def run(inputs: list[Path], workers: int = 1, **environment: str) -> dict[str, float]:
        names = [word for path in inputs for word in ("--input", str(path))]
        out = ["--output", str(folder / "out"), "--workers", str(workers)]
        shutil.rmtree(folder / "out", ignore_errors=True)
        return command([*names, *out, *shape], **environment)

    with tempfile.TemporaryDirectory() as empty:
        cold = run([small], XDG_CACHE_HOME=empty)
    run([text])
    whole = [run([text]) for _ in range(rounds)]
    tiny = [run([small]) for _ in range(rounds)]
    parts = []
    for index in range(count):
        parts.append(folder / f"part-{index}.txt")
        parts[-1].write_bytes(text.read_bytes())
    found: dict[str, Any] = {"parts": count}
    pairs = [(run(parts, 1), run(parts, 2)) for _ in range(min(3, rounds))]
    middle = lambda rows, key: statistics.median(row[key] for row in rows)  # noqa: E731
    for kind in ("wall", "cpu"):
        found[f"one_worker_{kind}"] = middle([one for one, _ in pairs], kind)
        found[f"two_workers_{kind}"] = middle([two for _, two in pairs], kind)
    found["two_workers_speedup"] = statistics.median(a["wall"] / b["wall"] for a, b in pairs)
    # What another part costs, all that the command does for it included.
    more = [
        (one["cpu"] - single["cpu"]) / (count - 1)
        for (one, _), single in zip(pairs, whole, strict=False)
    ]
    shutil.rmtree(folder / "out", ignore_errors=True)
    return found | {
        "cold_1mb_wall": cold["wall"],
        "cold_1mb_cpu": cold["cpu"],
        "warm_1mb_wall": middle(tiny, "wall"),
        "warm_1mb_cpu": middle(tiny, "cpu"),
        "part_wall": middle(whole, "wall"),
        "part_cpu": middle(whole, "cpu"),
        "part_work": middle(whole, "work"),
        "part_peak_mb": middle(whole, "peak_mb"),
        "further_part_cpu": statistics.median(more),
    }


def on_the_fly(text: Path, vocab: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Positions per second of the trainer's source in a shuffled epoch, by batch size."""
    from bertkit.data.sample_order import SampleOrder
    from bertkit.data.text_source import TextSource
    from bertkit.records.config import RecordsConfig

    config = RecordsConfig(
        max_seq_length=MSL, max_predictions_per_seq=PREDICTIONS, dupe_factor=DUPE
    )
    source = TextSource([str(text)], config, vocab, folder / "plans")
    order = SampleOrder(len(source), seed=1)

    def draw(size: int) -> None:
        for position in range(0, len(source) - size, size):
            for epoch, numbers in order.by_epoch(position, size):
                source.at_epoch(epoch).batch(numbers)

    found = {}
    for size in (32, 256):
        seconds = [processor_seconds(lambda size=size: draw(size))[0] for _ in range(rounds + 1)]
        found[f"batches_of_{size}"] = len(source) * MSL / statistics.median(seconds[1:])
    return found


def first_step(text: Path, vocab: str, folder: Path) -> dict[str, float]:
    """A whole `pretrain --text` of one step with the smallest model: an upper limit."""
    arguments = ["--preset", "tiny", "--text", str(text), "--vocab", vocab, "--backend", "cpu"]
    arguments += ["--msl", str(MSL), "--max-predictions-per-seq", str(PREDICTIONS)]
    arguments += ["--max-steps", "1", "--gbs", "32", "--output", str(folder / "run")]
    begin, before = time.perf_counter(), children_seconds()
    subprocess.run(
        [sys.executable, "-m", "bertkit", "pretrain", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return {"wall": time.perf_counter() - begin, "cpu": children_seconds() - before}


def machine() -> str:
    """Processor and versions in one line."""
    import llvmlite.binding
    import numba
    import numpy

    name = llvmlite.binding.get_host_cpu_name()
    return (
        f"{os.cpu_count()} cores ({name}), Python {platform.python_version()}, numpy "
        f"{numpy.__version__}, numba {numba.__version__}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--megabytes", type=float, default=27.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.1, help="of the text, for slow code")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a RAM disk")
    parser.add_argument("--parts", type=int, default=16, help="for one worker beside two")
    parser.add_argument("--only-stages", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text, small, part = folder / "text.txt", folder / "small.txt", folder / "share.txt"
        repeated(given.text, text, given.megabytes)
        repeated(given.text, small, 1.0)
        repeated(given.text, part, given.megabytes * given.share)
        result: dict[str, Any] = {"machine": machine()}
        result["fast"] = stages(text, given.vocab, folder, given.rounds)
        if not given.only_stages:
            slow, ratios = [], []
            for _ in range(given.rounds):
                slow.append(readable(part, given.vocab, folder))
                fast = stages(text, given.vocab, folder, 5)  # a second each, so one says little
                seconds = sum(slow[-1][n] for n in ("tokenize", "plan", "write"))
                per_record = seconds / slow[-1]["records"]
                ratios.append(per_record * fast["records"] / fast["total"])
            result["readable"] = {
                key: statistics.median(row[key] for row in slow) for key in slow[0]
            }
            result["ratio"] = statistics.median(ratios)
            result["ratios"] = ratios
            result["portable"] = portable(text, given.vocab, given.rounds)
            result["portable_ratio"] = result["ratio"] / result["portable"]["slowdown"]
            rate = package_rate(folder / "stages.tfrecord", 20_000)
            result["package_read_per_second"] = rate
            result["read_ratio"] = result["fast"]["read_per_second"] / rate
            result["on_the_fly"] = on_the_fly(text, given.vocab, folder, given.rounds)
            result["first_step"] = first_step(text, given.vocab, folder)
            places = {"commands": folder}
            with tempfile.TemporaryDirectory(dir=given.memory) as other:
                places["commands_in_memory"] = Path(other)
                for kind, place in places.items():
                    result[kind] = commands(
                        text, small, given.vocab, place, given.rounds, given.parts
                    )
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
