"""`bertkit extract`: raw files to documents of one sentence per line."""
