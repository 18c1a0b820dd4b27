"""Reads, checks, finds and writes WordPiece vocabularies."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bertkit.errors import DataError
from bertkit.hub.fetch import fetch_vocabulary
from bertkit.hub.names import hub_name
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.recognise import VOCABULARY
from bertkit.storage import files
from bertkit.text.encoding import decode_utf8
from bertkit.tokenization.tokenizer_json import NAME as TOKENIZER_JSON
from bertkit.tokenization.tokenizer_json import as_vocabulary, is_tokenizer_json, tokens_of

VOCAB = "vocab.txt"
PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)


@dataclass(frozen=True)
class Vocab:
    """A WordPiece vocabulary.

    Attributes:
        tokens: every distinct token in the order of the file, which is the order that
            masking draws random tokens from.
        ids: token → row of the embedding table.
        sha256: of the file's bytes.
        path: where it was read.
    """

    tokens: list[str]
    ids: dict[str, int]
    sha256: str
    path: str = ""
    _by_id: dict[int, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_id.update({number: token for token, number in self.ids.items()})

    def __len__(self) -> int:
        """Rows an embedding table needs: the largest id + 1."""
        return self._rows

    @cached_property
    def _rows(self) -> int:
        return max(self.ids.values()) + 1

    @cached_property
    def numbers(self) -> array[int]:
        """The row of each token, in the order of `tokens`."""
        return array("q", map(self.ids.__getitem__, self.tokens))

    def token(self, number: int) -> str:
        """The token of an id; `<n>` where there is none (records of another vocabulary)."""
        return self._by_id.get(number, f"<{number}>")

    @cached_property
    def tokens_sha256(self) -> str:
        """SHA-256 of the tokens by id, one per line; the line ends of the file do not matter."""
        return sha256_of_tokens([self._by_id.get(number, "") for number in range(len(self))])

    @property
    def pad_id(self) -> int:
        """Id of [PAD]."""
        return self.ids[PAD]

    @property
    def unk_id(self) -> int:
        """Id of [UNK]."""
        return self.ids[UNK]

    @property
    def cls_id(self) -> int:
        """Id of [CLS]."""
        return self.ids[CLS]

    @property
    def sep_id(self) -> int:
        """Id of [SEP]."""
        return self.ids[SEP]

    @property
    def mask_id(self) -> int:
        """Id of [MASK]."""
        return self.ids[MASK]


def load_vocab(path: str | Path, duplicates: str = "refuse") -> Vocab:
    """Read a vocabulary: a `tokenizer.json`, or one token per line without white space around.

    A byte order mark before the first token is dropped.

    One line may be empty (the public Chinese vocabulary has such a token). Lines end at
    `\\n` alone; `\\r` is dropped, as TensorFlow's file reader does.

    Args:
        path: a local file or a URL, as `find_vocab` returns it.
        duplicates: what a token on two lines means. `refuse` is an error; `first` keeps
            the first and numbers without gaps (MLPerf); `last` numbers by line, so the
            last line wins (Google).

    Raises:
        DataError: no such file, empty, not UTF-8, a duplicate, a missing special token.
    """
    blob = vocabulary_bytes(path)
    lines = decode_utf8(blob, path).removeprefix("\ufeff").replace("\r", "").split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise DataError(f"{path}: the vocabulary is empty", "expected one token per line")
    if not any(text.strip() in SPECIAL_TOKENS for text in lines):
        refuse_misplaced(path, VOCABULARY)
    ids: dict[str, int] = {}
    line_of: dict[str, int] = {}
    for line, text in enumerate(lines, start=1):
        token = text.strip()
        if token in line_of and duplicates == "refuse":
            raise DataError(
                f"{path}:{line}: {token!r} is already on line {line_of[token]}",
                "remove one of the two; the reference programs disagree on which one counts",
            )
        if duplicates == "last":
            ids[token] = line - 1
        elif token not in ids:
            ids[token] = len(ids)
        line_of.setdefault(token, line)
    _require_special_tokens(path, ids)
    return Vocab(list(ids), ids, hashlib.sha256(blob).hexdigest(), str(path))


def vocabulary_bytes(path: str | Path) -> bytes:
    """The content of the `vocab.txt` that goes into checkpoints: the file, or its equivalent.

    Raises:
        DataError: it cannot be read, or is a `tokenizer.json` that is not WordPiece.
    """
    if is_tokenizer_json(path):
        return as_vocabulary(path)
    with files.open_binary(path) as stream:
        return stream.read()


def _require_special_tokens(path: str | Path, ids: dict[str, int]) -> None:
    missing = [token for token in SPECIAL_TOKENS if token not in ids]
    if missing:
        raise DataError(
            f"{path}: no line holds {', '.join(missing)} ({len(ids):,} tokens read)",
            "this is not a BERT WordPiece vocabulary; `bertkit train-vocab` makes one",
        )


def sha256_of_tokens(tokens: Iterable[str]) -> str:
    """SHA-256 of tokens, one per line: that of the file which `save_vocab` would write."""
    text = "".join(f"{token}\n" for token in tokens)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def save_vocab(path: str | Path, tokens: list[str]) -> str:
    """Write tokens one per line; returns the SHA-256 of the file."""
    files.write_text(path, "".join(f"{token}\n" for token in tokens))
    return sha256_of_tokens(tokens)


def find_vocab(name_or_path: str | Path) -> str:
    """A vocabulary's file: the path itself, the one in a folder, or one that ships with bertkit.

    Args:
        name_or_path: a file, a folder with `vocab.txt` or `tokenizer.json` such as that of a
            model, a URL, a shipped name, or a model of the hub, whose files are fetched.

    Raises:
        DataError: none of these; lists the shipped names.
    """
    text = str(name_or_path)
    if (name := hub_name(text)) is not None:
        text = str(fetch_vocabulary(name))
    if files.is_remote(text) or os.path.isfile(text):
        return text
    if os.path.isdir(text):
        found = vocab_in(text)
        if found is None:
            raise DataError(
                f"no vocabulary in folder {text}", f"there is no {VOCAB} and no {TOKENIZER_JSON}"
            )
        return str(found)
    shipped = shipped_vocabs()
    if text in shipped:
        return str(shipped[text])
    raise DataError(
        f"no vocabulary {text}",
        f"give a file, or a shipped name: {', '.join(shipped) or 'none found'}",
    )


def vocab_in(folder: str | Path) -> Path | None:
    """The vocabulary file of a folder: `vocab.txt`, or `tokenizer.json` if that has more tokens.

    transformers keeps tokens that were added to a model in the second one only.
    """
    lines, whole = Path(folder) / VOCAB, Path(folder) / TOKENIZER_JSON
    if not whole.is_file():
        return lines if lines.is_file() else None
    if not lines.is_file() or len(tokens_of(whole)) > len(tokens_of(whole, with_added=False)):
        return whole
    return lines


def shipped_vocabs() -> dict[str, Path]:
    """Name → file of the vocabularies that come with bertkit."""
    return {path.stem: path for path in sorted(shipped_folder().glob("*.txt"))}


def shipped_folder() -> Path:
    """Where the vocabularies that come with bertkit lie, and what is known of public ones."""
    # Of a checkout its own, even where another one is installed.
    beside = Path(__file__).parents[2] / "vocab"
    if (beside / "known.yaml").is_file():
        return beside
    return Path(str(importlib.resources.files("bertkit_vocab")))
