"""Machine-code kernels for records: one file, one idea; compiled by numba on first use.

Import these modules only inside library code that runs, never for `--help`: numba takes
a good part of a second to load. The readable code that says what they do, and that the
tests hold them to, stands in `records/` itself (`tokenizer`, `text`, `tfrecord`) and, for
what only kernels do in the package, in `tests/oracle/`.

    compile       the decorators, and where compiled code is kept
    bits          memory access and bit counting that numba lacks
    crc32c        the checksum of TFRecord files
    protobuf      numbers inside tf.train.Example
    parse         many records → arrays
    mersenne      Python's random stream
    characters    what each Unicode character becomes in the tokenizer
    trie          the vocabulary: one word → pieces
    wordpiece     text bytes → token ids
    plan          sentence offsets → instances: what is paired and cut
    masks         what is masked in them
    materialise   instances → arrays
    serialise     instances → record bytes
    known         checksums of what few numbers decide in those bytes
    windows       tokens of documents → windows that slide over them
    packs         plan → several instances per row
    examples      rows of numbers → framed tf.train.Examples of any features

Conventions: offsets into bytes and indices are unsigned (a possibly negative index costs
numba a branch and keeps loops from being vectorised), so sums are spelled with uint64();
arrays that belong together travel as a NamedTuple; nothing is allocated inside.
"""
