"""A choice among words: each has one spelling, but hyphens and underscores are taken alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from bertkit.configuration.setting_values import meant, spelling
from bertkit.declined import accelerator

_WIDEST = 26  # characters of choices that stand beside their option; more stand in its text


class Choice(click.Choice[str]):
    """One of several words, of which more may be registered after the command was made.

    Args:
        words: to choose from.
        mistaken: what to say to a number, which was meant for another option.
    """

    def __init__(self, words: Sequence[str], mistaken: str = "") -> None:
        self._words, self._mistaken = words, mistaken
        super().__init__(words)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that there are now."""
        return tuple(self._words)

    @choices.setter
    def choices(self, words: Sequence[str]) -> None:
        """Ignored: `_words` is what counts."""

    @property
    def is_long(self) -> bool:
        """Whether the words are too many to stand beside their option."""
        return len("|".join(self._words)) > _WIDEST

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The words as they are spelled, or WORD where they stand in the option's text."""
        if isinstance(param, click.Argument):
            return param.name.upper() if param.name else "WORD"
        return "WORD" if self.is_long else f"[{'|'.join(self._words)}]"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """The words to choose from."""
        return f"Choose from {', '.join(self._words)}."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One of the words; an accelerator that bertkit declines is named."""
        found = spelling(str(value), self._words)
        if found not in self._words:
            declined = accelerator(str(value)) if "cpu" in self._words else ""
            self.fail(declined or self.get_invalid_choice_message(value, ctx), param, ctx)
        return found

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """All words, and the one that is nearest."""
        import difflib

        near = difflib.get_close_matches(str(value), self._words, n=1)
        message = f"{value!r} is not one of {', '.join(map(repr, self._words))}"
        message += f"{meant(value, self._mistaken)}."
        return f"{message} Did you mean {near[0]!r}?" if near else message

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """The words that begin so, in their own spelling."""
        from click.shell_completion import CompletionItem

        begin = incomplete.replace("_", "-")
        return [
            CompletionItem(word) for word in self._words if word.replace("_", "-").startswith(begin)
        ]
