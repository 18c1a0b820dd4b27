"""The programs that HDF5 and JSON records are for open the folders that make-records writes.

Their reading is written down here from the public sources, as near to them as h5py and numpy
allow: HabanaAI/Model-References 1.23.0, PyTorch/nlp/bert/run_pretraining.py (`main` and
`pretraining_dataset`), pytorch_packed_data_checker.py, and the same lines in NVIDIA's
DeepLearningExamples before it moved to LDDL.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from bertkit.data.record_source import RecordSource
from bertkit.manifests.manifest import HIDDEN_FOLDER, Manifest, read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.find import find_record_files
from bertkit.records.make import make_records
from bertkit.records.tools.verify import verify

VOCAB = "bertkit-uncased-8k"
PLAIN = RecordsConfig(style="nvidia", max_seq_length=64, dupe_factor=1)
PACKED = replace(PLAIN, packing="habana")


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    place = tmp_path_factory.mktemp("split")
    for name in ("part-00000-of-00002", "part-00001-of-00002", "valid"):
        lines = (
            f"The {name} ship {n} went to sea.\n{'It saw whales. ' * (n % 4)}\n" for n in range(30)
        )
        (place / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    for name, config in (("plain", PLAIN), ("packed", PACKED)):
        make_records(config, [str(texts)], place / name, VOCAB, workers=1)
    return place


def listed(folder, packed):
    """The files that run_pretraining.py trains on; their packer lists them so as well."""
    files = [
        os.path.join(folder, name)
        for name in os.listdir(folder)  # noqa: PTH208 - as they do
        if os.path.isfile(os.path.join(folder, name)) and (packed or "training" in name)
    ]
    return sorted(files)


def dataset(path, most, packed):
    """`pretraining_dataset`: (ids, segments, mask, labels, next sentence labels) of its rows."""
    keys = ["input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids"]
    more = ["positions", "next_sentence_positions", "next_sentence_weights"] if packed else []
    with h5py.File(path, "r") as file:
        data = {key: np.asarray(file[key][:]) for key in [*keys, *more, "next_sentence_labels"]}
    for number in range(len(data["input_ids"])):
        row = {key: np.asarray(values[number].astype(np.int64)) for key, values in data.items()}
        labels = np.full(row["input_ids"].shape, -1)
        empty = np.flatnonzero(row["masked_lm_positions"] == 0)
        count = empty[0] if len(empty) else most
        labels[row["masked_lm_positions"][:count]] = row["masked_lm_ids"][:count]
        following = row["next_sentence_labels"]
        if packed:
            wanted = row["next_sentence_weights"]
            following = (wanted == 1) * following + (wanted == 0) * -1
        yield row["input_ids"], row["segment_ids"], row["input_mask"], labels, following


def average(folder):
    """`read_avg_seq_per_sample`, from the file beside the folder."""
    head, tail = os.path.split(os.path.normpath(folder))
    return json.loads(Path(head, f"{tail}_metadata.json").read_text())["avg_seq_per_sample"]


def test_their_program_trains_on_the_files_called_training_and_on_no_other(made):
    files = listed(made / "plain", packed=False)
    assert [os.path.basename(name) for name in files] == [
        "part-00000-of-00002_training.hdf5",
        "part-00001-of-00002_training.hdf5",
    ]
    assert (made / "plain/valid.hdf5").is_file()
    source = RecordSource(files)
    rows = [row for name in files for row in dataset(name, PLAIN.predictions, packed=False)]
    assert len(rows) == len(source) > 20
    ours = source.batch(np.arange(len(source)))
    for number, (ids, segments, mask, labels, following) in enumerate(rows):
        np.testing.assert_array_equal(ids, ours["input_ids"][number])
        np.testing.assert_array_equal(segments, ours["segment_ids"][number])
        np.testing.assert_array_equal(mask, ours["input_mask"][number])
        wanted = ours["masked_lm_weights"][number] > 0
        assert (labels >= 0).sum() == wanted.sum() > 0
        places = ours["masked_lm_positions"][number][wanted]
        np.testing.assert_array_equal(labels[places], ours["masked_lm_ids"][number][wanted])
        assert following.item() == ours["next_sentence_labels"][number]


def test_their_program_and_their_checker_open_every_file_of_a_folder_of_packs(made):
    files = listed(made / "packed", packed=True)
    assert len(files) == 3 and all(name.endswith(".hdf5") for name in files)
    most = PACKED.predictions + PACKED.sequences_per_pack
    rows = [row for name in files for row in dataset(name, most, packed=True)]
    pairs = sum((following >= 0).sum() for *_, following in rows)
    assert pairs == len(RecordSource([str(made / "packed")])) > len(rows)
    assert average(made / "packed") == pytest.approx(pairs / len(rows))
    masked = sum((labels >= 0).sum() for _, _, _, labels, _ in rows)
    source = RecordSource([str(made / "packed")])
    assert masked == source.batch(np.arange(len(source)))["masked_lm_weights"].sum()


def test_our_commands_find_the_hidden_manifest(bertkit, made, texts, tmp_path):
    shutil.copytree(made / "packed", tmp_path / "packed")
    folder = tmp_path / "packed"
    assert read_manifest(folder).hidden and (folder / HIDDEN_FOLDER / "manifest.json").is_file()
    assert verify(str(folder), str(made / "plain"), order="any").same
    run = bertkit("inspect", folder, "--json")
    assert run.result["manifest"]["command"] == "make-records"
    assert run.result["records"]["sequences_per_pack"] > 1
    assert make_records(PACKED, [str(texts)], folder, VOCAB).made == 0
    # A file that was lost is made again, and an unfinished folder is not trained on.
    next(folder.glob("part*.hdf5")).unlink()
    assert make_records(PACKED, [str(texts)], folder, VOCAB).made == 1
    assert verify(str(folder), str(made / "packed")).same
    manifest = read_manifest(folder)
    manifest.state = "incomplete"
    manifest.write(folder)
    run = bertkit("verify", folder, made / "packed")
    assert run.status == 3 and "is incomplete" in run.err


def test_a_folder_of_packs_of_an_older_version_is_read_and_put_right(made, texts, tmp_path):
    folder = tmp_path / "packed"
    shutil.copytree(made / "packed", folder)
    shutil.move(folder / HIDDEN_FOLDER / "manifest.json", folder)
    assert len(listed(folder, packed=True)) == 4
    assert verify(str(folder), str(made / "packed")).same
    assert (
        RecordSource([str(folder)]).fingerprint == RecordSource([str(made / "packed")]).fingerprint
    )
    assert make_records(PACKED, [str(texts)], folder, VOCAB).made == 0
    assert len(listed(folder, packed=True)) == 3
    assert read_manifest(folder).hidden


@pytest.mark.parametrize(("style", "ending"), [("nvidia", "hdf5"), ("hf", "jsonl")])
def test_a_run_that_an_older_version_began_goes_on_with_its_names(texts, tmp_path, style, ending):
    config = replace(PLAIN, style=style)
    folder = tmp_path / "out"
    make_records(config, [str(texts)], folder, VOCAB, workers=1)
    manifest = read_manifest(folder)
    files = {f"{Path(name).stem.removesuffix('_training')}.{ending}": (name, facts)
             for name, facts in manifest.outputs.items()}  # fmt: skip
    for old, (name, _) in files.items():
        (folder / name).rename(folder / old)
    shutil.rmtree(folder / ".bertkit-index", ignore_errors=True)
    manifest.outputs = {old: facts for old, (_, facts) in list(files.items())[:1]}
    manifest.state = "incomplete"
    manifest.write(folder)
    for name in list(files)[1:]:
        (folder / name).unlink()
    assert make_records(config, [str(texts)], folder, VOCAB, workers=1).made == 2
    assert sorted(path.name for path in folder.glob("[!.m]*")) == sorted(files)


def test_one_file_and_held_out_files_are_told(texts, tmp_path, caplog):
    one = str(texts / "part-00000-of-00002.txt")
    make_records(PLAIN, [one], tmp_path / "one", VOCAB, workers=1)
    assert "begins with the second of a folder" in caplog.text
    caplog.clear()
    make_records(PLAIN, [str(texts)], tmp_path / "out", VOCAB, workers=1)
    assert "valid.hdf5: named as held-out text" in caplog.text
    assert "begins with the second" not in caplog.text


def test_the_script_of_hugging_faces_users_and_datasets_load_the_file_by_its_name(
    texts, tmp_path, monkeypatch
):
    """run_bert.py asserts the ending .json, and hands the file to `datasets` under it."""
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "hf"
    made = make_records(replace(PLAIN, style="hf"), [str(texts)], folder, VOCAB, workers=1)
    names = find_record_files([str(folder)])
    assert len(names) == 3
    for name in names:
        extension = name.split(".")[-1]
        assert extension == "json", "`train_file` should be a json file"
    rows = datasets.load_dataset(
        extension, data_files={"train": names}, cache_dir=str(tmp_path / "cache")
    )["train"]
    assert len(rows) == made.records == len(RecordSource([str(folder)]))
    assert sorted(rows.column_names) == [
        "attention_mask", "input_ids", "labels", "next_sentence_label", "token_type_ids",
    ]  # fmt: skip
    (folder / "other.json").write_text('{"input_ids": "not a record"}\n')
    (folder / "broken.json").write_text("{")
    assert find_record_files([str(folder)]) == names
    assert isinstance(read_manifest(folder), Manifest)


@pytest.mark.slow
def test_hugging_faces_trainer_takes_a_step_on_the_records(texts, tmp_path):
    """With the collator of run_bert.py: it pads; labels outside of predictions are -100."""
    import torch
    import transformers

    datasets = pytest.importorskip("datasets")
    pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate")
    folder = tmp_path / "hf"
    make_records(replace(PLAIN, style="hf"), [str(texts)], folder, VOCAB, workers=1)
    rows = datasets.load_dataset(
        "json", data_files=find_record_files([str(folder)]), cache_dir=str(tmp_path / "cache")
    )["train"]

    def collate(batch):
        length = max(len(row["input_ids"]) for row in batch)
        padding = {"input_ids": 0, "attention_mask": 0, "token_type_ids": 0, "labels": -100}
        padded = {
            key: torch.tensor([row[key] + [fill] * (length - len(row[key])) for row in batch])
            for key, fill in padding.items()
        }
        following = torch.tensor([row["next_sentence_label"] for row in batch])
        return {**padded, "next_sentence_label": following}

    shape = transformers.BertConfig(
        vocab_size=8192, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=8, use_cpu=True,
        remove_unused_columns=False, label_names=["labels", "next_sentence_label"],
        report_to=[], save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=transformers.BertForPreTraining(shape), args=arguments, train_dataset=rows,
        data_collator=collate,
    )  # fmt: skip
    assert 8 < trainer.train().training_loss < 11  # near ln(8192) + ln(2)
