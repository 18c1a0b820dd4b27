"""One small corpus in every form, compression, archive and encoding."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import pytest

# Words and marks that break what is careless: quotes, delimiters, escapes, other scripts.
TEXTS = [
    'Cats sleep, a lot; they "hunt" at night.',
    "Überall\tist es so | ganz \\ anders. Ende.",
    "猫はよく眠る。 Кошки спят.",
]

Documents = list[str]


def json_array(texts: Documents) -> str:
    return json.dumps([{"id": n, "text": text} for n, text in enumerate(texts)], indent=1)


def json_lines(texts: Documents) -> str:
    return "".join(
        json.dumps({"text": text, "id": str(n), "metadata": {"url": "u"}}, ensure_ascii=False)
        + "\n"
        for n, text in enumerate(texts)
    )


def table(texts: Documents) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("id", "text"), *enumerate(texts)])
    return out.getvalue()


def wikiextractor(texts: Documents) -> str:
    parts = (
        f'<doc id="{n}" url="u" title="T {n}">\nT {n}\n\n{text}\n</doc>\n'
        for n, text in enumerate(texts)
    )
    return "".join(parts)


def parquet(texts: Documents) -> bytes:
    pa = pytest.importorskip("pyarrow")
    out = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"text": texts}), out)
    return out.getvalue()


def arrow(texts: Documents) -> bytes:
    pa = pytest.importorskip("pyarrow")
    out = io.BytesIO()
    rows = pa.table({"text": texts})
    with pa.ipc.new_stream(out, rows.schema) as writer:
        writer.write_table(rows)
    return out.getvalue()


# Form → the file of all texts; text in an encoding, or bytes that have none.
FORMS: dict[str, Callable[[Documents], str | bytes]] = {
    "text": lambda texts: "\n".join(texts),
    "json": json_array,
    "jsonl": json_lines,
    "csv": table,
    "wikiextractor": wikiextractor,
    "parquet": parquet,
    "arrow": arrow,
}
# Encoding of the file → the value of --encoding; those with a mark need none.
ENCODINGS: dict[str, str | None] = {
    "utf-8": None,
    "utf-8-sig": None,
    "utf-16": None,
    "utf-32": None,
    "utf-16-le": "utf-16-le",
    "gb18030": "gb18030",
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda blob: pytest.importorskip("zstandard").ZstdCompressor().compress(blob),
}


def in_tar(kind: int) -> Callable[[bytes], bytes]:
    def pack(blob: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            info = tarfile.TarInfo("folder/member")
            info.size = len(blob)
            archive.addfile(info, io.BytesIO(blob))
        return out.getvalue()

    return pack


def in_zip(blob: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/member", blob)
    return out.getvalue()


# Kind → the archive that holds a file.
ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "tar": in_tar(tarfile.GNU_FORMAT),
    "pax": in_tar(tarfile.PAX_FORMAT),
    "zip": in_zip,
}
