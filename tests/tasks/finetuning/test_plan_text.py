"""The plan of a dry run as text."""

from __future__ import annotations

from bertkit.tasks.finetuning.plan_text import plan_text


def test_numbers_sizes_and_estimates_are_said_as_such():
    plan = {
        "task": "tag", "parameters": 109_000_000, "tokens_per_sample": 12.5,
        "training_windows_about": 88_641, "checkpoint_bytes_about": 1_308_000_000,
    }  # fmt: skip
    assert plan_text(plan).splitlines() == [
        "task                tag",
        "parameters          109,000,000",
        "tokens per sample   12.5",
        "training windows    about 88,641",
        "checkpoint          about 1.3 GB",
    ]
