"""Finds, and drops by request, documents that a corpus is better without (`clean`).

    sentence files ──> survey ──> duplicates ──> verdicts ──> write
                         │            │
                       kernels     kernels

config         the settings, and the names of what documents can be dropped for
characters     what each Unicode character is: part of a word, a word of its own, a gap
blocks         a file as blocks of whole documents
survey         one file → a row per document, its signature, its n-grams that are sought
against        evaluation files → the n-grams that no document should share with them
banding        how signatures are cut into bands, for a similarity
duplicates     pairs of equal or similar documents, and repeated lines, by ranges of hashes
scratch        the folder where all of that lies, so that memory need not hold it
verdicts       who is kept: clusters, counts, examples
write          one file → its output part
clean_corpus   all of it in order (`clean`)
kernels/       the inner loops, compiled
"""
