"""Decides how many tokens of two texts fit into one sequence."""

from __future__ import annotations


def fitting(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of two texts fit: the longer one (or the second) is cut token by token."""
    if first + second <= room:
        return first, second
    short = min(first, second)
    if 2 * short <= room:  # only the longer one is cut
        return (short, room - short) if first < second else (room - short, short)
    return room - room // 2, room // 2
