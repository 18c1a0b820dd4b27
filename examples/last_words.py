"""Prints the F1 of answering each question of a SQuAD file with the last words of its passage.

A guess that reads nothing: what a model that has learnt to answer must beat.
Usage: python examples/last_words.py dev.json
"""

from __future__ import annotations

import sys

from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.squad.score import score

WORDS = 3


def main(path: str) -> float:
    """F1 in percent of the last words of each passage."""
    questions = read_questions(path)
    guesses = {
        question.id: " ".join(question.passage.text.split()[-WORDS:]) for question in questions
    }
    return score(questions, guesses)["f1"]


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1]):.0f}\n")
