"""Tiny records and settings of the tests of pretraining; reports are made of such runs."""

from tasks.pretraining.conftest import records, settings

__all__ = ["records", "settings"]
