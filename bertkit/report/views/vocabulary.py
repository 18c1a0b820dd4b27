"""Shows what a vocabulary holds as text: its tokens, special ones, and what is recorded of it."""

from __future__ import annotations

from typing import Any

from bertkit import log
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, load_vocab

_SHOWN = 12  # digits of the digest


def view_vocabulary(path: str) -> tuple[dict[str, Any], str]:
    """What a vocabulary holds, and a table of it for people.

    Args:
        path: a local file.

    Raises:
        DataError: it is damaged, lacks a special token, or what is recorded beside it is of
            another vocabulary.
    """
    vocab = load_vocab(path, "last")
    known = tokenizer_files.of_vocabulary(vocab)
    special = {token: vocab.ids[token] for token in SPECIAL_TOKENS if token in vocab.ids}
    continued = sum(token.startswith("##") for token in vocab.tokens)
    found = {
        "tokens": len(vocab.tokens),
        "continued": continued,
        "special": special,
        "sha256": vocab.sha256,
        "tokenizer": known.as_dict(),
    }
    recorded = dict(known.rows())
    rows = [
        ("tokens", f"{len(vocab.tokens):,}"),
        ("that go on a word (##)", f"{continued:,}"),
        ("special", ", ".join(f"{token} {number}" for token, number in special.items())),
        ("sha256", f"{vocab.sha256[:_SHOWN]}..."),
        ("text", recorded.get("text", "not recorded beside it")),
    ]
    if "words" in recorded:
        rows.append(("words", recorded["words"]))
    return found, log.table(("vocabulary", path), rows)
