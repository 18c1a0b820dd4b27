"""`bertkit split`: documents to train, valid and test.

split    by a hash of each document's text
lists    by MLPerf's rule, and by lists of files
names    by lists of names, on the output of `extract`
tasks    surveys files and writes parts, for the split by hash
notes    writes the parts of the other methods, with notes for the end of the run
result   what a split says of itself
"""
