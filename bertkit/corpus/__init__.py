"""Turns a raw dump into documents of one sentence per line.

download/         the catalogue of corpora, and fetching from it (`download`)
forms/            the forms of raw text: one table, one file per form
inputs            which files a command reads
lines             bytes and lines of files, compressed or remote
document          documents, and the file form they are written in
clean             the text rules between a raw document and its sentences
sentences         a text as sentences
extract           raw files → documents (`extract`); extract_part makes one output
                  file, extract_parallel makes one with several workers
cleaning/         duplicates, repetition, overlap with test sets (`clean`)
split             train, valid and test files (`split`); split_lists has the splits
                  that others prescribe, journal remembers what is finished
mlperf            MLPerf's clean-up, byte for byte
output_folder     output folders, local or in remote storage
config            the settings of the commands
"""
