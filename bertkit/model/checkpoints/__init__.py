"""Checkpoint formats of other systems, in and out."""
