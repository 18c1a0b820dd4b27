"""A few questions over two paragraphs, and the words they are made of."""

from __future__ import annotations

import copy
import zlib

SIZES = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 128, "max_position_embeddings": 64, "initializer_range": 0.1,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
WORDS = (
    "the a of in was is born wrote city river who where what when did flows through to and king"
    " queen built bridge 1844 1901 paris london seine thames anna otto maria poem castle old . , ?"
    " ' s un ##der ##s not"
)


def paragraph(context: str, *questions: tuple[str, str]) -> dict:
    """A paragraph whose questions are answered by a text of it ('' = not at all)."""
    entries = []
    for text, answer in questions:
        entry = {
            "id": f"q-{zlib.crc32((context + text).encode()):08x}",
            "question": text,
            "answers": [],
        }
        if answer:
            entry["answers"] = [{"text": answer, "answer_start": context.index(answer)}]
        else:
            entry["is_impossible"] = True
        entries.append(entry)
    return {"context": context, "qas": entries}


RIVERS = paragraph(
    "The Seine flows through Paris. The Thames flows through London, the old city.",
    ("What flows through Paris?", "The Seine"),
    ("Where did the Thames flow?", "London"),
)
PEOPLE = paragraph(
    "Otto was born in 1844. Anna wrote a poem in 1901 and Maria built the castle.",
    ("When was Otto born?", "1844"),
    ("Who built the castle?", "Maria"),
    ("What did Anna write?", "a poem"),
)


def squad(*paragraphs: dict, version: str = "1.1") -> dict:
    return {
        "version": version,
        "data": [{"title": "Old_Cities", "paragraphs": copy.deepcopy(list(paragraphs))}],
    }
