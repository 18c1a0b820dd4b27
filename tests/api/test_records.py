"""Records made and read in one long-lived process."""

from __future__ import annotations

import pytest

import bertkit as api

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
RULES = {"max_seq_length": 16, "dupe_factor": 1, "short_seq_prob": 0.0}


@pytest.fixture
def text(tmp_path):
    place = tmp_path / "text.txt"
    place.write_text("\n\n".join(["a b a b a b\nb a b a"] * 8) + "\n")
    return place


def ids(folder) -> list[list[int]]:
    return [record.original_ids.tolist() for record in api.open_records(folder)]


def test_a_vocabulary_that_changes_between_two_calls_is_read_again(text, tmp_path, monkeypatch):
    """The same path, absolute or of another folder, with other numbers for the same words."""
    found = []
    for number, words in enumerate((["a", "b"], ["b", "a"], ["x", "a", "b"])):
        folder = tmp_path / str(number // 2)
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *words]) + "\n")
        api.make_records(text, tmp_path / f"out-{number}", RULES, vocab="vocab.txt")
        found.append(ids(tmp_path / f"out-{number}"))
    a, b = 5, 6
    assert found[0] != found[1]
    swapped = {a: b, b: a}
    assert [[swapped.get(n, n) for n in row] for row in found[0]] == found[1]
    # Padding, [CLS], [SEP] and the two words under their last numbers.
    assert {number for row in found[2] for number in row} == {0, 2, 3, 6, 7}


def test_the_command_writes_the_same(text, tmp_path, bertkit):
    made = api.make_records(text, tmp_path / "ours", RULES, vocab="bertkit-uncased-8k", seed=3)
    words = ["make-records", "--input", text, "--vocab", "bertkit-uncased-8k", "--seed", 3]
    words += ["--msl", 16, "--dupe-factor", 1, "--short-seq-prob", 0]
    assert bertkit(*words, "--output", tmp_path / "theirs").status == 0
    assert made.files == 1
    (ours,) = (tmp_path / "ours").glob("*.tfrecord")
    assert ours.read_bytes() == (tmp_path / "theirs" / ours.name).read_bytes()
    assert (
        api.make_records(text, tmp_path / "ours", RULES, vocab="bertkit-uncased-8k", seed=3).made
        == 0
    )


def test_what_is_wrong_is_said_as_the_command_says_it(text, tmp_path, bertkit):
    with pytest.raises(api.DataError) as caught:
        api.make_records(text, tmp_path / "out", vocab=tmp_path / "nothing.txt")
    done = bertkit(
        "make-records",
        "--input",
        text,
        "--output",
        tmp_path / "o",
        "--vocab",
        tmp_path / "nothing.txt",
    )
    assert f"Error: {caught.value.message}\n" in done.err
    assert f"Hint: {caught.value.hint}\n" in done.err
    assert done.status == caught.value.exit_code == 3


def test_picked_and_packed_as_by_the_commands(text, tmp_path, bertkit):
    api.make_records(text, tmp_path / "made", RULES, vocab="bertkit-uncased-8k")
    picked = api.pick_eval(tmp_path / "made", tmp_path / "picked", count=3)
    bertkit("pick-eval", "-i", tmp_path / "made", "-o", tmp_path / "theirs", "--count", 3)
    name = "eval.tfrecord"
    assert picked.records == 3
    assert (tmp_path / "picked" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()
    packed = api.pack_records(tmp_path / "made", tmp_path / "packed", packing="graphcore")
    assert packed.instances == len(ids(tmp_path / "made"))
    found = api.verify(tmp_path / "made", tmp_path / "packed", order="any")
    assert found.same and found.records == (packed.instances, packed.instances)
