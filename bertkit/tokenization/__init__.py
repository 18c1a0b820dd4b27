"""Vocabularies, WordPiece, and text files as arrays of token ids."""
