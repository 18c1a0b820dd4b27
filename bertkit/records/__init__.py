"""Turns sentences into tokens, training instances and record files."""
