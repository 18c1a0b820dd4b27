"""Learns WordPiece vocabularies: words are counted, then the most frequent pairs merged.

    text_spans     input files cut into spans, one task for a worker each
    word_counts    text → words and how often each occurs, in bounded memory
    alphabet       the characters that a vocabulary keeps
    merges         words → merged pieces, in the order of the `tokenizers` package
    unknown_share  how much of the text, and of held-out text, a vocabulary leaves unknown

`bertkit.tokenization.vocabulary_training` puts them together.
"""
