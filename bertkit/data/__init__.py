"""From records to batches, in an order that depends on seed and epoch only."""
