"""Recognises what a path holds: records, text, a vocabulary, a checkpoint, questions."""

from __future__ import annotations

import codecs
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bertkit.errors import BertkitError
from bertkit.kinds.marks import marked
from bertkit.kinds.vocabulary_lines import holds_vocabulary
from bertkit.manifests.manifest import read_manifest
from bertkit.storage.files import is_remote
from bertkit.storage.kernel_folders import is_made_by_kernel
from bertkit.text.files import open_text

RECORDS, TEXT, VOCABULARY, CHECKPOINT = "records", "text", "vocabulary", "checkpoint"
QUESTIONS, SETTINGS, OTHER = "questions", "settings", "other"
HEAD = 1 << 16  # bytes that tell what a file is
_LOOKED_AT = 10  # files of a folder
_FOLDERS = 1000  # below it, to find them in
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
# Names of other programs' checkpoints: TensorFlow's, NVIDIA's and Cerebras'.
_OTHERS = re.compile(r".+\.ckpt[^/]*\.index|ckpt[-_]\d+\.pt|.+\.mdl")
_METRICS = "metrics.jsonl"
# What the folders hold that bertkit's commands write.
_WRITTEN = {
    "make-records": RECORDS,
    "pack-records": RECORDS,
    "pick-eval": RECORDS,
    "extract": TEXT,
    "clean": TEXT,
    "split": TEXT,
    "convert": CHECKPOINT,
}
_WORDS = {RECORDS: "records", TEXT: "text", CHECKPOINT: "a model"}
# What file marks stand for.
_MARKED = {
    "a TFRecord file": RECORDS,
    "an HDF5 file": RECORDS,
    "a safetensors file": CHECKPOINT,
}
# Bytes that stand in no text.
_CONTROL = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F])


@dataclass(frozen=True)
class Kind:
    """What a path holds.

    Attributes:
        name: one of the names of this module.
        words: for messages, such as `a TFRecord file`; they follow `is` or `holds`.
        remedy: what to do where text is wanted, of a file that its first bytes mark; may be
            empty. None: it is told by something else.
    """

    name: str
    words: str
    remedy: str | None = field(default=None, compare=False)


def kind_of(path: str | Path) -> Kind | None:
    """What a file or folder holds; None where it cannot be told, or read. Raises nothing."""
    place = str(path)
    if is_remote(place):
        return None
    try:
        if os.path.isdir(place):
            return _kind_of_folder(Path(place))
        if _is_tensorflow(place):
            return Kind(CHECKPOINT, "a TensorFlow checkpoint")
        if not os.path.isfile(place):  # what a pipe brings can be read only once
            return None
        with open_text(place, HEAD) as stream:
            return kind_of_bytes(stream.read(HEAD))
    except (BertkitError, OSError, ValueError):
        return None


def kind_of_opened(path: str | Path, head: bytes) -> Kind | None:
    """`kind_of` a file whose first `HEAD` bytes, unpacked, were read already."""
    if _is_tensorflow(str(path)):
        return Kind(CHECKPOINT, "a TensorFlow checkpoint")
    return kind_of_bytes(head[:HEAD])


def is_model(path: str | Path) -> bool:
    """Whether a path is of a checkpoint of any program. Raises nothing."""
    found = kind_of(path)
    return found is not None and found.name == CHECKPOINT


def kind_of_bytes(head: bytes) -> Kind | None:
    """What a file holds that begins with these bytes, unpacked; None where it cannot be told."""
    if found := marked(head):
        return Kind(_MARKED.get(found[0], OTHER), *found)
    if head.startswith(b"PK\x03\x04"):
        if b"data.pkl" in head[:200]:
            return Kind(CHECKPOINT, "a PyTorch checkpoint")
        return Kind(OTHER, "a zip archive")
    if not head.strip() or not _is_text(head):
        return None
    if holds_vocabulary(head):
        return Kind(VOCABULARY, "a vocabulary")
    if head.lstrip().startswith((b"{", b"[")):
        return _kind_of_json(head)
    return Kind(TEXT, "text")


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return False
    return len(head.translate(None, _CONTROL)) * 50 > len(head) * 49


def _kind_of_json(head: bytes) -> Kind | None:
    rows = all(f'"{key}"'.encode() in head for key in ("question", "context", "answer_start"))
    if rows or (b'"paragraphs"' in head and b'"qas"' in head):
        return Kind(QUESTIONS, "a SQuAD file of questions")
    first = head.lstrip().partition(b"\n")[0]
    if b'"input_ids"' in first:
        return Kind(RECORDS, "records as JSON lines")
    # transformers' own have other names for the sizes of other models than BERT.
    theirs = b'"model_type"' in head and b'"transformers_version"' in head
    if b'"hidden_size"' in head or theirs:
        return Kind(SETTINGS, "the configuration of a model")
    return None


def _is_tensorflow(place: str) -> bool:
    """Whether a path is the prefix of a TensorFlow checkpoint, or one of its files."""
    prefix = re.sub(r"\.(?:index|meta|data-\d+-of-\d+)$", "", place)
    return os.path.isfile(f"{prefix}.index") and bool(
        glob.glob(f"{glob.escape(prefix)}.data-*-of-*")
    )


def _kind_of_folder(folder: Path) -> Kind | None:
    others = any(_OTHERS.fullmatch(entry.name) for entry in folder.iterdir())
    if others or any((folder / name).is_file() for name in _WEIGHTS):
        return Kind(CHECKPOINT, "a model")
    if (folder / _METRICS).is_file() or any(folder.glob("step-*/state.json")):
        return Kind(CHECKPOINT, "a training run")
    manifest = read_manifest(folder)
    written = _WRITTEN.get(manifest.command) if manifest else None
    if written:
        return Kind(written, _WORDS[written])
    # Of other programs' folders: what the first files hold, if they agree.
    kinds = {kind_of(file) for file in islice(_files_below(folder), _LOOKED_AT)}
    return kinds.pop() if len(kinds) == 1 else None


def _files_below(folder: Path) -> Iterator[str]:
    """Those of a disk, without hidden ones; few folders are looked at."""
    for above, folders, names in islice(os.walk(folder), _FOLDERS):
        if is_made_by_kernel(os.stat(above)):  # noqa: PTH116
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (f"{above}/{name}" for name in sorted(names) if not name.startswith("."))
        yield from filter(os.path.isfile, paths)
