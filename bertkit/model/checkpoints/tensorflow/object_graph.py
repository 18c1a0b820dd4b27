"""Describes the objects of the official BERT in TensorFlow 2, as checkpoints store them.

A checkpoint of TensorFlow 2 holds a graph of Python objects (TrackableObjectGraph of
tensorflow/core/protobuf/trackable_object_graph.proto). The objects are numbered breadth
first; the path by which one is first reached gives its variable's key. The graphs here are
those of the encoder and of the pretrainer (encoder and masked LM head) that the official
models' tf2_encoder_checkpoint_converter.py saves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bertkit.codecs.protobuf import message_field, varint_field
from bertkit.model.parameter_names import (
    LAYER_PREFIX,
    MLM_BIAS,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
)

VALUE = "VARIABLE_VALUE"
SAVE_COUNTER = "save_counter"


@dataclass(eq=False)
class Node:
    """An object of the graph.

    Attributes:
        children: (name of the attribute, object), in TensorFlow's order.
        variable: its name in TensorFlow; empty for other objects.
        source: our name of the weight it holds.
    """

    children: list[tuple[str, Node]] = field(default_factory=list)
    variable: str = ""
    source: str = ""


@dataclass(frozen=True)
class Placed:
    """A variable of a graph: its key in the checkpoint, and our name of what it holds."""

    key: str
    source: str


def graph(layers: int, head: bool, absent: frozenset[str] = frozenset()) -> Node:
    """The root of the encoder's graph, or of the pretrainer's.

    Args:
        layers: of the encoder.
        head: with the masked LM head.
        absent: our names of weights that are not there; their variables are left out.
    """
    words = _variable("word_embeddings/embeddings", WORD_EMBEDDINGS)
    inputs = [Node(), Node(), Node()]  # words, mask, segments
    encoder = _encoder(layers, words, inputs)
    if head:
        children = [(f"layer-{number}", each) for number, each in enumerate(inputs)]
        children += [*_weighted(0, 3, encoder), ("layer-4", Node())]
        top = ("model", Node([*children, *_weighted(1, 5, _head(words))]))
    else:
        top = ("encoder", encoder)
    counter = _variable(SAVE_COUNTER, SAVE_COUNTER)
    root = Node([top, (SAVE_COUNTER, counter)])
    for node, _ in _numbered(root):
        node.children = [pair for pair in node.children if pair[1].source not in absent]
    return root


def serialised(root: Node) -> tuple[bytes, list[Placed]]:
    """The graph as its message, and its variables in their order."""
    found = _numbered(root)
    numbers = {id(node): number for number, (node, _) in enumerate(found)}
    nodes, variables = [], []
    for node, path in found:
        fields = [
            message_field(1, varint_field(1, numbers[id(child)]) + _text(2, name))
            for name, child in node.children
        ]
        if node.variable:
            key = f"{path}/.ATTRIBUTES/{VALUE}"
            variables.append(Placed(key, node.source))
            attribute = _text(1, VALUE) + _text(2, node.variable) + _text(3, key)
            fields.append(message_field(2, attribute))
        nodes.append(message_field(1, b"".join(fields)))
    return b"".join(nodes), variables


def _text(number: int, text: str) -> bytes:
    return message_field(number, text.encode("utf-8"))


def _numbered(root: Node) -> list[tuple[Node, str]]:
    """Each object with the path by which it is first reached, breadth first."""
    found, waiting, seen = [], deque([(root, "")]), {id(root)}
    while waiting:
        node, path = waiting.popleft()
        found.append((node, path))
        for name, child in node.children:
            if id(child) not in seen:
                seen.add(id(child))
                escaped = name.replace(".", "..").replace("/", ".S")
                waiting.append((child, f"{path}/{escaped}" if path else escaped))
    return found


def _variable(name: str, source: str) -> Node:
    return Node(variable=name, source=source)


def _weighted(number: int, layer: int, node: Node) -> list[tuple[str, Node]]:
    """A layer with weights, which Keras lists under two names."""
    return [(f"layer_with_weights-{number}", node), (f"layer-{layer}", node)]


def _encoder(layers: int, words: Node, inputs: Sequence[Node]) -> Node:
    position = _variable("position_embedding/embeddings", POSITION_EMBEDDINGS)
    segment = _variable("type_embeddings/embeddings", SEGMENT_EMBEDDINGS)
    tokens = Node([("_initializer", Node([("config", Node())])), ("embeddings", words)])
    children = [
        ("layer-0", inputs[0]),
        *_weighted(0, 1, tokens),
        ("layer-2", inputs[2]),
        *_weighted(1, 3, Node([("embeddings", position), ("_position_embeddings", position)])),
        *_weighted(2, 4, Node([("embeddings", segment)])),
        ("layer-5", Node()),
        *_weighted(3, 6, _norm("embeddings/layer_norm", "bert.embeddings.LayerNorm")),
        ("layer-7", Node()),
        ("layer-8", inputs[1]),
        ("layer-9", Node()),
    ]
    for number in range(layers):
        children += _weighted(4 + number, 10 + number, _layer(number))
    pooler = _dense("pooler_transform", "bert.pooler.dense")
    return Node(
        [*children, (f"layer-{10 + layers}", Node()), *_weighted(4 + layers, 11 + layers, pooler)]
    )


def _layer(number: int) -> Node:
    ours, theirs = f"{LAYER_PREFIX}{number}.", f"transformer/layer_{number}/"
    attention = Node(
        [
            *(
                (f"_{part}_dense", _einsum(f"{theirs}self_attention/{part}", f"{ours}{target}"))
                for part, target in _QUERY_KEY_VALUE.items()
            ),
            ("_softmax", Node()),
            ("_dropout_layer", Node()),
            (
                "_output_dense",
                _einsum(
                    f"{theirs}self_attention/attention_output", f"{ours}attention.output.dense"
                ),
            ),
        ]
    )
    return Node(
        [
            ("_attention_layer", attention),
            ("_attention_dropout", Node()),
            (
                "_attention_layer_norm",
                _norm(f"{theirs}self_attention_layer_norm", f"{ours}attention.output.LayerNorm"),
            ),
            ("_intermediate_dense", _einsum(f"{theirs}intermediate", f"{ours}intermediate.dense")),
            ("_intermediate_activation_layer", Node()),
            ("_inner_dropout_layer", Node()),
            ("_output_dense", _einsum(f"{theirs}output", f"{ours}output.dense")),
            ("_output_dropout", Node()),
            ("_output_layer_norm", _norm(f"{theirs}output_layer_norm", f"{ours}output.LayerNorm")),
        ]
    )


_QUERY_KEY_VALUE = {part: f"attention.self.{part}" for part in ("query", "key", "value")}


def _head(words: Node) -> Node:
    bias = _variable("cls/predictions/output_bias/bias", MLM_BIAS)
    transform = "cls.predictions.transform"
    return Node(
        [
            ("embedding_table", words),
            ("dense", _dense("cls/predictions/transform/dense", f"{transform}.dense")),
            ("layer_norm", _norm("cls/predictions/transform/LayerNorm", f"{transform}.LayerNorm")),
            ("output_bias/bias", bias),
            ("bias", bias),
        ]
    )


def _dense(theirs: str, ours: str) -> Node:
    return Node(
        [
            ("kernel", _variable(f"{theirs}/kernel", f"{ours}.weight")),
            ("bias", _variable(f"{theirs}/bias", f"{ours}.bias")),
        ]
    )


def _einsum(theirs: str, ours: str) -> Node:
    shapes = [("partial_output_shape", Node()), ("full_output_shape", Node())]
    return Node([*shapes, *_dense(theirs, ours).children])


def _norm(theirs: str, ours: str) -> Node:
    return Node(
        [
            ("axis", Node()),
            ("gamma", _variable(f"{theirs}/gamma", f"{ours}.weight")),
            ("beta", _variable(f"{theirs}/beta", f"{ours}.bias")),
        ]
    )
