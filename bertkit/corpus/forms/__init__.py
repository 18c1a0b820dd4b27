"""The table of forms of raw text; a new form is one file here and one line in `TABLE`.

A form's file holds its row, `FORM`, and its reader. Where a reader needs more than a few
small modules, it stands in a file of its own that is imported when the first file is read,
so that `bertkit extract --help`, which shows the table, starts quickly.

    form          what a row says about a form
    detect        which form a file has
    mediawiki/    XML dumps and the wikitext in them
    tar, zip      archives (archives/ reads them)
    pubmed, pmc   PubMed's two kinds of XML
    xml/          XML of any size and encoding, and PubMed's records and articles in it
    keyed/        texts under keys and in columns: JSON, tables, Parquet, Arrow
    refuse        what is no text, by name
    line_spans    where large files of lines can be cut
    fasta         sequences of letters
    wikiextractor, wikimedia_html, text, documents, jsonl, sentences, warc
"""

from __future__ import annotations

from bertkit.corpus.forms.documents import FORM as DOCUMENTS
from bertkit.corpus.forms.fasta import FORM as FASTA
from bertkit.corpus.forms.form import Form
from bertkit.corpus.forms.jsonl import FORM as JSONL
from bertkit.corpus.forms.keyed.arrow import ARROW, PARQUET
from bertkit.corpus.forms.keyed.csv import FORM as CSV
from bertkit.corpus.forms.keyed.json import FORM as JSON
from bertkit.corpus.forms.mediawiki import FORM as MEDIAWIKI
from bertkit.corpus.forms.pmc import FORM as PMC
from bertkit.corpus.forms.pubmed import FORM as PUBMED
from bertkit.corpus.forms.sentences import FORM as SENTENCES
from bertkit.corpus.forms.tar import FORM as TAR
from bertkit.corpus.forms.text import FORM as TEXT
from bertkit.corpus.forms.warc import FORM as WARC
from bertkit.corpus.forms.wikiextractor import FORM as WIKIEXTRACTOR
from bertkit.corpus.forms.wikimedia_html import FORM as WIKIMEDIA_HTML
from bertkit.corpus.forms.zip import FORM as ZIP
from bertkit.named_table import NamedTable

AUTO = "auto"
# In the order of the help, which is also the order of detection (but see `Form.container`).
_TABLE = NamedTable[Form](
    "form",
    [
        MEDIAWIKI,
        WIKIEXTRACTOR,
        WIKIMEDIA_HTML,
        TEXT,
        DOCUMENTS,
        JSONL,
        SENTENCES,
        TAR,
        ZIP,
        PUBMED,
        PMC,
        FASTA,
        JSON,
        PARQUET,
        ARROW,
        CSV,
        WARC,
    ],
    more=(AUTO,),
)
TABLE = _TABLE.rows
# What nothing else claims.
FALLBACK = TEXT
# The words for `--form`; grows with the table.
CHOICES = _TABLE.choices
register, registered = _TABLE.register, _TABLE.registered
register_missing, form_named = _TABLE.register_missing, _TABLE.named


def of_chain(chain: str) -> list[str]:
    """The names of the forms with which an exact chain begins; none for `own`."""
    return [form.name for form in TABLE if chain in form.chains]


def help_text() -> str:
    """The help of `--form`: every form with what such a file is."""
    forms = ", ".join(f"{form.name} ({form.help})" for form in TABLE)
    return f"What the input is: {forms}; {AUTO} looks at each file."
