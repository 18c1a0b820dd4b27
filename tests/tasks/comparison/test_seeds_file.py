from __future__ import annotations

from bertkit.tasks.comparison.seeds_file import missing_seeds, read_inputs, write_seeds


def test_what_is_written_is_read(tmp_path):
    write_seeds(tmp_path, [1, 2, 30], {1: "aa", 2: "bb"}, {"rows": []})
    (tmp_path / "seed-2").mkdir()
    assert read_inputs(tmp_path) == {1: "aa", 2: "bb"}
    assert missing_seeds(tmp_path) == ["seed-1", "seed-30"]


def test_a_file_of_another_form_says_nothing(tmp_path):
    assert missing_seeds(tmp_path) == [] and read_inputs(tmp_path) == {}
    large = "1" + "0" * 400
    for text in (
        "{",
        "[]",
        '{"seeds": 3, "inputs": 4}',
        f'{{"seeds": [{large}]}}',
        '{"seeds": [Infinity]}',
    ):
        (tmp_path / "seeds.json").write_text(text)
        assert missing_seeds(tmp_path) == [] and read_inputs(tmp_path) == {}
