"""Decides of all inputs of `extract` which form each is read in, says why, and what is left out.

A file that the user names must be of a known form. Among the files of a folder, one that is no
text is left out with a warning, and metadata of data sets (README, LICENSE, checksums,
dataset_info.json) without one; the manifest counts both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit import log
from bertkit.corpus import forms
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.part import detection_of, raw_file
from bertkit.corpus.forms.detect import CODE
from bertkit.corpus.forms.form import Form
from bertkit.corpus.raw_file import encoding_of
from bertkit.errors import NotTextError, UsageError
from bertkit.storage.folder_walk import METADATA, describes_data_set
from bertkit.tables.files import is_unlisted

# These are documents, unless other files show that the folder is a data set.
_ABOUT = re.compile(
    r"(readme|licen[cs]e|notice|copying|changelog|citation|authors)(\.\w+)?", re.IGNORECASE
)
NOT_TEXT, STALE = "not text", "not in state.json"
# (place, form, reason) → files.
Kinds = dict[tuple[str, str, str], int]
# So many lines are logged, so many files are named.
_LINES = 20
_NAMED = 100


@dataclass
class InputForms:
    """The inputs that are read, and what is said of them.

    Attributes:
        paths, names: the files to read in their order, and the name of the form of each; empty
            for the chains, whose files are looked at as they are read.
        lines: what was taken as which form and why, a line for files of one place and kind.
        left_out: kind of what is not read → how many files.
        named: the first of them, each with the reason.
        code: how many files of program code a splitter of sentences would cut.
    """

    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    code: int = 0

    def leave_out(self, path: str, kind: str, reason: str) -> None:
        """Count a file that is not read."""
        self.left_out[kind] = self.left_out.get(kind, 0) + 1
        if len(self.named) < _NAMED:
            self.named.append(f"{path}: {reason}")

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {"taken_as": self.lines, "left_out": self.left_out, "left_out_named": self.named}

    def log(self) -> None:
        """Say it on stderr."""
        for line in self.lines[:_LINES]:
            log.logger.info("%s", line)
        if len(self.lines) > _LINES:
            log.logger.info("... and %d more lines like these", len(self.lines) - _LINES)
        for kind, count in self.left_out.items():
            level = log.logger.info if kind == METADATA else log.logger.warning
            level("left out: %d %s (%s)", count, "file" if count == 1 else "files", kind)
        if self.code:
            log.logger.warning(
                "%d %s like program code, which has no sentences: --splitter lines keeps its lines",
                self.code,
                "file looks" if self.code == 1 else "files look",
            )
        for text in self.named[: _LINES // 2]:
            log.logger.info("left out: %s", text)


def take_inputs(files: Sequence[str], inputs: Sequence[str], config: ExtractConfig) -> InputForms:
    """Look at every file.

    Args:
        files: all files of the inputs, in their order.
        inputs: as on the command line.
        config: the settings.

    Raises:
        NotTextError: a file that is named, or under `strict` any file, is of no known form; or
            none of them is.
        DataError: a file cannot be read.
        UsageError: `--text-key` or `--title-key` where nothing has keys.
        MissingDependencyError: a package to read one is missing.
    """
    found = InputForms()
    if config.chain != "own":
        found.paths = list(files)
        return found
    named = {name for name in inputs if not name.startswith("@")}
    kinds: Kinds = {}
    about: list[str] = []
    refused: NotTextError | None = None
    other = 0
    for path in files:
        inside = path not in named
        if inside and config.form == forms.AUTO and _left_out_by_name(path, found):
            continue
        try:
            form, reason = detection_of(path, config)
        except NotTextError as error:
            if not inside or config.strict:
                raise
            refused = refused or error
            found.leave_out(path, NOT_TEXT, error.message.removeprefix(f"{path} "))
            continue
        if form.require is not None:
            form.require()
        found.paths.append(path)
        found.names.append(form.name)
        other += _is_of_another_encoding(path, form, config)
        if inside and form is forms.FALLBACK and _ABOUT.fullmatch(os.path.basename(path)):
            about.append(path)
            continue
        key = (_place(path, inputs), form.name, reason)
        kinds[key] = kinds.get(key, 0) + 1
    _leave_out_about(found, about, kinds, inputs)
    if refused is not None and not found.paths:
        raise refused
    _check_keys(found, config)
    if config.splitter != "lines":
        found.code = sum(count for (_, _, reason), count in kinds.items() if reason == CODE)
    found.lines = [_line(*key, count) for key, count in kinds.items()]
    if other:
        what = "1 file is" if other == 1 else f"{other:,} files are"
        found.lines.append(f"{what} UTF-8 and read as such, not as {config.encoding}")
    return found


def _is_of_another_encoding(path: str, form: Form, config: ExtractConfig) -> bool:
    """Whether `--encoding` names another encoding than the text of a file can be in."""
    if not config.encoding or form.container:
        return False
    file = raw_file(path, config)
    return encoding_of(file) != file.encoding


def _left_out_by_name(path: str, found: InputForms) -> bool:
    name = os.path.basename(path)
    if describes_data_set(name):
        found.leave_out(path, METADATA, "describes a data set")
        return True
    if is_unlisted(path):
        found.leave_out(path, STALE, "the data set's state.json does not list it")
        return True
    return False


def _leave_out_about(
    found: InputForms, about: Sequence[str], kinds: Kinds, inputs: Sequence[str]
) -> None:
    """Leave out README and the like beside data; beside plain text they are documents."""
    data = any(name != forms.FALLBACK.name for _, name, _ in kinds)
    for path in about:
        if data:
            index = found.paths.index(path)
            del found.paths[index], found.names[index]
            found.leave_out(path, METADATA, "describes a data set")
        else:
            key = (_place(path, inputs), forms.FALLBACK.name, "it looks like nothing else")
            kinds[key] = kinds.get(key, 0) + 1


def _place(path: str, inputs: Sequence[str]) -> str:
    """The input that a file belongs to, for the line that says its form."""
    if path in inputs:
        return path
    for name in inputs:
        folder = name.rstrip("/") + "/"
        if path.startswith(folder):
            return folder
    return f"{path.rpartition('/')[0] or '.'}/"


def _line(place: str, form: str, reason: str, count: int) -> str:
    if not place.endswith("/"):
        return f"{place}: read as {form} ({reason})"
    return f"{place}: {count:,} {'file' if count == 1 else 'files'} as {form} ({reason})"


def _check_keys(found: InputForms, config: ExtractConfig) -> None:
    if not config.text_key and not config.title_key:
        return
    rows = (forms.form_named(name) for name in set(found.names))
    if found.names and not any(row.keyed or row.container for row in rows):
        flag = "--text-key" if config.text_key else "--title-key"
        raise UsageError(
            f"{flag} goes with forms that have keys or columns; the input is "
            f"{', '.join(sorted(set(found.names)))}",
            "leave it out, or name the form with --form",
        )
