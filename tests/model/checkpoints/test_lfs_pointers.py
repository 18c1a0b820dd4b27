"""A repository cloned without Git LFS has small texts instead of files: every reader says so."""

from __future__ import annotations

import shutil

import pytest
from storage.test_files import LFS_POINTER

from bertkit.errors import DataError
from bertkit.model.checkpoints import loading
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from bertkit.records.files.open import open_records
from bertkit.tokenization.vocabulary import load_vocab


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "ckpt_1.pt", "checkpoint_1.mdl"]
)
def test_weights(tmp_path, small, name):
    small.to_file(tmp_path / "config.json")
    (tmp_path / name).write_bytes(LFS_POINTER)
    for path in (tmp_path, tmp_path / name):
        for read in (loading.read, loading.load_weights):
            with pytest.raises(DataError, match=rf"{name}: a Git LFS pointer"):
                read(path)


def test_configuration(tmp_path, small):
    save_pretrained(BertForPreTraining(small), tmp_path)
    (tmp_path / "config.json").write_bytes(LFS_POINTER)
    with pytest.raises(DataError, match=r"config\.json: a Git LFS pointer"):
        loading.load_config(tmp_path)


@pytest.mark.parametrize("kind", ["index", "data-00000-of-00001"])
def test_tensorflow(tmp_path, samples, kind):
    shutil.copytree(samples / "keras_bert_tiny_tf1", tmp_path / "tf")
    (tmp_path / "tf" / f"bert_model.ckpt.{kind}").write_bytes(LFS_POINTER)
    with pytest.raises(DataError, match=f"{kind}: a Git LFS pointer"):
        loading.read(tmp_path / "tf")


@pytest.mark.parametrize("name", ["r.tfrecord", "r.hdf5", "r.jsonl", "r.tfrecord.gz"])
def test_records_and_vocabularies(tmp_path, name):
    (tmp_path / name).write_bytes(LFS_POINTER)
    with pytest.raises(DataError, match="a Git LFS pointer"):
        open_records(str(tmp_path / name))
    with pytest.raises(DataError, match="a Git LFS pointer"):
        load_vocab(tmp_path / name)
