"""Making instances, as machine code."""
