"""Machine-code kernels that several packages share: one file, one idea, compiled on first use.

Import these modules only inside library code that runs, never for `--help`: numba takes a
good part of a second to load. Other kernels stand beside their users, in folders of this name
(`tokenization/kernels`, `records/instances/kernels`, `records/files/kernels`).

    jit         the decorators `kernel` and `inlined`, and where compiled code is kept
    memory      memory access, bit counting and vector instructions that numba lacks
    utf8        characters out of UTF-8
    crc32c      the checksum of TFRecord files
    bzip2       blocks of bzip2, and bzip2_walk, their bytes
    protobuf    lists of numbers inside tf.train.Example
    mersenne    Python's random stream

Conventions: offsets into bytes and indices are unsigned (a possibly negative index costs
numba a branch and keeps loops from being vectorised), so sums are spelled with uint64();
arrays that belong together travel as a NamedTuple; nothing is allocated inside; indices are
not checked, so callers pass arrays that are large enough, as each docstring says.
"""
