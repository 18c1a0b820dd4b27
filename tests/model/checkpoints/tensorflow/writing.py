"""What the tests of TensorFlow checkpoints that are written share."""

from __future__ import annotations

from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.contents import CheckpointToWrite
from bertkit.model.config import BertConfig
from bertkit.tokenization.tokenizer_facts import NOT_RECORDED

DATA, INDEX = ".data-00000-of-00001", ".index"


def to_write(weights, config, moments=None, step=None, architecture="BertForPreTraining"):
    return CheckpointToWrite(
        weights=weights,
        moments=moments or {},
        step=step,
        config=config,
        architecture=architecture,
        has_vocab=False,
        tokenizer=NOT_RECORDED,
        card="",
    )


def read_sample(samples, name, moments=False):
    """A real checkpoint as it is to be written again; its configuration is the TF1 one's."""
    contents = loading.read(samples / name, moments=moments)
    config = BertConfig.from_file(samples / "keras_bert_tiny_tf1")
    return to_write(contents.weights, config, contents.moments, contents.step)


def files_of(prefix):
    return [prefix.with_name(prefix.name + ending).read_bytes() for ending in (DATA, INDEX)]
