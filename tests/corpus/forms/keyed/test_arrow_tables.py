"""Parquet and Arrow files, all written by pyarrow, pandas and datasets."""

from __future__ import annotations

import io
import itertools
import random
import struct
import tracemalloc

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.keyed.arrow import ARROW, PARQUET
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError, NotTextError
from bertkit.tables.table import read_table
from corpus.forms.reading import read, write

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = [f"Text {number}. Ä." for number in range(700)]
TABLE = pa.table({"id": list(range(700)), "title": ["T"] * 700, "text": TEXTS})
WANTED = [RawDocument(str(number), "T", text) for number, text in enumerate(TEXTS)]


def stream_of(table, file_format: bool) -> bytes:
    out = io.BytesIO()
    make = pa.ipc.new_file if file_format else pa.ipc.new_stream
    with make(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return out.getvalue()


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip"])
def test_parquet_of_any_codec_under_any_name(tmp_path, codec):
    pq.write_table(TABLE, tmp_path / "a", compression=codec, row_group_size=100)
    found = detect(RawFile.of(str(tmp_path / "a")))
    assert (found.form.name, found.reason) == (
        "parquet",
        'by its first bytes, text in column "text"',
    )
    assert read(PARQUET, tmp_path / "a") == WANTED
    with open(tmp_path / "a", "rb") as stream:
        member = RawFile.of_stream(stream, "x!a")
        assert detect(member).form is PARQUET
        assert list(PARQUET.read(member, ReadOptions())) == WANTED


@pytest.mark.parametrize("file_format", [True, False])
def test_arrow_files_and_streams(tmp_path, file_format):
    path = write(tmp_path, "a", stream_of(TABLE, file_format))
    assert detect(RawFile.of(path)).form is ARROW
    assert read(ARROW, path) == WANTED
    member = RawFile.of_stream(io.BytesIO(stream_of(TABLE, file_format)), "x!a")
    assert detect(member).form is ARROW
    assert list(ARROW.read(member, ReadOptions())) == WANTED


@pytest.mark.parametrize("codec", ["uncompressed", "lz4", "zstd"])
def test_feather(tmp_path, codec):
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(TABLE, str(tmp_path / "a.feather"), compression=codec)
    assert read(ARROW, tmp_path / "a.feather") == WANTED


def test_parquet_of_pandas_with_categories_and_nulls(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"body": pandas.Categorical(["a", "b", "a"]), "n": [1, 2, 3]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert [found.text for found in read(PARQUET, tmp_path / "a.parquet")] == ["a", "b", "a"]
    pandas.DataFrame({"text": ["a", None]}).to_parquet(tmp_path / "b.parquet")
    good, bad = read(PARQUET, tmp_path / "b.parquet")
    assert (good.text, isinstance(bad, Rejected)) == ("a", True)


def test_columns_by_name_and_within_structures(tmp_path):
    table = pa.table({"page": [{"raw": "x", "url": "u"}], "other": ["y"]})
    pq.write_table(table, tmp_path / "a.parquet")
    path = str(tmp_path / "a.parquet")
    with pytest.raises(NotTextError, match="which column is the text\\? It has page, other"):
        detect(RawFile.of(path))
    for key, text in (("page.raw", "x"), ("other", "y")):
        (found,) = PARQUET.documents(path, ReadOptions(text_key=key))
        assert found.text == text


def test_damage_is_one_clear_error(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet")
    blob = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(DataError, match="truncated or damaged"):
        read(PARQUET, write(tmp_path, "b.parquet", blob[:-20]))
    with pytest.raises(DataError, match="truncated or damaged"):
        read(ARROW, write(tmp_path, "c", stream_of(TABLE, True)[:-30]))
    with pytest.raises(DataError, match="truncated or damaged"):
        read(ARROW, write(tmp_path, "d", stream_of(TABLE, False)[:-3000]))


def test_offsets_that_point_elsewhere_are_refused(tmp_path):
    table = pa.table({"text": ["one", "two", "three"]})
    offsets = struct.pack("<4i", 0, 3, 6, 11)
    blob = stream_of(table, False)
    assert blob.count(offsets) == 1
    for wrong in ((0, 3, 2, 11), (0, 1 << 28, 1 << 29, 1 << 30), (-9, 3, 6, 11)):
        path = write(tmp_path, "a", blob.replace(offsets, struct.pack("<4i", *wrong)))
        with pytest.raises(DataError, match="truncated or damaged"):
            read(ARROW, path)
        with pytest.raises(DataError, match="not a complete Arrow file"):
            read_table(path)


@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_a_row_that_is_not_utf8_costs_itself(tmp_path, form):
    texts = pa.array([b"one", b"t\xffo", b"three"], pa.binary()).view(pa.string())
    path = str(tmp_path / "a")
    if form is PARQUET:
        pq.write_table(pa.table({"text": texts}), path)
    else:
        write(tmp_path, "a", stream_of(pa.table({"text": texts}), True))
    found = read(form, path)
    assert found[1] == Rejected(f"{path}, row 2", "cannot be read: text that is not UTF-8")
    assert [row.text for row in (found[0], found[2])] == ["one", "three"]
    with pytest.raises(DataError, match="a:2: the column 'text' holds text that is not UTF-8"):
        read_table(path)


def test_names_that_are_not_utf8_and_sizes_beyond_memory_are_refused(tmp_path):
    blob = stream_of(pa.table({"text": ["one"], "twice": [1]}), True)
    with pytest.raises(DataError, match="truncated or damaged"):
        read(ARROW, write(tmp_path, "a", blob.replace(b"twice", b"tw\xffce")))
    blob = stream_of(TABLE, False)
    size = blob.index(b"\xff\xff\xff\xff", 8) + 4  # of the message of the first batch
    lengths = [at for at in range(size, size + 400, 8) if blob[at : at + 2] == b"\x2c\x01"]
    for at in lengths:  # 300 rows
        claimed = blob[:at] + (1 << 50).to_bytes(8, "little") + blob[at + 8 :]
        with pytest.raises(DataError, match="truncated or damaged"):
            read(ARROW, write(tmp_path, "b", claimed))


def test_spans_of_row_groups_make_the_whole(tmp_path):
    path = str(tmp_path / "a.parquet")
    pq.write_table(TABLE, path, row_group_size=50, compression="none")
    spans = PARQUET.spans(path, 2000)
    assert len(spans) > 2
    assert (spans[0][0], spans[-1][1]) == (0, (tmp_path / "a.parquet").stat().st_size)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    found = [item for span in spans for item in read(PARQUET, path, span=span)]
    assert found == WANTED


def test_memory_holds_some_rows(tmp_path):
    draw = random.Random(0)
    texts = ["".join(draw.choices("abcdefgh ", k=2000)) * 10 for _ in range(50)] * 80
    pq.write_table(pa.table({"text": texts}), tmp_path / "a", use_dictionary=False)
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    peak = 0
    for _ in PARQUET.documents(str(tmp_path / "a")):
        peak = max(peak, pa.total_allocated_bytes() - before)
    python_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000 < sum(map(len, texts))
    assert python_peak < 20_000_000
