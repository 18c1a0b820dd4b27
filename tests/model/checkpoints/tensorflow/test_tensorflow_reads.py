"""Slow: TensorFlow itself reads the checkpoints that `convert` writes, in both of its ways."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from bertkit.model.checkpoints import convert
from bertkit.model.checkpoints.convert import ConvertOptions
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.tensorflow.bundle import Bundle
from bertkit.model.heads import BertForPreTraining, BertForQuestionAnswering

pytestmark = pytest.mark.slow

# Every tensor by name; then those of variables that were restored into, by TensorFlow 1's Saver
# or TensorFlow 2's objects.
READER = """
import sys, numpy as np, tensorflow as tf
prefix, out = sys.argv[1:]
reader = tf.train.load_checkpoint(prefix)
shapes = reader.get_variable_to_shape_map()
found = {"listed " + n: reader.get_tensor(n) for n in shapes if "OBJECT_GRAPH" not in n}
assert tf.train.latest_checkpoint(sys.argv[1].rpartition("/")[0]) == prefix
if any("OBJECT_GRAPH" in n for n in shapes):
    def variables(keys):
        if list(keys) == [""]:
            return tf.Variable(tf.zeros(shapes[keys[""]], reader.get_variable_to_dtype_map()[keys[""]]))
        below = {}
        for path, key in keys.items():
            first, _, rest = path.partition("/")
            below.setdefault(first.replace(".S", "/"), {})[rest] = key
        return tf.train.Checkpoint(**{name: variables(rest) for name, rest in below.items()})
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    keys = {n.removesuffix(suffix): n for n in shapes if n.endswith(suffix) and "save_counter" not in n}
    root = variables(keys)
    root.restore(prefix).assert_existing_objects_matched()
    for path, key in keys.items():
        node = root
        for part in path.split("/"):
            node = getattr(node, part.replace(".S", "/"))
        found["restored " + key] = node.numpy()
else:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        kinds = reader.get_variable_to_dtype_map()
        made = {n: tf.compat.v1.get_variable(n, shapes[n], kinds[n]) for n in shapes}
        tf.compat.v1.train.Saver().restore(session, prefix)
        found |= {"restored " + n: session.run(v) for n, v in made.items()}
np.savez(out, **{n.replace("/", "|"): v for n, v in found.items()})
"""  # noqa: E501


@pytest.mark.parametrize(
    ("form", "model", "options"),
    [
        ("tf1", BertForPreTraining, {}),
        ("tf1", BertForQuestionAnswering, {}),
        ("tf2", BertForPreTraining, {"allow_unexpected": ["cls.seq_relationship.*"]}),
    ],
)
def test_names_shapes_and_values(tensorflow_python, tmp_path, small, form, model, options):
    save_pretrained(model(small), tmp_path / "in")
    out = tmp_path / "out"
    convert.convert(str(tmp_path / "in"), str(out), ConvertOptions(to=form, **options))
    command = [
        tensorflow_python,
        "-c",
        READER,
        str(out / "bert_model.ckpt"),
        str(tmp_path / "f.npz"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    ours = Bundle(out / "bert_model.ckpt")
    names = [name for name in ours.entries if not ours.why_unreadable(name)]
    with np.load(tmp_path / "f.npz") as arrays:
        found = {name.replace("|", "/"): arrays[name] for name in arrays.files}
    assert {n.removeprefix("listed ") for n in found if n.startswith("listed ")} == set(names)
    assert len(found) == 2 * len(names) - (form == "tf2")  # the counter is read alone
    for name, values in found.items():
        wanted = ours.read(name.split(" ", 1)[1]).numpy()
        assert values.dtype == wanted.dtype
        np.testing.assert_array_equal(values, wanted, err_msg=name)
