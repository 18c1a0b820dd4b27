"""Rules for what Cerebras params say of records and of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.translation import (
    ALWAYS,
    Ignore,
    Refuse,
    Rule,
    ignored,
    one_of,
    only,
    part,
    refused,
    to,
)
from bertkit.external_configs.values import flag, number, text, texts, whole, wholes

AHEAD = ignored("batches are always prepared ahead of the step")
SUMMARY = ignored("metrics.jsonl always has the numbers")
MULTIREPLICA = ignored(
    "their compiler divides the batch over its copies of the model; several systems: cs.systems"
)
_MUP = refused("muP scaling of rates and logits")
_PADDING = ignored("padding is left out of every result")


def _processor(value: Any) -> Mapping[str, Any]:
    name = str(value)
    if "Bert" not in name:
        raise Refuse("not a processor of BERT records")
    if "Dynamic" in name:
        return {"mask": "dynamic"}
    return {"mask": "static"}


def _segments(value: Any) -> Mapping[str, Any]:
    if flag(value):
        raise Ignore(ALWAYS)
    return {"model.type_vocab_size": 1}


def _bfloat16(value: Any) -> Mapping[str, Any]:
    if not flag(value):
        raise Ignore("16-bit numbers are those of model.mixed_precision")
    return {"_half": "bfloat16"}


def _buckets(value: Any) -> Any:
    """Their boundaries, or how many of one width."""
    if value is None:
        return None
    return wholes(value) if isinstance(value, list) else whole(value)


def _half_type(value: Any) -> Mapping[str, Any]:
    names = ("float16", "bfloat16", "cbfloat16")
    if value not in names:
        raise Refuse(f"must be {', '.join(names[:-1])} or {names[-1]}")
    return {"_half": value}


INPUT: dict[str, Rule] = {
    "data_processor": Rule("`mask` (static or dynamic, by its name)", _processor),
    "data_dir": to("input", convert=texts),
    "vocab_file": to("vocab", convert=text),
    "max_sequence_length": to("records.max_seq_length", convert=whole),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=whole),
    "batch_size": part(
        "_batch", "a device's `global_batch_size`: of several processes, times these", whole
    ),
    "vocab_size": to("model.vocab_size", convert=whole),
    "do_lower": to("records.do_lower_case", convert=flag),
    "do_lower_case": to("records.do_lower_case", convert=flag),
    "masked_lm_prob": to("records.masked_lm_prob", convert=number),
    "whole_word_masking": to("records.whole_word_mask", convert=flag),
    "mask_whole_word": to("records.whole_word_mask", convert=flag),
    "buckets": part("_buckets", "`bucket_boundaries`, with use_vsl", _buckets),
    "shuffle": ignored("records are always seen in an order drawn from --seed"),
    "shuffle_seed": ignored("the order is drawn from --seed"),
    "shuffle_buffer": ignored("the whole order is drawn at once"),
    "scale_mlm_weights": ignored("follows from model.mlm_loss_scaling, in their program too"),
    "dynamic_mlm_scale": Rule(
        "`mlm_normalisation` global_step", lambda value: {"mlm_normalisation": "global_step"}
    ),
    "sort_within_batch": ignored("the order inside a batch changes no result"),
    "gather_mlm_labels": ignored("the head computes masked positions only"),
    "document_separator_token": only("[SEP]", because="documents are separated by [SEP]"),
    **dict.fromkeys(
        ("input_pad_id", "segment_pad_id", "mlm_pad_id", "labels_pad_id", "attn_mask_pad_id"),
        _PADDING,
    ),
    "drop_last": ignored("every step has a whole batch"),
    "repeat": ignored("the run ends by --max-steps or --epochs"),
    **dict.fromkeys(
        (
            "num_workers",
            "prefetch_factor",
            "persistent_workers",
            "prefetch_buf_size",
            "n_parallel_reads",
            "use_multiple_workers",
            "num_parallel_calls",
        ),
        AHEAD,
    ),
}

MODEL: dict[str, Rule] = {
    "name": only("bert", because="this is a BERT trainer"),
    "hidden_size": to("model.hidden_size", convert=whole),
    "num_hidden_layers": to("model.num_hidden_layers", convert=whole),
    "num_heads": to("model.num_attention_heads", convert=whole),
    "filter_size": to("model.intermediate_size", convert=whole),
    "encoder_nonlinearity": one_of(
        "_activation", {"gelu": "gelu", "gelu_new": "gelu_new", "relu": "relu"}
    ),
    "mlm_nonlinearity": one_of("_mlm_activation", {"gelu": "gelu", "relu": "relu"}),
    "pooler_nonlinearity": only("tanh", None, because="the pooler has tanh"),
    "nsp_nonlinearity": only("tanh", None, because="the pooler has tanh"),
    "dropout_rate": to("model.hidden_dropout_prob", convert=number),
    "attention_dropout_rate": to("model.attention_probs_dropout_prob", convert=number),
    "max_position_embeddings": to("model.max_position_embeddings", convert=whole),
    "layer_norm_epsilon": to("model.layer_norm_eps", convert=number),
    "vocab_size": to("model.vocab_size", convert=whole),
    "num_segments": to("model.type_vocab_size", convert=whole),
    "type_vocab_size": to("model.type_vocab_size", convert=whole),
    "initializer_range": to("model.initializer_range", convert=number),
    "disable_nsp": Rule("`nsp`, inverted", lambda value: {"nsp": not flag(value)}),
    "use_vsl": part("_vsl", "`layout` (bucketed or padded)", flag),
    "enable_vts": part("_vsl", "`layout` (bucketed or padded)", flag),
    "mixed_precision": part("_mixed_precision", "`precision`, with fp16_type", flag),
    "fp16_type": Rule("`precision` fp16 or bf16, and `cs.half`", _half_type),
    "use_bfloat16": Rule("`precision` bf16", _bfloat16),
    "use_segment_embedding": Rule(
        "False: `model.type_vocab_size` 1, one vector for all tokens, which their model lacks",
        _segments,
    ),
    "embedding_size": part("_embedding_size", "only model.hidden_size", whole),
    "pad_token_id": to("model.pad_token_id", convert=whole),
    "position_embedding_type": only(
        "learned", "absolute", because="positions are learned embeddings"
    ),
    "attention_type": only("scaled_dot_product", because="there is one kind of attention"),
    "mlm_loss_scaling": one_of(
        "mlm_normalisation",
        dict.fromkeys(("num_masked", "precomputed_num_masked", "batch_size"), "global_step"),
    ),
    "mlm_loss_weight": part(
        "_mlm_weight",
        "ignored: it stands for 1 / masked tokens, which are counted here; where their program"
        " counts them too, only 1",
        number,
    ),
    "label_smoothing": only(0, None, because="labels are not smoothed"),
    "use_pre_normalization": only(False, because="LayerNorm comes after the blocks"),
    "initializer.*": ignored("their program reads `initializer` outside of `model`"),
    "embedding_initializer": only(None, because="all weights are drawn alike"),
    "weight_initialization_seed": ignored("new weights are drawn from --seed"),
    "dropout_seed": ignored("dropout is drawn from --seed"),
    "num_cls_classes": only(2, because="next sentence prediction has two classes"),
    "num_classes": only(2, because="next sentence prediction has two classes"),
    "compute_eval_metrics": ignored("evaluation always measures accuracy and perplexity"),
    "mask_padding_in_positional_embed": _PADDING,
    **dict.fromkeys(("embeddings_scale", "output_logits_alpha"), only(1, because="no muP scaling")),
    **dict.fromkeys(("mup_base_hidden_size", "mup_base_filter_size", "scale_qk_dot_by_d"), _MUP),
    **dict.fromkeys(
        (
            "use_position_embedding",
            "share_embedding_weights",
            "use_ffn_bias",
            "use_ffn_bias_in_attention",
            "use_projection_bias_in_attention",
            "use_ffn_bias_in_mlm",
            "use_output_bias_in_mlm",
            "use_nsp_bias",
        ),
        only(True, because="BERT always has it"),
    ),
    **dict.fromkeys(
        (
            "boundary_casting",
            "enable_gpu_optimizations",
            "precision_opt_level",
            "attention_kernel",
            "attention_softmax_fp32",
            "to_float16",
        ),
        ignored("concerns their compiler only"),
    ),
    "multireplica": MULTIREPLICA,
    "tf_summary": SUMMARY,
}
