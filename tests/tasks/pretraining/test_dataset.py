"""Batches for other people's training loops, against pretrain and transformers."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
import torch
from torch.utils.data import DataLoader

import bertkit
from bertkit.errors import DataError, UsageError
from bertkit.tasks.pretraining.dataset import Share, TrainingDataset, as_tensors

from .conftest import SHAPE

STEPS = 6
STILL = replace(SHAPE, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def still(settings):
    """A run whose numbers depend on nothing but weights and batches; logged at every step."""
    return settings(
        model=STILL,
        max_steps=STEPS,
        log_every=1,
        optimizer="adamw",
        weight_decay=0.0,
        max_grad_norm=1e9,
        backend="cpu",
        precision="fp32",
        micro_batch_size=8,
    )


def logged(output) -> list[dict[str, float]]:
    lines = Path(output, "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "learning_rate" in row]


def own_loop(model, loader, rates) -> list[float]:
    """The loop of somebody's own: plain PyTorch."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0, eps=1e-6)
    losses = []
    for batch, rate in zip(loader, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_a_loop_of_ones_own_has_the_losses_of_pretrain(settings):
    config = still(settings)
    bertkit.pretrain(config.input, config.output, config)
    rows = logged(config.output)
    assert len(rows) == STEPS
    loader = bertkit.data_loader(config.input, config)
    model = bertkit.new_model(STILL)
    found = own_loop(model, loader, [row["learning_rate"] for row in rows])
    wanted = [row["mlm_loss"] + row["nsp_loss"] for row in rows]
    assert found == pytest.approx(wanted, rel=1e-5)
    assert len(set(np.round(found, 3))) > 1  # it did learn something
    # The weights end where those of the run end.
    trained = bertkit.load_model(config.output).state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=1e-3, atol=2e-5)


def test_a_loop_with_the_model_of_transformers_has_them_too(settings):
    transformers = pytest.importorskip("transformers")
    config = still(settings)
    loader = bertkit.data_loader(config.input, config, padding="max_length")
    ours = bertkit.new_model(STILL)
    shape = transformers.BertConfig(**STILL.to_dict())
    theirs = transformers.BertForPreTraining(shape)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    theirs.tie_weights()
    rates = [1e-3] * STEPS
    assert own_loop(theirs, loader, rates) == pytest.approx(own_loop(ours, loader, rates), rel=1e-4)


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_order_depends_neither_on_workers_nor_on_where_a_loop_goes_on(settings):
    dataset = TrainingDataset(settings(max_steps=7))
    whole = list(dataset)
    assert len(dataset) == len(whole) == 7
    workers = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert all(map(same, whole, workers))
    assert len(workers) == 7
    later = TrainingDataset(settings(max_steps=7), Share(first_step=4))
    assert len(later) == 3
    assert all(map(same, whole[4:], later))
    copied = pickle.loads(pickle.dumps(dataset))  # as workers that are not forked get it
    assert all(map(same, whole, copied))


def test_processes_share_every_batch(settings):
    whole = list(TrainingDataset(settings(max_steps=3), padding="max_length"))
    parts = [
        list(TrainingDataset(settings(max_steps=3), Share(rank=rank, world=2), "max_length"))
        for rank in range(2)
    ]
    for step, batch in enumerate(whole):
        for name, values in batch.items():
            assert torch.equal(values, torch.cat([part[step][name] for part in parts]))


def test_epochs_give_the_number_of_batches(settings):
    # Forty records, eight at a time: five steps an epoch, each record once.
    dataset = TrainingDataset(settings(epochs=1.0))
    rows = torch.cat([batch["input_ids"].sum(1) for batch in dataset])
    assert (len(dataset), len(rows), dataset.samples) == (5, 40, 40)
    assert sorted(rows.tolist()) == sorted(
        int(record.input_ids.sum()) for record in bertkit.open_records(settings().input)
    )


def test_labels_stand_where_the_masks_are():
    records = synthetic.batch(5)
    found = as_tensors(records, 0)
    width = int(records["input_mask"].sum(1).max())
    assert found["input_ids"].shape == (5, width)
    masked = found["input_ids"] == synthetic.MASK
    assert torch.equal(found["labels"] != -100, masked)
    restored = torch.where(masked, found["labels"], found["input_ids"])
    assert not (restored == synthetic.MASK).any()
    assert (
        found["next_sentence_label"].tolist()
        == records["next_sentence_labels"].reshape(-1).tolist()
    )
    records["next_sentence_labels"][:] = -1
    assert "next_sentence_label" not in as_tensors(records, 0)
    assert "next_sentence_label" not in as_tensors(synthetic.batch(5), 0, nsp=False)


@pytest.mark.parametrize(
    ("share", "padding", "message"),
    [
        (Share(), "none", "no padding 'none'"),
        (Share(rank=2, world=2), "longest", "rank 2 of 2"),
        (Share(world=3), "longest", "8 cannot be divided by 3"),
    ],
)
def test_what_cannot_be_is_said(settings, share, padding, message):
    with pytest.raises(UsageError, match=message):
        TrainingDataset(settings(), share, padding)


def test_text_gives_the_batches_of_its_records(tmp_path):
    text = tmp_path / "text.txt"
    lines = [f"the list of {n} items is a statement .\nit has no class ." for n in range(40)]
    text.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    rules = {"max_seq_length": 32, "dupe_factor": 1}
    vocab = "bertkit-uncased-8k"
    bertkit.make_records(text, tmp_path / "records", rules, vocab=vocab)
    common = {"global_batch_size": 8, "max_steps": 4}
    written = bertkit.training_dataset(tmp_path / "records", common)
    memory = bertkit.training_dataset(
        text, {**common, "records": rules}, from_text=True, vocab=vocab
    )
    assert all(map(same, written, memory))
    place = Path(memory._cache)
    assert place.is_dir()
    del memory
    assert not place.exists()  # nobody named it, so it is gone with the dataset


def test_new_masks_in_every_epoch(settings, tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(59))]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    config = settings(mask="dynamic", vocab=str(tmp_path / "vocab.txt"), epochs=2.0)
    batches = list(TrainingDataset(config, padding="max_length"))
    # The sequences of each epoch as they were before masking, and what is asked of each.
    seen: list[dict[tuple[int, ...], torch.Tensor]] = [{}, {}]
    for number, batch in enumerate(batches):
        whole = torch.where(batch["labels"] >= 0, batch["labels"], batch["input_ids"])
        for row, labels in zip(whole.tolist(), batch["labels"], strict=True):
            seen[number // 5][tuple(row)] = labels
    assert seen[0].keys() == seen[1].keys()
    assert any(not torch.equal(seen[0][key], seen[1][key]) for key in seen[0])


def test_tokens_of_another_vocabulary_are_seen_by_the_model(settings):
    model = bertkit.new_model(replace(STILL, vocab_size=32))
    with pytest.raises(DataError, match="the model has 32 rows"):
        model(**next(iter(TrainingDataset(settings()))))
