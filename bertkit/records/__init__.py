"""From sentences to tokens, instances and record files."""
