"""The command line of record making, picking, inspection and vocabulary training."""

from __future__ import annotations

import pytest

from bertkit.records.files.tfrecord.frames import read_records

VOCAB = "bertkit-uncased-8k"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text" / "story.txt"
    path.parent.mkdir()
    path.write_text(
        "\n".join(
            f"The ship number {n} went to sea.\nIts captain saw {n} whales.\nHe was glad.\n"
            for n in range(20)
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def records(bertkit, text, tmp_path):
    out = tmp_path / "records"
    run = bertkit("make-records", "-i", text, "-o", out, "--vocab", VOCAB, "--msl", "32", "--json")
    assert run.status == 0
    return out


def test_checksums_in_the_folder_of_split_are_no_text(bertkit, text, tmp_path):
    """`eval.md5` beside MLPerf's `eval.txt` became records, documents and words."""
    (text.parent / "eval.md5").write_text("a4ab89e9283d590a2952380d33eac0c0\n" * 20)
    out = tmp_path / "out"
    made = bertkit("make-records", "-i", text.parent, "-o", out, "--vocab", VOCAB, "--msl", "32")
    assert made.status == 0 and "left out, as no text" in made.err
    assert [path.name for path in out.glob("*.tfrecord")] == ["story.tfrecord"]
    words = ["train-vocab", "-i", text.parent, "-o", tmp_path / "v.txt", "--size", 90, "--json"]
    run = bertkit(*words)
    assert run.status == 0, run.err
    assert run.result["bytes_read"] == text.stat().st_size
    words = ["split", "-i", text.parent, "-o", tmp_path / "split", "--valid", 0, "--json"]
    assert bertkit(*words).result["documents"] == 20
    assert bertkit("clean", "-i", text.parent, "--json").result["documents"] == 20


def test_json_says_what_was_made(bertkit, text, tmp_path):
    out = tmp_path / "out"
    run = bertkit(
        "make-records", "--input", text, "--output", out, "--vocab", VOCAB,
        "--max_seq_length", "64", "--dupe-factor", "2", "--json",
    )  # fmt: skip
    assert run.status == 0
    assert run.result["command"] == "make-records"
    assert run.result["max_seq_length"] == 64
    assert run.result["records"] == len(list(read_records(out / "story.tfrecord"))) > 0
    assert run.result["seconds"] >= 0
    assert "bertkit inspect" in run.err


def test_again_nothing_to_do_and_another_configuration_is_refused(bertkit, text, records):
    words = ("make-records", "-i", text, "-o", records, "--vocab", VOCAB, "--msl", "32")
    run = bertkit(*words, "--json")
    assert (run.status, run.result["made"]) == (0, 0)
    assert "nothing to do" in run.err
    run = bertkit(*words, "--seed", "7")
    assert run.status == 3
    assert "seed 12345, now 7" in run.err
    assert "--overwrite" in run.err
    assert bertkit(*words, "--seed", "7", "--overwrite").status == 0


def test_a_list_of_names_and_settings_from_a_file(bertkit, text, records, tmp_path):
    (tmp_path / "list.txt").write_text(f"{text}\n", encoding="utf-8")
    (tmp_path / "settings.yaml").write_text("max_seq_length: 32\n", encoding="utf-8")
    out = tmp_path / "out"
    run = bertkit(
        "make-records", "-i", f"@{tmp_path / 'list.txt'}", "-o", out, "--vocab", VOCAB,
        "--config", tmp_path / "settings.yaml",
    )  # fmt: skip
    assert run.status == 0
    assert (out / "story.tfrecord").read_bytes() == (records / "story.tfrecord").read_bytes()
    assert "records of 32 tokens" in run.out


def test_dry_run_shows_the_plan_and_writes_nothing(bertkit, text, tmp_path):
    words = ("make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB, "--msl", "32")
    run = bertkit(*words, "--dry-run")
    assert run.status == 0
    for expected in ("max_seq_length", "command line", "default", "free disk", "records"):
        assert expected in run.out
    assert bertkit(*words, "--dry-run", "--json").result["estimated_records"] > 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["-i", "nowhere.txt"], 3, "no such file: nowhere.txt"),
        (["--vocab", "no-vocab"], 3, "no vocabulary no-vocab"),
        (["--msl", "4"], 2, "below the smallest allowed value 8"),
        (["--msl", "many"], 2, "is not a valid integer"),
        (["--style", "other"], 2, "'other' is not one of"),
        (["--outputs", "2"], 3, "--shards one-corpus"),
    ],
)
def test_errors_are_one_line_and_a_status(bertkit, text, tmp_path, words, status, message):
    given = ["-i", text, "-o", tmp_path / "out", "--vocab", VOCAB]
    if words[0] == "-i":
        given = given[2:]
    run = bertkit("make-records", *given, *words)
    assert run.status == status
    assert message in run.err
    assert "Traceback" not in run.err
    assert run.out == ""
    assert not (tmp_path / "out").exists()


