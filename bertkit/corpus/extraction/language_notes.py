"""Says where the language that a splitter works for does not fit the script of the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bertkit import log
from bertkit.corpus import noticed
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.sentence_rules.languages import ANY, fits, languages_of
from bertkit.corpus.sentences import splitter_facts
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest
from bertkit.summary.scripts import MARKLESS

# Warn where the documents that do not fit are this share of all.
SHARE = 0.05
# So many languages are named for a script.
_NAMED = 6
_WORDS = {"Kana": "Japanese", "Han": "Chinese characters", "Myanmar": "Burmese", "Nko": "N'Ko"}


def record_model(manifest: Manifest, config: ExtractConfig) -> None:
    """Keep the version of a trained model in the manifest; refuse to mix two in one folder.

    Raises:
        DataError: parts of the folder were made with another version.
    """
    facts = splitter_facts(config.splitter) if config.chain == "own" else {}
    for name in ("spacy", facts["name"]) if facts else ():
        version = facts["spacy" if name == "spacy" else "version"]
        before = manifest.versions.setdefault(name, version)
        if before != version and manifest.outputs and not manifest.complete:
            raise DataError(
                f"the folder holds parts made with {name} {before}, installed is {version}",
                f"install {name} {before} to go on, or give --overwrite",
            )


def scripts_of(manifest: Manifest) -> dict[str, int]:
    """Script → documents of all parts that are mostly written in it, the most frequent first."""
    found: Counter[str] = Counter()
    for facts in manifest.outputs.values():
        found.update(facts.get("scripts", {}))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def wiki_languages(manifest: Manifest) -> list[str]:
    """The languages that the heads of dumps tell, the wiki with most parts first."""
    found = noticed.names(manifest.stats.get("noticed", {}), noticed.WIKI)
    ordered = sorted(found, key=lambda name: (-found[name], name))
    return [code for name in ordered for code in re.findall(r"\(([\w-]+)\)$", name)]


def warn_of_scripts(
    scripts: dict[str, int], config: ExtractConfig, told: Sequence[str] = ()
) -> None:
    """Warn once where many documents are in a script that the language does not use."""
    for text in language_problems(scripts, config, told):
        log.logger.warning("%s", text)


def language_problems(
    scripts: dict[str, int], config: ExtractConfig, told: Sequence[str] = ()
) -> list[str]:
    """What to say of these scripts; nothing where the splitter knows their marks.

    Args:
        scripts: script → documents.
        config: the splitter and its language.
        told: languages that the text's own files tell.
    """
    total = sum(scripts.values())
    enough = max(1, SHARE * total)
    kind = config.splitter.partition(":")[0]
    language, who = config.language, f"--language {config.language}"
    if kind == "spacy":
        facts = splitter_facts(config.splitter)
        language = {"multilingual": ANY}.get(facts["language"], facts["language"])
        who = f"the model {facts['name']} (of the language {language})"
    found = []
    strange = {name: count for name, count in scripts.items() if not fits(language, name)}
    # Unicode's rules know every script's marks.
    if kind in ("rule", "punkt", "spacy") and sum(strange.values()) >= enough:
        advice = _advice(strange, scripts, kind, told)
        found.append(
            f"{sum(strange.values()):,} of {total:,} documents are mostly in {_listed(strange)}, "
            f"where {who} may not know the ends of sentences: {advice}"
        )
    markless = {name: count for name, count in scripts.items() if name in MARKLESS}
    if kind in ("rule", "unicode") and sum(markless.values()) >= enough:
        found.append(
            f"{sum(markless.values()):,} of {total:,} documents are mostly in {_listed(markless)}, "
            "which has no marks for the ends of sentences: a paragraph became one sentence. Cut "
            "such text with a tool for the language, one sentence per line, and give --splitter "
            "lines; or give --splitter spacy:MODEL"
        )
    return found


def _advice(
    strange: dict[str, int], scripts: dict[str, int], kind: str, told: Sequence[str]
) -> str:
    if kind == "spacy":
        return "give a model of the text's language, or --splitter unicode"
    names = languages_of(max(strange, key=lambda name: strange[name]))
    known = [code for code in told if code in names]
    if len(known) == 1:
        return f"give --language {known[0]}, the language of the wiki"
    if len(strange) > 1 or max(scripts.values()) != max(strange.values()):
        return f"for text in several scripts give --splitter unicode (or --language {names[0]})"
    others = f" (or {', '.join(names[1:_NAMED])})" if names[1:] else ""
    return f"give --language {names[0]}{others}"


def _listed(scripts: dict[str, Any]) -> str:
    ordered = sorted(scripts, key=lambda name: (-scripts[name], name))
    if len(ordered) == 1:
        return _WORDS.get(ordered[0], ordered[0])
    return ", ".join(f"{_WORDS.get(name, name)} ({scripts[name]:,})" for name in ordered[:_NAMED])
