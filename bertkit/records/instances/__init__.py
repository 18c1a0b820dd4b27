"""Turns tokens into training instances: pairs, windows, masks and packs."""
