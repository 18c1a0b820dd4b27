"""Defines the settings of `clean`; imports little, so that --help starts fast."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, QUALITY

# What a document can be dropped for, in the order of the report; `lines` are lines, not documents.
CRITERIA = {
    "exact": "copies of an earlier document",
    "near": "similar to an earlier document",
    "short": "too few words",
    "long": "too many words",
    "density": "words per character",
    "repetition": "repeats itself",
    "symbols": "symbols instead of words",
    "overlap": "shares words with --against",
    "lines": "lines that occurred before",
}
# These are decided from the document alone.
FILTERS = ("short", "long", "density", "repetition", "symbols", "overlap")


@dataclass(frozen=True)
class CleanConfig:
    """What counts as a duplicate, as repetition, as overlap; and what is dropped."""

    drop: list[str] = setting(
        help="What to drop, separated by commas, or all: exact, near (which takes exact copies "
        "along), short, long, density, repetition, symbols, overlap, lines. Without it nothing "
        "is written, only reported.",
        factory=list,
        group=QUALITY,
        first=True,
        metavar="NAMES",
        example="exact,near",
    )
    near: float = setting(
        0.8,
        "Documents are near duplicates from this Jaccard similarity of their word n-grams on.",
        minimum=0.1,
        maximum=1.0,
        group=QUALITY,
        first=True,
    )
    ngram: int = setting(
        5,
        "Words per n-gram of near duplicates; in scripts without spaces between words, characters.",
        minimum=1,
        group=QUALITY,
    )
    permutations: int = setting(
        128,
        "Numbers of a MinHash signature, 4 bytes each.",
        minimum=8,
        maximum=4096,
        group=QUALITY,
    )
    compare: str = setting(
        "estimate",
        "How candidates for near duplicates are compared: estimate (by their signatures), or "
        "exact (by their n-grams, which takes 4 more bytes of disk per word).",
        choices=("estimate", "exact"),
        group=QUALITY,
    )
    seed: int = setting(12345, "Seed of the permutations.", minimum=0, group=QUALITY)
    against: list[str] = setting(
        help="Evaluation text that no document should hold: SQuAD files, tables (every text "
        "in a row), text, sentence files; files, globs or folders. Repeatable.",
        factory=list,
        group=DATA,
        first=True,
        metavar="PATH",
    )
    against_words: int = setting(
        13,
        "Words in a row that a document and --against share if they overlap; a text of fewer "
        "words counts as a whole, if it has 8 or more.",
        minimum=1,
        group=QUALITY,
    )
    min_words: int = setting(
        5, "Shortest document, in words.", minimum=0, group=QUALITY, first=True
    )
    max_words: int = setting(
        100_000, "Longest document, in words.", minimum=1, group=QUALITY, first=True
    )
    min_words_per_character: float = setting(
        0.05,
        "Fewest words per character of a document; text in scripts without spaces is not judged.",
        minimum=0.0,
        group=QUALITY,
    )
    max_words_per_character: float = setting(
        0.35, "Most words per character of a document.", minimum=0.0, group=QUALITY
    )
    max_duplicate_lines: float = setting(
        0.3,
        "Largest share of lines that repeat one of the same document (Gopher).",
        minimum=0.0,
        group=QUALITY,
    )
    max_duplicate_line_characters: float = setting(
        0.2, "Largest share of characters in such lines (Gopher).", minimum=0.0, group=QUALITY
    )
    max_top_ngram: float = setting(
        0.2,
        "Largest share of characters in the most frequent pair of words; 0.9 and 0.8 of it for 3 "
        "and 4 words (Gopher).",
        minimum=0.0,
        group=QUALITY,
    )
    max_duplicate_ngrams: float = setting(
        0.15,
        "Largest share of characters in 5-grams that occurred before in the document; a 15th "
        "of it less for every further word, up to 10 (Gopher).",
        minimum=0.0,
        group=QUALITY,
    )
    max_symbols_per_word: float = setting(
        0.1, "Most hash signs and ellipses per word (Gopher).", minimum=0.0, group=QUALITY
    )
    max_wordless: float = setting(
        0.2, "Largest share of words without a letter (Gopher).", minimum=0.0, group=QUALITY
    )
    line_words: int = setting(
        5, "With `lines`: shorter lines may occur as often as they like.", minimum=1, group=QUALITY
    )

    @property
    def dropped(self) -> frozenset[str]:
        """The criteria that are dropped for."""
        named = self._named()
        if "all" in named:
            return frozenset(CRITERIA)
        return frozenset(named | {"exact"} if "near" in named else named)

    def _named(self) -> set[str]:
        return {word.strip() for text in self.drop for word in text.split(",") if word.strip()}

    def problems(self) -> list[str]:
        """Rules over several settings."""
        named = self._named()
        found = [
            f"--drop {word!r}: choose among {', '.join(CRITERIA)}, or all"
            for word in sorted(named - CRITERIA.keys() - {"all"})
        ]
        if "overlap" in named and not self.against:
            found.append("--drop overlap needs --against: the text that is looked for")
        if self.min_words > self.max_words:
            found.append(f"--min-words {self.min_words} is above --max-words {self.max_words}")
        low, high = self.min_words_per_character, self.max_words_per_character
        if low > high:
            found.append(
                f"--min-words-per-character {low:g} is above --max-words-per-character {high:g}"
            )
        return found
