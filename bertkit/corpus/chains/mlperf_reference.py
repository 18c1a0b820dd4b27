"""Compares prepared text with the sizes and MD5 sums that MLPerf publishes for it.

The published table has eight of the 502 files: `eval.txt`, `eval.md5`, and the first and
last three parts (mlcommons/training, retired_benchmarks/bert/README.md; `download
mlperf-text` has the same rows). MLCommons' downloads come with a list of all sums, which
`sums` takes. `eval.md5` itself holds a sum per test article, so that a different `eval.txt`
can be told apart article by article.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.corpus.chains import mlperf
from bertkit.corpus.download.catalogue import RemoteFile, find_source
from bertkit.errors import DataError, UsageError
from bertkit.storage.files import digest_of, open_binary

NAMES = ("mlperf",)
SAME, DIFFERENT, MISSING, UNPUBLISHED = "the same", "different", "missing", "no sum is published"
_SUM = re.compile(r"([0-9a-f]{32})[ \t*]+(\S.*)")


@dataclass(frozen=True)
class FileComparison:
    """One file of the reference.

    Attributes:
        name: as it is published.
        result: `SAME`, `DIFFERENT`, `MISSING` or `UNPUBLISHED`.
        bytes, md5: of the file that was found; None and empty for a missing one.
        wanted_bytes, wanted_md5: as published, if they are.
    """

    name: str
    result: str
    bytes: int | None = None
    md5: str = ""
    wanted_bytes: int | None = None
    wanted_md5: str = ""


@dataclass(frozen=True)
class ReferenceComparison:
    """What a comparison found.

    Attributes:
        same: every file with a published sum is there and has it.
        folder: what was compared.
        files: each file of the reference that is there or whose sum is known.
        unknown: how many more files of the reference are neither.
        articles: test articles of `eval.txt` whose sum stands in its place in `eval.md5`,
            and how many `eval.md5` lists; None where one of them is missing.
    """

    same: bool
    folder: str
    files: tuple[FileComparison, ...]
    unknown: int
    articles: tuple[int, int] | None = None


def compare_with_reference(
    folder: str, name: str = "mlperf", sums: str | None = None
) -> ReferenceComparison:
    """Compare a folder of prepared text with what is published.

    Args:
        folder: MLPerf's `results`, or the output of `split --method mlperf` (its parts are
            in `train/`).
        name: of the reference, one of `NAMES`.
        sums: a list of further MD5 sums, `md5  name` per line.

    Raises:
        UsageError: no such reference.
        DataError: no such folder, none of the files in it, or a broken list.
    """
    if name not in NAMES:
        raise UsageError(f"no reference {name!r}", f"references: {', '.join(NAMES)}")
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"{folder} is not a folder", "give the folder with eval.txt and the parts")
    wanted = find_source("mlperf-text").files
    more = _listed(sums) if sums else {}
    wanted = tuple(replace(item, md5=item.md5 or more.get(item.name, "")) for item in wanted)
    found = {item.name: path for item in wanted if (path := _find(place, item.name))}
    if not found:
        raise DataError(
            f"{folder} holds none of MLPerf's files (eval.txt, eval.md5, part-00000-of-00500, ...)",
            "give the output of `bertkit split --method mlperf`, or MLPerf's own results folder",
        )
    files = tuple(
        _compared(item, found.get(item.name))
        for item in wanted
        if item.md5 or item.size or item.name in found
    )
    return ReferenceComparison(
        same=all(file.result in (SAME, UNPUBLISHED) for file in files)
        and any(file.result == SAME for file in files),
        folder=folder,
        files=files,
        unknown=len(wanted) - len(files),
        articles=_articles(found.get("eval.txt"), found.get("eval.md5")),
    )


def _find(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / "train" / name)
    return next((path for path in places if path.is_file()), None)


def _compared(item: RemoteFile, path: Path | None) -> FileComparison:
    if path is None:
        return FileComparison(item.name, MISSING, None, "", item.size, item.md5)
    size = path.stat().st_size
    # Of a file of another size the sum is another one, too; it is told all the same.
    md5 = digest_of(path, "md5")
    if not item.md5:
        result = UNPUBLISHED
    else:
        result = SAME if md5 == item.md5 and item.size in (None, size) else DIFFERENT
    return FileComparison(item.name, result, size, md5, item.size, item.md5)


def _articles(text: Path | None, sums: Path | None) -> tuple[int, int] | None:
    if text is None or sums is None:
        return None
    listed = _read(sums).split()
    # Written as article, blank line, article, blank line: the last piece is no article.
    found = [mlperf.article_md5(article) for article in _read(text).split("\n\n")[:-1]]
    return sum(a == b for a, b in zip(found, listed, strict=False)), len(listed)


def _listed(path: str) -> dict[str, str]:
    found = {}
    for number, line in enumerate(_read(Path(path)).splitlines(), 1):
        match = _SUM.fullmatch(line.strip())
        if match:
            found[Path(match[2].strip()).name] = match[1]
        elif line.strip():
            raise DataError(f"{path}:{number}: not a line of `md5  name`", "md5sum writes such")
    return found


def _read(path: Path) -> str:
    with open_binary(path) as stream:
        blob = stream.read()
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
