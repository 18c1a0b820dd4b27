"""Damages one input file at random and runs the command that reads it."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from soak.campaign import Campaign, Outcome, warm
from soak.children import run_words
from soak.trees import differences, remove, tree

CASES = 150
# What no input's damage can change without its being damage: facts of where it came from.
_FACTS = ("manifest.json", ".bertkit-index/", "README.md", ".bertkit.lock", "config.yaml")


@dataclass(frozen=True)
class Kind:
    """A kind of file and a command that reads it.

    Attributes:
        name: of both.
        file: the damaged file, relative to the case.
        words: of the command, run in the case's folder.
        copy: fixtures → their names in the case.
        checksum: the file, or one beside it, has a checksum of all its bytes: no other content
            may pass for it in silence.
        torch: whether torch is imported.
    """

    name: str
    file: str
    line: str
    copy: tuple[tuple[str, str], ...]
    checksum: bool = False
    torch: bool = False


_PICK = "pick-eval -i {} --count 300 -o out"
_TRAIN = (
    "pretrain --preset tiny --vocab vocab.txt --gbs 16 --micro-batch-size 16 --msl 32"
    " --max-steps 2 --save-every 0 --log-every 1 --backend cpu --output out"
)
_RESUME = (
    "pretrain --preset tiny --vocab vocab.txt --gbs 4 --micro-batch-size 4 --msl 32"
    " --max-steps 6 --save-every 2 --keep-last 2 --log-every 1 --backend cpu"
    " --output out --input rec"
)
_VOCAB = ("vocab.txt", "vocab.txt")
_NOTE = ("vocab.txt.json", "vocab.txt.json")
_REC = ("rec", "rec")
_RUN = (
    _VOCAB,
    _NOTE,
    _REC,
    ("run/step-0000004", "out/step-0000004"),
    ("run/metrics.jsonl", "out/metrics.jsonl"),
    ("run/config.yaml", "out/config.yaml"),
)

KINDS = [
    Kind("tfrecord, pick-eval", "rec/s0.tfrecord", _PICK.format("rec"), (_REC,), checksum=True),
    Kind(
        "its index, pick-eval",
        "rec/.bertkit-index/s0.tfrecord.index",
        _PICK.format("rec"),
        (_REC,),
        checksum=True,
    ),
    Kind(
        "hdf5, pick-eval",
        "rec5/s0_training.hdf5",
        _PICK.format("rec5"),
        (("rec5", "rec5"),),
        checksum=True,
    ),
    Kind(
        "jsonl, pick-eval", "recj/s0.json", _PICK.format("recj"), (("recj", "recj"),), checksum=True
    ),
    Kind(
        "packs, pick-eval",
        "recp/s0.tfrecord",
        _PICK.format("recp"),
        (("recp", "recp"),),
        checksum=True,
    ),
    Kind("manifest, pick-eval", "rec/manifest.json", _PICK.format("rec"), (_REC,), checksum=True),
    Kind(
        "manifest, split again",
        "out/manifest.json",
        "split -i docs -o out --valid 0.2 --parts 3",
        (("docs", "docs"), ("split", "out")),
        checksum=True,
    ),
    Kind(
        "manifest, make-records again",
        "out/manifest.json",
        "make-records -i sents --vocab vocab.txt --msl 32 --dupe-factor 1 -o out --workers 1",
        (("sents", "sents"), ("rec", "out"), _VOCAB, _NOTE),
        checksum=True,
    ),
    Kind(
        "vocabulary, make-records",
        "vocab.txt",
        "make-records -i sents --vocab vocab.txt --msl 32 --dupe-factor 1 -o out --workers 1",
        (("sents", "sents"), _VOCAB, _NOTE),
        checksum=True,
    ),
    Kind(
        "vocabulary's note, make-records",
        "vocab.txt.json",
        "make-records -i sents --vocab vocab.txt --msl 32 --dupe-factor 1 -o out --workers 1",
        (("sents", "sents"), _VOCAB, _NOTE),
    ),
    Kind(
        "text, make-records",
        "sents/s0.txt",
        "make-records -i sents --vocab vocab.txt --msl 32 --dupe-factor 1 -o out --workers 1",
        (("sents", "sents"), _VOCAB, _NOTE),
    ),
    Kind(
        "tar.gz, extract",
        "texts.tar.gz",
        "extract -i texts.tar.gz --splitter lines -o out --workers 1",
        (("texts.tar.gz", "texts.tar.gz"),),
        checksum=True,
    ),
    Kind(
        "tfrecord, pretrain",
        "rec/s0.tfrecord",
        f"{_TRAIN} --input rec",
        (_REC, _VOCAB, _NOTE),
        checksum=True,
        torch=True,
    ),
    Kind(
        "jsonl, pretrain",
        "recj/s0.json",
        f"{_TRAIN} --input recj",
        (("recj", "recj"), _VOCAB, _NOTE),
        checksum=True,
        torch=True,
    ),
    Kind(
        "state.json, resume",
        "out/step-0000004/state.json",
        _RESUME,
        _RUN,
        checksum=True,
        torch=True,
    ),
    Kind(
        "model.safetensors, resume",
        "out/step-0000004/model.safetensors",
        _RESUME,
        _RUN,
        checksum=True,
        torch=True,
    ),
    Kind(
        "optimizer.pt, resume",
        "out/step-0000004/optimizer.pt",
        _RESUME,
        _RUN,
        checksum=True,
        torch=True,
    ),
    Kind("metrics.jsonl, resume", "out/metrics.jsonl", _RESUME, _RUN, torch=True),
    Kind("metrics.jsonl, report", "run/metrics.jsonl", "report run -o out.html", (("run", "run"),)),
    Kind("machine.json, report", "run/machine.json", "report run -o out.html", (("run", "run"),)),
    Kind("config.yaml, report", "run/config.yaml", "report run -o out.html", (("run", "run"),)),
    Kind(
        "config.yaml, --config",
        "config.yaml",
        "pretrain --config config.yaml --output out --max-steps 1",
        (("run/config.yaml", "config.yaml"), _REC, _VOCAB, _NOTE),
        torch=True,
    ),
    Kind(
        "model.safetensors, convert",
        "hf/model.safetensors",
        "convert hf -o out",
        (("hf", "hf"),),
        checksum=True,
        torch=True,
    ),
    Kind(
        "config.json, convert",
        "hf/config.json",
        "convert hf -o out",
        (("hf", "hf"),),
        checksum=True,
        torch=True,
    ),
    Kind(
        "nvidia .pt, convert",
        "nv/ckpt_6.pt",
        "convert nv -o out",
        (("nv", "nv"),),
        checksum=True,
        torch=True,
    ),
    Kind(
        "tf1 index, convert",
        "tf/bert_model.ckpt.index",
        "convert tf/bert_model.ckpt -o out",
        (("tf", "tf"),),
        checksum=True,
        torch=True,
    ),
    Kind(
        "tf1 data, convert",
        "tf/bert_model.ckpt.data-00000-of-00001",
        "convert tf/bert_model.ckpt -o out",
        (("tf", "tf"),),
        checksum=True,
        torch=True,
    ),
    Kind(
        "SQuAD file, finetune-squad",
        "squad.json",
        "finetune-squad --init-checkpoint run --train-file squad.json --msl 64 --doc-stride 32"
        " --max-query-length 24 --gbs 4 --max-steps 1 --backend cpu --output out",
        (("squad.json", "squad.json"), ("run", "run")),
        torch=True,
    ),
]


def run(campaign: Campaign, names: str = "") -> None:
    """All kinds whose names begin so."""
    for kind in KINDS:
        if any(kind.name.startswith(name) for name in names.split(",")):
            campaign.group("damage", kind.name, lambda k=kind: _kind(campaign, k))


def mutated(draw: random.Random, blob: bytes) -> tuple[bytes, str]:
    """(damaged bytes, what was done)."""
    content, size = bytearray(blob), len(blob)
    at = draw.randrange(max(1, size))
    what = draw.choice(["flip", "flip", "flip", "byte", "digit", "cut", "zeros", "append", "swap"])
    if what == "flip":
        content[at] ^= 1 << draw.randrange(8)
    elif what == "byte":
        content[at] = (content[at] + draw.randrange(1, 256)) % 256
    elif what == "digit":
        digits = [
            place
            for place in range(max(0, at - 300), min(size, at + 300))
            if 48 <= content[place] <= 57
        ]
        at = draw.choice(digits) if digits else at
        content[at] = 48 + (content[at] - 47) % 10
    elif what == "cut":
        del content[at:]
    elif what == "zeros":
        length = min(512, size - at)
        content[at : at + length] = bytes(length)
    elif what == "append":
        content += draw.choice([b"\n\n", b"}", b"\0" * 512, b"x" * 5000, draw.randbytes(64)])
    else:
        other = draw.randrange(max(1, size))
        one, two = sorted((at, other))
        content = content[:one] + content[two : two + 64] + content[one + 64 :]
    return bytes(content), f"{what} at {at} of {size}"


def _kind(campaign: Campaign, kind: Kind) -> Outcome:
    outcome = Outcome()
    draw = campaign.random(kind.name)
    log = campaign.scratch / "log"
    words = kind.line.split()
    wanted = _undisturbed(campaign, kind, words)
    for _ in range(max(4, round(CASES * campaign.share))):
        case = _filled(campaign, kind)
        path = case / kind.file
        whole = path.read_bytes()
        damaged, how = mutated(draw, whole)
        if damaged == whole:
            continue
        path.write_bytes(damaged)
        result = run_words(words, case, log)
        said = "WARNING" in result.text or "Warning" in result.text
        problems = [result.fault] if result.fault else []
        if result.fault:
            verdict = "fault"
        elif result.status:
            verdict = "refused"
            if result.status not in (1, 2, 3) or not result.one_error:
                problems.append(f"status {result.status}: {result.text.strip()[-200:]!r}")
        else:
            wrong = differences(wanted, _outputs(case, kind))
            verdict = "harmless" if not wrong else "said" if said else "silent"
            if verdict == "silent" and kind.checksum:
                problems.append(f"silent: {wrong[:3]}")
        outcome.note([f"{kind.name}, {how}: {text}" for text in problems], verdict)
        remove(case)
    return outcome


def _undisturbed(campaign: Campaign, kind: Kind, words: list[str]) -> dict[str, str]:
    case = _filled(campaign, kind)
    warm(words, case, campaign.scratch / "warm.log")
    case = _filled(campaign, kind)
    warm(words, case, campaign.scratch / "warm.log")
    return _outputs(case, kind)


def _filled(campaign: Campaign, kind: Kind) -> Path:
    case = campaign.place("case")
    for source, name in kind.copy:
        target = case / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source == "split":  # needed by one kind only
            _split(campaign, target)
        elif (campaign.fixtures / source).is_dir():
            shutil.copytree(campaign.fixtures / source, target)
        else:
            shutil.copy2(campaign.fixtures / source, target)
    return case


def _split(campaign: Campaign, target: Path) -> None:
    made = campaign.scratch / "split made"
    if not made.exists():
        words = ["split", "-i", "docs", "-o", str(made), "--valid", "0.2", "--parts", "3"]
        run_words(words, campaign.fixtures, campaign.scratch / "log")
    shutil.copytree(made, target)


def _outputs(case: Path, kind: Kind) -> dict[str, str]:
    """What the command made: not its inputs, nor what only tells where they came from."""
    inputs = tuple(name for _, name in kind.copy if not name.startswith("out"))
    found = tree(case)
    return {
        name: digest
        for name, digest in found.items()
        if not name.startswith(inputs) and not any(fact in name for fact in _FACTS)
    }
