"""A folder of small artefacts, made once by the public functions' own examples."""
