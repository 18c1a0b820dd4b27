"""Keeps the inputs of a manifest: a list, or for very many files a digest and a side file.

The side file `.manifest.inputs-DIGEST.jsonl` lies beside the manifest and has a line for each
input; memory holds none of them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeGuard, overload

from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.hub.sources import origin
from bertkit.remote.facts import require_as_fetched, url_of
from bertkit.storage.files import CHUNK, atomic_write, sha256_of, size_of
from bertkit.workers.engine import Engine
from bertkit.workers.pool import worker_count

# More inputs than these go to a side file.
MANY = 20_000
_BEGINNING, _END = ".manifest.inputs-", ".jsonl"
_BLOCK = 1024
# Files that are hashed by one task of a cluster.
_HASHED = 32
_SPOOL = "inputs.jsonl"
_KEYS = ("count", "bytes", "hashes_sha256", "lines_sha256")

_FORMS = {int: re.compile(r"\d+"), str: re.compile("[0-9a-f]{64}")}

Input = Mapping[str, Any]


class ManyInputs(Sequence[dict[str, Any]]):
    """Descriptions of inputs that are read from a file each time they are gone through.

    Args:
        facts: what the manifest says of them, see `stated`.
        place: folder of the side file; None while they are in a temporary file.
    """

    def __init__(
        self, facts: Mapping[str, Any], place: Path | None = None, spool: Any = None
    ) -> None:
        self._facts = {key: facts[key] for key in _KEYS}
        self._place = place
        self._spool = spool

    @classmethod
    def collect(cls, described: Iterable[Input]) -> ManyInputs:
        """Take descriptions from an iterable, one after the other, into a temporary file."""
        # A folder, not a file: it goes with the object, and Windows opens no file twice.
        spool = tempfile.TemporaryDirectory(prefix="bertkit-")
        count, size, hashes, lines = 0, 0, hashlib.sha256(), hashlib.sha256()
        with open(Path(spool.name) / _SPOOL, "wb") as stream:
            for entry in described:
                line = json_text(entry, compact=True).encode() + b"\n"
                stream.write(line)
                lines.update(line)
                hashes.update(_hash_line(entry))
                count += 1
                size += int(entry["bytes"])
        values = (count, size, hashes.hexdigest(), lines.hexdigest())
        return cls(dict(zip(_KEYS, values, strict=True)), spool=spool)

    @staticmethod
    def can_be(values: Any) -> bool:
        """Whether values from a manifest have the form of `stated`."""
        return isinstance(values, dict) and all(
            isinstance(values.get(key), kind) and _FORMS[kind].fullmatch(str(values[key]))
            for key, kind in zip(_KEYS, (int, int, str, str), strict=True)
        )

    @property
    def size(self) -> int:
        """Bytes of all inputs together."""
        return int(self._facts["bytes"])

    @property
    def digest(self) -> str:
        """Of their hashes, see `digest_of`."""
        return str(self._facts["hashes_sha256"])

    @property
    def file(self) -> str:
        """Name of the side file."""
        return f"{_BEGINNING}{self._facts['lines_sha256'][:16]}{_END}"

    def stated(self) -> dict[str, Any]:
        """What the manifest says: how many, their bytes, digests of hashes and of lines."""
        return {**self._facts, "file": self.file}

    def write(self, place: Path) -> None:
        """Write the side file beside a manifest, unless it is there."""
        target = place / self.file
        if not target.is_file():
            with atomic_write(target) as stream, self._opened() as lines:
                while block := lines.read(CHUNK):
                    stream.write(block)
        self._place, self._spool = place, None

    def is_there(self) -> bool:
        """Whether their descriptions can still be read."""
        return self._spool is not None or (
            self._place is not None and (self._place / self.file).is_file()
        )

    def __len__(self) -> int:
        return int(self._facts["count"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        digest = hashlib.sha256()
        with self._opened() as lines:
            for line in lines:
                digest.update(line)
                yield json.loads(line)
        if digest.hexdigest() != self._facts["lines_sha256"]:
            raise DataError(
                f"{(self._place or Path()) / self.file} is not what its manifest says",
                "run the command that made the folder again, with --overwrite",
            )

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, int):
            return next(itertools.islice(self, range(len(self))[index], None))
        rows = range(len(self))[index]
        upto = range(max(rows, default=-1) + 1)
        held = {n: entry for n, entry in zip(upto, self, strict=False) if n in rows}
        return [held[number] for number in rows]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ManyInputs) and self._facts == other._facts

    __hash__ = None  # type: ignore[assignment]

    def _opened(self) -> IO[bytes]:
        if self._spool is not None:
            return open(Path(self._spool.name) / _SPOOL, "rb")
        path = (self._place or Path()) / self.file
        try:
            return open(path, "rb")
        except OSError as error:
            raise DataError(
                f"cannot read {path}, which lists the inputs of the run: {error.strerror or error}",
                "copy the folder with its hidden files",
            ) from error


def describe_inputs(paths: Sequence[str], engine: Engine | None = None) -> Sequence[dict[str, Any]]:
    """Path, size and sha256 of input files in the given order.

    Args:
        paths: of the files.
        engine: hashes as many at a time as it has workers, by threads, or by its cluster; None:
            one after the other.
    """
    if _is_cluster(engine):
        digests = _by_cluster(paths, engine)
    else:
        digests = _by_threads(paths, worker_count(engine.workers if engine else 1, len(paths)))
    described = (described_by(path, digest) for path, digest in zip(paths, digests, strict=True))
    return ManyInputs.collect(described) if len(paths) > MANY else list(described)


def described_by(path: str, digest: str) -> dict[str, Any]:
    """What a manifest says of an input with this sha256.

    Raises:
        DataError: it was fetched from a URL that said another one.
    """
    require_as_fetched(path, digest)
    return {"path": origin(url_of(path)), "bytes": size_of(path), "sha256": digest}


def _by_threads(paths: Sequence[str], threads: int) -> Iterator[str]:
    with ThreadPoolExecutor(threads) as pool:
        # By blocks, so that not every file waits in the pool.
        for start in range(0, len(paths), _BLOCK):
            yield from pool.map(sha256_of, paths[start : start + _BLOCK])


def _is_cluster(engine: Engine | None) -> TypeGuard[Engine]:
    return engine is not None and engine.executor != "processes"


def _by_cluster(paths: Sequence[str], engine: Engine) -> Iterator[str]:
    here = [engine.path(path) for path in paths]
    tasks = [here[start : start + _HASHED] for start in range(0, len(here), _HASHED)]
    return itertools.chain.from_iterable(engine.in_order(_sha256_of_all, tasks))


def _sha256_of_all(paths: Sequence[str]) -> list[str]:
    return [sha256_of(path) for path in paths]


def total_bytes(inputs: Sequence[Input]) -> int:
    """Bytes of all inputs."""
    if isinstance(inputs, ManyInputs):
        return inputs.size
    return sum(entry.get("bytes", 0) for entry in inputs)


def digest_of(inputs: Sequence[Input]) -> str:
    """One digest of the hashes of all inputs, in order."""
    if isinstance(inputs, ManyInputs):
        return inputs.digest
    digest = hashlib.sha256()
    for entry in inputs:
        digest.update(_hash_line(entry))
    return digest.hexdigest()


def difference(found: Sequence[Input], planned: Sequence[Input]) -> str:
    """How the inputs of two runs differ, as text; empty where they are the same."""
    if len(found) == len(planned) and digest_of(found) == digest_of(planned):
        return ""
    counts = f"{len(found)} inputs, now {len(planned)}"
    if len(found) != len(planned) and total_bytes(found) == total_bytes(planned) and _cut(planned):
        return f"{counts}, of the same bytes: this version of bertkit cuts large files otherwise"
    if not all(inputs.is_there() for inputs in (found, planned) if isinstance(inputs, ManyInputs)):
        return counts
    pairs = zip(found, planned, strict=False)
    changed = [b for a, b in pairs if _hash_line(a) != _hash_line(b)]
    first = f", the first is {changed[0]['path']}" if changed else ""
    return f"{counts}; {len(changed)} of them changed{first}"


def _cut(inputs: Sequence[Input]) -> bool:
    """Whether some of the inputs are parts of files."""
    return any("from_byte" in entry for entry in inputs)


def stated(inputs: Sequence[Input]) -> Any:
    """What stands in the manifest."""
    return inputs.stated() if isinstance(inputs, ManyInputs) else list(inputs)


def write_beside(inputs: Sequence[Input], place: Path) -> None:
    """Write the side file that a manifest in the folder needs, if it does."""
    if isinstance(inputs, ManyInputs):
        inputs.write(place)


def remove_others(inputs: Sequence[Input] | None, place: Path) -> None:
    """Remove side files beside a manifest that does not name them."""
    own = inputs.file if isinstance(inputs, ManyInputs) else ""
    for path in place.glob(f"{_BEGINNING}*{_END}"):
        if path.name != own:
            path.unlink(missing_ok=True)


def _hash_line(entry: Input) -> bytes:
    return str(entry.get("sha256", entry.get("crc_sha256"))).encode() + b"\n"
