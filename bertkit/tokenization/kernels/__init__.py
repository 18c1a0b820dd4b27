"""The tokenizer as machine code."""
