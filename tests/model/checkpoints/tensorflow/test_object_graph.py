"""Objects are numbered breadth first, and the first path to one gives its key."""

from __future__ import annotations

from bertkit.codecs.protobuf import message_fields
from bertkit.model.checkpoints.tensorflow.object_graph import graph, serialised
from bertkit.model.checkpoints.tensorflow.tf2 import our_name

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def test_every_variable_has_the_key_that_the_reader_knows():
    for head in (False, True):
        message, variables = serialised(graph(3, head))
        assert variables[0].key == f"save_counter{_VALUE}"
        for placed in variables[1:]:
            assert our_name(placed.key.removesuffix(_VALUE)) == placed.source
        assert len({placed.key for placed in variables}) == len(variables)
        assert sum(1 for _ in message_fields(message)) > len(variables)


def test_words_belong_to_the_head_where_there_is_one():
    keys = {head: serialised(graph(1, head))[1][1].key for head in (False, True)}
    assert keys[False] == f"encoder/layer_with_weights-0/embeddings{_VALUE}"
    assert keys[True] == f"model/layer_with_weights-1/embedding_table{_VALUE}"


def test_absent_weights_have_no_variable():
    absent = frozenset({"bert.pooler.dense.weight", "bert.pooler.dense.bias"})
    sources = [placed.source for placed in serialised(graph(1, False, absent))[1]]
    assert absent.isdisjoint(sources)
    assert len(sources) + 2 == len(serialised(graph(1, False))[1])
