"""Writes the `tokenizer.json` with which the `tokenizers` package makes the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.tokenizer_json import WORD_LENGTH
from bertkit.tokenization.vocabulary import CLS, SEP, SPECIAL_TOKENS, UNK

PREFIX = "##"


def document(
    tokens: Sequence[str], normalisation: Normalisation, word_length: int
) -> dict[str, Any]:
    """A `tokenizer.json` of BERT's tokenizer, as transformers makes it from a `vocab.txt`.

    Args:
        tokens: in the order of their ids.
        normalisation: what happens to text first.
        word_length: letters of the longest word that is not [UNK].
    """
    ids = {token: number for number, token in enumerate(tokens)}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": ids[token], "content": token, **flags, "special": True}
        for token in sorted(SPECIAL_TOKENS, key=ids.__getitem__)
    ]

    def special(token: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    def text(name: str, segment: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special(CLS, 0), text("A", 0), special(SEP, 0)]
    normaliser = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": normalisation.tokenize_chinese_chars,
        "strip_accents": normalisation.usual().strip_accents,
        "lowercase": normalisation.do_lower_case,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": normaliser,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, text("B", 1), special(SEP, 1)],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in (CLS, SEP)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": PREFIX, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": PREFIX,
            WORD_LENGTH: word_length,
            "vocab": ids,
        },
    }
