"""Words the command that each command proposes next: it runs as it stands.

Every file it names is there, or about to be written by it; where nothing can be said without a
file that only the user knows, it is the `--help` of the command that goes on.
"""

from __future__ import annotations

import glob
import shlex
from collections.abc import Sequence
from pathlib import Path

# Where `download squad-v1.1` and `download sample` put question files, as README calls them.
_QUESTIONS = (
    ("data/squad/train-v1.1.json", "data/squad/dev-v1.1.json"),
    ("data/raw/squad/train.json", "data/raw/squad/dev.json"),
)
VOCAB = "vocab.txt"
# What nearly everybody drops of a corpus, where there is any of it.
_DROPPED = ("exact", "near", "repetition", "overlap")


def command(*words: object) -> str:
    """A command line of bertkit, quoted for a shell."""
    return shlex.join(["bertkit", *map(str, words)])


def repeated(flag: str, values: Sequence[object]) -> list[object]:
    """`flag value` for each of several values."""
    return [word for value in values for word in (flag, value)]


def fresh(path: str) -> str:
    """The path, with a number where something is there already."""
    number, free = 2, path
    while Path(free).exists():
        free, number = f"{path}-{number}", number + 1
    return free


def split_folder(documents: str) -> str:
    """Where the parts of documents go: data/split for data/docs or data/clean."""
    return _beside(documents, "split", of=("docs", "clean"))


def _beside(folder: str, name: str, of: Sequence[str]) -> str:
    """A folder beside one of the usual names; of another one, that name with an ending."""
    place = Path(folder)
    return str(place.with_name(name)) if place.name in of else f"{folder.rstrip('/')}-{name}"


def encoder_here() -> str:
    """A pretraining run under runs/, the newest one; empty where there is none."""
    runs = [Path(path).parent.parent for path in glob.glob("runs/*/step-*/state.json")]
    pretrained = [run for run in runs if not (run / "scores.json").exists()]
    return str(max(pretrained, key=lambda run: run.stat().st_mtime)) if pretrained else ""


def with_encoder(*words: object) -> str:
    """A fine-tuning command on the encoder that is here, or how its command is used."""
    if encoder := encoder_here():
        return command(*words, "--init-checkpoint", encoder, "--output", fresh("runs/tuned"))
    return command(words[0], "--help")


def after_pretraining(checkpoint: str) -> str:
    """What to do with an encoder: question answering, where its files are here or come."""
    for train, held_out in _QUESTIONS:
        if Path(train).is_file() and Path(held_out).is_file():
            files = ["--train-file", train, "--predict-file", held_out]
            start = ["finetune-squad", "--init-checkpoint", checkpoint]
            return command(*start, *files, "--output", fresh("runs/squad"))
    return command("download", "squad-v1.1", "--output", "data/squad")


def after_finetuning(run: str, pairs: bool) -> str:
    """A text, or a pair of texts, to a fine-tuned model."""
    ask = ["--text", "A sentence of your own.", *(("--pair", "Another one.") if pairs else ())]
    return command("predict", "--init-checkpoint", run, *ask)


def questions(run: str) -> str:
    """A question to a model of question answering."""
    ask = ["--question", "Who wrote it?", "--passage", "It was written by Ada Lovelace."]
    return command("predict", "--init-checkpoint", run, *ask)


def after_split(output: str, splits: Sequence[str], method: str) -> str:
    """Records of the training part; first a vocabulary, where none is here."""
    # Lists may be of held-out documents alone.
    made = "train" if "train" in splits else f"{next(iter(splits), 'train')}.txt"
    source = f"{output.rstrip('/')}/{made}"
    if not Path(VOCAB).is_file():
        return command("train-vocab", "--input", source, "--output", VOCAB)
    style: dict[str, list[object]] = {
        "mlperf": ["--style", "mlperf", "--msl", 512],
        "lists": ["--style", "cerebras"],
    }
    wanted = ["--output", fresh("data/records"), "--vocab", VOCAB]
    return command("make-records", "--input", source, *wanted, *style.get(method, ()))


def after_train_vocab(inputs: Sequence[str], vocab: str, raw: bool) -> str:
    """Records of the same text; first its sentences, where it is raw."""
    if raw:
        return command("extract", *repeated("--input", inputs), "--output", fresh("data/docs"))
    wanted = ["--output", fresh("data/records"), "--vocab", vocab]
    return command("make-records", *repeated("--input", inputs), *wanted)


def after_pick_eval(inputs: Sequence[str], output: str) -> str:
    """Training that evaluates on these records, where training records lie beside the input."""
    beside = [Path(name).parent / other for name in inputs for other in ("train", "records")]
    for place in beside:
        if (place / "manifest.json").is_file() and str(place) not in {*inputs, output}:
            words = ["pretrain", "--preset", "tiny", "--input", place, "--eval-input", output]
            return command(*words, "--output", fresh("runs/tiny"))
    return command("inspect", output)


def after_clean(
    inputs: Sequence[str], output: str, found: Sequence[str], against: Sequence[str] = ()
) -> str:
    """Parts of what was kept; after a report, dropping what it found, or parts of it all.

    Args:
        inputs: that were read.
        output: the folder of what was kept; empty after a report.
        found: criteria under which the report has documents.
        against: the texts that overlap was looked for with.
    """
    if output:
        return command("split", "--input", output, "--output", split_folder(output))
    read = repeated("--input", inputs)
    if drop := ",".join(name for name in _DROPPED if name in found):
        kept = _beside(inputs[0], "clean", of=("docs",)) if len(inputs) == 1 else "data/clean"
        known = repeated("--against", against)
        return command("clean", *read, *known, "--drop", drop, "--output", kept)
    parts = split_folder(inputs[0]) if len(inputs) == 1 else "data/split"
    return command("split", *read, "--output", parts)


def after_download(kind: str, output: str, names: Sequence[str], used_by: str) -> str:
    """What takes the files of a source.

    Args:
        kind: of the source, see the catalogue.
        output: the folder.
        names: of the files.
        used_by: the command of the catalogue that takes them, or empty.
    """
    if used_by:
        return with_encoder(*shlex.split(used_by))
    if kind == "questions":
        train = [name for name in names if "train" in name]
        if not train:  # nobody learns from what answers are scored on
            return ""
        words = ["--train-file", f"{output}/{train[0]}"]
        held_out = [name for name in names if name not in train]
        words += ["--predict-file", f"{output}/{held_out[0]}"] if held_out else []
        return with_encoder("finetune-squad", *words)
    if kind == "checkpoint":
        # What is packed has to be unpacked first.
        found = [name for name in names if name.endswith((".index", ".safetensors"))]
        return command("convert", f"{output}/{found[0]}", "--check") if found else ""
    return command("extract", "--input", output, "--output", fresh("data/docs"))
