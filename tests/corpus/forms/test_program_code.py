"""Program code is noticed, never refused; prose is not taken for it."""

from __future__ import annotations

import calendar
import io
import queue
from pathlib import Path

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.input_forms import take_inputs
from bertkit.corpus.forms.detect import CODE, detect
from bertkit.corpus.forms.program_code import is_code
from bertkit.corpus.raw_file import RawFile

OTHERS = (
    "#!/bin/sh\nset -e\necho cats\n",
    "<?php\necho 'cats';\n",
    "#include <stdio.h>\nint main(void) {\n  return 0;\n}\n",
    "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(1)\n}\n",
    "use std::io;\n\nfn main() {\n    let cats = 1;\n    println!(\"{}\", cats);\n}\n",
    "const cats = () => {\n  return 1;\n};\nfunction f(x) {\n  var y = x;\n}\n",
    "public class Cat {\n  private int age;\n  public int age() {\n    return age;\n  }\n}\n",
)  # fmt: skip
PROSE = (
    "Cats sleep; they do;\nthey dream; they wake;\nand sleep again;\nfor ever;\n",
    "Import duties rose.\nFrom here we import cats.\nReturn soon.\nClass was over.\n",
    "He said:\nShe said:\nThey said:\nif so, then:\nfor all:\nwhile we wait:\n",
    "(a)\n(b)\n(c)\n\nThree marks (of many)\nstand here (and there)\nbelow (one)\n" * 2,
    "Public opinion turned\nagainst the cats (and dogs)\nin public places:\nall of them\n" * 3,
)


@pytest.mark.parametrize("module", [calendar, queue])
def test_modules_of_python_are_code(module):
    blob = Path(module.__file__).read_bytes()
    assert is_code(blob[:65_536])
    found = detect(RawFile.of_stream(io.BytesIO(blob), "a", "utf-8"))
    assert (found.form.name, found.reason) == ("text", CODE)


@pytest.mark.parametrize("text", OTHERS)
def test_other_languages_are_code(text):
    assert is_code(text.encode())
    assert detect(RawFile.of_stream(io.BytesIO(text.encode()), "a", "utf-8")).form.name == "text"


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_not(text):
    assert not is_code(text.encode())


def test_books_are_not(shared):
    paths = sorted((shared / "data/corpus/gutenberg17").glob("*.txt"))
    assert len(paths) > 10
    for path in paths:
        blob = path.read_bytes()
        assert not any(is_code(blob[at : at + 5000]) for at in range(0, len(blob), 5000)), path


@pytest.mark.parametrize(("splitter", "said"), [("rule", True), ("lines", False)])
def test_who_splits_sentences_is_told_of_it(tmp_path, caplog, splitter, said):
    for number, text in enumerate([*OTHERS, "Cats sleep.\n"]):
        (tmp_path / f"{number}.txt").write_text(text)
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    found = take_inputs(files, [str(tmp_path)], ExtractConfig(splitter=splitter))
    assert found.paths == files
    assert any(CODE in line and f"{len(OTHERS)} files as text" in line for line in found.lines)
    found.log()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    words = f"{len(OTHERS)} files look like program code, which has no sentences"
    assert [text for text in warned if words in text and "--splitter lines" in text] == warned
    assert bool(warned) == said
