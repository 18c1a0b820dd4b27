"""Reading and writing record bytes, as machine code."""
