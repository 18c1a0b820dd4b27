"""The longest word that is not [UNK]: the same in every tokenizer, file and command."""

from __future__ import annotations

import json
import random
import re

import pytest
import tokenizers
import transformers

from bertkit.errors import ConfigError, DataError
from bertkit.tokenization import tokenizer_export, tokenizer_files, word_length
from bertkit.tokenization.corpus_tokens import StreamTokenizer
from bertkit.tokenization.normalisation import CASED, UNCASED, Normalisation
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, of_run, require_same
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab, load_vocab, save_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.tokenization.wordpiece_variants import make_tokenizer

TOKENS = [*SPECIAL_TOKENS, "a", "c", "g", "t", "é", "##a", "##c", "##g", "##t", "##é", "##cg"]
LIMITS = (1, 5, 16, 17, 100, 400)


def vocab() -> Vocab:
    return Vocab(TOKENS, {token: number for number, token in enumerate(TOKENS)}, "")


def sequences() -> list[str]:
    """Words at, below and above each limit; of one, two and several bytes per letter."""
    rng = random.Random(5)
    sizes = [limit + more for limit in LIMITS for more in (-1, 0, 1) if limit + more > 0]
    words = ["".join(rng.choice(letters) for _ in range(size))
             for size in sizes for letters in ("acgt", "acégt", "ACGTÉ")]  # fmt: skip
    return [*words, "c" * 399 + "\N{GREEK CAPITAL LETTER SIGMA}", "ac-gt" * 100]


@pytest.mark.parametrize("limit", [*LIMITS, 5000])
def test_kernel_and_readable_tokenizer_have_the_limit(limit):
    known = vocab()
    fast = StreamTokenizer(known, CASED, word_length=limit)
    slow = WordPieceTokenizer(known, CASED, limit)
    for word in [*sequences(), "acgt" * 1250, "acég" * 1250 + "t"]:
        found = fast.tokenize_texts([("text", word.encode())])
        wanted = slow.ids(slow.tokenize(word))
        assert found.tokens.tolist() == wanted
        if word.isalpha() and word.islower():
            assert (wanted == [known.unk_id]) == (len(word) > limit)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", ["google", "hf"])
def test_the_limit_is_that_of_the_tokenizers_package(name, limit):
    known = vocab()
    model = tokenizers.models.WordPiece(known.ids, max_input_chars_per_word=limit)
    theirs = tokenizers.Tokenizer(model)
    theirs.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    ours = make_tokenizer(name, known, CASED, limit)
    for word in sequences():
        assert ours.tokenize(word) == theirs.encode(word, add_special_tokens=False).tokens


def test_programs_with_a_fixed_limit_refuse_another_by_name():
    assert make_tokenizer("nvidia", vocab(), word_length=100).longest_word == 100
    assert make_tokenizer("cerebras", vocab(), word_length=200).longest_word == 200
    for name in ("nvidia", "cerebras"):
        with pytest.raises(ConfigError, match=f"--word-length 300: .* {name}'s"):
            make_tokenizer(name, vocab(), word_length=300)


@pytest.mark.parametrize("treatment", [UNCASED, CASED, Normalisation(True, False, False)])
def test_transformers_makes_the_same_tokens_from_what_is_written(treatment, tmp_path):
    save_vocab(tmp_path / "vocab.txt", TOKENS)
    facts = TokenizerFacts(normalisation=treatment, word_length=1000, model_max_length=77)
    tokenizer_files.write_config(tmp_path, facts)
    tokenizer_files.write_tokenizer(tmp_path, facts)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = WordPieceTokenizer(load_vocab(tmp_path / "vocab.txt"), treatment, 1000)
    for word in sequences():
        assert theirs.tokenize(word) == ours.tokenize(word)
    assert theirs("a", "c")["input_ids"] == [2, 5, 3, 6, 3]
    assert (theirs.model_max_length, theirs.mask_token_id) == (77, 4)
    found = tokenizer_files.of_folder(tmp_path)
    assert (found.word_length, found.normalisation.same_as(treatment)) == (1000, True)


