"""Fetching corpora, vocabularies and question sets by name."""
