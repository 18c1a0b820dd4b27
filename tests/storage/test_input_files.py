"""Names, globs, folders and lists become files, each once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.storage.input_files import expand_inputs


def test_expand_inputs_keeps_the_order_given_and_sorts_within(tmp_path):
    for name in ("b.txt", "a.txt", "c.json", "d/e.txt", "d/.hidden", "d/manifest.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    listing = tmp_path / "list"
    listing.write_text(f"{tmp_path}/c.json\n\n{tmp_path}/a.txt\n")
    names = expand_inputs([f"{tmp_path}/b.txt", f"@{listing}", f"{tmp_path}/*.txt", tmp_path / "d"])
    assert [Path(name).name for name in names] == [
        "b.txt",
        "c.json",
        "a.txt",
        "e.txt",
    ]


@pytest.mark.parametrize("pattern", ["missing.txt", "none*.txt", "@missing"])
def test_expand_inputs_names_what_is_missing(tmp_path, pattern):
    prefix = "@" if pattern.startswith("@") else ""
    with pytest.raises(DataError, match=pattern.lstrip("@").replace("*", r"\*")):
        expand_inputs([f"{prefix}{tmp_path}/{pattern.lstrip('@')}"])


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no files ending in \.txt"):
        expand_inputs([tmp_path], suffixes=[".txt"])
    with pytest.raises(DataError, match=r"ending in \.txt or \.md, compressed or not in folder"):
        expand_inputs([tmp_path], suffixes=[".txt", ".md", ".txt.gz", ".md.gz"])


def test_a_list_may_begin_with_a_byte_order_mark_and_name_any_bytes(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text("x")
    listing = tmp_path / "list.txt"
    listing.write_bytes(b"\xef\xbb\xbf" + os.fsencode(path) + b"\n")
    assert expand_inputs([f"@{listing}"]) == [str(path)]


def test_a_file_that_is_found_again_is_taken_once_and_said(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").symlink_to("a.txt")
    found = expand_inputs([tmp_path / "a.txt", f"{tmp_path}/*.txt", tmp_path])
    assert found == [str(tmp_path / "a.txt")]
    assert "given more than once, taken once" in caplog.text


def test_what_matches_no_file_says_why(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "gone.txt").symlink_to("/nonexistent/x")
    with pytest.raises(DataError, match="only folders"):
        expand_inputs([f"{tmp_path}/s*"])
    with pytest.raises(DataError, match="a link to /nonexistent/x"):
        expand_inputs([tmp_path / "gone.txt"])


def test_a_manifest_of_another_program_is_input_only_by_its_name(tmp_path, caplog):
    (tmp_path / "manifest.json").write_text('{"text": "Mine."}\n')
    (tmp_path / "a.txt").write_text("x")
    assert expand_inputs([tmp_path]) == [str(tmp_path / "a.txt")]
    assert "manifest.json" in caplog.text
    for pattern in ("manifest.json", "*.json"):
        assert expand_inputs([f"{tmp_path}/{pattern}"]) == [str(tmp_path / "manifest.json")]


def test_checksums_beside_text_are_no_text(tmp_path, caplog):
    """As `split --method mlperf` writes them; what is named itself is taken."""
    for name in ("eval.txt", "eval.md5", "train/a.txt", "train/SHA256SUMS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    with caplog.at_level("INFO", "bertkit"):
        found = expand_inputs([tmp_path], texts=True)
    assert [Path(name).name for name in found] == ["eval.txt", "a.txt"]
    (said,) = caplog.messages
    assert str(tmp_path / "eval.md5") in said and "SHA256SUMS" in said
    assert expand_inputs([tmp_path / "eval.md5"], texts=True) == [str(tmp_path / "eval.md5")]
    assert len(expand_inputs([tmp_path])) == 4
    (tmp_path / "train/a.txt").unlink()
    with pytest.raises(DataError, match="no text, only files that describe a data set"):
        expand_inputs([tmp_path / "train"], texts=True)


def test_what_can_be_read_only_once_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe is no file but a pipe or a device"):
        expand_inputs([str(tmp_path / "pipe")])
    with pytest.raises(DataError, match="/dev/null is no file"):
        expand_inputs([os.devnull])
    with pytest.raises(DataError, match="no such file: -") as error:
        expand_inputs(["-"])
    assert error.value.hint.startswith("standard input is not read")


def test_marks_in_the_name_of_a_folder_are_no_pattern(tmp_path):
    for folder in ("a [b]", "a b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").touch()
    assert expand_inputs([tmp_path / "a [b]/*.txt"]) == [str(tmp_path / "a [b]/x.txt")]
    assert expand_inputs([tmp_path / "[a] b/*.txt"]) == [str(tmp_path / "a b/x.txt")]
