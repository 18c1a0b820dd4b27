"""Checksums, varints and compressions; knows nothing of corpora, records or models."""
