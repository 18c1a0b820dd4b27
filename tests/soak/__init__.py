"""A long test under fire: `make soak`, or `python -m soak --help` in the folder tests."""
