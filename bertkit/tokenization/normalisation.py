"""Says how text is treated before it is cut into tokens: casing, accents, CJK characters.

The three settings are those of transformers' BertTokenizer, under its names. They belong to
a vocabulary: it was learnt from text treated so, and other text does not fit its tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bertkit.errors import ConfigError

# Setting → (flag that turns it on, flag that turns it off); the same in every command.
FLAGS = {
    "do_lower_case": ("--do-lower-case", "--cased"),
    "strip_accents": ("--strip-accents", "--keep-accents"),
    "tokenize_chinese_chars": ("--tokenize-chinese-chars", "--no-tokenize-chinese-chars"),
}


@dataclass(frozen=True)
class Normalisation:
    """The treatment of text.

    Attributes:
        do_lower_case: text is lower-cased.
        strip_accents: accents are removed; None: they are where text is lower-cased, as in
            the original BERT.
        tokenize_chinese_chars: every CJK ideograph is a word of its own.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True

    @property
    def strips_accents(self) -> bool:
        """Whether accents are removed, with what None stands for."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    def effective(self) -> dict[str, bool]:
        """Each setting's name and effect."""
        return {
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strips_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
        }

    def same_as(self, other: Normalisation) -> bool:
        """True where both treat every text alike."""
        return self.effective() == other.effective()

    def usual(self) -> Normalisation:
        """The same treatment; strip_accents is None where that means the same."""
        strip = None if self.strips_accents == self.do_lower_case else self.strip_accents
        return Normalisation(self.do_lower_case, strip, self.tokenize_chinese_chars)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, for JSON."""
        return asdict(self)

    def text(self) -> str:
        """In words, such as `lower case, accents kept`."""
        words = ["lower case" if self.do_lower_case else "cased"]
        words.append("accents stripped" if self.strips_accents else "accents kept")
        if not self.tokenize_chinese_chars:
            words.append("CJK characters not split")
        return ", ".join(words)

    def flags(self) -> list[str]:
        """The flags that ask for this treatment, where it is not the default."""
        usual, default = self.usual().as_dict(), Normalisation().as_dict()
        return [
            FLAGS[name][0 if value else 1]
            for name, value in usual.items()
            if value != default[name] and value is not None
        ]


UNCASED = Normalisation()
CASED = Normalisation(do_lower_case=False)


def from_settings(values: Mapping[str, Any], where: str) -> Normalisation | None:
    """The treatment that a mapping of settings records; None where it does not say the casing.

    Args:
        values: may have other keys as well. A setting that is absent beside `do_lower_case` is
            that of BertTokenizer by default.
        where: named in errors.

    Raises:
        ConfigError: a setting is neither true nor false.
    """
    if values.get("do_lower_case") is None:
        return None
    found = {name: values[name] for name in FLAGS if values.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: {name} {value!r} is neither true nor false")
    return Normalisation(**found)


def guessed(tokens: Iterable[str]) -> Normalisation:
    """The treatment that a vocabulary's tokens point to.

    Upper-case letters in tokens mean cased text; otherwise accents in tokens mean that they
    were kept. Tokens in brackets, such as [CLS] and <S>, are not looked at.
    """
    words = [token for token in tokens if token[:1] not in ("[", "<")]
    if any(word != word.lower() for word in words):
        return Normalisation(do_lower_case=False)
    return Normalisation(strip_accents=False if any(map(_has_accent, words)) else None)


def _has_accent(word: str) -> bool:
    if word.isascii():
        return False
    parts = unicodedata.normalize("NFD", word)
    return any(unicodedata.category(part) == "Mn" for part in parts)
