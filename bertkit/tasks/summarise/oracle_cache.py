"""Keeps the labels that an oracle found, so that a run which goes on does not look for them again.

The file has a digest of all that decides its content: the documents with their summaries, the
oracle and its size. So it can never be wrong, only absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bertkit import log
from bertkit.storage.files import atomic_write
from bertkit.tasks.summarise.documents import Document

NAME = "oracle.npz"
# Raise it whenever an oracle finds others, or the layout of the file changes.
_VERSION = 1
Labels = list[list[int]]


def key(documents: Sequence[Document], oracle: str, most: int) -> str:
    """Digest (64 hex digits) of everything that decides the labels.

    Args:
        documents: with their summaries.
        oracle: its name.
        most: sentences of a summary at most.
    """
    digest = hashlib.sha256(json.dumps([_VERSION, oracle, most]).encode())
    for document in documents:
        text = json.dumps([list(document.sentences), list(document.summary or ())])
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()


def kept_labels(
    path: Path, own: str, counts: Sequence[int], make: Callable[[], Labels], write: bool = True
) -> Labels:
    """The labels in a file, else those that are made, which are kept there.

    Args:
        path: of the file; one with another digest is replaced.
        own: the digest of `key`.
        counts: sentences of each document.
        make: finds the labels, 0 or 1 for every sentence.
        write: keep what was made.

    Returns:
        Labels equal to those that `make` would give.
    """
    if path.is_file():
        try:
            found = _load(path, own, counts)
        except Exception as error:  # a changed byte makes zipfile and numpy raise nearly anything
            log.logger.warning("%s is damaged and will be made again (%s)", path, error)
        else:
            if found is not None:
                log.logger.info("labels of %s documents from %s", f"{len(found):,}", path)
                return found
    made = make()
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        marks = np.array([mark for labels in made for mark in labels], np.uint8)
        with atomic_write(path) as stream:
            np.savez(
                stream,
                key=np.frombuffer(own.encode(), np.uint8),
                counts=np.array(counts, np.int32),
                marks=np.packbits(marks),
            )
    return made


def _load(path: Path, own: str, counts: Sequence[int]) -> Labels | None:
    """What `kept_labels` wrote; None where it is of something else.

    Raises:
        Exception: of many kinds, where the file is damaged.
    """
    with np.load(path, allow_pickle=False) as stored:
        if stored["key"].tobytes().decode() != own:
            return None
        if not np.array_equal(stored["counts"], np.array(counts, np.int32)):
            raise ValueError("documents and labels do not belong together")
        marks = np.unpackbits(stored["marks"], count=sum(counts))
    ends = np.cumsum(np.array(counts, np.int64))[:-1]
    return [part.tolist() for part in np.split(marks, ends)] if len(counts) else []
