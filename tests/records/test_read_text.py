"""Text files as token ids: lines, documents and sentences by the rules of each style."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from oracle import cerebras as oracle

from bertkit.errors import MissingDependencyError
from bertkit.records import read_text
from bertkit.records.config import RecordsConfig
from records.instances.test_cerebras import READER, TOKENIZER, VOCAB, write


def test_only_an_empty_line_divides_documents(tmp_path):
    (path,) = write(tmp_path, text="a b\r\nc\n \nd\n\n\n\x01\n\ne\rf\n\t\ng\th\n\u2028\n")
    found = oracle.file_documents(path, TOKENIZER, None, whole=False)
    assert found == [[["a", "b"], ["c"], ["d"]], [["e"], ["f"], ["[UNK]"]]]
    whole = oracle.file_documents(path, TOKENIZER, None, whole=True)
    assert whole == [found[0] + found[1]]
    for name, documents in (("blank-line", found), ("file", whole)):
        config = RecordsConfig(style="cerebras", documents=name)
        text = READER.file(path, config)
        expected = read_text.as_arrays(documents, VOCAB)
        for one, other in zip(astuple(text), astuple(expected), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_model_that_is_not_installed_is_named():
    with pytest.raises(MissingDependencyError, match="no_such_model") as caught:
        read_text.sentence_splitter("no_such_model")
    assert caught.value.exit_code == 4
    assert "--sentences rule" in caught.value.hint
