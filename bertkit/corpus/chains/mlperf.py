"""Cleans WikiExtractor output as MLPerf does, stage by stage, equal in every byte.

MLPerf's BERT benchmark cleans its Wikipedia with a Python script, a pipeline of 75
greps and seds, and NLTK, and fixes the MD5 of what comes out. The stages here follow
the order and the quirks of that pipeline (mlcommons/training,
retired_benchmarks/bert/cleanup_scripts; GNU tools in a UTF-8 locale), since a rule
that looks useless may leave something for the next one.
"""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Callable

from bertkit.corpus.chains.punkt_2019 import Punkt2019, english_parameters
from bertkit.errors import DataError

# (text that must occur, pattern, replacement): looking for the first saves most of the
# searches. No class may cross a line, as sed works line by line.
_LINKS = (
    # A caption may hold another link, so each rule runs twice.
    ("[[", r"\[\[([^\]|\[\n]*)\]\]", r"\1"),
    ("[[", r"\[\[([^\]|\[\n]*)\]\]", r"\1"),
    ("[[", r"\[\[[^\]|\[\n]*\|([^\]|\[\n]*)\]\]", r"\1"),
    ("[[", r"\[\[[^\]|\[\n]*\|([^\]|\[\n]*)\]\]", r"\1"),
    ("[[", r"\[\[:*[Ff]ile:[^\]\[\n]*\]\]", ""),
    ("[[", r"\[\[[Mm]edia:[^\]\[\n]*\]\]", ""),
    ("[[", r"\[\[[Ii]mage:[^\]\[\n]*\]\]", ""),
    ("[", r"\[([^\]|\[\n]*)\]", r"\1"),
    ("[[", r"\[\[([^\]\[\n]*)\]\]", ""),
    ("alt=", "alt=", ""),
    ("</doc>", "</doc>", "\r"),
)
_ELEMENTS = (
    ("<chem", r"<chem([^<\n]*)</chem>", r"\1"),
    ("<ins", r"<ins([^<\n]*)</ins>", r"\1"),
    ("<, ref ", r"<, ref ([^<\n]*)</ref>", ""),
    ("<includeonly", r"<includeonly([^<\n]*)</includeonly>", ""),
    ("<graph", r"<graph([^<\n]*)</graph>", ""),
    # These reach to the last `/>` of the line that no backslash cuts off.
    ("<section", r"<section([^\\\n]*)/>", ""),
    ("<meta", r"<meta([^\\\n]*)/>", ""),
    ("<hr", r"<hr([^\\\n]*)/>", ""),
    ("<gallery", r"<gallery([^>\n]*)>", ""),
    ("<ref", r"<ref([^<\n]*)</ref>", ""),
    ("<ref", r"<ref([^>\n]*)>", ""),
    ("<http", r"<http([^>\n]*)>", ""),
    ("<Ref", r"<Ref([^>\n]*)>", ""),
    # A backslash in a class of sed stands for itself, also the one before the slash.
    ("<mapframe ", r"<mapframe ([^\\/\n]*)/>", ""),
    ("<mapframe", r"<mapframe([^>\n]*)>", ""),
)
_DIVISIONS = (("<div", r"<div([^>\n]*)>", ""), ("</div", r"</div([^>\n]*)>", ""))
_POEM = (("<poem ", r"<poem ([^>\n]*)>", ""),)
_TAGS_BEFORE = ("</mapframe>", "<poem>", "</poem>", "<math>", "</math>", "<ref>", "</ref>")
_PAIRED = (
    *("sup", "br", "BR", "Br", "del", "nowiki", "NOWIKI", "onlyinclude", "includeonly"),
    *("small", "chem", "noinclude", "gallery"),
)
_TAGS_AFTER = (
    *(tag for name in _PAIRED for tag in (f"<{name}>", f"</{name}>")),
    "<graph>{",
    "<graph>",
    "}</graph>",
    "</graph>",
    "</references>",
)
_DROPPED_LINES = re.compile(r"^(?:<doc [^>\n]*>|.*\[\[Category:[^\]\[\n]*\]\].*)\n?", re.MULTILINE)


def clean(text: str, split: Callable[[str], list[str]]) -> str:
    """Stages 1 to 3: a WikiExtractor file as one sentence per line.

    Args:
        text: of the whole file.
        split: sentences of a line; `punkt_of_2019()` for MLPerf's bytes.
    """
    return segment(strip_markup(strip_titles(text)), split)


def strip_titles(text: str) -> str:
    """Stage 1: an article's tags and title become one blank line.

    Any line with `<doc` in it opens an article; the line after it is the title. Lines
    with `</doc>` and lines of a single character go.
    """
    kept: list[str] = []
    title_follows = False
    for line in _lines(text):
        if title_follows:
            title_follows = False
        elif "<doc" in line:
            title_follows = True
            kept.append("\n")
        elif "</doc>" not in line and len(line) != 1:
            kept.append(line)
    return "".join(kept)


