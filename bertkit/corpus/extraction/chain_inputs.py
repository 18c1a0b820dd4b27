"""Refuses input that an exact chain would take for something else, and names the missing step.

`--chain mlperf` and `--chain cerebras` repeat other people's scripts to the byte. Those
scripts begin in the middle: MLPerf's with the files of WikiExtractor, Cerebras' with
PubMed's XML. They would take anything else for text and pass its markup on.
"""

from __future__ import annotations

from bertkit.corpus import forms
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.forms.detect import detect_form
from bertkit.corpus.forms.form import Form
from bertkit.corpus.lines import first_line
from bertkit.errors import DataError

WIKIEXTRACTOR = (
    "first run MLPerf's own first step, WikiExtractor.py of github.com/attardi/wikiextractor at "
    "commit 3162bb6, which needs Python 3.7 to 3.10; its wiki_NN files are the input here"
)
# Chain, form that a file has → what to do. "" is any other form.
_STEPS = {
    ("mlperf", "mediawiki"): f"{WIKIEXTRACTOR}. Without --chain, extract reads dumps itself",
    ("mlperf", "jsonl"): "run WikiExtractor without --json; the chain begins with <doc> blocks",
    ("mlperf", "sentences"): "this is the output of `bertkit extract` or `split`; go on with "
    "`bertkit split --method mlperf`, or give WikiExtractor's files",
    ("mlperf", ""): "MLPerf's chain begins with WikiExtractor's wiki_NN files of <doc> blocks; "
    "leave out --chain for other text",
    ("cerebras", "tar"): "unpack the archive; the chain formats single .xml, .xml.gz and .nxml "
    "files. Without --chain, extract reads the archive itself",
    ("cerebras", ""): "Cerebras' chain formats pubmed and pmc files only; leave out --chain for "
    "other text",
}


def check_chain_input(path: str, config: ExtractConfig) -> None:
    """Check that a file has the form with which `config.chain` begins; an empty file has any.

    A form that `--form` gives is trusted, unless the file plainly has another one.

    Raises:
        DataError: it has not; says what it looks like and which step is missing.
    """
    if config.chain == "own":
        return
    wanted = forms.of_chain(config.chain)
    found = detect_form(path)
    if found.name in wanted or (found is forms.FALLBACK and _trusted(path, config)):
        return
    hint = _STEPS.get((config.chain, found.name)) or _STEPS[config.chain, ""]
    raise DataError(
        f"{path} is {_called(found)}, not {' or '.join(wanted)}, which --chain {config.chain} "
        "begins with",
        hint,
    )


def _trusted(path: str, config: ExtractConfig) -> bool:
    return config.form != forms.AUTO or not first_line(path)


def _called(form: Form) -> str:
    return "plain text" if form is forms.FALLBACK else f"{form.name} ({form.help})"
