"""Kernels of `clean`, compiled to machine code; conventions: `bertkit.kernels`.

scan        a block of text → words, lines and documents, with hashes of each
signatures  words → MinHash signatures, keys of bands, sets of n-grams
repetition  how much of a document repeats itself
overlap     n-grams of a document among those of other texts
clusters    documents with equal keys → pairs; pairs → clusters
"""
