"""Shows one variant of `-{ }-`, the markup of wikis that are written in several scripts.

`-{zh-hans:软件;zh-hant:軟體}-` shows one of its words. Before a bar stand flags: rules for
the title (T) or for the rest of the page (H) show nothing, A shows its word and R its text
as it is. The rest of a page is not converted: it stays as it was written.
"""

from __future__ import annotations

import re

# Of each language the variants in the order in which one stands in for another.
VARIANTS = {
    "zh": ("zh-hans", "zh-cn", "zh-sg", "zh-my", "zh-hant", "zh-tw", "zh-hk", "zh-mo", "zh"),
    "gan": ("gan-hans", "gan-hant"),
    "wuu": ("wuu-hans", "wuu-hant"),
    "sr": ("sr-ec", "sr-cyrl", "sr-el", "sr-latn"),
    "sh": ("sh-latn", "sh-cyrl"),
    "crh": ("crh-latn", "crh-cyrl", "crh-ro"),
    "iu": ("ike-cans", "ike-latn"),
    "kk": ("kk-cyrl", "kk-kz", "kk-latn", "kk-tr", "kk-arab", "kk-cn"),
    "ku": ("ku-latn", "ku-arab"),
    "shi": ("shi-latn", "shi-tfng"),
    "tg": ("tg", "tg-latn"),
    "tly": ("tly", "tly-cyrl"),
    "uz": ("uz-latn", "uz-cyrl", "uz"),
    "ban": ("ban", "ban-x-dharma"),
    "mni": ("mni-mtei", "mni-beng"),
    "zgh": ("zgh", "zgh-latn"),
}
_STAND_INS = {
    "zh-hans": ("zh-hans", "zh-cn", "zh-sg", "zh-my"),
    "zh-hant": ("zh-hant", "zh-tw", "zh-hk", "zh-mo"),
    "zh-tw": ("zh-tw", "zh-hant", "zh-hk", "zh-mo"),
    "zh-hk": ("zh-hk", "zh-hant", "zh-mo", "zh-tw"),
    "zh-mo": ("zh-mo", "zh-hant", "zh-hk", "zh-tw"),
    "zh-cn": ("zh-cn", "zh-hans", "zh-sg", "zh-my"),
    "zh-sg": ("zh-sg", "zh-hans", "zh-cn", "zh-my"),
    "zh-my": ("zh-my", "zh-hans", "zh-sg", "zh-cn"),
}
CODES = frozenset(code for codes in VARIANTS.values() for code in codes)
# Three braces before a dash end a template first; three after one begin it last.
_MARKS = re.compile(r"-\{(?!\{(?!\{))|(?<!\})\}-|(?<=\}\})\}-")
_CODE = "|".join(sorted(map(re.escape, CODES), key=len, reverse=True))
# Every space has one place in these patterns: else long runs of them would take for ever.
_RULE = re.compile(rf"(?:^|;)\s*(?:((?!\s)[^;:=<>]*?)=>\s*)?({_CODE})\s*:", re.IGNORECASE)
_FLAG = rf"(?:(?:[-+ADHNRST]|{_CODE})\s*)?"
_FLAGS = re.compile(rf"\s*{_FLAG}(?:;\s*{_FLAG})*")
# What a wiki without variants may hold of another one's text, beside formulas with `-{ }-`.
_FOREIGN = re.compile(r"[^\x00-\x7f\s](?:[^\[\]{}()]{0,100})")


def order_of(language: str, variant: str) -> tuple[str, ...]:
    """The variants of a wiki, the wanted one and its stand-ins first.

    Args:
        language: of the wiki.
        variant: the wanted one; "", or one of another language, takes the first.
    """
    usual = VARIANTS.get(language, ())
    if variant not in usual:
        return usual
    return tuple(dict.fromkeys((variant, *_STAND_INS.get(variant, ()), *usual)))


def with_one_variant(text: str, order: tuple[str, ...]) -> str:
    """Text with one variant of each `-{ }-`, inner ones first; unmatched marks stay.

    Args:
        text: wikitext.
        order: variants of the wiki, see `order_of`; empty for a wiki that has none: there only
            what can be nothing else is taken for such markup.
    """
    if "-{" not in text:
        return text
    out: list[str] = []
    stack: list[int] = []
    place = 0
    for mark in _MARKS.finditer(text):
        out.append(text[place : mark.start()])
        place = mark.end()
        if mark.group() == "-{":
            stack.append(len(out))
            out.append("-{")
        elif stack:
            start = stack.pop()
            inner = "".join(out[start + 1 :])
            shown = _shown(inner, order)
            out[start:] = [f"-{{{inner}}}-" if shown is None else shown]
        else:
            out.append("}-")
    out.append(text[place:])
    return "".join(out)


def _shown(content: str, order: tuple[str, ...]) -> str | None:
    """What one `-{ }-` shows; None if it is no such markup."""
    flags, bar, rest = content.partition("|")
    flagged = bool(bar) and _FLAGS.fullmatch(flags) is not None
    if not flagged:
        flags, rest = "", content
    given = {flag.strip() for flag in flags.split(";")}
    if given & {"H", "T", "-", "N", "D"} and not (flagged and "A" in given and "T" in given):
        return ""
    if "R" in given:
        return rest
    rules = list(_RULE.finditer(rest))
    if not rules:
        known = bool(order) or flagged or _FOREIGN.fullmatch(content) is not None
        return rest if known else None
    return _chosen(rest, rules, order)


def _chosen(content: str, rules: list[re.Match[str]], order: tuple[str, ...]) -> str:
    words: dict[str, str] = {}
    original = ""
    for number, rule in enumerate(rules):
        end = rules[number + 1].start() if number + 1 < len(rules) else len(content)
        words[rule[2].lower()] = content[rule.end() : end].rstrip("; \n").strip()
        original = original or (rule[1] or "").strip()
    # A rule in one direction is for its own variants; the others show what it replaces.
    near = _STAND_INS.get(order[0], order[:1]) if original and order else order
    for variant in near:
        if variant in words:
            return words[variant]
    return original or next(iter(words.values()))
