"""The table of forms of raw text; a new form is one file here and one line in `TABLE`.

A form's file holds its row, `FORM`, and its reader. Where a reader needs more than a few
small modules, it stands in a file of its own that is imported when the first file is read,
so that `bertkit extract --help`, which shows the table, starts quickly.

    form          what a row says about a form
    detect        which form a file has
    mediawiki/    XML dumps and the wikitext in them
    tar           archives (tar_members reads them)
    pubmed, pmc   PubMed's two kinds of XML (pubmed_xml reads them)
    xml_elements  elements cut out of XML of any size
    wikiextractor, text, documents, jsonl, sentences
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from bertkit.corpus.forms.documents import FORM as DOCUMENTS
from bertkit.corpus.forms.form import Form
from bertkit.corpus.forms.jsonl import FORM as JSONL
from bertkit.corpus.forms.mediawiki import FORM as MEDIAWIKI
from bertkit.corpus.forms.pmc import FORM as PMC
from bertkit.corpus.forms.pubmed import FORM as PUBMED
from bertkit.corpus.forms.sentences import FORM as SENTENCES
from bertkit.corpus.forms.tar import FORM as TAR
from bertkit.corpus.forms.text import FORM as TEXT
from bertkit.corpus.forms.wikiextractor import FORM as WIKIEXTRACTOR

AUTO = "auto"
# In the order of the help, which is also the order of detection (but see `Form.container`).
TABLE: list[Form] = [
    MEDIAWIKI,
    WIKIEXTRACTOR,
    TEXT,
    DOCUMENTS,
    JSONL,
    SENTENCES,
    TAR,
    PUBMED,
    PMC,
]
# What nothing else claims.
FALLBACK = TEXT
# The words for `--form`; grows with the table.
CHOICES: list[str] = [AUTO, *(form.name for form in TABLE)]
_BUILT_IN = len(TABLE)


def register(form: Form) -> contextlib.ExitStack:
    """Add a form from outside of the package, for `--form` and for detection.

    `--help` lists it if this is called before the command is loaded.

    Returns:
        A context that removes the form at its end; without `with` the form stays.

    Raises:
        ValueError: the name is taken.
    """
    if form.name in CHOICES:
        raise ValueError(f"there is a form {form.name!r} already")
    TABLE.append(form)
    CHOICES.append(form.name)
    undo = contextlib.ExitStack()
    undo.callback(CHOICES.remove, form.name)
    undo.callback(TABLE.remove, form)
    return undo


def registered() -> tuple[Form, ...]:
    """The forms that were added from outside."""
    return tuple(TABLE[_BUILT_IN:])


def register_missing(forms: Iterable[Form]) -> None:
    """Add those forms that this process, such as a worker, does not know yet."""
    for form in forms:
        if form.name not in CHOICES:
            register(form)


def form_named(name: str) -> Form:
    """The form of a name.

    Raises:
        KeyError: there is none.
    """
    return {form.name: form for form in TABLE}[name]


def help_text() -> str:
    """The help of `--form`: every form with what such a file is."""
    forms = ", ".join(f"{form.name} ({form.help})" for form in TABLE)
    return f"What the input is: {forms}; {AUTO} looks at each file."
