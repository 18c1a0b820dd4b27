"""Vocabularies and the tokenizers that turn text into their ids.

vocabulary           vocabulary files, read and written
normalisation        casing, accents and CJK characters: the treatment of text
word_length          letters of the longest word that is not [UNK]
tokenizer_facts      what artefacts record about their tokens, and comparing it
tokenizer_files      the same in the files of a folder, read and written
vocabulary_training  a vocabulary learnt from text (`train-vocab`)
wordpiece            Google's tokenizer, the readable one
wordpiece_variants   other programs' tokenizers, where they differ
sentence_files       files of one sentence per line, read the readable way
corpus_tokens        the same files as arrays of ids, by the kernels
kernels/             the tokenizer as machine code
"""
