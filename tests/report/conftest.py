"""Runs for reports: the tiny records and settings of the tests of pretraining."""

from tasks.pretraining.conftest import records, settings

__all__ = ["records", "settings"]
