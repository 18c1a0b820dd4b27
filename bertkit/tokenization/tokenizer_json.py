"""Reads the WordPiece vocabulary in a `tokenizer.json`, the file of the `tokenizers` package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from bertkit.errors import DataError
from bertkit.storage import files
from bertkit.tokenization import word_length

NAME = "tokenizer.json"
_PREFIX = "##"
_UNKNOWN = "[UNK]"
WORD_LENGTH = "max_input_chars_per_word"
_USUAL_WORD_LENGTH = 100  # every export has it: nobody chose it


def is_tokenizer_json(path: str | Path) -> bool:
    """Whether a vocabulary of this name is read as a `tokenizer.json`, not one token per line."""
    return str(path).endswith(".json")


def tokens_of(path: str | Path, with_added: bool = True) -> list[str]:
    """The tokens of a `tokenizer.json` in the order of their ids.

    Args:
        path: of the file.
        with_added: also those that were added to the vocabulary, whose ids follow.

    Raises:
        DataError: unreadable, not a WordPiece tokenizer as BERT's, or ids with gaps.
    """
    values = files.read_json(path)
    model = values.get("model") if isinstance(values, Mapping) else None
    if not isinstance(model, Mapping):
        raise DataError(
            f"{path}: not a tokenizer.json: it has no `model`",
            "give the vocab.txt of a BERT model, or its tokenizer.json",
        )
    ids = dict(_word_piece_table(path, model))
    if with_added:
        ids |= _added(path, values, ids)
    tokens = sorted(ids, key=ids.__getitem__)
    for number, token in enumerate(tokens):
        if ids[token] != number:
            raise DataError(
                f"{path}: its {len(tokens):,} tokens are not numbered 0, 1, 2, ...:"
                f" {token!r} has id {ids[token]}, {number} was expected"
            )
        if "\n" in token or "\r" in token:
            raise DataError(f"{path}: token {number} ({token!r}) holds a line end")
    return tokens


def word_length_of(path: str | Path) -> int | None:
    """Letters of the longest word that is not [UNK]; None where it is the package's default.

    Raises:
        DataError: unreadable.
        ConfigError: not a number of letters.
    """
    values = files.read_json(path)
    model = values.get("model") if isinstance(values, Mapping) else None
    value = model.get(WORD_LENGTH) if isinstance(model, Mapping) else None
    if value == _USUAL_WORD_LENGTH:
        return None
    return word_length.from_settings({word_length.NAME: value}, f"{path}: {WORD_LENGTH}")


def as_vocabulary(path: str | Path) -> bytes:
    """The `vocab.txt` with the same tokens and ids.

    Raises:
        DataError: as `tokens_of`.
    """
    return "".join(f"{token}\n" for token in tokens_of(path)).encode()


def _word_piece_table(path: str | Path, model: Mapping[str, Any]) -> Mapping[str, int]:
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    table = model.get("vocab")
    if kind != "WordPiece":
        raise DataError(
            f"{path}: holds a {kind} tokenizer, bertkit reads WordPiece, which BERT's are",
            "a model with another tokenizer needs another program",
        )
    if not isinstance(table, Mapping) or not all(_is_id(number) for number in table.values()):
        raise DataError(f"{path}: `model.vocab` is not a table of tokens and their ids")
    wanted = {"continuing_subword_prefix": _PREFIX, "unk_token": _UNKNOWN}
    for name, usual in wanted.items():
        if model.get(name, usual) != usual:
            raise DataError(
                f"{path}: its {name} is {json.dumps(model[name])}, bertkit's is {usual!r}"
            )
    return table


def _added(path: str | Path, values: Mapping[str, Any], ids: Mapping[str, int]) -> dict[str, int]:
    """The tokens that were added after the vocabulary was made."""
    entries = values.get("added_tokens") or []
    found: dict[str, int] = {}
    for entry in entries if isinstance(entries, list) else []:
        known = entry if isinstance(entry, Mapping) else {}
        token, number = known.get("content"), known.get("id")
        if not isinstance(token, str) or not _is_id(number):
            raise DataError(f"{path}: `added_tokens` has an entry without content or id")
        if ids.get(token, number) != number:
            raise DataError(f"{path}: {token!r} has the ids {ids[token]} and {number}")
        if token not in ids:
            found[token] = number
    return found


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