@pytest.mark.parametrize("treatment", [UNCASED, CASED, Normalisation(False, True, False)])
def test_the_written_file_is_that_of_transformers(treatment):
    lower, strip, cjk = treatment.usual().as_dict().values()
    table = {token: number for number, token in enumerate(TOKENS)}
    theirs = transformers.BertTokenizer(
        table, lower, strip_accents=strip, tokenize_chinese_chars=cjk
    )
    wanted = json.loads(theirs.backend_tokenizer.to_str())
    assert tokenizer_export.document(TOKENS, treatment, 100) == wanted


def test_a_tokenizer_json_tells_its_limit_but_not_the_packages_default(tmp_path):
    for limit, known in ((100, None), (100_000, 100_000)):
        values = tokenizer_export.document(TOKENS, UNCASED, limit)
        (tmp_path / "tokenizer.json").write_text(json.dumps(values))
        assert tokenizer_files.of_folder(tmp_path).word_length == known
    values["model"]["max_input_chars_per_word"] = "many"
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="not a number of letters"):
        tokenizer_files.of_folder(tmp_path)


def test_what_is_not_recorded_passes_and_the_usual_limits_are_one():
    long = TokenizerFacts(normalisation=UNCASED, word_length=1000)
    old = of_run({"tokenizer": UNCASED.as_dict()}, "an older run")
    assert old.word_length == word_length.USUAL
    require_same(long, TokenizerFacts(normalisation=UNCASED), "")
    require_same(old, TokenizerFacts(normalisation=UNCASED, word_length=100), "")
    with pytest.raises(DataError, match="1,000 letters; an older run: up to the usual"):
        require_same(long, old, "")
    assert word_length.settled(None, 300, "v") == 300
    assert word_length.settled(1000, None, "v") == word_length.settled(1000, 1000, "v") == 1000
    assert word_length.settled(word_length.USUAL, None, "v") is None
    with pytest.raises(ConfigError, match="--word-length 300 contradicts v"):
        word_length.settled(1000, 300, "v")


def test_it_goes_from_the_vocabulary_to_the_records(bertkit, tmp_path):
    rng = random.Random(1)
    lines = ["".join(rng.choice("ACGT") for _ in range(rng.randint(210, 300))) for _ in range(12)]
    text = tmp_path / "dna.txt"
    text.write_text("\n".join([*lines[:6], "", *lines[6:]]) + "\n")
    made = ["--input", text, "--msl", 64, "--dupe-factor", 1, "--workers", 1, "--json"]
    shares = {}
    for name, more in (("short", []), ("long", ["--word-length", 500])):
        found = bertkit("train-vocab", "--input", text, "--output", tmp_path / f"{name}.txt",
                        "--size", 24, *more)  # fmt: skip
        assert ("--word-length" in found.err) == (name == "short")
        found = bertkit("make-records", *made, "--vocab", tmp_path / f"{name}.txt",
                        "--output", tmp_path / name)  # fmt: skip
        assert found.status == 0
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        shares[name] = json.loads(found.out.splitlines()[-1])["text"]["unknown"]
        assert manifest["tokenizer"].get("word_length") == (500 if more else None)
        assert manifest["config"].get("word_length") == (500 if more else None)
    assert shares == {"short": 1.0, "long": 0.0}
    for words, message in (
        (["--word-length", 300], "--word-length 300 contradicts .*long.txt"),
        (["--style", "nvidia"], "long.txt records --word-length 500: .* nvidia's"),
        (["--style", "cerebras", "--word-length", 500], "--word-length 500: .* cerebras's"),
    ):
        found = bertkit("make-records", *made, *words, "--vocab", tmp_path / "long.txt",
                        "--output", tmp_path / "refused")  # fmt: skip
        assert found.status == 3
        assert re.search(message, found.err), found.err
