"""Checksums, protobuf fields and compressions; knows nothing of corpora, records or models."""
