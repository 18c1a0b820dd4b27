"""Shows as text what `bertkit inspect` is given: runs, models, vocabularies, tables."""
