"""Cerebras params files (YAML)."""
