from __future__ import annotations

import csv

import pytest

from bertkit.corpus.document import RawDocument
from bertkit.corpus.forms.keyed.csv import FORM
from corpus.forms.reading import read, write


def texts(tmp_path, blob: bytes) -> list[str]:
    found = read(FORM, write(tmp_path, "a.csv", blob))
    return [item.text if isinstance(item, RawDocument) else item.reason for item in found]


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quotation_marks_behind_backslashes_are_quotation_marks(tmp_path, delimiter, quoting):
    rows = [("1", 'says "hi", twice\nand "more"'), ("2", 'x "y" z'), ("3", "z")]
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8") as stream:
        # As pandas with doublequote=False and Spark write them.
        writer = csv.writer(
            stream, delimiter=delimiter, quoting=quoting, doublequote=False, escapechar="\\"
        )
        writer.writerow(("id", "text"))
        writer.writerows(rows)
    blob = (tmp_path / "a.csv").read_bytes()
    assert b'\\"hi' in blob
    assert texts(tmp_path, blob) == [text for _, text in rows]


def test_other_backslashes_stay(tmp_path):
    blob = b'id,text\n1,"C:\\new \\"x\\""\n2,\\alpha\n'
    assert texts(tmp_path, blob) == ['C:\\new "x"', "\\alpha"]


def test_a_table_of_both_ways_of_quotation(tmp_path):
    blob = b'id,text\n1,"a ""b"" c"\n2,"d \\"e\\", f"\n3,g\n'
    assert texts(tmp_path, blob) == ['a "b" c', 'd "e", f', "g"]


@pytest.mark.parametrize(
    "open_one",
    ['"Never closed.', '"Closed," she said.', '"Ends with "one"', '"Swallows rows'],
)
def test_quotation_marks_of_a_table_without_quotation_take_no_other_row(tmp_path, open_one):
    rows = ["first", open_one, "third", 'the last "', "end"]
    blob = "id\ttext\n" + "".join(f"{number}\t{text}\n" for number, text in enumerate(rows))
    assert texts(tmp_path, blob.encode()) == rows


def test_a_quoted_field_of_several_lines_stays_one(tmp_path):
    blob = b'id\ttext\n1\t"a\nb\tc\nd"\n2\te\n'
    assert texts(tmp_path, blob) == ["a\nb\tc\nd", "e"]


def test_a_tab_in_the_header_parts_it_whatever_else_stands_there(tmp_path):
    assert texts(tmp_path, b"a,b,c\ttext\n1\tx, y\n") == ["x, y"]
