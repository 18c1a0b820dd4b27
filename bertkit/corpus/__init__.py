"""Turns a raw dump into documents of one sentence per line.

download/         the catalogue of corpora, and fetching from it (`download`)
forms/            the forms of raw text: one table, one file per form
inputs            which files a command reads
lines             bytes and lines of files, compressed or remote
document          documents, and the file form they are written in
clean             the text rules between a raw document and its sentences
sentences         a text as sentences
extraction/       raw files → documents (`extract`)
cleaning/         duplicates, repetition, overlap with test sets (`clean`)
splitting/        train, valid and test files (`split`)
chains/           the exact text of others: MLPerf's clean-up, Cerebras' PubMed
journal           what is finished of an output folder
output_folder     output folders, local or in remote storage
config            the settings of the commands
"""
