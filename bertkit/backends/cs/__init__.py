"""Cerebras systems, through cerebras.pytorch."""
