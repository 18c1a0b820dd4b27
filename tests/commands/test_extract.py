from __future__ import annotations

import json
import zipfile


def test_result_for_people_and_next_step(bertkit, tmp_path):
    (tmp_path / "a.txt").write_text("One.\nTwo.\n")
    shown = bertkit(
        "extract", "-i", tmp_path / "a.txt", "-o", tmp_path / "out", "--splitter", "lines"
    )
    assert shown.status == 0
    assert "1 document, 2 sentences, 10 bytes in 1 part " in shown.out
    assert (tmp_path / "out/part-00000-of-00001.txt").read_text() == "One.\nTwo.\n"
    again = bertkit(
        "extract", "-i", tmp_path / "a.txt", "-o", tmp_path / "out", "--splitter", "lines"
    )
    assert "up to date" in again.out


def test_dry_run_shows_where_values_come_from(bertkit, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("One.\n")
    monkeypatch.setenv("BERTKIT_EXTRACT_LANGUAGE", "de")
    shown = bertkit(
        "extract", "-i", tmp_path / "a.txt", "-o", tmp_path / "out", "--strict", "--dry-run"
    )
    assert shown.status == 0
    rows = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.split()}
    assert rows["strict"][1:] == ["true", "command", "line"]
    assert rows["language"][1:] == ["de", "environment"]
    assert rows["splitter"][1:] == ["rule", "default"]
    assert rows["input_bytes"][1] == "5"
    assert not (tmp_path / "out").exists()


def test_list_with_prefix(bertkit, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.txt").write_text("One.\n")
    (tmp_path / "list.txt").write_text("a.txt\n")
    shown = bertkit(
        "extract", "--input", f"@{tmp_path}/list.txt", "--input-prefix", tmp_path / "d",
        "--output", tmp_path / "out", "--splitter", "lines", "--json",
    )  # fmt: skip
    assert shown.result["documents"] == 1


def test_errors_have_their_status_and_one_line(bertkit, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bad.txt").write_bytes(b"x\xff")
    out = tmp_path / "out"
    for words, status, text in [
        (["-i", tmp_path / "none", "-o", out], 3, "no such file"),
        (["-i", tmp_path / "empty.txt", "-o", tmp_path / "o1"], 3, "no document with text"),
        (["-i", tmp_path / "bad.txt", "-o", tmp_path / "o2"], 3, "not UTF-8 at byte 1"),
        (["-i", tmp_path / "bad.txt", "-o", out, "--splitter", "spacy:none"], 4, "spacy download"),
        (["-i", tmp_path / "bad.txt", "-o", out, "--splitter", "x"], 2, "no splitter"),
        (["-i", tmp_path / "bad.txt", "-o", out, "--form", "x"], 2, "x"),
        (["-i", tmp_path / "bad.txt"], 2, "--output"),
    ]:
        shown = bertkit("extract", *words)
        assert shown.status == status, words
        assert text in shown.err
        assert "Traceback" not in shown.err
        assert shown.out == ""
    assert not out.exists()


def test_templates_that_nothing_is_known_of_are_counted_and_listed(bertkit, tmp_path):
    """Also where the folder is up to date; the manifest names the wiki."""
    pages = "".join(
        f"<page><title>T{n}</title><ns>0</ns><id>{n}</id><revision><text>Der Ort hat "
        f"{{{{EWZ|DE|12{n}}}}} Menschen und {{{{nowrap|5 km}}}} Wege.{{{{Anm|x}}}} Er "
        "{{mag|a|b}} sie.</text></revision></page>"
        for n in range(3)
    )
    head = '<mediawiki xml:lang="de"><siteinfo><dbname>dewiki</dbname></siteinfo>'
    (tmp_path / "d.xml").write_text(head + pages + "</mediawiki>", encoding="utf-8")
    given = ["extract", "--input", tmp_path / "d.xml", "--output", tmp_path / "out"]
    given += ["--splitter", "lines"]
    done = bertkit(*given, "--json", "--report-templates", tmp_path / "table.tsv")
    assert done.status == 0
    assert done.result["unknown_templates"] == 6
    table = (tmp_path / "table.tsv").read_text(encoding="utf-8")
    assert table.splitlines() == [
        "count\tname\texample",
        "3\tEWZ\tDer Ort hat {{EWZ|DE|120}} Menschen und {{nowrap|5 km}} Wege.{{Anm",
        "3\tmag\tn und {{nowrap|5 km}} Wege.{{Anm|x}} Er {{mag|a|b}} sie.",
    ]
    again = bertkit(*given, "--report-templates")
    assert "up to date" in again.out
    assert table in again.out
    stats = json.loads((tmp_path / "out/manifest.json").read_text())["stats"]
    assert stats["noticed"]["wiki"] == {"dewiki (de)": [1, ""]}
    assert stats["noticed"]["unknown template"]["EWZ"][0] == 3
    part = next((tmp_path / "out").glob("part-*")).read_text(encoding="utf-8")
    assert part.startswith("Der Ort hat Menschen und 5 km Wege. Er sie.\n")
    given[4] = tmp_path / "last"
    bertkit(*given, "--unknown-templates", "last")
    part = next((tmp_path / "last").glob("part-*")).read_text(encoding="utf-8")
    assert part.startswith("Der Ort hat 120 Menschen und 5 km Wege. Er b sie.\n")


def test_forms_of_members_of_archives_are_said_and_kept(bertkit, tmp_path):
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.writestr("a.txt", "One line.\nAnother line.\n")
        archive.writestr("b.jsonl", '{"text": "First."}\n{"text": "Second."}\n')
        archive.writestr("c.jsonl", '{"text": "Third."}\n')
    shown = bertkit("extract", "-i", tmp_path / "mixed.zip", "-o", tmp_path / "docs")
    assert "4 documents" in shown.out and "members of archives: jsonl 2, text 1" in shown.out
    stats = json.loads((tmp_path / "docs" / "manifest.json").read_text())["stats"]
    assert {name: found[0] for name, found in stats["noticed"]["member"].items()} == {
        "jsonl": 2,
        "text": 1,
    }
