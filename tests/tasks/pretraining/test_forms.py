"""Training and evaluation read every form of record; the same instances, the same losses."""

from __future__ import annotations

import pytest

from bertkit.backends import registry
from bertkit.data.record_source import RecordSource
from bertkit.model.config import BertConfig
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.tasks.pretraining.config import EvalConfig, PretrainConfig
from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints
from bertkit.tasks.pretraining.pretrain import pretrain

FORMS = {
    "tfrecord": {},
    "hdf5": {"format": "hdf5"},
    "jsonl": {"format": "jsonl"},
    "graphcore": {"packing": "graphcore"},
    "habana-hdf5": {"packing": "habana", "format": "hdf5"},
    "habana-tfrecord": {"packing": "habana"},
}
NUMBERS = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")


def losses(inputs: str, folder, layout: str = "unpadded", vocab_size: int = 8192):
    """(numbers of a step over all records, numbers of `eval` after it)."""
    source = RecordSource([inputs])
    shape = BertConfig(
        vocab_size=vocab_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=128, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    # A step over all records does not depend on their order; the rate 0 leaves the weights.
    config = PretrainConfig(
        input=[inputs], output=str(folder), max_steps=1, global_batch_size=len(source),
        micro_batch_size=len(source), learning_rate=0.0, layout=layout, model=shape,
    )  # fmt: skip
    trained = pretrain(config, registry.get("cpu"))
    evaluation = EvalConfig(batch_size=7, layout=layout)
    result = evaluate_checkpoints(evaluation, [inputs], [str(folder)], registry.get("cpu"))
    (quality,) = result.checkpoints
    return {name: trained.train[name] for name in NUMBERS}, {
        name: getattr(quality, name) for name in NUMBERS
    }


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "story.txt"
    lines = (
        f"The ship number {n} went to sea.\n" + f"Its captain saw {n} whales.\n" * (n % 5)
        for n in range(40)
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def plain(text, tmp_path_factory):
    """The numbers of our own records."""
    place = tmp_path_factory.mktemp("plain")
    made(text, place / "records", {})
    return losses(str(place / "records"), place / "run")


def made(text, place, values):
    config = RecordsConfig(max_seq_length=64, dupe_factor=2, short_seq_prob=0.6, **values)
    make_records(config, [text], place, "bertkit-uncased-8k")


@pytest.mark.parametrize("name", list(FORMS)[1:])
def test_every_form_gives_the_same_losses(text, plain, tmp_path, name):
    made(text, tmp_path / "records", FORMS[name])
    for found, expected in zip(
        losses(str(tmp_path / "records"), tmp_path / "run"), plain, strict=True
    ):
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_every_layout_gives_the_same_losses(text, plain, tmp_path, layout):
    made(text, tmp_path / "records", {})
    found = losses(str(tmp_path / "records"), tmp_path / "run", layout)
    for one, other in zip(found, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_graphcores_own_packs_give_the_losses_of_its_records(shared, tmp_path):
    """Both files were written by Graphcore's programs from the same instances."""
    place = shared / "data" / "tfrecord_samples" / "graphcore"
    results = [
        losses(str(place / f"{name}.tfrecord"), tmp_path / name, vocab_size=30522)
        for name in ("sample_text", "sample_text_packed")
    ]
    for one, other in zip(*results, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
