"""docs/coming-from.md walked line by line: the commands of every row of its tables are run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from docs.coming_from_walks import WALKS
from docs.coming_from_words import NOTHING, SHAPE, STEP, TF1, TINY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coming-from.md"
SENTENCES = (
    "The river runs through the old town and into the sea .",
    "A king built the stone bridge four hundred years ago .",
    "Children still learn its name in their first year at school .",
    "In winter the water is high and nobody crosses after dark .",
)
CONTEXT = "The king built the stone bridge in Paris. The river runs through the town."


def rows() -> list[tuple[str, str]]:
    """(heading, left cell) of every row of the tables of the page."""
    found, heading = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith("| there |"):
            found.append((heading, re.split(r"(?<!\\)\|", line)[1].strip()))
    return found


def walk_of(heading: str, cell: str) -> str:
    """The longest beginning of a left cell that a walk is filed under, or what is missing."""
    fitting = [key for key in WALKS.get(heading, {}) if cell.startswith(key)]
    return max(fitting, key=len, default=f"no walk for the row {cell}")


def test_every_row_has_a_walk_and_every_walk_a_row():
    walked = {(heading, walk_of(heading, cell)) for heading, cell in rows()}
    assert len(walked) == len(rows()), "two rows share a walk"
    assert walked == {(heading, key) for heading, table in WALKS.items() for key in table}


def write_texts(place: Path) -> None:
    """Sentence files, raw documents, the articles of MLPerf's chain and a question."""
    for folder in ("text", "raw", "suffixless", "parts"):
        (place / folder).mkdir()
    documents = ["\n".join(SENTENCES[i:] + SENTENCES[:i]) + "\n" for i in range(4)]
    (place / "text" / "a.txt").write_text("\n".join(documents * 3))
    for number in range(6):
        (place / "raw" / f"{number}.txt").write_text(" ".join(SENTENCES) + f" Number {number} .\n")
    (place / "parts" / "part-00000-of-00500").write_text("\n".join(documents))
    answer = {"text": "the stone bridge", "answer_start": CONTEXT.index("the stone bridge")}
    entry = {"id": "q", "question": "What was built?", "answers": [answer]}
    data = [{"title": "T", "paragraphs": [{"context": CONTEXT, "qas": [entry]}]}]
    (place / "squad.json").write_text(json.dumps({"version": "1.1", "data": data}))


def write_examples(place: Path) -> None:
    """GLUE's files, tagged words and stories for fine-tuning, and files that ask for it."""
    pair = f"{SENTENCES[0]}\t{SENTENCES[1]}"
    glue = {
        "SST-2": ("sentence\tlabel", [f"{SENTENCES[0]}\t1", f"{SENTENCES[1]}\t0"]),
        "MRPC": (
            "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
            [f"{n % 2}\t1\t2\t{pair}" for n in range(30)],
        ),
        "STS-B": ("sentence1\tsentence2\tscore", [f"{pair}\t{n / 10}" for n in range(30)]),
        "MNLI": (
            "sentence1\tsentence2\tgold_label",
            [f"{pair}\t{label}" for label in ("entailment", "neutral", "contradiction")],
        ),
    }
    for task, (head, lines) in glue.items():
        folder = place / "glue" / task
        folder.mkdir(parents=True)
        names = ["dev_matched.tsv", "dev_mismatched.tsv"] if task == "MNLI" else ["dev.tsv"]
        for name in ["train.tsv", *names]:
            (folder / name).write_text("\n".join([head, *lines * 8]) + "\n")
    words = "".join(f"{word} O\n" for word in SENTENCES[1].split())
    (place / "train.conll").write_text(f"King B-Chemical\n{words}\n" * 8)
    (place / "stories").mkdir()
    story = "\n\n".join([*SENTENCES, "@highlight", SENTENCES[1], "@highlight", SENTENCES[3]])
    for number in range(12):
        (place / "stories" / f"{number}.story").write_text(story)
    (place / "bertsum.yaml").write_text(
        "train_input: {data_dir: tfrecords/, data_processor: BertSumTfRecordsProcessor,\n"
        "  vocab_file: v.txt, max_sequence_length: 512, max_cls_tokens: 50, batch_size: 10}\n"
        "model: {mixed_precision: true, loss_weight: 0.0625, tf_summary: false}\n"
        "optimizer: {optimizer_type: adam, learning_rate:\n"
        "  [{steps: 9, scheduler: Linear, initial_learning_rate: 0, end_learning_rate: 4.e-5}]}\n"
        "runconfig: {max_steps: 40, save_checkpoints_steps: 10}\n"
    )
    (place / "linformer.yaml").write_text(
        "train_input: {data_processor: BertCSVDataProcessor, batch_size: 4}\n"
        "model: {attention_style: linformer-shared-heads}\n"
    )


def write_openwebtext(shared: Path, place: Path) -> Path:
    """OpenWebText's miniature, unpacked, and a list of three of its documents."""
    owt = place / "owt"
    shutil.copytree(shared / "data/owt/mini/metadata", owt / "metadata")
    with tarfile.open(shared / "data/owt/mini/openwebtext.tar.xz") as outer:
        outer.extractall(owt, filter="data")
    for packed in sorted((owt / "openwebtext").glob("*.xz")):
        with tarfile.open(packed) as inner:
            inner.extractall(packed.with_suffix(""), filter="data")
    listed = (owt / "metadata/val_mini.txt").read_text().splitlines()[:3]
    (owt / "metadata/val.txt").write_text("\n".join(listed) + "\n")
    return owt


