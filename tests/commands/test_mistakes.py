"""Mistakes that people make: each gets its exit status, one error line and the right hint.

The `bertkit` fixture also checks that hints name flags that the command has.
"""

from __future__ import annotations

import json
import shlex
import shutil

import pytest
import torch

from bertkit.tokenization.vocabulary import find_vocab
from commands.conftest import TINY_MODEL

SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": "Ada wrote it.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "Who wrote it?",
                            "answers": [{"text": "Ada", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
    ],
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.fixture(scope="session")
def world(trained):
    """A folder as a user has it: text, vocabulary, records, a run, questions, a SQuAD model."""
    from bertkit.model.checkpoints.hf import save_pretrained
    from bertkit.model.config import BertConfig
    from bertkit.model.heads import BertForQuestionAnswering

    folder = trained.folder
    (folder / "texts").mkdir()
    (folder / "texts/a.txt").write_text("The whale dives.\nIt breathes.\n\nThe ship sails.\n" * 9)
    (folder / "wrapped.txt").write_text(
        "The whale dives deep and\ncomes up again to\nbreathe.\n" * 9
    )
    shutil.copy(find_vocab("bertkit-uncased-8k"), folder / "vocab.txt")
    (folder / "squad.json").write_text(json.dumps(SQUAD))
    (folder / "table.csv").write_text("review,stars\nfine,1\nbad,0\n")
    (folder / "picture.png").write_bytes(PNG)
    (folder / "full").mkdir()
    (folder / "full/notes.txt").write_text("mine\n")
    (folder / "words.yaml").write_text("just words\n")
    (folder / "typo.yaml").write_text("learning_rat: 1\n")
    (folder / "empty").mkdir()
    # Of other programs, damaged, or nothing that anybody knows.
    for name in (
        "noise.bin",
        "noise.hdf5",
        "noise.safetensors",
        "noise.tfrecord",
        "noise.pt",
        "noise.mdl",
    ):
        (folder / name).write_bytes(bytes(range(256)) * 5)
    (folder / "broken.pt").write_bytes(b"PK\x03\x04" + bytes(range(99)))
    weights = (folder / "run/step-0000060/model.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(weights[: len(weights) // 2])
    torch.save({"state_dict": {"conv.weight": torch.zeros(3, 3)}}, folder / "other.pt")
    (folder / "vision").mkdir()
    torch.save({"conv.weight": torch.zeros(3, 3)}, folder / "vision/pytorch_model.bin")
    shutil.copy(folder / "run/step-0000060/config.json", folder / "vision/config.json")
    (folder / "line.json").write_text('{"a": 1}\n')
    torch.manual_seed(0)
    sizes = dict(word.removeprefix("model.").split("=") for word in TINY_MODEL[1::2])
    shape = BertConfig(**{key: int(value) for key, value in sizes.items()})
    save_pretrained(BertForQuestionAnswering(shape), folder / "answers")
    return folder


TRAIN = "pretrain --backend cpu --max-steps 1 --input train.tfrecord --output new"
SQUAD_RUN = "finetune-squad --backend cpu --output new"
# command line (run in that folder), exit status, what the error says, what the hint or error adds
MISTAKES = [
    # words that are not there
    ("extract --inputt texts --output new", 2, "No such option '--inputt'", "--input"),
    ("extract --input texts", 2, "Missing option '--output'", ""),
    ("make-records --input texts --output new", 2, "Missing option '--vocab'", ""),
    ("pretrain --preset tny --input train.tfrecord", 2, "'tny' is not one of", "tiny"),
    ("pretrain --preset squad-base --input train.tfrecord", 2, "'squad-base' is not one", "tiny"),
    ("finetune-squad --preset tiny", 2, "'tiny' is not one of", "squad-base"),
    ("extract --form paquet --input texts --output new", 2, "'paquet' is not one of", "parquet"),
    (f"{TRAIN} --learning-rate fast", 2, "'fast' is not a valid float", "--learning-rate"),
    (f"{TRAIN} --set learning_rat=1", 2, "learning_rat: unknown setting", "did you mean"),
    (f"{TRAIN} --config typo.yaml", 3, "learning_rat: unknown", "did you mean"),
    ("pretrain tiny --input train.tfrecord", 2, "unexpected extra argument (tiny)", ""),
    ("clean --input texts --drop exakt --output new", 3, "'exakt': choose among exact", ""),
    ("eval --vocab x.txt --checkpoint run --input eval.tfrecord", 3, "no vocabulary x.txt", "give"),
    # what is needed beside
    ("pretrain --preset tiny", 3, "--input is required (or --text); --output is required", ""),
    ("pretrain --text texts --output new", 3, "--text needs --vocab", ""),
    ("pretrain --text texts --input train.tfrecord --output new", 3, "exclude each other", ""),
    ("clean --input texts --drop exact", 2, "--drop needs --output", ""),
    ("split --method lists --input texts --output new", 2, "needs --metadata", "example"),
    ("verify train.tfrecord", 2, "give two record sets", "bertkit verify A B"),
    ("predict --init-checkpoint answers --question who", 2, "must be given together", ""),
    (f"{SQUAD_RUN} --train-file squad.json", 3, "needs --init-checkpoint", ""),
    (f"{SQUAD_RUN} --init-checkpoint run", 3, "nothing to do", "--train-file"),
    ("convert run/step-0000060", 2, "--output is missing", "--check"),
    ("extract --executor dask --input texts --output new", 2, "given together", "tcp://"),
    # nothing is there
    ("extract --input text --output new", 3, "no such file: text", "did you mean texts"),
    ("extract --input no/such --output new", 3, "no such file", "there is no folder no"),
    ("extract --input 'texts/*.json' --output new", 3, "no such file", "texts has a.txt"),
    ("extract --input empty --output new", 3, "no files in folder empty", ""),
    ("make-records --input texts --vocab vocab.tx --output new", 3, "no vocabulary vocab.tx", "8k"),
    ("make-records --input wrapped.txt --vocab texts --output new", 3, "no vocabulary in", ""),
    (f"{TRAIN} --config nothing.yaml", 3, "cannot read nothing.yaml", "check the path"),
    (f"{TRAIN} --init-checkpoint runn", 3, "no such checkpoint: runn", "did you mean run"),
    ("eval --backend cpu --input eval.tfrecord --checkpoint ru", 3, "no such checkpoint", "run"),
    (f"{SQUAD_RUN} --init-checkpoint run --train-file squadd.json", 3, "cannot read", "squad.json"),
    ("predict --init-checkpoint answers --question q --passage @no.txt", 3, "cannot read", "check"),
    ("inspect nothing-like-it", 3, "no such file", "check the path"),
    ("report nothing", 3, "nothing", ""),
    ("compare nothing", 3, "nothing", ""),
    ("convert nothing --check", 3, "no checkpoint at nothing", "bertkit reads"),
    # the wrong thing in the right place
    ("make-records --input vocab.txt --vocab texts/a.txt --output new",
     3, "not a vocabulary", "swapped"),
    ("make-records --input vocab.txt --vocab vocab.txt --output new",
     3, "is a vocabulary, not text", "extract"),
    ("make-records --input squad.json --vocab vocab.txt --output new",
     3, "questions, not text", "finetune-squad"),
    ("make-records --input train.tfrecord --vocab vocab.txt --output new",
     3, "TFRecord file, not text", "inspect"),
    ("split --input train.tfrecord --output new", 3, "TFRecord file, not text", "inspect"),
    ("train-vocab --input train.tfrecord --output new.txt", 3, "TFRecord file", "inspect"),
    ("extract --workers 1 --input vocab.txt --output new",
     3, "looks like a WordPiece vocabulary", "--form text"),
    ("extract --input picture.png --output new", 3, "a PNG image", "--form text"),
    ("pick-eval --input texts --output new", 3, "holds text, not record files", "make-records"),
    ("pack-records --input texts --output new", 3, "holds text, not record files", "make-records"),
    ("inspect picture.png", 3, "is a PNG image, not record files", "make-records"),
    ("verify train.tfrecord texts/a.txt", 3, "holds text, not record files", "make-records"),
    ("pretrain --backend cpu --input texts --output new",
     3, "holds text, not record files", "make-records"),
    ("pretrain --backend cpu --input vocab.txt --output new",
     3, "is a vocabulary, not record", "make-records"),
    ("pretrain --backend cpu --text train.tfrecord --vocab vocab.txt --output new",
     3, "not text", "inspect"),
    (f"{TRAIN} --vocab texts/a.txt", 3, "holds text, not a vocabulary", "train-vocab"),
    (f"{TRAIN} --config vocab.txt", 3, "is a vocabulary, not settings", "YAML"),
    (f"{TRAIN} --config words.yaml", 3, "key: value", ""),
    (f"{TRAIN} --init-checkpoint train.tfrecord", 3, "TFRecord file, not a checkpoint", "pretrain"),
    ("eval --backend cpu --input eval.tfrecord --checkpoint answers",
     3, "for question answering", "predict"),
    ("eval --backend cpu --input eval.tfrecord --checkpoint texts",
     3, "text, not a checkpoint", "step-*"),
    ("eval --backend cpu --input texts --checkpoint run",
     3, "holds text, not record", "make-records"),
    ("predict --backend cpu --init-checkpoint run --text me",
     3, "not fine-tuned", "bertkit finetune"),
    (f"{SQUAD_RUN} --init-checkpoint run --vocab vocab.txt --train-file texts/a.txt",
     3, "holds text, not a SQuAD", "JSON"),
    (f"{SQUAD_RUN} --init-checkpoint run --vocab vocab.txt --train-file table.csv",
     3, "not a SQuAD", "bertkit finetune"),
    ("verify run train.tfrecord", 3, "run holds a training run, not record", "make-records"),
    ("eval --backend cpu --input run --checkpoint run", 3, "a training run, not record", "make-re"),
    ("verify empty train.tfrecord", 3, "no files ending in .tfrecord", "make-records"),
    ("inspect noise.bin", 3, "is no record file: it begins neither", "something else"),
    ("verify noise.hdf5 train.tfrecord", 3, "is no record file: it begins neither", "damaged"),
    ("inspect noise.tfrecord", 3, "record 0 at byte 0: wrong checksum of its length", "again"),
    ("inspect line.json", 3, "line.json:1: not a record: it has no 'input_ids'", "keys"),
    ("inspect vision", 3, "holds no tensor of a BERT encoder, but conv.weight", "another kind"),
    ("inspect other.pt", 3, "has no `model` dictionary of tensors", "pytorch_model.bin"),
    ("inspect run/step-0000060/state.json", 3, "is a file of a checkpoint", "run/step-0000060"),
    ("inspect run/step-0000060/optimizer.pt", 3, "is a file of a checkpoint", "run/step-0000060"),
    ("inspect cut.safetensors", 3, "not a complete safetensors file", "again"),
    ("convert noise.safetensors --output new", 3, "not a complete safetensors file", "again"),
    ("convert noise.pt --output new", 3, "not a file of plain tensors", "is it damaged"),
    ("convert noise.mdl --output new", 3, "not a complete HDF5 checkpoint", "again"),
    ("convert broken.pt --output new", 3, "not a whole file: PytorchStreamReader", "again"),
    ("report run/step-0000060", 3, "is not a run: it has no metrics.jsonl", "it is part of run"),
    (f"{SQUAD_RUN} --init-checkpoint run --vocab vocab.txt --train-file empty",
     3, "empty is a folder, but no data set of `save_to_disk`", "one of its files"),
    # values that cannot be
    ("train-vocab --input texts --output new.txt --size 5", 2, "5 is not in the range", "--size"),
    ("split --input texts --output new --valid 2", 2, "2.0 is above", "--valid"),
    ("make-records --input texts --vocab vocab.txt --output new --msl 3", 2, "3 is below", "8"),
    ("make-records --input texts --vocab bertkit-uncased-8k --output new --cased",
     3, "--cased contradicts", "leave the flag"),
    (f"{TRAIN} --gbs 10 --micro-batch-size 4", 3, "10 is not a multiple", "--micro-batch-size 4"),
    # this machine
    (f"{TRAIN} --backend gpu", 2, "'gpu' is not one of", "cuda"),
    (f"{TRAIN} --backend hpu", 4, "no backend hpu here", "install"),
    (f"{TRAIN} --backend tpu", 2, "TPUs", "cuda"),
    # what is there already
    ("train-vocab --input texts --output vocab.txt --size 60",
     2, "vocab.txt exists", "--overwrite"),
    ("split --input texts --output texts", 2, "input and output at once", "another folder"),
    ("extract --input texts --output full", 3, "full", ""),
    ("make-records --input texts --vocab vocab.txt --output vocab.txt",
     1, "this is a file", "another path"),
    ("pretrain --preset tiny --backend cpu --input train.tfrecord --output run",
     3, "other", "--init-checkpoint"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "status", "message", "hint"), MISTAKES)
def test_mistakes(bertkit, world, monkeypatch, line, status, message, hint):
    monkeypatch.chdir(world)
    shutil.rmtree("new", ignore_errors=True)
    before = sorted(path.name for path in world.iterdir())
    done = bertkit(*shlex.split(line))
    assert done.status == status, done.err
    errors = [row for row in done.err.splitlines() if row.startswith("Error")]
    assert len(errors) == 1 and message in errors[0], done.err
    assert "Traceback" not in done.err + done.out and not done.out
    said = done.err[done.err.index("Error:") :]
    assert hint in said, done.err
    # Usage, the error, at most one hint: nothing after it.
    assert len(said.splitlines()) <= 2 and all(len(row) < 400 for row in said.splitlines())
    assert sorted(path.name for path in world.iterdir() if path.name != "new") == before
