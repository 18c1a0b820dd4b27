"""Reads what files beside a vocabulary or checkpoint record about its tokens, and writes it.

    tokenizer_config.json   transformers' settings: casing, accents, CJK characters, length
    tokenizer.json          the `tokenizers` package: normaliser and vocabulary in one file
    vocab.txt               the vocabulary
    state.json              of a bertkit run
    NAME.txt.json           beside a vocabulary of another name, by `train-vocab`

Files of one folder that contradict each other are an error.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertkit.errors import DataError
from bertkit.storage import files
from bertkit.tokenization import tokenizer_export, word_length
from bertkit.tokenization.normalisation import FLAGS, from_settings
from bertkit.tokenization.tokenizer_facts import (
    TokenizerFacts,
    from_dict,
    merged,
    of_run,
    of_vocab,
    require_same,
)
from bertkit.tokenization.tokenizer_json import NAME as TOKENIZER
from bertkit.tokenization.tokenizer_json import tokens_of, word_length_of
from bertkit.tokenization.vocabulary import (
    VOCAB,
    Vocab,
    load_vocab,
    sha256_of_tokens,
    shipped_folder,
    vocab_in,
)

CONFIG = "tokenizer_config.json"
STATE = "state.json"
SIDECAR = ".json"  # appended to the name of a vocabulary file
SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def of_folder(folder: str | Path) -> TokenizerFacts:
    """What the files of a folder record: a checkpoint of bertkit's or of transformers'.

    Raises:
        DataError: a file cannot be read, or two of them contradict each other.
        ConfigError: a value of the wrong type.
    """
    place = Path(folder)
    parts = []
    if (place / CONFIG).is_file():
        parts.append(_of_config(place / CONFIG))
    if (place / TOKENIZER).is_file():
        parts.append(_of_tokenizer(place / TOKENIZER))
    if (place / STATE).is_file():
        state = files.read_json(place / STATE)
        if isinstance(state, Mapping):
            parts.append(of_run(state, str(place / STATE)))
    if vocab_in(place) == place / VOCAB:  # else tokenizer.json has more tokens
        parts.append(of_vocab(load_vocab(place / VOCAB, "last")))
    return _with_known_case(merged(parts, str(place)))


def of_vocabulary(vocab: Vocab) -> TokenizerFacts:
    """What is recorded about a loaded vocabulary: beside its file, or of public ones by digest.

    Raises:
        DataError: the file beside it describes another vocabulary.
        ConfigError: a value of the wrong type.
    """
    facts = of_vocab(vocab)
    if not vocab.path or files.is_remote(vocab.path):
        return _with_known_case(facts)
    path = Path(vocab.path)
    beside = path.with_name(path.name + SIDECAR)
    parts = [facts]
    if beside.is_file():
        values = files.read_json(beside)
        found = from_dict(values if isinstance(values, Mapping) else {}, str(beside))
        require_same(facts, found, f"remove {beside.name}, or restore the vocabulary it was for")
        parts.append(found)
    if path.name in (VOCAB, TOKENIZER):
        parts += [
            read(path.with_name(name))
            for name, read in ((CONFIG, _of_config), (TOKENIZER, _of_tokenizer))
            if path.with_name(name).is_file()
        ]
    return _with_known_case(merged(parts, vocab.path))


def write_vocabulary(folder: str | Path, vocab: bytes, facts: TokenizerFacts) -> None:
    """Write a checkpoint's `vocab.txt`, and what makes the same tokens of it where that is known.

    Args:
        folder: of the checkpoint.
        vocab: content of the vocabulary file.
        facts: what is known about the tokens.
    """
    (Path(folder) / VOCAB).write_bytes(vocab)
    if facts.normalisation:
        write_config(folder, facts)
        write_tokenizer(folder, facts)


def write_config(folder: str | Path, facts: TokenizerFacts) -> None:
    """Write a `tokenizer_config.json` with which transformers makes the same tokens.

    Args:
        folder: of the checkpoint and its `vocab.txt`.
        facts: with the treatment of text. A word length of their own needs `write_tokenizer`
            as well: transformers' BertTokenizer cannot have one, the class that reads
            `tokenizer.json` as it is can.
    """
    assert facts.normalisation is not None
    usual = facts.normalisation.usual().as_dict()
    name = "PreTrainedTokenizerFast" if facts.word_length else "BertTokenizer"
    values: dict[str, Any] = {"tokenizer_class": name, **usual}
    if facts.word_length:
        values[word_length.NAME] = facts.word_length
    if facts.model_max_length:
        values["model_max_length"] = facts.model_max_length
    text = json.dumps(values | SPECIAL_TOKENS, indent=2) + "\n"
    files.write_text(Path(folder) / CONFIG, text)


def write_tokenizer(folder: str | Path, facts: TokenizerFacts) -> None:
    """Write a `tokenizer.json` beside the `vocab.txt` of a folder, where `facts` need one."""
    if facts.word_length and facts.normalisation:
        tokens = load_vocab(Path(folder) / VOCAB, "last").tokens
        values = tokenizer_export.document(tokens, facts.normalisation, facts.word_length)
        files.write_text(Path(folder) / TOKENIZER, json.dumps(values, ensure_ascii=False) + "\n")


def write_sidecar(
    vocab: str | Path, facts: TokenizerFacts, more: Mapping[str, Any] | None = None
) -> str:
    """Write the file that tells the facts of a vocabulary beside it; returns its path.

    Args:
        vocab: the vocabulary's file.
        facts: what is known of its tokens.
        more: what else to keep there.
    """
    beside = f"{vocab}{SIDECAR}"
    files.write_text(beside, json.dumps(facts.as_dict() | dict(more or {}), indent=1) + "\n")
    return beside


def _of_config(path: Path) -> TokenizerFacts:
    """A `tokenizer_config.json`; a casing that it leaves out is not recorded."""
    values = _read(path)
    names = ("model_max_length", word_length.NAME, *FLAGS)
    return from_dict({name: values.get(name) for name in names}, str(path))


def _of_tokenizer(path: Path) -> TokenizerFacts:
    """A `tokenizer.json`: the vocabulary, and BERT's normaliser where that is the one."""
    normaliser = _section(_read(path), "normalizer")
    normalisation = None
    if normaliser.get("type") == "BertNormalizer":
        settings = {
            "do_lower_case": normaliser.get("lowercase"),
            "strip_accents": normaliser.get("strip_accents"),
            "tokenize_chinese_chars": normaliser.get("handle_chinese_chars"),
        }
        normalisation = from_settings(settings, str(path))
    tokens = [token.strip() for token in tokens_of(path)]
    return TokenizerFacts(
        tokens_sha256=sha256_of_tokens(tokens),
        vocab_size=len(tokens),
        normalisation=normalisation,
        word_length=word_length_of(path),
        source=str(path),
    )


def _read(path: str | Path) -> dict[str, Any]:
    values = files.read_json(path)
    if not isinstance(values, dict):
        raise DataError(f"{path}: not an object")
    return values


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _with_known_case(facts: TokenizerFacts) -> TokenizerFacts:
    """The facts, with the treatment of a public or shipped vocabulary where none is recorded."""
    if facts.normalisation is not None or not facts.names_vocabulary:
        return facts
    for entry in _known():
        if entry.get("sha256") in (facts.vocab_sha256, facts.tokens_sha256):
            known = from_settings(entry, "known.yaml")
            source = f"{facts.source} ({entry['name']})"
            return dataclasses.replace(facts, normalisation=known, source=source)
    return facts


@functools.lru_cache(maxsize=1)
def _known() -> list[dict[str, Any]]:
    """The public vocabularies of `known.yaml`."""
    import yaml

    path = shipped_folder() / "known.yaml"
    loaded: list[dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))
    return loaded
