"""Kernels that learn a vocabulary, compiled to machine code; conventions: `bertkit.kernels`.

word_counts     text → its words and how often each occurs
merging         words as symbols → pairs by frequency, and one merge after another
"""
