"""Tells models of other kinds, which share BERT's file formats, from BERT, and names them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bertkit.errors import ConfigError

BERT = "bert"
# Classes of transformers that are BERT with a head.
PRETRAINING = "BertForPreTraining"
MASKED_LM = "BertForMaskedLM"
NEXT_SENTENCE = "BertForNextSentencePrediction"
QUESTION_ANSWERING = "BertForQuestionAnswering"
CLASSIFICATION = "BertForSequenceClassification"
MULTIPLE_CHOICE = "BertForMultipleChoice"
TOKEN_CLASSIFICATION = "BertForTokenClassification"
ENCODER = "BertModel"
# Of bertkit: a score per sentence. transformers has no such class; its BertModel reads the encoder.
SENTENCES = "BertForSentenceExtraction"
# The parts beyond the embeddings and layers, by how the names of their parameters begin.
POOLER = "bert.pooler."
WORD_HEAD = "cls.predictions."
PAIR_HEAD = "cls.seq_relationship."
PRETRAINING_HEADS = "cls."  # both of them
SPAN_HEAD = "qa_outputs."
LABEL_HEAD = "classifier."
# Class → what it has beyond the layers and embeddings; the pooler of BertModel may be absent.
PARTS = {
    PRETRAINING: (POOLER, WORD_HEAD, PAIR_HEAD),
    MASKED_LM: (WORD_HEAD,),
    NEXT_SENTENCE: (POOLER, PAIR_HEAD),
    QUESTION_ANSWERING: (SPAN_HEAD,),
    CLASSIFICATION: (POOLER, LABEL_HEAD),
    MULTIPLE_CHOICE: (POOLER, LABEL_HEAD),
    TOKEN_CLASSIFICATION: (LABEL_HEAD,),
    SENTENCES: (LABEL_HEAD,),
    ENCODER: (POOLER,),
}
UNTIED = (
    "its decoder (cls.predictions.decoder.weight) is a matrix of its own, bertkit's is the word"
    " embedding"
)
# `model_type` of transformers → name for people, of the encoders that are mistaken for BERT.
TITLES = {
    "albert": "ALBERT",
    "bert-generation": "BERT for generation",
    "big_bird": "BigBird",
    "camembert": "CamemBERT",
    "convbert": "ConvBERT",
    "deberta": "DeBERTa",
    "deberta-v2": "DeBERTa-v2 or v3",
    "distilbert": "DistilBERT",
    "electra": "ELECTRA",
    "ernie": "ERNIE",
    "eurobert": "EuroBERT",
    "funnel": "Funnel Transformer",
    "gpt2": "GPT-2",
    "longformer": "Longformer",
    "megatron-bert": "Megatron-BERT",
    "mobilebert": "MobileBERT",
    "modernbert": "ModernBERT",
    "mpnet": "MPNet",
    "nomic_bert": "NomicBERT",
    "rembert": "RemBERT",
    "roberta": "RoBERTa",
    "roberta-prelayernorm": "RoBERTa-PreLayerNorm",
    "roformer": "RoFormer",
    "squeezebert": "SqueezeBERT",
    "t5": "T5",
    "xlm-roberta": "XLM-RoBERTa",
    "xlm-roberta-xl": "XLM-RoBERTa-XL",
    "xlnet": "XLNet",
}
_HINT = "bertkit reads models whose config.json says model_type bert, and older files of BERT"

# How the tensors of files without a configuration begin; TensorFlow's names have slashes. The first
# pattern that any of them has decides: heads are shared by several types, so theirs come last.
_TENSORS = (
    ("deberta", r"deberta[./]encoder[./]layer[./]\d+[./]attention[./]self[./]in_proj"),
    ("deberta-v2", r"deberta[./]"),
    *(
        # transformers names the encoder inside a model after its type.
        (kind, re.sub("[-_]", "[-_]?", kind) + r"[./](?:embeddings|encoder|transformer)")
        for kind in TITLES
    ),
    ("distilbert", r"transformer[./]layer[./]\d+[./](?:attention|ffn)[./]"),
    ("roberta", r"lm_head[./](?:dense|layer_norm)[./]"),
    ("electra", r"(?:discriminator_predictions|generator_predictions)[./]"),
    ("albert", r"(?:bert[./])?encoder[./](?:albert_layer_groups|transformer/group_0)"),
    ("big_bird", r"bert[./]encoder[./]layer[./]0[./]attention[./]self[./]block_sparse"),
    ("modernbert", r"(?:model[./])?layers[./]0[./]attn[./]Wqkv[./]"),
)

# Keys that only these have, of Google's files, which name no type.
_KEYS = {
    "albert": {"num_hidden_groups", "inner_group_num", "net_structure_type"},
    "mobilebert": {"true_hidden_size", "intra_bottleneck_size", "use_bottleneck_attention"},
}


def type_of_config(values: Mapping[str, Any]) -> str:
    """The `model_type` of a `config.json`; of one without it, by the class or the keys it names.

    Returns:
        `bert` also where nothing says anything else.
    """
    given = values.get("model_type")
    if given:
        return str(given)
    found = re.match(r"([A-Z]\w*?)(?:For[A-Z]|Model|LMHead)", class_of_config(values))
    plain = found[1].lower() if found else BERT
    # A class of somebody's own says nothing of the encoder.
    named = next((kind for kind in TITLES if re.sub("[-_]", "", kind) == plain), BERT)
    return next((kind for kind, keys in _KEYS.items() if keys & values.keys()), named)


def class_of_config(values: Mapping[str, Any]) -> str:
    """The class of transformers that a `config.json` names; empty where it names none."""
    classes = values.get("architectures")
    name = str(classes[0]) if isinstance(classes, list) and classes else ""
    return name.removeprefix("TF").removeprefix("Flax")


def may_have_decoder(name: str) -> bool:
    """Whether a class, empty if unknown, may have a masked LM head."""
    return WORD_HEAD in PARTS.get(name, (WORD_HEAD,))


def require_convertible(name: str, origin: object) -> None:
    """Refuse a class that bertkit cannot write.

    Raises:
        ConfigError: names the class, and those that can be written.
    """
    if name not in PARTS:
        raise ConfigError(
            f"{origin}: its class is {name}; bertkit converts {', '.join(PARTS)}",
            "its encoder alone can be had in transformers: AutoModel.from_pretrained(IN)"
            ".save_pretrained(OUT)",
        )


def type_of_tensors(names: Iterable[str]) -> str:
    """The type that the names of tensors show; `bert` where they show no other."""
    plain = [re.sub(r"^(?:module\.|_orig_mod\.)+", "", name) for name in names]
    return next(
        (kind for kind, pattern in _TENSORS if any(re.match(pattern, name) for name in plain)), BERT
    )


def require_bert(kind: str, origin: object) -> None:
    """Refuse a model of another type.

    Args:
        kind: from `type_of_config` or `type_of_tensors`.
        origin: where it was found, for the message.

    Raises:
        ConfigError: names the type.
    """
    if kind == BERT:
        return
    title = f"{TITLES[kind]} (model_type {kind})" if kind in TITLES else f"of model_type {kind!r}"
    raise ConfigError(f"{origin}: the model is {title}, not BERT", _HINT)
