"""Plain text in its usual forms: files, blocks between blank lines, JSON lines, name lists."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.forms.mediawiki import is_mediawiki, read_mediawiki
from bertkit.corpus.forms.pubmed import pubmed_form, read_pmc, read_pubmed
from bertkit.corpus.forms.tar import is_tar, read_tar
from bertkit.corpus.forms.wikiextractor import is_wikiextractor, read_wikiextractor
from bertkit.corpus.lines import first_line, head_of, lines
from bertkit.corpus.output_folder import require_finished
from bertkit.errors import DataError, UsageError
from bertkit.files import expand_inputs, is_remote, open_binary
from bertkit.manifest import NAME as MANIFEST
from bertkit.manifest import Manifest, read_manifest, require_complete

Reader = Callable[[str, int], Iterator[RawDocument | Rejected | Skipped]]
_PACKED = (".gz", ".bz2", ".xz", ".lzma")


def list_inputs(inputs: Sequence[str], prefix: str = "") -> list[str]:
    """The files to read, in a fixed order.

    Args:
        inputs: files, globs, folders or `@list.txt`, as on the command line. A folder
            that a bertkit run left incomplete is refused; of a folder that `download`
            made only the text is taken.
        prefix: folder to which the names in lists are relative (Cerebras' metadata files).

    Raises:
        DataError: something does not exist, or a list names nothing.
        UsageError: a prefix without a list.
    """
    if prefix and not any(name.startswith("@") for name in inputs):
        raise UsageError("--input-prefix goes with a list of names", "example: --input @list.txt")
    found: list[str] = []
    for name in inputs:
        if name.startswith("@"):
            found += expand_inputs(_listed(name[1:], prefix))
            continue
        found += expand_inputs(_texts_of(name) or [name])
    return found


def _texts_of(folder: str) -> list[str]:
    """The corpus files of a folder made by `download`, which may hold questions besides."""
    if is_remote(folder):
        require_finished(folder)
        return []
    if not os.path.isdir(folder):
        return []
    manifest = require_complete(folder)
    if manifest is None or manifest.command != "download":
        return []
    texts = [name for name, facts in manifest.outputs.items() if facts.get("kind") == "text"]
    return [os.path.join(folder, name) for name in texts]


def _listed(path: str, prefix: str) -> list[str]:
    with open_binary(path) as stream:
        blob = stream.read()
    try:
        names = [name.strip() for name in blob.decode("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
    names = [name for name in names if name]
    if not names:
        raise DataError(f"{path} names no files", "it should hold one path per line")
    return [_joined(prefix, name) for name in names]


def _joined(prefix: str, name: str) -> str:
    if not prefix or is_remote(name):
        return name
    return f"{prefix.rstrip('/')}/{name}" if is_remote(prefix) else os.path.join(prefix, name)


def detect_form(path: str) -> str:
    """The form of a file: by its name, else by how it begins.

    A tar archive: tar. A MediaWiki dump: mediawiki. PubMed's XML: pubmed or pmc. `.jsonl`
    and `.ndjson`, or a JSON object first: jsonl. `<doc ` first: wikiextractor. A part
    written by `extract` or `split`: sentences. Everything else: text, one document per
    file.

    Raises:
        DataError: another archive: unpack it first.
    """
    name = path.lower()
    head = _head(path)
    if is_tar(head):
        return "tar"
    if is_mediawiki(head):
        return "mediawiki"
    if form := pubmed_form(head):
        return form
    for ending in _PACKED:
        name = name.removesuffix(ending)
    if name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    start = first_line(path)
    if is_wikiextractor(start):
        return "wikiextractor"
    if start.lstrip().startswith(b"{") and _is_json_object(start):
        return "jsonl"
    return "sentences" if _written_by_bertkit(path) else "text"


def reader_of(form: str) -> Reader:
    """The function that reads a form.

    Each takes a path and the largest size of a document in bytes, yields `RawDocument`,
    `Rejected` and `Skipped`, and raises DataError for a file that cannot be read at all.
    """
    return _READERS[form]


def read_text(path: str, max_bytes: int) -> Iterator[RawDocument | Rejected]:
    """A file that is one document."""
    body: list[bytes] = []
    size = 0
    for line in lines(path):
        size += len(line.blob)
        if size > max_bytes:
            yield Rejected(path, _too_large(max_bytes))
            return
        body.append(line.blob)
    yield _document(path, path, b"".join(body), 0)


def read_blocks(path: str, max_bytes: int) -> Iterator[RawDocument | Rejected]:
    """A file of several documents with blank lines between them."""
    body: list[bytes] = []
    size = number = start = 0
    for line in lines(path):
        if line.begins and not line.blob.strip():
            if size:
                yield _block(path, number, body, size, start, max_bytes)
            body, size = [], 0
            continue
        if not size:
            number, start = line.number, line.offset
        size += len(line.blob)
        if size <= max_bytes:
            body.append(line.blob)
        else:
            body.clear()
    if size:
        yield _block(path, number, body, size, start, max_bytes)


def read_jsonl(path: str, max_bytes: int) -> Iterator[RawDocument | Rejected]:
    """A file with one JSON object per line: `text`, and if it likes `id` and `title`.

    WikiExtractor's `--json` output is such a file.
    """
    body: list[bytes] = []
    size = number = 0
    for line in lines(path):
        if line.begins:
            if size:
                yield _json_document(path, number, body, size, max_bytes)
            body, size, number = [], 0, line.number
        size += len(line.blob)
        if size <= max_bytes:
            body.append(line.blob)
        else:
            body.clear()
    if size:
        yield _json_document(path, number, body, size, max_bytes)


def _block(
    path: str, number: int, body: list[bytes], size: int, start: int, max_bytes: int
) -> RawDocument | Rejected:
    name = f"{path}:{number}"
    if size > max_bytes:
        return Rejected(name, _too_large(max_bytes))
    return _document(path, name, b"".join(body), start)


def _document(path: str, name: str, blob: bytes, start: int) -> RawDocument | Rejected:
    try:
        return RawDocument(name, "", blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {start + error.start} of {path}")


def _json_document(
    path: str, number: int, body: list[bytes], size: int, max_bytes: int
) -> RawDocument | Rejected:
    name = f"{path}:{number}"
    if size > max_bytes:
        return Rejected(name, _too_large(max_bytes))
    blob = b"".join(body).strip()
    if not blob:
        return RawDocument(name, "", "")
    try:
        value = json.loads(blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(name, f"not UTF-8 at byte {error.start} of the line")
    except (ValueError, RecursionError) as error:
        return Rejected(name, f"not JSON: {error}")
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return Rejected(name, 'no text: expected an object with a "text" string')
    title = value.get("title")
    given = value.get("id")
    return RawDocument(
        str(given) if given is not None else name,
        title if isinstance(title, str) else "",
        value["text"],
    )


def _head(path: str) -> bytes:
    """The first bytes of a file, unpacked.

    Raises:
        DataError: an archive that cannot be read in one pass.
    """
    head = head_of(path, 1024)
    if head.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")):
        raise DataError(f"{path} is an archive of files", "unpack it, then give the folder")
    return head


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _written_by_bertkit(path: str) -> bool:
    for place in () if is_remote(path) else Path(path).absolute().parents[:2]:
        manifest = _manifest_of(place)
        if manifest is not None and manifest.command in ("extract", "split"):
            return True
    return False


def _manifest_of(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return _parsed(str(folder), path.stat().st_mtime_ns) if path.is_file() else None


@functools.lru_cache(maxsize=64)
def _parsed(folder: str, changed: int) -> Manifest | None:
    # Parsed once per folder, not once per file of a large corpus.
    return read_manifest(folder)


def _too_large(max_bytes: int) -> str:
    return f"larger than --max-document-megabytes {max_bytes // 1_000_000}"


_READERS: dict[str, Reader] = {
    "wikiextractor": read_wikiextractor,
    "text": read_text,
    "documents": read_blocks,
    "jsonl": read_jsonl,
    "sentences": read_blocks,
    "tar": read_tar,
    "mediawiki": read_mediawiki,
    "pubmed": read_pubmed,
    "pmc": read_pmc,
}
