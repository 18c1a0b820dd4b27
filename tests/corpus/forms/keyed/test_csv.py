from __future__ import annotations

import csv
import io
import tracemalloc

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.keyed.csv import FORM
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError
from corpus.forms.reading import read, write

ROWS = [("1", "A", 'says "hi", twice\nand more'), ("2", "B", "tab\there; there"), ("3", "", "x|y")]
WANTED = [RawDocument(*row) for row in ROWS]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tables_as_python_writes_them_whatever_their_name(tmp_path, delimiter, line_end):
    with open(tmp_path / "a", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=line_end)
        writer.writerows([("id", "title", "text"), *ROWS])
    found = detect(RawFile.of(str(tmp_path / "a")))
    assert found == (FORM, 'it begins with names of columns, text in column "text"')
    assert read(FORM, tmp_path / "a") == WANTED


@pytest.mark.parametrize(("name", "sep"), [("a.csv", ","), ("a.tsv", "\t"), ("a.csv.gz", ",")])
def test_tables_as_pandas_writes_them(tmp_path, name, sep):
    frame = pytest.importorskip("pandas").DataFrame(ROWS, columns=["id", "title", "Content"])
    frame.to_csv(tmp_path / name, sep=sep, index=False)
    assert detect(RawFile.of(str(tmp_path / name))).reason.endswith('column "Content"')
    assert read(FORM, tmp_path / name) == WANTED


def test_a_column_is_named_or_the_table_refused(tmp_path):
    path = write(tmp_path, "a.csv", b"id,review,summary\n1,long text,short\n")
    with pytest.raises(NotTextError, match="It has id, review, summary"):
        detect(RawFile.of(path))
    options = ReadOptions(text_key="review", title_key="summary")
    assert detect(RawFile.of(path), options).form is FORM
    assert list(FORM.documents(path, options)) == [RawDocument("1", "short", "long text")]
    rows = b"id,review\n" + b"1,long text\n" * 4
    with pytest.raises(NotTextError, match="It has id, review"):  # by its rows alone
        detect(RawFile.of(write(tmp_path, "b", rows)))


def test_bad_rows_cost_themselves(tmp_path):
    blob = b'text,id\na,1\n"b\xff",2\nc,3,4,5\n' + b"d" * 200 + b',6\n\ne,7\nf\n"no end,8\n'
    found = read(FORM, write(tmp_path, "a.csv", blob), max_bytes=100)
    texts = [item.text if isinstance(item, RawDocument) else item.reason for item in found]
    assert texts == [
        "a",
        "not UTF-8 at byte 2 of the line",
        "4 fields, not 2 as the header",
        "larger than --max-document-megabytes 0",
        "e",
        "f",
        '"no end',
    ]
    assert isinstance(found[1], Rejected)
    assert found[1].id.endswith("a.csv:3")


def test_a_quotation_without_end_takes_no_memory(tmp_path):
    path = write(tmp_path, "a.csv", b'text\na\n"' + b"b c d e f g h\n" * 4_000)
    tracemalloc.start()
    first, second, *_ = FORM.documents(path, ReadOptions(max_bytes=20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.text == "a"
    assert "larger than" in second.reason
    assert peak < 4_000_000


def test_pandas_index_and_other_names_of_columns_make_a_table_of_any_name(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(ROWS, columns=["id", "title", "text"]).to_csv(tmp_path / "a")
    pandas.DataFrame(ROWS, columns=["id", "title", "text"])[["text"]].to_csv(
        tmp_path / "b", index=False
    )
    assert detect(RawFile.of(str(tmp_path / "a"))).form is FORM
    assert read(FORM, tmp_path / "a") == WANTED
    assert detect(RawFile.of(str(tmp_path / "b"))).form is FORM
    assert [item.text for item in read(FORM, tmp_path / "b")] == [row[2] for row in ROWS]
    rows = b"Unnamed: 0,Review text\n" + b'1,"long, text"\n' * 4
    with pytest.raises(NotTextError, match="It has Unnamed: 0, Review text"):
        detect(RawFile.of(write(tmp_path, "c", rows)))


@pytest.mark.parametrize("mark", [";", ",", "^", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_that_names_the_delimiter_is_no_header(mark, end):
    """As Excel reads and writes it."""
    rows = ["sep=" + mark, mark.join(("id", "text")), mark.join(("1", '"Cats, and dogs; sleep."'))]
    blob = (end.join(rows) + end).encode()
    form = detect(RawFile.of_stream(io.BytesIO(blob), "a", "utf-8")).form
    (found,) = form.documents(RawFile.of_stream(io.BytesIO(blob), "a", "utf-8"))
    assert (form.name, found.text) == ("csv", "Cats, and dogs; sleep.")
