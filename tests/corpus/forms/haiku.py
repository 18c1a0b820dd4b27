"""A form of raw text that bertkit does not know: poems of three lines, a number before each."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.lines import lines
from bertkit.corpus.raw_file import RawFile

FILE = """\
haiku
1 An old silent pond.
1 A frog jumps into the pond.
1 Splash! Silence again.
2 Only one line.
3 Over the wintry.
3 Forest, winds howl in rage.
3 With no leaves to blow.
"""


def begins_haiku(line: bytes) -> bool:
    return line.strip() == b"haiku"


def read_haiku(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    poems: dict[str, list[str]] = {}
    for line in lines(file):
        number, _, text = line.blob.decode().strip().partition(" ")
        if text:
            poems.setdefault(number, []).append(text)
    for number, poem in poems.items():
        place = f"{file}, poem {number}"
        if len(poem) == 3:
            yield RawDocument(place, "", "\n".join(poem))
        else:
            yield Rejected(place, "not of three lines")


HAIKU = Form(
    name="haiku",
    help="numbered poems",
    read=read_haiku,
    first_line=begins_haiku,
    one_sentence_per_line=True,
)
