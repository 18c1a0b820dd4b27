"""Text as it lies on the disk.

files              opened and unpacked, otherwise as it is
encoding           UTF-8 decoded, and what a file is that is not UTF-8
unsplit            text that was never split into sentences
sentence_splitter  spaCy's sentence splitters
"""