def strip_markup(text: str) -> str:
    """Stage 2: what WikiExtractor left of wikitext and HTML, by 75 rules in their order."""
    if "<doc " in text or "[[Category:" in text:
        text = _DROPPED_LINES.sub("", text)
    # Every rule needs one of these and stays within its line: most lines need no rule.
    lines = text.split("\n")
    marked = [i for i, line in enumerate(lines) if "<" in line or "[" in line or "alt=" in line]
    if marked:
        changed = _by_rules("\n".join([lines[i] for i in marked])).split("\n")
        for i, line in zip(marked, changed, strict=True):
            lines[i] = line
        text = "\n".join(lines)
    # grep and sed end the last line too.
    return text if text.endswith("\n") or not text else text + "\n"


def _by_rules(text: str) -> str:
    text = _applied(_LINKS, text)
    text = _applied(_passing(_ELEMENTS), text)
    for tag in _TAGS_BEFORE:
        text = text.replace(tag, "")
    text = _applied(_passing(_DIVISIONS), text)
    for tag in _TAGS_AFTER:
        text = text.replace(tag, "")
    return _applied(_passing(_POEM), text)


def segment(text: str, split: Callable[[str], list[str]]) -> str:
    """Stage 3: one sentence per line, a blank line between articles and after the file.

    Args:
        text: from stage 2.
        split: sentences of a line, such as `punkt_of_2019()`.
    """
    out: list[str] = []
    for line in _lines(text):
        if len(line) == 1:
            out.append("\n")
        out += [f"{sentence.strip()}\n" for sentence in split(line)]
    out.append("\n")
    return "".join(out)


def hold_out(text: str, count: int, seed: int) -> tuple[str, list[str]]:
    """Stage 4 for one file: choose articles for the test set.

    An article is what stands between blank lines, also the empty tail of a file.

    Args:
        text: from stage 3.
        count: articles to choose, `quota(...)`.
        seed: 12345 + 13 times the number of the file.

    Returns:
        The text without the chosen articles, and those, in their order.

    Raises:
        DataError: more articles are wanted than there are.
    """
    articles = text.split("\n\n")
    if count > len(articles):
        raise DataError(
            f"{count} test articles requested, but there are only {len(articles)}", "choose fewer"
        )
    rng = random.Random(seed)
    chosen: set[int] = set()
    while len(chosen) < count:
        chosen.add(int(rng.random() * len(articles)))
    kept = (article for i, article in enumerate(articles) if i not in chosen)
    return "".join(f"{article}\n\n" for article in kept), [articles[i] for i in sorted(chosen)]


def quota(file: int, files: int, articles: int) -> int:
    """How many of the test articles the file of this number (from 0) gives."""
    return int((file + 1) * articles / files) - int(file * articles / files)


def articles(text: str) -> list[str]:
    """The articles of a text from stage 3 or 4 that are not blank."""
    return [article for article in text.split("\n\n") if article.strip()]


def counts(text: str) -> dict[str, int]:
    """How many `documents` and `sentences` a text from stage 3 or 4 holds."""
    sentences = sum(bool(line.strip()) for line in text.split("\n"))
    return {"documents": len(articles(text)), "sentences": sentences}


def article_md5(article: str) -> str:
    """MLPerf's hash of a test article: a line of eval.md5."""
    return hashlib.md5(article.rstrip().encode("utf-8"), usedforsecurity=False).hexdigest()


@functools.lru_cache(maxsize=1)
def punkt_of_2019() -> Callable[[str], list[str]]:
    """The sentence splitter of stage 3: NLTK 3.4.5's, whichever NLTK is installed.

    Raises:
        MissingDependencyError: NLTK or its punkt data are not on this machine.
        DataError: those data cannot be read.
    """
    return Punkt2019(english_parameters())


def _applied(rules: tuple[tuple[str, str, str], ...], text: str) -> str:
    for needle, pattern, replacement in rules:
        if needle in text:
            text = re.sub(pattern, replacement, text)
    return text


@functools.cache
def _passing(rules: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    """Rules of a beginning, characters of one class, and an end, for long lines.

    Where the end is missing, the characters before it are passed over: no beginning among them
    has an end either, and each would be followed as far again.
    """
    return tuple(
        (needle, f"{pattern}|({pattern[: pattern.rindex(')')]}))", rf"{replacement}\2")
        for needle, pattern, replacement in rules
    )


def _lines(text: str) -> list[str]:
    """Lines with their ends; CR and CR LF end a line too, as Python reads text files."""
    found = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = [f"{line}\n" for line in found[:-1]]
    return [*whole, found[-1]] if found[-1] else whole
