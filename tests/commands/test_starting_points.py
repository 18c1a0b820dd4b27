"""Every command takes shape and vocabulary from the checkpoint it starts from, or refuses it."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import synthetic
import torch
import transformers
from safetensors.torch import load_file, save_file
from storage.test_files import LFS_POINTER
from tasks.squad.world import PEOPLE, RIVERS, WORDS, squad

from bertkit.model.config import BertConfig
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.tokenization.vocabulary import save_vocab

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, *WORDS.split()]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 48,
}


def model_of_transformers(place, kind="BertForPreTraining", rows=synthetic.VOCAB, tokens=None):
    """Save a model and its tokenizer as transformers does; no vocab.txt, as since version 5."""
    torch.manual_seed(1)
    config = transformers.BertConfig(vocab_size=rows, **SIZES)
    getattr(transformers, kind)(config).save_pretrained(place)
    tokens = tokens or [*SPECIAL, *(f"t{i}" for i in range(rows - len(SPECIAL)))]
    save_vocab(place / "words", tokens)
    transformers.BertTokenizerFast(str(place / "words")).save_pretrained(place)
    for name in ("words", "vocab.txt"):
        (place / name).unlink(missing_ok=True)
    return place


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Records, questions, and models of transformers for both."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "squad.json").write_text(json.dumps(squad(RIVERS, PEOPLE)))
    return SimpleNamespace(
        records=synthetic.write(folder / "r.tfrecord", 20, seed=1),
        questions=folder / "squad.json",
        start=model_of_transformers(folder / "start"),
        words=model_of_transformers(folder / "words", rows=len(TOKENS), tokens=TOKENS),
        reader=model_of_transformers(
            folder / "reader", "BertForQuestionAnswering", rows=len(TOKENS), tokens=TOKENS
        ),
    )


def pretrain(world, output, *more, records=None):
    records = records or world.records
    steps = ("--max-steps", 1, "--gbs", 4, "--backend", "cpu", "--save-every", 0, "--json")
    return ("pretrain", "--input", records, "--output", output, *steps, *more)


def finetune(world, output, *more):
    files = ("--train-file", world.questions, "--output", output)
    lengths = ("--msl", 40, "--doc-stride", 16, "--max-query-length", 12, "--gbs", 5)
    return ("finetune-squad", *files, *lengths, "--max-steps", 1, "--backend", "cpu", *more)


def test_the_whole_chain_needs_no_size_and_no_vocabulary(bertkit, world, tmp_path):
    done = bertkit(*pretrain(world, tmp_path / "run", "--init-checkpoint", world.start))
    assert done.status == 0, done.err
    step = tmp_path / "run" / "step-0000001"
    shape = BertConfig.from_file(world.start)
    assert BertConfig.from_file(step) == shape and shape.hidden_size == 16
    assert (step / "vocab.txt").read_text().split() == [
        *SPECIAL,
        *(f"t{i}" for i in range(synthetic.VOCAB - 5)),
    ]
    # The second phase, from the run; and an evaluation.
    done = bertkit(*pretrain(world, tmp_path / "two", "--init-checkpoint", tmp_path / "run"))
    assert done.status == 0, done.err
    done = bertkit("eval", "--input", world.records, "--checkpoint", world.start, "--json")
    assert done.status == 0, done.err
    done = bertkit(*finetune(world, tmp_path / "qa", "--init-checkpoint", world.words))
    assert done.status == 0, done.err
    asked = ("--question", "Who wrote?", "--passage", "Anna wrote a poem.", "--backend", "cpu")
    done = bertkit("predict", "--init-checkpoint", world.reader, "--msl", 40, *asked)
    # 64 tokens of a question leave no room in 40: said as ever.
    assert done.status == 3 and "--max-query-length" in done.err
    lengths = ("--msl", 40, "--max-query-length", 12)
    done = bertkit("predict", "--init-checkpoint", world.reader, *lengths, *asked)
    assert done.status == 0, done.err


def test_sizes_that_the_user_gave_must_be_those_of_the_checkpoint(bertkit, world, tmp_path):
    start = ("--init-checkpoint", world.start)
    done = bertkit(*pretrain(world, tmp_path / "x", *start, "--preset", "tiny"))
    assert done.status == 3
    assert "has another shape than the settings of preset tiny" in done.err
    assert "hidden_size 16, given 128; num_hidden_layers 1, given 2" in done.err
    done = bertkit(*pretrain(world, tmp_path / "x", *start, "--set", "model.hidden_size=24"))
    assert done.status == 3 and "the settings of --set: hidden_size 16, given 24" in done.err
    given = tmp_path / "shape.json"
    BertConfig(**{**vars(BertConfig.from_file(world.start)), "num_attention_heads": 2}).to_file(
        given
    )
    words = ("--model-config", given)
    for command in (
        pretrain(world, tmp_path / "x", *start, *words),
        ("eval", "--input", world.records, "--checkpoint", world.start, *words),
        finetune(world, tmp_path / "x", "--init-checkpoint", world.words, *words),
        ("predict", "--init-checkpoint", world.reader, *words, "--question", "a", "--passage", "b"),
    ):
        done = bertkit(*command)
        assert done.status == 3
        assert "num_attention_heads 4, given 2" in done.err, command
    assert not (tmp_path / "x").exists()


def test_configuration_and_vocabulary_can_be_given_where_they_are_missing(bertkit, world, tmp_path):
    save_file(load_file(world.words / "model.safetensors"), tmp_path / "bare.safetensors")
    bare = tmp_path / "bare.safetensors"
    for command in (
        ("eval", "--input", world.records, "--checkpoint", bare),
        finetune(world, tmp_path / "x", "--init-checkpoint", bare),
    ):
        done = bertkit(*command)
        assert done.status == 3 and "give --model-config FILE" in done.err
    config = ("--model-config", world.words / "config.json")
    done = bertkit(*finetune(world, tmp_path / "x", "--init-checkpoint", bare, *config))
    assert done.status == 3 and "give --vocab, the vocabulary of the checkpoint" in done.err
    for vocab in (world.words, world.words / "tokenizer.json"):
        words = ("--init-checkpoint", bare, *config, "--vocab", vocab, "--overwrite")
        done = bertkit(*finetune(world, tmp_path / "x", *words))
        assert done.status == 0, done.err
    save_file(load_file(world.start / "model.safetensors"), bare)
    more = ("--model-config", world.start / "config.json", "--vocab", world.start)
    done = bertkit("eval", "--input", world.records, "--checkpoint", bare, *more)
    assert done.status == 0, done.err


def test_make_records_and_inspect_read_the_folder_of_a_model(bertkit, world, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the castle was built .\nthe queen of london .\n\nanna wrote .\na poem .\n")
    for number, vocab in enumerate((world.words, world.words / "tokenizer.json")):
        words = ("--vocab", vocab, "--msl", 16, "--output", tmp_path / f"r{number}")
        done = bertkit("make-records", "--input", text, *words)
        assert done.status == 0, done.err
    done = bertkit("inspect", tmp_path / "r0", "--vocab", world.words)
    assert done.status == 0 and "castle" in done.out


def test_padding_rows_are_padding_and_words_are_words(bertkit, world, tmp_path):
    """The loss of a model with padding rows is that without; real words are refused."""
    losses = []
    start = ("--init-checkpoint", world.start)
    for rows in (64, 128):
        size = ("--set", f"model.vocab_size={rows}")
        done = bertkit(*pretrain(world, tmp_path / f"rows{rows}", *start, *size))
        assert done.status == 0, done.err
        losses.append(done.result["train"]["mlm_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] < 10
    step = tmp_path / "rows128" / "step-0000001"
    model = transformers.BertForMaskedLM.from_pretrained(step).eval()
    with torch.no_grad():
        logits = model(torch.randint(0, 64, (3, 20))).logits
    assert logits.shape[-1] == 128 and int(logits.argmax(-1).max()) < 64
    # And back: the padding is cut off again.
    cut = ("--init-checkpoint", step, "--set", "model.vocab_size=64")
    done = bertkit(*pretrain(world, tmp_path / "cut", *cut))
    assert done.status == 0, done.err
    assert BertConfig.from_file(tmp_path / "cut" / "step-0000001").vocab_size == 64
    # Records of a token that is padding, though no file says what their vocabulary is.
    record = synthetic.record(np.random.default_rng(0), 24, 4)
    record["masked_lm_ids"][0] = 70
    write_records(tmp_path / "new.tfrecord", [encode_example(record)] * 8)
    size = ("--set", "model.vocab_size=128")
    done = bertkit(
        *pretrain(world, tmp_path / "n", *start, *size, records=tmp_path / "new.tfrecord")
    )
    assert done.status == 3 and "token number 70, the model's vocabulary has 64" in done.err
    # A vocabulary with new words.
    save_vocab(tmp_path / "more.txt", [*(f"t{i}" for i in range(70)), *SPECIAL])
    done = bertkit(
        *pretrain(world, tmp_path / "n", *start, *size, "--vocab", tmp_path / "more.txt")
    )
    assert done.status == 3 and "11 new (token 't64', 't65'" in done.err
    done = bertkit(*pretrain(world, tmp_path / "n", *start, "--set", "model.vocab_size=100"))
    assert done.status == 3 and "model.vocab_size is 100" in done.err


# model_type → as messages call it; and how the tensors alone show it, where that is less.
KINDS = {
    "modernbert": ("ModernBERT (model_type modernbert)", ""),
    "roberta": ("RoBERTa (model_type roberta)", ""),
    "distilbert": ("DistilBERT (model_type distilbert)", ""),
    "electra": ("ELECTRA (model_type electra)", ""),
    "deberta": ("DeBERTa (model_type deberta)", ""),
    "albert": ("ALBERT (model_type albert)", ""),
    "xlm-roberta": ("XLM-RoBERTa (model_type xlm-roberta)", "RoBERTa (model_type roberta)"),
}


def another_model(place, kind, head="MaskedLM"):
    """Save a model that is not BERT as transformers does, with a vocabulary of BERT's form."""
    sizes = {"vocab_size": 64, "hidden_size": 16, "num_attention_heads": 2, "pad_token_id": 0}
    sizes |= {"num_hidden_layers": 1, "intermediate_size": 16, "bos_token_id": 1}
    sizes |= {"eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2, "n_layers": 1, "dim": 16}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    kind_of_model = getattr(transformers, f"AutoModelFor{head}")
    kind_of_model.from_config(config).save_pretrained(place)
    save_vocab(place / "vocab.txt", TOKENS)
    return place


def label(world, tmp_path, output, *more):
    (tmp_path / "texts.csv").write_text("text,label\nthe castle,a\nthe queen,b\n")
    words = ("finetune", "--task", "classify", "--train-file", tmp_path / "texts.csv")
    return (*words, "--output", output, "--max-steps", 1, "--gbs", 2, "--msl", 16, *more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", [True, False])
def test_one_answer_to_models_that_are_not_bert(bertkit, world, tmp_path, kind, told):
    place = another_model(tmp_path / "model", kind)
    title, shown = KINDS[kind]
    shape = ("--model-config", world.words / "config.json")
    if not told:  # the tensors tell
        (place / "config.json").unlink()
        title = shown or title
    more = () if told else shape
    start = ("--init-checkpoint", place, *more)
    for command in (
        ("convert", place, "--check"),
        ("convert", place, "--output", tmp_path / "x"),
        ("inspect", place),
        pretrain(world, tmp_path / "x", *start),
        ("eval", "--input", world.records, "--checkpoint", place, *more),
        finetune(world, tmp_path / "x", *start),
        label(world, tmp_path, tmp_path / "x", *start),
        ("predict", *start, "--question", "a", "--passage", "b"),
    ):
        done = bertkit(*command)
        assert done.status == 3, (command, done.err)
        assert f"the model is {title}, not BERT" in done.err, (command, done.err)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_or_a_configuration_of_another_model_is_named(bertkit, world, tmp_path, kind):
    place = another_model(tmp_path / "model", kind, "SequenceClassification")
    config = place / "config.json"
    for command in (
        ("predict", "--init-checkpoint", place, "--text", "the castle"),
        ("inspect", config),
        pretrain(world, tmp_path / "x", "--model-config", config),
        pretrain(world, tmp_path / "x", "--config", config),
    ):
        done = bertkit(*command)
        assert done.status == 3, (command, done.err)
        assert f"the model is {KINDS[kind][0]}, not BERT" in done.err, (command, done.err)
        assert done.err.count("Error:") == 1
    assert not (tmp_path / "x").exists()


def test_tensors_of_no_known_model_ask_for_no_configuration(bertkit, world, tmp_path):
    """They were said to lack a configuration only."""
    save_file({"net.0.weight": torch.zeros(4, 4)}, tmp_path / "model.safetensors")
    bare = tmp_path / "model.safetensors"
    for command in (
        ("inspect", bare),
        ("convert", bare, "--output", tmp_path / "x"),
        pretrain(world, tmp_path / "x", "--init-checkpoint", bare),
        ("eval", "--input", world.records, "--checkpoint", bare),
        finetune(world, tmp_path / "x", "--init-checkpoint", bare),
    ):
        done = bertkit(*command)
        assert done.status == 3, (command, done.err)
        assert "holds no tensor of a BERT encoder, but net.0.weight" in done.err, command
    assert not (tmp_path / "x").exists()


def test_a_pointer_is_named_by_every_command(bertkit, world, tmp_path):
    shutil.copytree(world.words, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(LFS_POINTER)
    place = tmp_path / "model"
    for command in (
        ("convert", place, "--check"),
        pretrain(world, tmp_path / "x", "--init-checkpoint", place, "--dry-run"),
        ("eval", "--input", world.records, "--checkpoint", place),
        finetune(world, tmp_path / "x", "--init-checkpoint", place, "--dry-run"),
    ):
        done = bertkit(*command)
        assert done.status == 3 and "model.safetensors: a Git LFS pointer" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("--init-checkpoint", "/nope/x"),
        ("--eval-input", "/nope/x"),
        ("--resume", "/nope/x"),
        ("--vocab", "/nope/x"),
        ("--input", "/nope/x"),
        ("--config", "/nope/x"),
        ("--model-config", "/nope/x"),
    ],
)
def test_a_dry_run_of_pretrain_opens_what_the_run_opens(bertkit, world, tmp_path, words):
    done = bertkit(*pretrain(world, tmp_path / "x", *words, "--dry-run"))
    assert done.status == 3 and "/nope/x" in done.err, done.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("flag", ["init-checkpoint", "vocab", "resume", "predict-file", "config"])
def test_a_dry_run_of_finetune_squad_opens_what_the_run_opens(bertkit, world, tmp_path, flag):
    words = finetune(world, tmp_path / "x", "--init-checkpoint", world.words, "--dry-run")
    done = bertkit(*words)
    assert done.status == 0, done.err
    done = bertkit(*words, f"--{flag}", "/nope/x")
    assert done.status == 3 and "/nope/x" in done.err, done.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("command", ["extract", "split", "make-records"])
def test_a_dry_run_of_preparing_data_opens_its_input(bertkit, tmp_path, command):
    text = tmp_path / "a.txt"
    text.write_text("a b\nc d\n")
    vocab = ("--vocab", "bertkit-uncased-8k") if command == "make-records" else ()
    words = (command, "--output", tmp_path / "x", "--dry-run")
    assert bertkit(*words, "--input", text, *vocab).status == 0
    cases = [("--input", "/nope/x", *vocab), ("--input", text, "--config", "/nope/x", *vocab)]
    if command == "make-records":
        cases.append(("--input", text, "--vocab", "/nope/x"))
    if command == "split":
        lists = ("--metadata", "/nope/x/train.txt", "--metadata", "/nope/x/val.txt")
        cases.append(("--method", "lists", *lists))
    for case in cases:
        done = bertkit(*words, *case)
        assert done.status == 3 and "/nope/x" in done.err, (case, done.err)


def test_a_dry_run_tells_of_weights_and_runs_that_do_not_fit(bertkit, world, tmp_path):
    done = bertkit(*pretrain(world, tmp_path / "run", "--init-checkpoint", world.start))
    assert done.status == 0, done.err
    again = pretrain(world, tmp_path / "run", "--init-checkpoint", world.start, "--dry-run")
    assert bertkit(*again).status == 0
    done = bertkit(*again, "--lr", "0.5")
    assert done.status == 3 and "learning_rate 0.0001, now 0.5" in done.err
    assert bertkit(*again, "--lr", "0.5", "--overwrite").status == 0
    tensors = load_file(world.start / "model.safetensors")
    shutil.copytree(world.start, tmp_path / "half")
    del tensors["bert.embeddings.LayerNorm.weight"]
    save_file(tensors, tmp_path / "half" / "model.safetensors")
    done = bertkit(
        *pretrain(world, tmp_path / "x", "--init-checkpoint", tmp_path / "half", "--dry-run")
    )
    assert done.status == 3 and "1 tensors are missing: bert.embeddings.LayerNorm.w" in done.err


def test_a_presets_micro_batch_yields_to_the_global_batch(bertkit, world, tmp_path):
    words = ("pretrain", "--preset", "tiny", "--input", world.records, "--output", tmp_path / "x")
    for size, micro in ((16, 16), (48, 24), (96, 32), (7, 7)):
        done = bertkit(*words, "--gbs", size, "--dry-run", "--no-mock", "--backend", "cpu")
        assert done.status == 0, done.err
        row = next(line for line in done.out.splitlines() if "micro_batch_size" in line)
        assert row.split()[1] == str(micro), row
    # What the user gave himself does not yield.
    done = bertkit(*words, "--gbs", 16, "--micro-batch-size", 32, "--dry-run")
    assert done.status == 3 and "16 is not a multiple of --micro-batch-size 32" in done.err
    launch = ("launch", "torchrun", "--backend", "cuda", "--devices", 8, "--", *words)
    assert bertkit(*launch, "--gbs", 64).status == 0
    done = bertkit(*launch, "--gbs", 60)
    assert done.status == 3 and "60 is not a multiple of 8 devices" in done.err


def test_the_preset_of_phase_2_warns_where_it_is_used_as_phase_1(bertkit, world, tmp_path):
    words = ("--dry-run", "--no-mock", "--preset", "base-phase2", "--gbs", 4)
    sizes = [word for name in SIZES for word in ("--set", f"model.{name}={SIZES[name]}")]
    done = bertkit(*pretrain(world, tmp_path / "x", *words, *sizes))
    assert done.status == 0, done.err
    assert "without --init-checkpoint this run starts from random weights" in done.err
    assert "is for records of 512 tokens, these have 24" in done.err
    done = bertkit(*pretrain(world, tmp_path / "x", *words, "--init-checkpoint", world.start))
    assert done.status == 0, done.err
    assert "random weights" not in done.err
