"""Defines the shape of a BERT encoder, under the names of `bert_config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bertkit.codecs.strict_json import json_text
from bertkit.configuration.config import Layer, as_dict, resolve, setting
from bertkit.errors import ConfigError
from bertkit.model.model_types import (
    PRETRAINING,
    UNTIED,
    class_of_config,
    may_have_decoder,
    require_bert,
    type_of_config,
)
from bertkit.storage.files import read_json, write_text

NAME = "config.json"
# Key of a fine-tuned model's config.json: the settings of its task that it is used with, so that
# they are where the model is, without the folder of its run.
USED_WITH = "bertkit_settings"

# Fields that do not decide whether weights fit.
RATES = frozenset(
    ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "initializer")
)

# Other spellings of the same function in published configurations.
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
}

# Settings of other encoders that share this file format: only these values mean plain BERT.
_ONLY = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
}
_DIGITS = 10  # of the number of a label


@dataclass
class BertConfig:
    """Sizes and rates of one encoder; the defaults are BERT-base, uncased.

    Field names and meanings are those of Google's `bert_config.json`
    (Devlin et al., https://arxiv.org/abs/1810.04805).
    """

    vocab_size: int = setting(30522, "Tokens in the vocabulary.", minimum=5)
    hidden_size: int = setting(768, "Width of every token's vector.", minimum=1)
    num_hidden_layers: int = setting(12, "Layers of the encoder.", minimum=1)
    num_attention_heads: int = setting(12, "Attention heads per layer.", minimum=1)
    intermediate_size: int = setting(3072, "Width inside the feed-forward block.", minimum=1)
    hidden_act: str = setting(
        "gelu",
        "Activation: gelu (erf), gelu_new (tanh form) or relu.",
        choices=("gelu", "gelu_new", "relu"),
    )
    hidden_dropout_prob: float = setting(
        0.1, "Dropout on embeddings and block outputs.", minimum=0.0, maximum=0.9
    )
    attention_probs_dropout_prob: float = setting(
        0.1, "Dropout on attention probabilities.", minimum=0.0, maximum=0.9
    )
    max_position_embeddings: int = setting(512, "Longest sequence the model takes.", minimum=1)
    type_vocab_size: int = setting(2, "Kinds of segments.", minimum=1)
    initializer_range: float = setting(0.02, "Standard deviation of new weights.", minimum=0.0)
    initializer: str = setting(
        "truncated_normal",
        "New weights: truncated_normal (Google: cut at two deviations) or normal (Hugging Face).",
        choices=("truncated_normal", "normal"),
    )
    layer_norm_eps: float = setting(1e-12, "Epsilon of layer normalisation.", minimum=0.0)
    pad_token_id: int = setting(0, "Vocabulary row of [PAD].", minimum=0)

    def problems(self) -> list[str]:
        """Contradictions between settings, one text each."""
        found = []
        if self.hidden_size % self.num_attention_heads:
            found.append(
                f"hidden_size {self.hidden_size} is not divisible by "
                f"num_attention_heads {self.num_attention_heads}"
            )
        if self.pad_token_id >= self.vocab_size:
            found.append(
                f"pad_token_id {self.pad_token_id} is outside vocab_size {self.vocab_size}"
            )
        return found

    def training_flops(
        self, tokens: float, token_pairs: float, masked: float, sequences: float
    ) -> float:
        """Floating point operations of the matrix products of forward and backward pass.

        Args:
            tokens: real ones.
            token_pairs: sum of the squares of the sequences' lengths.
            masked: predicted tokens.
            sequences: sequences.
        """
        size, layers = self.hidden_size, self.num_hidden_layers
        per_token = layers * (8 * size**2 + 4 * size * self.intermediate_size)
        head = 2 * size**2 + 2 * size * self.vocab_size
        forward = tokens * per_token + token_pairs * 4 * layers * size + masked * head
        return 3 * (forward + sequences * 2 * size**2)

    def parameter_count(self) -> int:
        """Trainable numbers of the pretraining model (tied decoder counted once)."""
        width, inner = self.hidden_size, self.intermediate_size
        rows = self.vocab_size + self.max_position_embeddings + self.type_vocab_size
        layer = 4 * width * (width + 1) + 2 * width * inner + inner + width + 4 * width
        pooler, nsp = width * (width + 1), 2 * (width + 1)
        mlm = width * (width + 1) + 2 * width + self.vocab_size
        return rows * width + 2 * width + self.num_hidden_layers * layer + pooler + nsp + mlm

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], origin: str) -> BertConfig:
        """Take a `config.json` or `bert_config.json` mapping; fields of no effect are ignored.

        Args:
            values: the mapping.
            origin: where it came from, for messages.

        Raises:
            ConfigError: wrong types, missing sizes, or another kind of model.
        """
        require_bert(type_of_config(values), origin)
        problems = [
            f"{key} is {values[key]!r}, bertkit has {allowed!r} only"
            for key, allowed in _ONLY.items()
            if values.get(key, allowed) != allowed
        ]
        if values.get("tie_word_embeddings") is False and may_have_decoder(class_of_config(values)):
            problems.append(f"tie_word_embeddings is False: {UNTIED}")
        narrow = values.get("embedding_size", values.get("hidden_size"))
        if narrow != values.get("hidden_size"):
            problems.append(f"embedding_size is {narrow}, in BERT it is hidden_size")
        needed = ("vocab_size", "hidden_size", "num_hidden_layers")
        problems += [f"no {key}" for key in needed if key not in values]
        if problems:
            raise ConfigError(
                f"{origin}: not a plain BERT encoder: {'; '.join(problems)}",
                "bertkit trains and converts encoders with absolute positions and a tied decoder",
            )
        known = {item.name for item in fields(cls)}
        chosen = {key: value for key, value in values.items() if key in known}
        if chosen.get("pad_token_id", 0) is None:  # transformers': no padding
            del chosen["pad_token_id"]
        empty = [key for key, value in chosen.items() if value is None or value == {}]
        if empty:
            raise ConfigError(
                f"{origin}: no value for {', '.join(empty)}", "give one, or leave the key out"
            )
        activation = chosen.get("hidden_act", "gelu")
        chosen["hidden_act"] = _ACTIVATIONS.get(str(activation), activation)
        return resolve(cls, [Layer(origin, chosen)]).config

    @classmethod
    def from_file(cls, path: str | Path) -> BertConfig:
        """Read a `config.json`, a `bert_config.json`, or the first of these in a folder.

        Raises:
            DataError: unreadable or not JSON.
            ConfigError: not a BERT configuration.
        """
        place = Path(path)
        if place.is_dir():
            google = place / "bert_config.json"
            place = google if not (place / NAME).exists() and google.exists() else place / NAME
        return cls.from_dict(read_config(place), str(place))

    def to_dict(
        self, architecture: str = PRETRAINING, facts: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The mapping that `transformers` reads, naming the given model class.

        Args:
            architecture: name of the class.
            facts: further entries, of a head, such as `id2label`.
        """
        return {
            "architectures": [architecture],
            "model_type": "bert",
            **as_dict(self),
            "position_embedding_type": "absolute",
            "classifier_dropout": None,
            "use_cache": True,
            "torch_dtype": "float32",
            **(facts or {}),
        }

    def to_file(
        self,
        path: str | Path,
        architecture: str = PRETRAINING,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write `config.json` (or the given file name), whole or not at all."""
        target = Path(path) / NAME if Path(path).is_dir() else Path(path)
        write_text(target, json_text(self.to_dict(architecture, facts), indent=2) + "\n")


def read_config(path: Path) -> dict[str, Any]:
    """The mapping in a `config.json` or `bert_config.json`.

    Raises:
        DataError: unreadable or not JSON.
        ConfigError: not a mapping.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected an object, found {type(values).__name__}")
    return values


def label_names(values: Mapping[str, Any], origin: str | Path) -> list[str]:
    """The names in a `config.json` for the outputs of a classifier, by number; none where none are.

    Args:
        values: the mapping.
        origin: where it came from, for messages.

    Raises:
        ConfigError: `id2label` does not number them 0, 1, 2, ...
    """
    names = values.get("id2label")
    if names is None:
        return []
    whole = isinstance(names, Mapping) and all(map(_is_number, names))
    found = {int(key): str(name) for key, name in names.items()} if whole else {}
    if not found or sorted(found) != list(range(len(names))):
        raise ConfigError(
            f"{origin}: id2label does not number the labels 0, 1, 2, ...",
            "mend the config.json, or fetch it again",
        )
    return [found[number] for number in range(len(found))]


def _is_number(key: object) -> bool:
    return str(key).isdecimal() and len(str(key)) < _DIGITS
