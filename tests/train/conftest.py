"""Tiny records and settings, as the tests of pretraining use them."""

from tasks.pretraining.conftest import records, settings

__all__ = ["records", "settings"]
