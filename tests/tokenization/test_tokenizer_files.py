"""Facts in files: what transformers wrote is read, and what is written transformers reads."""

from __future__ import annotations

import json
import shutil
from itertools import product

import pytest
import transformers

from bertkit.errors import DataError
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, of_vocab
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, find_vocab, load_vocab, save_vocab

TREATMENTS = list(product((True, False), (None, True, False), (True, False)))
TOKENS = [*SPECIAL_TOKENS, "the", "The", "é", "e", "中", "国", "##国"]
TEXT = "The é 中国"


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_folders_of_transformers_are_read(treatment, tmp_path):
    lower, strip, cjk = treatment
    table = {token: number for number, token in enumerate(TOKENS)}
    theirs = transformers.BertTokenizer(
        table, lower, strip_accents=strip, tokenize_chinese_chars=cjk, model_max_length=77
    )
    theirs.save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.txt").exists()
    facts = tokenizer_files.of_folder(tmp_path)
    assert facts.normalisation == Normalisation(lower, strip, cjk)
    assert (facts.vocab_size, facts.model_max_length) == (len(TOKENS), 77)
    save_vocab(tmp_path / "vocab.txt", TOKENS)
    assert tokenizer_files.of_folder(tmp_path).tokens_sha256 == facts.tokens_sha256


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_transformers_reads_what_is_written(treatment, tmp_path):
    wanted = Normalisation(*treatment)
    save_vocab(tmp_path / "vocab.txt", TOKENS)
    facts = TokenizerFacts(normalisation=wanted, model_max_length=77)
    tokenizer_files.write_config(tmp_path, facts)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    table = {token: number for number, token in enumerate(TOKENS)}
    lower, strip, cjk = treatment
    direct = transformers.BertTokenizer(
        table, lower, strip_accents=strip, tokenize_chinese_chars=cjk
    )
    assert theirs.tokenize(TEXT) == direct.tokenize(TEXT)
    assert theirs.model_max_length == 77
    assert theirs.mask_token_id == 4
    assert tokenizer_files.of_folder(tmp_path).normalisation.same_as(wanted)


def test_files_of_a_folder_must_agree(shared, tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(shared / "data" / "reports" / "cased-folder", folder)
    folder.chmod(0o755)
    assert tokenizer_files.of_folder(folder).normalisation == Normalisation(False)
    config = folder / "tokenizer_config.json"
    values = json.loads(config.read_text())
    config.chmod(0o644)
    config.write_text(json.dumps({**values, "do_lower_case": True}))
    with pytest.raises(DataError, match=r"tokenizer_config.json is .* lower case.*tokenizer.json"):
        tokenizer_files.of_folder(folder)
    config.unlink()
    lines = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").chmod(0o644)
    save_vocab(folder / "vocab.txt", [*lines[:-2], lines[-1], lines[-2]])
    with pytest.raises(DataError, match=r"tokenizer.json has vocabulary .*vocab.txt has vocabular"):
        tokenizer_files.of_folder(folder)


def test_the_casing_of_public_and_shipped_vocabularies_is_known(shared):
    place = shared / "data" / "vocab"
    cased = load_vocab(place / "bert-base-cased-vocab.txt")
    facts = tokenizer_files.of_vocabulary(cased)
    assert facts.normalisation == Normalisation(False)
    assert "bert-base-cased)" in facts.source
    uncased = load_vocab(place / "bert-base-uncased-vocab.txt")
    assert tokenizer_files.of_vocabulary(uncased).normalisation == Normalisation()
    chinese = load_vocab(place / "bert-base-chinese-vocab.txt")
    assert tokenizer_files.of_vocabulary(chinese).normalisation is None
    shipped = load_vocab(find_vocab("bertkit-uncased-8k"))
    facts = tokenizer_files.of_vocabulary(shipped)
    assert facts.normalisation == Normalisation()
    assert facts.vocab_size == 8192


def test_a_sidecar_is_read_and_one_of_another_vocabulary_refused(tmp_path):
    path = tmp_path / "tr.txt"
    save_vocab(path, TOKENS)
    wanted = Normalisation(strip_accents=False)
    beside = tokenizer_files.write_sidecar(path, of_vocab(load_vocab(path), wanted))
    assert beside == str(tmp_path / "tr.txt.json")
    assert tokenizer_files.of_vocabulary(load_vocab(path)).normalisation == wanted
    save_vocab(path, TOKENS[::-1])
    with pytest.raises(DataError, match=r"tr.txt has .*tr.txt.json has") as caught:
        tokenizer_files.of_vocabulary(load_vocab(path))
    assert "remove tr.txt.json" in caught.value.hint


def test_a_vocabulary_in_a_model_folder_has_the_facts_of_that_folder(shared):
    vocab = load_vocab(shared / "data" / "reports" / "cased-folder" / "vocab.txt")
    assert tokenizer_files.of_vocabulary(vocab).normalisation == Normalisation(False)


def test_other_tokenizers_are_refused_by_name(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "BPE", "vocab": {"a": 0}}}')
    with pytest.raises(DataError, match="holds a BPE tokenizer"):
        tokenizer_files.of_folder(tmp_path)
    path.write_text('{"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}}')
    with pytest.raises(DataError, match="are not numbered 0, 1, 2"):
        tokenizer_files.tokens_of(path)
