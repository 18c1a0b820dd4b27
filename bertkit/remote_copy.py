"""Copies checkpoints from remote places, such as gs:// and s3://, to this machine's cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from bertkit import log
from bertkit.config import Resolved
from bertkit.errors import DataError
from bertkit.files import is_remote, missing_protocol
from bertkit.inner_names import require_inner_names
from bertkit.shared_cache import cache_folder
from bertkit.temporary import temporary_path

C = TypeVar("C")
# What a checkpoint of one file, or of files with a common prefix, has beside it.
_BESIDE = ("config.json", "bert_config.json", "vocab.txt", "tokenizer_config.json", "checkpoint")


def local_checkpoint(place: str) -> str:
    """The local path of a checkpoint: a remote one is copied, once per machine.

    Args:
        place: a path, or a URL of a folder, a file, or the prefix of a TensorFlow checkpoint.

    Raises:
        DataError: nothing is there, or it cannot be read.
        MissingDependencyError: the protocol needs a package that is not installed.
    """
    if not is_remote(place):
        return place
    import fsspec

    url = place.rstrip("/")
    parent, _, name = url.rpartition("/")
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = _cache() / digest
    target = folder / name
    if folder.is_dir():
        log.logger.info("%s: the copy in %s is used; remove it to fetch it again", place, folder)
        return str(target)
    try:
        system, root = fsspec.url_to_fs(url)
        files = _files(system, root)
    except ImportError as error:
        raise missing_protocol(place, error) from error
    except Exception as error:  # of the protocol's own kinds
        raise DataError(f"cannot read {place}: {error}") from error
    if not files:
        raise DataError(f"nothing at {place}", f"look at the names in {parent}")
    log.logger.info("copying %s to %s", place, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_path(folder) as partial:
        above = root.rpartition("/")[0]
        try:
            for file in files:
                inner = file[len(above) :].lstrip("/")
                require_inner_names([inner], place)
                here = partial / inner
                here.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(file, str(here))
            if not folder.is_dir():  # another process may have been faster
                partial.rename(folder)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"cannot copy {place}: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return str(target)


def local_checkpoints(places: Sequence[str]) -> list[str]:
    """`local_checkpoint` of each."""
    return [local_checkpoint(place) for place in places]


def with_local_checkpoint(found: Resolved[C]) -> Resolved[C]:
    """The same settings with a remote `init_checkpoint` copied to this machine."""
    place = getattr(found.config, "init_checkpoint", None)
    here = local_checkpoint(place) if place else place
    if here == place:
        return found
    config: Any = found.config
    return replace(found, config=replace(config, init_checkpoint=here))


def _files(system: Any, root: str) -> list[str]:
    """The files of a folder; or those that begin with a prefix, and what lies beside them."""
    if system.isdir(root):
        return list(system.find(root))
    found = [name for name in system.glob(f"{root}*") if system.isfile(name)]
    above = root.rpartition("/")[0]
    if found:
        found += [f"{above}/{name}" for name in _BESIDE if system.isfile(f"{above}/{name}")]
    return list(dict.fromkeys(found))


def _cache() -> Path:
    return cache_folder() / "checkpoints"
