"""`bertkit extract`: raw files to documents of one sentence per line.

extract         plans the parts, has them made, and says what was written
part            makes one output file
parallel        makes one with several workers
input_forms     which form each input has
input_groups    which inputs make a part
chain_inputs    what an exact chain can begin with
summary         counts of what is written
language_notes  warnings where the language does not fit the script
"""