def write_models(place: Path, vocab: Path) -> None:
    """Checkpoints in the forms of transformers, NVIDIA and Graphcore, and configurations."""
    from transformers import BertConfig, BertForPreTraining, BertTokenizer

    config = BertConfig(vocab_size=30522, **SHAPE)
    (place / "bert_config.json").write_text(json.dumps({"vocab_size": 30522, **SHAPE}))
    model = BertForPreTraining(config)
    for name, size in {"model": "5GB", "parts": "1MB"}.items():
        model.save_pretrained(place / name, max_shard_size=size)
        shutil.copy(vocab, place / name / "vocab.txt")
    BertTokenizer(str(vocab)).save_pretrained(place / "model")
    shutil.copytree(place / "model", place / "graphcore" / "step_5")
    torch.save({"step": 5}, place / "graphcore" / "step_5" / "training_state.pt")
    write_unread(place / "base", BertConfig())
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    write_unread(place / "large", BertConfig(**large, intermediate_size=4096))


def write_unread(folder: Path, config: object) -> None:
    """A model for dry runs, which look at the shapes of its tensors: a file with a hole."""
    from transformers import BertForPreTraining

    with torch.device("meta"):
        tensors = BertForPreTraining(config).state_dict()
    header, end = {}, 0
    for name, tensor in tensors.items():
        if "decoder" not in name and "position_ids" not in name:
            start, end = end, end + 4 * tensor.numel()
            shape = list(tensor.shape)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    blob = json.dumps(header).encode()
    folder.mkdir()
    config.save_pretrained(folder)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(blob).to_bytes(8, "little") + blob)
        file.truncate(8 + len(blob) + end)


@pytest.fixture(scope="module")
def world(shared, tmp_path_factory):
    """Small inputs of every kind that the page's commands take."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("world")
    shutil.copytree(shared / "data/punkt/punkt_tab", place / "nltk/tokenizers/punkt_tab")
    with pytest.MonkeyPatch.context() as patch:
        # In this process, which may have imported NLTK before, and in others.
        patch.setattr(pytest.importorskip("nltk").data, "path", [str(place / "nltk")])
        patch.setenv("NLTK_DATA", str(place / "nltk"))
        yield filled(shared, place)


def filled(shared: Path, place: Path) -> SimpleNamespace:
    """The folder `place` with the inputs of all walks."""
    from bertkit.cli import main

    vocab = shared / "data/vocab/bert-base-uncased-vocab.txt"
    write_texts(place)
    write_examples(place)
    owt = write_openwebtext(shared, place)
    write_models(place, vocab)

    def run(command: str) -> None:
        words = command.format(w=place, vocab=vocab, shared=shared, owt=owt)
        assert main([*shlex.split(words), "--quiet"]) == 0, words

    make = "make-records --input {w}/text --msl 64"
    run(f"{make} --vocab {{vocab}} --output {{w}}/records --dupe-factor 5")
    run(f"{make} --vocab {{vocab}} --output {{w}}/eval --dupe-factor 1")
    keras = TF1.format(shared=shared)
    run(f"{make} --vocab {keras}/vocab.txt --output {{w}}/keras-records --msl 16")
    record = next((place / "records").glob("*.tfrecord"))
    shutil.copy(record, place / "suffixless" / "part-00000-of-00500")
    run("extract --chain mlperf --input {shared}/data/mlperf_sample/wiki_?? --output {w}/articles")
    step = f"pretrain --max-steps 2 {STEP} --save-every 1 {TINY}"
    run(f"{step} --input {{w}}/records --vocab {{vocab}} --output {{w}}/run")
    run("convert {w}/run --to nvidia --keep-optimizer --output {w}/nvidia")
    published = place / "as-published"
    shutil.copytree(shared / "goldens/numerics/init", published / "tf1_ckpt")
    shutil.copy(shared / "goldens/numerics/bert_config.json", published)
    shutil.copy(vocab, published / "vocab.txt")
    return SimpleNamespace(place=place, vocab=vocab, owt=owt, shared=shared)


CASES = [
    pytest.param(heading, walk_of(heading, cell), id=f"{heading[:20]}: {cell[:40]}")
    for heading, cell in rows()
]


@pytest.mark.slow
@pytest.mark.parametrize(("heading", "row"), CASES)
def test_the_commands_of_a_row_run(bertkit, world, tmp_path, heading, row):
    assert row in WALKS[heading], row
    walk = WALKS[heading][row]
    if isinstance(walk, str):
        assert walk == NOTHING or (ROOT / walk).exists()
        return
    places = {**vars(world), "w": world.place, "out": tmp_path / "out"}
    for line in walk:
        wanted, _, command = line.rpartition(": ") if re.match(r"\d: ", line) else ("0", "", line)
        done = bertkit(*shlex.split(command.format(**places)))
        print(f"$ bertkit {command}\n{done.out}{done.err}")
        assert done.status == int(wanted), done.err
        assert "Traceback" not in done.err