def test_a_vocabulary_without_a_mask(bertkit, text, tmp_path):
    (tmp_path / "v.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nsea\n")
    run = bertkit("make-records", "-i", text, "-o", tmp_path / "out", "--vocab", tmp_path / "v.txt")
    assert run.status == 3
    assert "no line holds [MASK]" in run.err


def test_duplicate_lines_can_be_allowed(bertkit, text, tmp_path):
    (tmp_path / "v.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsea\nsea\nship\n")
    words = ("make-records", "-i", text, "--vocab", tmp_path / "v.txt", "--json")
    run = bertkit(*words, "-o", tmp_path / "a")
    assert run.status == 3
    assert "v.txt:7: 'sea' is already on line 6" in run.err
    google = bertkit(*words, "-o", tmp_path / "a", "--allow-duplicates")
    mlperf = bertkit(*words, "-o", tmp_path / "b", "--allow-duplicates", "--style", "mlperf")
    assert (google.result["vocab_size"], mlperf.result["vocab_size"]) == (8, 7)


def test_pick_eval(bertkit, records, tmp_path):
    run = bertkit("pick-eval", "-i", records, "-o", tmp_path / "eval", "--count", "9", "--json")
    assert run.status == 0
    assert run.result["records"] == 9
    assert len(list(read_records(tmp_path / "eval" / "eval.tfrecord"))) == 9
    assert "bertkit inspect" in run.err
    run = bertkit("pick-eval", "-i", records, "-o", tmp_path / "more", "--count", "400", "--json")
    assert (run.status, run.result["records"]) == (0, 400)
    assert "warning: " in run.err and "repeat" in run.err


def test_inspect(bertkit, records, tmp_path):
    run = bertkit("inspect", records, "--count", "1")
    assert run.status == 0
    for expected in ("make-records", "Real tokens per record", "Record 0", "[CLS]", "[MASK:"):
        assert expected in run.out
    result = bertkit("inspect", "--input", records / "story.tfrecord", "--json").result
    assert result["records"]["records"] == len(list(read_records(records / "story.tfrecord")))
    assert "manifest" not in result
    assert bertkit("inspect").status == 2
    (tmp_path / "nothing").mkdir()
    assert bertkit("inspect", tmp_path / "nothing").status == 3


def test_inspect_a_run(bertkit, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "train", "step": 10, "loss": 9.5}\n{"kind": "train", "step": 20, "loss": 8.25}\n'
    )
    run = bertkit("inspect", tmp_path)
    assert "training, step 20" in run.out
    assert "8.2500" in run.out
    assert bertkit("inspect", tmp_path, "--json").result["run"]["step"] == 20


def test_train_vocab(bertkit, text, tmp_path):
    out = tmp_path / "v.txt"
    words = ("train-vocab", "-i", text.parent, "-o", out, "--size", "80")
    result = bertkit(*words, "--json").result
    assert result["tokens"] == len(out.read_text(encoding="utf-8").splitlines()) == 80
    assert "is complete already" in bertkit(*words).err
    run = bertkit(*words[:-1], "81")
    assert run.status == 2
    assert "--overwrite" in run.err
    run = bertkit(*words, "--overwrite")
    assert run.status == 0
    assert "bertkit make-records" in run.err
