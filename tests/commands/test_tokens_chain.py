"""From text to answers: every artefact tells how its text is treated, and nobody guesses."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import yaml
from tasks.squad.world import paragraph, squad
from transformers import AutoTokenizer

from bertkit.errors import DataError
from bertkit.manifests.manifest import read_manifest
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.tokenizer_files import of_folder
from bertkit.tokenization.vocabulary import load_vocab, save_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

SENTENCES = [
    "The Old King built a Bridge in Paris .", "It was sold to Éclair .", "He went to London .",
    "A second Story begins in Paris .", "It ends in London .", "The King is dead .",
    "Yaşama ÇAĞRI , Đường Hà Nội .", "Die Straße in 中国 ist alt .",
]  # fmt: skip
PROBE = "The KING of Éclair, yaşama ÇAĞRI in Hà Nội 中国!"
QUESTIONS = squad(paragraph(SENTENCES[0], ("Who built?", "The Old King")))
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 64,
}  # fmt: skip
TINY_MODEL = [word for name, n in SIZES.items() for word in ("--set", f"model.{name}={n}")]
SMALL = ("--backend", "cpu", "--max-steps", "2", "--gbs", "4", "--log-every", "1")
WINDOWS = ("--msl", "48", "--doc-stride", "16", "--max-query-length", "12", "--backend", "cpu")


def built(bertkit, place, flags):
    """Vocabulary, records, a run, a converted model and a fine-tuned one; flags come once."""
    text, vocab = place / "text.txt", place / "vocab.txt"
    half = len(SENTENCES) // 2
    parts = ("\n".join(part) for part in (SENTENCES[:half], SENTENCES[half:]))
    text.write_text("\n\n".join([*parts] * 6) + "\n", encoding="utf-8")
    (place / "q.json").write_text(json.dumps(QUESTIONS))
    done = [
        bertkit("train-vocab", "--input", text, "--size", 400, "--output", vocab, *flags),
        bertkit("make-records", "--input", text, "--output", place / "records", "--vocab", vocab,
                "--msl", "32", "--dupe-factor", "1", "--workers", "1"),
        bertkit("pretrain", "--input", place / "records", "--vocab", vocab, *SMALL, *TINY_MODEL,
                "--output", place / "run"),
        bertkit("convert", place / "run", "--output", place / "model"),
        bertkit("finetune-squad", "--init-checkpoint", place / "model", *SMALL, *WINDOWS,
                "--train-file", place / "q.json", "--output", place / "squad"),
    ]  # fmt: skip
    for one in done:
        assert one.status == 0, one.err
        assert "does not record" not in one.err
    return SimpleNamespace(place=place, vocab=vocab, run=place / "run", model=place / "model",
                           records=place / "records", squad=place / "squad")  # fmt: skip


CASES = {
    "cased": (["--cased"], Normalisation(do_lower_case=False), "--do-lower-case"),
    "accents": (["--keep-accents"], Normalisation(strip_accents=False), "--strip-accents"),
    "cjk": (
        ["--cased", "--no-tokenize-chinese-chars"],
        Normalisation(do_lower_case=False, tokenize_chinese_chars=False),
        "--tokenize-chinese-chars",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_treatment_of_text_goes_from_the_vocabulary_to_the_answers(name, bertkit, tmp_path):
    flags, wanted, contrary = CASES[name]
    made = built(bertkit, tmp_path, flags)
    vocab = load_vocab(made.vocab)
    ours = WordPieceTokenizer(vocab, wanted)
    assert ours.tokenize(PROBE) != WordPieceTokenizer(vocab).tokenize(PROBE)
    # transformers makes our tokens in every folder with a model.
    steps = [sorted(place.glob("step-*"))[-1] for place in (made.run, made.squad)]
    for folder in (*steps, made.model):
        theirs = AutoTokenizer.from_pretrained(folder)
        assert theirs.tokenize(PROBE) == ours.tokenize(PROBE), folder
        assert theirs.model_max_length == 64
        facts = of_folder(folder)
        assert facts.normalisation.same_as(wanted)
        assert facts.tokens_sha256 == vocab.tokens_sha256
    # What is written down is right, too.
    assert read_manifest(made.records).tokenizer["do_lower_case"] == wanted.do_lower_case
    config = yaml.safe_load((made.run / "config.yaml").read_text())
    assert {name: config["records"][name] for name in wanted.as_dict()} == wanted.as_dict()
    config = yaml.safe_load((made.squad / "config.yaml").read_text())
    assert {name: config[name] for name in wanted.as_dict()} == wanted.as_dict()
    answer = bertkit("predict", "--init-checkpoint", made.squad, "--question", "Who built?",
                     "--passage", SENTENCES[0], *WINDOWS)  # fmt: skip
    assert answer.status == 0 and "does not record" not in answer.err, answer.err
    # A flag that contradicts is refused by every command, before anything is written.
    new = tmp_path / "new"
    for command in (
        ("make-records", "--input", tmp_path / "text.txt", "--vocab", made.vocab, "--output", new),
        ("pretrain", "--input", made.records, *SMALL, *TINY_MODEL, "--output", new),
        ("pretrain", "--text", tmp_path / "text.txt", "--vocab", made.vocab, *SMALL, *TINY_MODEL,
         "--output", new),
        ("convert", made.run, "--output", new),
        ("finetune-squad", "--init-checkpoint", made.run, *SMALL, *WINDOWS, "--output", new,
         "--train-file", tmp_path / "q.json"),
        ("predict", "--init-checkpoint", made.squad, "--question", "x", "--passage", "y", *WINDOWS),
    ):  # fmt: skip
        refused = bertkit(*command, contrary)
        assert refused.status == 3, (command, refused.err)
        assert f"{contrary} contradicts" in refused.err and "Traceback" not in refused.err
        assert not new.exists(), command


def other_order(vocab, place):
    tokens = load_vocab(vocab).tokens
    save_vocab(place, [*tokens[:5], *tokens[:4:-1]])
    return place


def test_another_vocabulary_of_the_same_size_is_refused_everywhere(bertkit, tmp_path):
    made = built(bertkit, tmp_path, [])
    other = other_order(made.vocab, tmp_path / "other.txt")
    records, new = tmp_path / "others", tmp_path / "new"
    words = ("make-records", "--input", tmp_path / "text.txt", "--msl", "32", "--dupe-factor", "1")
    assert bertkit(*words, "--vocab", other, "--output", records).status == 0
    start = ("--init-checkpoint", made.run, *SMALL)
    for command in (
        ("pretrain", "--input", records, *start, *TINY_MODEL, "--output", new),
        ("pretrain", "--input", records, "--vocab", other, *start, *TINY_MODEL, "--output", new),
        ("pretrain", "--text", tmp_path / "text.txt", "--vocab", other, *start, *TINY_MODEL,
         "--output", new, "--msl", "32"),
        ("eval", "--input", records, "--checkpoint", made.run, "--backend", "cpu"),
        ("convert", made.run, "--vocab", other, "--output", new),
        ("finetune-squad", *start, *WINDOWS, "--vocab", other, "--output", new,
         "--train-file", tmp_path / "q.json"),
        ("predict", "--init-checkpoint", made.squad, "--vocab", other, "--question", "x",
         "--passage", "y", *WINDOWS),
    ):  # fmt: skip
        refused = bertkit(*command)
        assert refused.status == 3, (command, refused.err)
        ours, theirs = (load_vocab(path).sha256[:12] for path in (made.vocab, other))
        assert f"vocabulary {ours}" in refused.err and f"vocabulary {theirs}" in refused.err
        assert "--allow-other-vocab" in refused.err and "Traceback" not in refused.err
        assert not list(new.glob("step-*")) and not (new / "config.json").exists()
        shutil.rmtree(new, ignore_errors=True)
        # Unless it is meant.
        meant = bertkit(*command, "--allow-other-vocab")
        assert meant.status == 0, (command, meant.err)
        assert "--allow-other-vocab is given" in meant.err
        shutil.rmtree(new, ignore_errors=True)
    # Records and --vocab of a run belong together whatever is meant; and so do two sets.
    both = ("pretrain", "--input", records, *SMALL, *TINY_MODEL, "--output", new)
    for more in (("--vocab", made.vocab), ("--eval-input", made.records), ("-i", made.records)):
        refused = bertkit(*both, *more, "--allow-other-vocab")
        assert refused.status == 3 and "has vocabulary" in refused.err, refused.err
    # A run goes on with its own vocabulary only.
    (made.run / "keep").touch()
    again = bertkit("pretrain", "--input", records, *SMALL, *TINY_MODEL, "--output", made.run,
                    "--vocab", other)  # fmt: skip
    assert again.status == 3 and "the run at step 2 has vocabulary" in again.err, again.err


def test_records_of_another_casing_are_refused(bertkit, tmp_path):
    made = built(bertkit, tmp_path, [])
    (tmp_path / "vocab.txt.json").unlink()
    records = tmp_path / "cased"
    words = ("make-records", "--input", tmp_path / "text.txt", "--msl", "32", "--dupe-factor", "1")
    assert bertkit(*words, "--vocab", made.vocab, "--output", records, "--cased").status == 0
    refused = bertkit("eval", "--input", records, "--checkpoint", made.run, "--backend", "cpu")
    assert refused.status == 3
    assert "lower case, accents stripped" in refused.err and "cased, accents kept" in refused.err


def test_a_public_cased_folder_stays_cased(bertkit, shared, tmp_path):
    source = shared / "data" / "reports" / "cased-folder"
    before = AutoTokenizer.from_pretrained(source)
    done = bertkit("convert", source, "--output", tmp_path / "model")
    assert done.status == 0 and "does not record" not in done.err, done.err
    after = AutoTokenizer.from_pretrained(tmp_path / "model")
    text = "The Éclair in Paris 中国人"
    assert after.tokenize(text) == before.tokenize(text)
    assert "The" in after.tokenize(text) and after.model_max_length == 64
    (tmp_path / "q.json").write_text(json.dumps(QUESTIONS))
    files = ("--train-file", tmp_path / "q.json", "--output", tmp_path / "squad")
    tuned = bertkit("finetune-squad", "--init-checkpoint", source, *SMALL, *WINDOWS, *files)
    assert tuned.status == 0, tuned.err
    config = yaml.safe_load((tmp_path / "squad" / "config.yaml").read_text())
    assert config["do_lower_case"] is False
    (step,) = (tmp_path / "squad").glob("step-*")
    assert AutoTokenizer.from_pretrained(step).tokenize(text) == before.tokenize(text)


def test_accents_and_cjk_of_a_public_folder_are_not_lost(bertkit, shared, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(shared / "data" / "reports" / "cased-folder", folder, copy_function=shutil.copy)
    folder.chmod(0o755)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    values = {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(values))
    done = bertkit("convert", folder, "--output", tmp_path / "model")
    assert done.status == 0, done.err
    written = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())
    assert {name: written[name] for name in values} == values


def test_where_nothing_is_recorded_one_line_says_what_was_assumed(bertkit, shared, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(shared / "data" / "reports" / "cased-folder", folder, copy_function=shutil.copy)
    folder.chmod(0o755)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    done = bertkit("convert", folder, "--output", tmp_path / "model")
    assert done.status == 0
    assert done.err.count("does not record its casing; assumed from its tokens: cased") == 1
    assert of_folder(tmp_path / "model").normalisation == Normalisation(do_lower_case=False)
    done = bertkit("convert", folder, "--output", tmp_path / "lower", "--do-lower-case")
    assert "does not record" not in done.err
    assert of_folder(tmp_path / "lower").normalisation == Normalisation()


def test_a_step_folder_whose_vocabulary_was_replaced_is_refused(bertkit, tmp_path):
    made = built(bertkit, tmp_path, [])
    (step,) = made.run.glob("step-*")
    other_order(made.vocab, step / "vocab.txt")
    with pytest.raises(DataError, match=r"state.json has vocabulary .*vocab.txt has vocabulary"):
        of_folder(step)
