"""Kernels of the WordPiece tokenizer, compiled to machine code; conventions: `bertkit.kernels`.

    bytes of text ──> wordpiece_kernel ──> ids, ends of sentences and documents
                        │         │
                   characters    trie

    characters        what each Unicode character becomes: part of a word, a gap, a word of
                      its own, nothing, or a case for the Python tokenizer
    trie              the vocabulary: one word → its pieces, longest match first
    wordpiece_kernel  a block of lines → ids, with a hash table of the words met so far

`characters` is plain Python that fills tables, 256 characters at a time, from the functions
of wordpiece.py; the other two are compiled. corpus_tokens.py feeds the kernel and helps it
where it stops. The tests hold all of it to wordpiece.py, character for character.
"""
